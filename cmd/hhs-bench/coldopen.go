package main

import (
	"context"
	"fmt"
	"iter"

	hhs "github.com/hyperhyperspace/hhs-go"
)

// page is how many values a first screen shows.
const page = 50

const coldNote = "each figure from a process of its own, opening included; the files are in the operating system's cache, the store had time to settle"

// coldOpen opens what was written before and reads the first value, a page, and everything, each in a process of its own.
func coldOpen(ctx context.Context, r *run) error {
	s := stage{Dir: r.path("node"), N: r.n}
	node, err := openNode(ctx, s.Dir, hhs.Offline())
	if err != nil {
		return err
	}
	space, err := hhs.Create(ctx, node, kind)
	if err != nil {
		return err
	}
	s.Space = space.ID().String()
	data := payloads(r.n, 1)
	s.Value = data[r.n/2].key + data[r.n/2].value
	if err := fill(ctx, space, data); err != nil {
		return err
	}
	if err := settled(ctx, node, s.Dir); err != nil {
		return err
	}
	first, err := r.in(ctx, "first", s)
	if err != nil {
		return err
	}
	some, err := r.in(ctx, "page", s)
	if err != nil {
		return err
	}
	s.Profile = r.profile
	all, err := r.in(ctx, "all", s)
	if err != nil {
		return err
	}
	r.set("cpu_ms", all["cpu_ms"])
	r.set("wall_ms", all["wall_ms"])
	r.set("ops_per_cpu_s", perSecond(r.n, all["cpu_ms"]))
	r.set("first_key_cpu_ms", first["cpu_ms"])
	r.set("first_key_wall_ms", first["wall_ms"])
	r.set(fmt.Sprintf("list%d_cpu_ms", page), some["cpu_ms"])
	r.set("process_cpu_ms", all["process_cpu_ms"])
	r.set("peak_rss_mb", all["peak_rss_mb"])
	r.set("cache", coldNote)
	return nil
}

func has(space *hhs.Space[pairs], value string) error {
	ok, err := space.Root().Pairs.Has(value)
	if err == nil && !ok {
		err = fmt.Errorf("the value %q is not there", value)
	}
	return err
}

// read goes through the first n values.
func read(space *hhs.Space[pairs], n int) error { return first(space.Root().Pairs.All(), n) }

func first(values iter.Seq2[hhs.Entry[string], error], n int) error {
	seen := 0
	for _, err := range values {
		if err != nil {
			return err
		}
		if seen++; seen == n {
			return nil
		}
	}
	return fmt.Errorf("%d values are there, not %d", seen, n)
}
