package main

import (
	"context"
	"fmt"
	"os"
	"sync"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/store"
)

// storeReserve is the file a store keeps to have room left on a full disk; it holds no data.
const storeReserve = "BALLAST"

// opsPerTx is how many ops a transaction of set-write-tx has.
const opsPerTx = 64

func setWrite(ctx context.Context, r *run) error {
	return r.setWrite(ctx, 1, store.Memory, "one Ed25519 signature for each stretch of up to 256 commits, which vouches for all of them; the door does not verify again what this process just signed", memoryNote)
}

func setWriteSigned(ctx context.Context, r *run) error {
	return r.setWrite(ctx, 1, store.Written, "one Ed25519 signature per commit; the door does not verify again what this process just signed", durabilityNote)
}

func setWriteTx(ctx context.Context, r *run) error {
	r.set("ops_per_tx", opsPerTx)
	return r.setWrite(ctx, opsPerTx, store.Memory, "one Ed25519 signature for each stretch of up to 512 KiB, which vouches for all of it", memoryNote)
}

func (r *run) setWrite(ctx context.Context, each int, level store.Durability, signed, durability string) error {
	dir := r.path("node")
	node, err := openNode(ctx, dir, hhs.Offline())
	if err != nil {
		return err
	}
	defer node.Close()
	space, err := hhs.Create(ctx, node, kind)
	if err != nil {
		return err
	}
	data := payloads(r.n, 1)
	took, err := r.measure(func() error { return fillAt(ctx, space, data, each, level) })
	if err != nil {
		return err
	}
	if err := expect(space, r.n); err != nil {
		return err
	}
	if err := node.Close(); err != nil {
		return err
	}
	bytes, err := diskBytes(dir, storeReserve)
	if err != nil {
		return err
	}
	r.rate(took)
	r.set("disk_bytes_per_op", round(float64(bytes)/float64(r.n)))
	r.set("signed", signed)
	r.set("durability", durability)
	return os.RemoveAll(dir)
}

// groupWriters is how many write at once in group-commit.
const groupWriters = 64

// groupCommit compares one writer who waits for the disk after each commit with many who do: those share the waits. Its
// rates are by wall time, of which nearly all is waiting.
func groupCommit(ctx context.Context, r *run) error {
	node, err := openNode(ctx, r.path("node"), hhs.Offline())
	if err != nil {
		return err
	}
	defer node.Close()
	space, err := hhs.Create(ctx, node, kind)
	if err != nil {
		return err
	}
	one, many := payloads(max(1, r.n/groupWriters), 1), payloads(r.n, 2)
	alone, err := r.measure(func() error { return fillAt(ctx, space, one, 1, store.Synced) })
	if err != nil {
		return err
	}
	together, err := r.measure(func() error {
		var wait sync.WaitGroup
		errs := make([]error, groupWriters)
		for i := range groupWriters {
			mine := many[i*len(many)/groupWriters : (i+1)*len(many)/groupWriters]
			wait.Go(func() { errs[i] = fillAt(ctx, space, mine, 1, store.Synced) })
		}
		wait.Wait()
		for _, err := range errs {
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = expect(space, len(one)+len(many))
	}
	if err != nil {
		return fmt.Errorf("%d writers: %w", groupWriters, err)
	}
	r.rate(together)
	single, shared := float64(len(one))/alone.wall.Seconds(), float64(len(many))/together.wall.Seconds()
	r.set("writers", groupWriters)
	r.set("synced_per_s_alone", round(single))
	r.set("synced_per_s", round(shared))
	r.set("times", round(shared/single))
	r.set("durability", "synced: fsync before each acknowledgement")
	return nil
}
