package main

import (
	"context"
	"fmt"
	"path/filepath"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/store"
)

// pairs is the data of the benchmarks: a set of texts, each key and value in one.
type pairs struct{ Pairs hhs.Set[string] }

var kind = hhs.Define[pairs]("hhs.bench/pairs", 1)

// durability is said in the lines: the systems compared do not wait for the disk after each operation either.
const (
	durability     = store.Memory
	durabilityNote = "written: in the write-ahead log of the operating system, no fsync per commit"
)

func (r *run) path(name string) string { return filepath.Join(r.dir, name) }

func openNode(ctx context.Context, dir string, opts ...hhs.Option) (*hhs.Node, error) {
	return hhs.Open(ctx, dir, append([]hhs.Option{hhs.Kinds(kind), hhs.WithDurability(durability), hhs.WithLabel("bench")}, opts...)...)
}

// fill inserts the payload, one commit each.
func fill(ctx context.Context, space *hhs.Space[pairs], data []payload) error {
	for _, p := range data {
		err := space.Update(ctx, func(tx *hhs.Tx, r pairs) error { return r.Pairs.Add(tx, p.key+p.value) })
		if err != nil {
			return err
		}
	}
	return nil
}

// expect checks that the set holds n values.
func expect(space *hhs.Space[pairs], n int) error {
	got, err := space.Root().Pairs.Len()
	if err == nil && got != n {
		err = fmt.Errorf("%d values are there, %d were written", got, n)
	}
	return err
}
