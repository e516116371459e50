package main

import (
	"context"

	hhs "github.com/hyperhyperspace/hhs-go"
)

// inEach is how many values each of many spaces holds.
const inEach = 20

// thousandSpaces opens n spaces in one node and reads a value of each, without a network and with one.
func thousandSpaces(ctx context.Context, r *run) error {
	s := stage{Dir: r.path("node"), N: r.n}
	node, err := openNode(ctx, s.Dir, hhs.Offline())
	if err != nil {
		return err
	}
	defer node.Close()
	data := payloads(inEach, 1)
	s.Value = data[0].key + data[0].value
	for range r.n {
		space, err := hhs.Create(ctx, node, kind, hhs.WithPeers(hhs.Peers{}))
		if err != nil {
			return err
		}
		err = space.Update(ctx, func(tx *hhs.Tx, p pairs) error {
			for _, d := range data {
				if err := p.Pairs.Add(tx, d.key+d.value); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if err := settled(ctx, node, s.Dir); err != nil {
		return err
	}
	for _, s.Online = range []bool{false, true} {
		s.Profile = r.profile
		got, err := r.in(ctx, "spaces", s)
		if err != nil {
			return err
		}
		r.profile = ""
		prefix := ""
		if s.Online {
			prefix = "online_"
		}
		for _, name := range []string{"cpu_ms", "wall_ms", "peak_rss_mb", "goroutines", "idle_cpu_ms_per_s"} {
			r.set(prefix+name, got[name])
		}
	}
	r.set("note", "online: with the mesh running, given no servers and no peers")
	return nil
}
