package main

import (
	"context"
	"os"

	hhs "github.com/hyperhyperspace/hhs-go"
)

// storeReserve is the file a store keeps to have room left on a full disk; it holds no data.
const storeReserve = "BALLAST"

func setWrite(ctx context.Context, r *run) error {
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
	took, err := r.measure(func() error { return fill(ctx, space, data) })
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
	r.set("signed", "one Ed25519 signature per commit; the door does not verify again what this process just signed")
	r.set("durability", durabilityNote)
	return os.RemoveAll(dir)
}
