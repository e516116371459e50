package main

import (
	"bufio"
	"context"
	"iter"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/internal/control"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/object/car"
)

// exportChunk is how much of an export one frame carries, in bytes.
const exportChunk = 256 << 10

// chunk is a piece of an exported file.
type chunk struct {
	Data []byte `json:"data"`
}

// chunkWriter sends what is written to it.
type chunkWriter struct{ send func(any) error }

func (w chunkWriter) Write(p []byte) (int, error) {
	if err := w.send(chunk{p}); err != nil {
		return 0, err
	}
	return len(p), nil
}

// exportSpace sends a space as a CAR file: every envelope, part and attached
// object as a block. The roots are the space's id and its heads.
//
// Signatures stand beside commits, not in them, so they travel in blocks of
// their own: {"$type": "hhs/attestations", "list": [[commit, signature], ...]}.
func exportSpace(ctx context.Context, s *service, c *control.Call) error {
	a, err := arguments[spaceArgs](c)
	if err != nil {
		return err
	}
	space, err := s.find(a.Space)
	if err != nil {
		return err
	}
	if !space.Ready() {
		return hhs.ErrPending
	}
	roots := []object.ID{space.ID()}
	for _, h := range space.Replica().Heads() {
		if h != space.ID() {
			roots = append(roots, h)
		}
	}
	w := bufio.NewWriterSize(chunkWriter{c.Send}, exportChunk)
	if err := car.Write(ctx, w, roots, blocks(space)); err != nil {
		return err
	}
	return w.Flush()
}

// blocks yields everything of a space, what is linked before what links it
// where the order of commits says so.
func blocks(space *hhs.AnySpace) iter.Seq2[car.Block, error] {
	return func(yield func(car.Block, error) bool) {
		for batch, err := range space.Replica().Batches(nil, object.MaxBlock/2) {
			if err != nil {
				yield(car.Block{}, err)
				return
			}
			list, err := batchBlocks(batch)
			if err != nil {
				yield(car.Block{}, err)
				return
			}
			for _, b := range list {
				if !yield(b, nil) {
					return
				}
			}
		}
	}
}

func batchBlocks(batch *history.Batch) ([]car.Block, error) {
	var list []car.Block
	for _, c := range batch.Commits {
		list = append(list, car.Block{ID: c.ID, Data: c.Raw})
		for _, part := range c.Parts {
			if part != nil { // not loaded here: an export is of what is here
				list = append(list, car.Block{ID: object.Sum(object.DagCBOR, part), Data: part})
			}
		}
	}
	for _, o := range batch.Attached() {
		list = append(list, car.Block{ID: o.ID, Data: o.Block})
	}
	if len(batch.Attestations) == 0 {
		return list, nil
	}
	var proofs []any
	for _, a := range batch.Attestations {
		proofs = append(proofs, []any{a.Commit, a.Sig})
	}
	block, err := object.Encode(map[string]any{"$type": "hhs/attestations", "list": proofs})
	if err != nil {
		return nil, err
	}
	return append(list, car.Block{ID: object.Sum(object.DagCBOR, block), Data: block}), nil
}
