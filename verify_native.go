//go:build !js

package hhs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/store"
	"github.com/hyperhyperspace/hhs-go/store/pebble"
)

// VerifyExport reads what AnySpace.Export wrote and checks all of it as a node would that gets it from a stranger, with
// every hash, signature and rule, and that it is whole. It needs no node and no network, and the room of the space in the
// directory for temporary files while it works. A *FileError says what is wrong, and where.
func VerifyExport(ctx context.Context, r io.Reader, tell ...func(Step)) (x Imported, err error) {
	dir, err := os.MkdirTemp("", "hhs-verify-")
	if err != nil {
		return x, fmt.Errorf("verify: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	db, err := pebble.Open(dir, pebble.Options{Ballast: -1})
	if err != nil {
		return x, fmt.Errorf("verify: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	n, err := Open(ctx, "", WithStore(db), WithDurability(store.Written), Offline())
	if err != nil {
		return x, fmt.Errorf("verify: %w", err)
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	x, head, err := n.importFile(ctx, r, "verify", tell)
	if err == nil {
		err = n.wholeFile(x, head.Heads)
	}
	if err != nil {
		return x, fmt.Errorf("verify: %w", err)
	}
	return x, nil
}

// ofFile tells whether an error is about a file.
func ofFile(err error) bool { return as[*FileError](err) }

// wholeFile compares what a file said of itself with what it held; this node has nothing else of the space.
func (n *Node) wholeFile(x Imported, heads []object.ID) error {
	s, err := n.rep.Space(x.Space)
	if err != nil {
		return err
	}
	if x.New != x.Commits {
		return &FileError{Block: x.Space, Rule: ruleTwice, Detail: fmt.Sprintf("%d commits, of which %d were there before", x.Commits, x.Commits-x.New)}
	}
	have := s.Heads()
	if len(heads) > 0 && !slices.Equal(have, heads) {
		return &FileError{Block: x.Space, Rule: ruleRoots, Detail: fmt.Sprintf("its roots name %d heads, what it holds has %d, or others", len(heads), len(have))}
	}
	return nil
}
