//go:build !js

package hhs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

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
	return verify(ctx, db, r, tell)
}
