package main

import (
	"context"
	"fmt"

	hhs "github.com/hyperhyperspace/hhs-go"
)

// shelf has the same payload as a map and as a set.
type shelf struct {
	Map hhs.Map[hhs.Register[string]]
	Set hhs.Set[string]
}

var shelfKind = hhs.Define[shelf]("hhs.bench/shelf", 1)

// mapOpen opens a large map and set and reads the first key and a page of each, every one in a process of its own, and
// tells how much more memory that takes than a node that has opened nothing.
func mapOpen(ctx context.Context, r *run) error {
	s, err := filled(ctx, r, shelfKind, func(tx *hhs.Tx, r shelf, p payload) error {
		if err := r.Map.At(p.key).Set(tx, p.value); err != nil {
			return err
		}
		return r.Set.Add(tx, p.key+p.value)
	})
	if err != nil {
		return err
	}
	idle, err := r.in(ctx, "idle", s)
	if err != nil {
		return err
	}
	most := 0.0
	for _, part := range []string{"map-first", "map-page", "set-first", "set-page"} {
		out, err := r.in(ctx, part, s)
		if err != nil {
			return err
		}
		r.set(fmt.Sprintf("%s_cpu_ms", part), out["cpu_ms"])
		most = max(most, out["peak_rss_mb"]-idle["peak_rss_mb"])
	}
	r.set("idle_rss_mb", idle["peak_rss_mb"])
	r.set("above_idle_mb", round(most))
	r.set("page", page)
	r.set("cache", coldNote)
	return nil
}

// openNothing opens the node alone.
func openNothing(ctx context.Context, s *stage) error {
	node, err := s.node(ctx)
	if err != nil {
		return err
	}
	s.done()
	return node.Close()
}

// shelfStage reads the first n of the map or the set.
func shelfStage(n int, set bool) func(ctx context.Context, s *stage) error {
	return func(ctx context.Context, s *stage) error {
		return with(ctx, s, shelfKind, func(space *hhs.Space[shelf]) error {
			n := min(n, s.N)
			if set {
				return first(space.Root().Set.All(), n)
			}
			size, err := space.Root().Map.Len()
			if err == nil && size != s.N {
				err = fmt.Errorf("%d keys are there, not %d", size, s.N)
			}
			if err != nil {
				return err
			}
			seen := 0
			for e, err := range space.Root().Map.All() {
				if err != nil {
					return err
				}
				if _, ok, err := e.Value.Get(); err != nil || !ok {
					return fmt.Errorf("the value of %q: there %v, %w", e.Key, ok, err)
				}
				if seen++; seen == n {
					return nil
				}
			}
			return fmt.Errorf("%d keys are there, not %d", seen, n)
		})
	}
}
