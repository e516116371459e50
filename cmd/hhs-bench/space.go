package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/store"
)

// pairs is the data of the benchmarks: a set of texts, each key and value in one.
type pairs struct{ Pairs hhs.Set[string] }

var kind = hhs.Define[pairs]("hhs.bench/pairs", 1)

// durability is said in the lines: the systems compared do not wait for the disk after each operation either.
const (
	durability     = store.Written
	durabilityNote = "written: in the write-ahead log of the operating system, no fsync per commit"
	memoryNote     = "memory, as the other systems acknowledge: checked and made, then signed and written to the write-ahead log together with others, at the latest after 20 ms or when anything reads; all of it is before the clock stops; no fsync"
)

func (r *run) path(name string) string { return filepath.Join(r.dir, name) }

func openNode(ctx context.Context, dir string, opts ...hhs.Option) (*hhs.Node, error) {
	return hhs.Open(ctx, dir, append([]hhs.Option{hhs.Kinds(kind, shelfKind), hhs.WithDurability(durability), hhs.WithLabel("bench")}, opts...)...)
}

// fill inserts the payload, one commit each, and waits until all is in the store.
func fill(ctx context.Context, space *hhs.Space[pairs], data []payload) error {
	return fillAt(ctx, space, data, 1, store.Memory)
}

// fillAt inserts the payload, so many in each transaction, at a level of durability.
func fillAt(ctx context.Context, space *hhs.Space[pairs], data []payload, each int, level store.Durability) error {
	err := putAll(ctx, space, data, each, level, func(tx *hhs.Tx, r pairs, p payload) error { return r.Pairs.Add(tx, p.key+p.value) })
	if err != nil {
		return err
	}
	return expect(space, -1) // whoever reads waits for what is on its way
}

// putAll puts the payload into a space, so many in each transaction, at a level of durability.
func putAll[R any](ctx context.Context, space *hhs.Space[R], data []payload, each int, level store.Durability, put func(*hhs.Tx, R, payload) error) error {
	for some := range slices.Chunk(data, each) {
		err := space.Update(ctx, func(tx *hhs.Tx, root R) error {
			for _, p := range some {
				if err := put(tx, root, p); err != nil {
					return err
				}
			}
			return nil
		}, level)
		if err != nil {
			return err
		}
	}
	return nil
}

// filled is a stage at a space with the payload in it, of a node that is closed.
func filled[R any](ctx context.Context, r *run, kind hhs.Kind[R], put func(*hhs.Tx, R, payload) error) (s stage, err error) {
	s = stage{Dir: r.path("node"), N: r.n}
	node, err := openNode(ctx, s.Dir, hhs.Offline())
	if err != nil {
		return s, err
	}
	space, err := hhs.Create(ctx, node, kind)
	if err != nil {
		return s, err
	}
	s.Space = space.ID().String()
	if err := putAll(ctx, space, payloads(r.n, 1), opsPerTx, store.Memory, put); err != nil {
		return s, err
	}
	return s, settled(ctx, node, s.Dir)
}

// expect checks that the set holds n values, if n is one's to tell.
func expect(space *hhs.Space[pairs], n int) error {
	got, err := space.Root().Pairs.Len()
	if err == nil && n >= 0 && got != n {
		err = fmt.Errorf("%d values are there, %d were written", got, n)
	}
	return err
}
