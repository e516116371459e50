package main

import (
	"context"
	"fmt"

	hhs "github.com/hyperhyperspace/hhs-go"
)

// page is how many values a first screen shows.
const page = 50

// coldOpen reopens what was written before, in this process: the files are in the operating system's cache, the node's own
// caches are empty. n counts the values read for the rate.
func coldOpen(ctx context.Context, r *run) error {
	dir := r.path("node")
	node, err := openNode(ctx, dir, hhs.Offline())
	if err != nil {
		return err
	}
	space, err := hhs.Create(ctx, node, kind)
	if err != nil {
		return err
	}
	id := space.ID()
	data := payloads(r.n, 1)
	if err := fill(ctx, space, data); err != nil {
		return err
	}
	if err := node.Close(); err != nil {
		return err
	}

	var first, some, all span
	all, err = r.measure(func() error {
		first, err = r.measure(func() error {
			if node, err = openNode(ctx, dir, hhs.Offline()); err != nil {
				return err
			}
			s, err := node.Space(id)
			if err != nil {
				return err
			}
			if space, err = hhs.As(s, kind); err != nil {
				return err
			}
			return has(space, data[r.n/2])
		})
		if err == nil {
			some, err = r.measure(func() error { return read(space, min(page, r.n)) })
		}
		if err == nil {
			err = read(space, r.n)
		}
		return err
	})
	if err != nil {
		return err
	}
	defer node.Close()
	r.rate(all)
	r.set("first_cpu_ms", ms(first.cpu))
	r.set("first_wall_ms", ms(first.wall))
	r.set(fmt.Sprintf("list_%d_cpu_ms", page), ms(some.cpu))
	r.set("cache", "files in the operating system's cache, the node's own caches empty")
	return nil
}

func has(space *hhs.Space[pairs], p payload) error {
	ok, err := space.Root().Pairs.Has(p.key + p.value)
	if err == nil && !ok {
		err = fmt.Errorf("the value of key %s is not there", p.key)
	}
	return err
}

// read goes through the first n values.
func read(space *hhs.Space[pairs], n int) error {
	seen := 0
	for _, err := range space.Root().Pairs.All() {
		if err != nil {
			return err
		}
		if seen++; seen == n {
			return nil
		}
	}
	return fmt.Errorf("%d values are there, not %d", seen, n)
}
