package main

import (
	"context"
	"crypto/rand"
	"slices"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
)

// writer is a device elsewhere: its commits come in batches through the door.
type writer struct {
	device identity.Device
	seq    uint64
	tip    object.ID
}

func newWriter(ctx context.Context) (*writer, error) {
	_, device, err := identity.NewDevice(ctx, rand.Reader, "bench", 1)
	return &writer{device: device}, err
}

// commit makes the writer's next commit: one value for the set.
func (w *writer) commit(value string, parents ...object.ID) (*history.Commit, error) {
	var ops []history.Op
	if w.seq == 0 {
		op, err := authority.DeviceOp(w.device.Certificate)
		if err != nil {
			return nil, err
		}
		ops = append(ops, op)
	}
	payload, err := object.Encode(value)
	if err != nil {
		return nil, err
	}
	part := &history.Part{Payloads: [][]byte{payload}}
	copy(part.Salt[:], value)
	raw, err := part.Encode()
	if err != nil {
		return nil, err
	}
	slices.SortFunc(parents, object.ID.Compare)
	w.seq++
	c, err := history.NewCommit(&history.Envelope{Version: history.Version, Author: w.device.Signer.Public(), Seq: w.seq, Prev: w.tip,
		Parents: slices.DeleteFunc(parents, func(p object.ID) bool { return p == w.tip }), Time: int64(w.seq), Parts: [][32]byte{history.PartDigest(raw)},
		Ops: append(ops, history.Op{Field: "pairs", Action: "add", Size: len(payload)})}, [][]byte{raw})
	if err == nil {
		w.tip = c.ID
	}
	return c, err
}

// attest vouches for all of the writer's commits so far.
func (w *writer) attest(ctx context.Context, space object.ID) (history.Attestation, error) {
	sig, err := w.device.Signer.Sign(ctx, history.AttestationStatement(space, w.seq, w.tip))
	return history.Attestation{Commit: w.tip, Sig: sig}, err
}

// batchOf is how many commits enter at once.
const batchOf = 2048

// write lets n commits enter a space, in batches; next makes the one with a number.
func write(ctx context.Context, space *hhs.AnySpace, n int, next func(i int) (*history.Commit, *writer, error)) error {
	for from := 0; from < n; from += batchOf {
		b := &history.Batch{}
		wrote := map[*writer]bool{}
		for i := from; i < min(n, from+batchOf); i++ {
			c, w, err := next(i)
			if err != nil {
				return err
			}
			b.Commits = append(b.Commits, c)
			wrote[w] = true
		}
		for w := range wrote {
			a, err := w.attest(ctx, space.ID())
			if err != nil {
				return err
			}
			b.Attestations = append(b.Attestations, a)
		}
		if _, err := space.Replica().Ingest(ctx, b, replica.Source{}); err != nil {
			return err
		}
	}
	return nil
}

// shape makes the commits of a history.
type shape func(ctx context.Context, first object.ID, values func(i int) string) (func(i int) (*history.Commit, *writer, error), error)

// linear is one writer's history: a single run of the graph.
func linear(ctx context.Context, first object.ID, values func(i int) string) (func(i int) (*history.Commit, *writer, error), error) {
	w, err := newWriter(ctx)
	return func(i int) (*history.Commit, *writer, error) {
		parents := []object.ID{first}
		if i > 0 {
			parents = nil
		}
		c, err := w.commit(values(i), parents...)
		return c, w, err
	}, err
}

// alternating is the history of two who write at the same time for ever, each always having seen the other's last but one:
// every commit is a run of the graph.
func alternating(ctx context.Context, first object.ID, values func(i int) string) (func(i int) (*history.Commit, *writer, error), error) {
	var both [2]*writer
	var seen [2]object.ID // of each, what the other one has
	for i := range both {
		w, err := newWriter(ctx)
		if err != nil {
			return nil, err
		}
		both[i], seen[i] = w, first
	}
	return func(i int) (*history.Commit, *writer, error) {
		w := both[i%2]
		if i%2 == 0 && i > 0 {
			seen = [2]object.ID{both[0].tip, both[1].tip}
		}
		c, err := w.commit(values(i), seen[1-i%2])
		return c, w, err
	}, nil
}

// crowd is the history of as many writers as commits, all at the same time: every commit is a head and an author.
func crowd(ctx context.Context, first object.ID, values func(i int) string) (func(i int) (*history.Commit, *writer, error), error) {
	person, _, err := identity.NewDevice(ctx, rand.Reader, "bench", 1)
	return func(i int) (*history.Commit, *writer, error) {
		key, err := identity.NewKey(rand.Reader)
		if err != nil {
			return nil, nil, err
		}
		cert, err := identity.Certify(ctx, person, key.Public(), "bench", 1)
		if err != nil {
			return nil, nil, err
		}
		w := &writer{device: identity.Device{Signer: key, Certificate: cert}}
		c, err := w.commit(values(i), first)
		return c, w, err
	}, err
}
