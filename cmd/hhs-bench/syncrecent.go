package main

import (
	"context"
	"fmt"
	"math"

	hhs "github.com/hyperhyperspace/hhs-go"
)

// apart is how many commits each side of sync-recent adds while apart, in turn. The rate is that of the last.
var apart = [...]int{10, 1000}

// Seeds of the payloads of the two sides; 1 is that of what both have.
const seedSource, seedCopy = 2, 3

// syncRecent gives two nodes the same n commits, lets each add some while they are apart, and measures how they become equal
// again: the work and the bytes are to be those of what differs, whatever n is. Each side remembers what the other held when
// they parted, as a node does.
func syncRecent(ctx context.Context, r *run) error {
	pair, err := openPair(ctx, r)
	if err != nil {
		return err
	}
	defer pair.close()
	if err := fill(ctx, pair.source, payloads(r.n, 1)); err != nil {
		return err
	}
	if err := new(wire).sync(ctx, pair.source.AnySpace, pair.copied); err != nil {
		return err
	}
	copied, err := hhs.As(pair.copied, kind)
	if err != nil {
		return err
	}
	added := 0
	for _, k := range apart {
		// The payloads of a seed begin with those added before.
		if err := fill(ctx, pair.source, payloads(added+k, seedSource)[added:]); err != nil {
			return err
		}
		if err := fill(ctx, copied, payloads(added+k, seedCopy)[added:]); err != nil {
			return err
		}
		added += k
		wire := &wire{}
		took, err := r.measure(func() error { return wire.sync(ctx, pair.source.AnySpace, pair.copied) })
		if err != nil {
			return err
		}
		r.set(fmt.Sprint("bytes_k", k), wire.bytes.Load())
		r.set(fmt.Sprint("messages_k", k), wire.messages.Load())
		r.set(fmt.Sprint("cpu_ms_k", k), ms(took.cpu))
		r.set(fmt.Sprint("wall_ms_k", k), ms(took.wall))
		if k == apart[len(apart)-1] {
			r.set("ops_per_cpu_s", math.Round(float64(2*k)/took.cpu.Seconds()))
			r.set("cpu_ms", ms(took.cpu))
			r.set("wall_ms", ms(took.wall))
		}
	}
	for _, space := range []*hhs.Space[pairs]{pair.source, copied} {
		if err := expect(space, r.n+2*added); err != nil {
			return err
		}
	}
	r.set("signed", signedNote)
	r.set("durability", durabilityNote)
	return nil
}
