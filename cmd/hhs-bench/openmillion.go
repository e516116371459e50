package main

import (
	"context"
	"fmt"

	hhs "github.com/hyperhyperspace/hhs-go"
)

// crowdShare is how many times fewer commits than the others the history has in which each is by another device and none has
// seen another one: that many signatures and certificates are checked to build it.
const crowdShare = 20

// openMillion builds a space of n commits and opens it in a process of its own, reads a value and writes one; for a history
// in a line, for one in which two writers merge each other's commit every time, and for one of as many writers as commits,
// all at the same time; there the write merges them all. What is above an idle node is
// measured against one with an empty space.
func openMillion(ctx context.Context, r *run) error {
	none := stage{Dir: r.path("none")}
	if err := r.build(ctx, &none, 0, linear); err != nil {
		return err
	}
	idle, err := r.in(ctx, "open", none)
	if err != nil {
		return err
	}
	r.set("idle_rss_mb", idle["peak_rss_mb"])
	r.set("idle_cpu_ms", idle["cpu_ms"])
	for _, h := range []struct {
		name  string
		shape shape
		n     int
	}{{"linear", linear, r.n}, {"alternating", alternating, r.n}, {"crowd", crowd, max(1, r.n/crowdShare)}} {
		s := stage{Dir: r.path(h.name), N: h.n}
		if err := r.build(ctx, &s, h.n, h.shape); err != nil {
			return fmt.Errorf("build the %s history: %w", h.name, err)
		}
		for _, what := range []string{"first", "write"} {
			s.Profile = r.profile
			got, err := r.in(ctx, what, s)
			if err != nil {
				return err
			}
			r.profile = ""
			name := h.name + "_" + map[string]string{"first": "open", "write": "open_and_write"}[what]
			r.set(name+"_cpu_ms", got["cpu_ms"])
			r.set(name+"_rss_above_idle_mb", round(got["peak_rss_mb"]-idle["peak_rss_mb"]))
		}
	}
	r.set("note", "opening the node and the space and reading one value, then with one write; "+coldNote)
	return nil
}

// build makes a node with a space of n commits of a shape.
func (r *run) build(ctx context.Context, s *stage, n int, of shape) error {
	node, err := openNode(ctx, s.Dir, hhs.Offline())
	if err != nil {
		return err
	}
	defer node.Close()
	space, err := hhs.Create(ctx, node, kind)
	if err != nil {
		return err
	}
	m := mulberry32(1)
	value := func(i int) string {
		v := m.text(keyLength) + m.text(valueLength)
		if i == n/2 {
			s.Value = v
		}
		return v
	}
	next, err := of(ctx, space.ID(), value)
	if err == nil {
		err = write(ctx, space.AnySpace, n, next)
	}
	s.Space = space.ID().String()
	if err != nil {
		return err
	}
	return settled(ctx, node, s.Dir)
}
