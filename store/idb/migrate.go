package idb

import (
	"bytes"
	"context"

	"github.com/hyperhyperspace/hhs-go/store"
)

// migrate makes a run of a snapshot of format 1: its chunks are puts in order of their keys. Until the manifest names
// the run nothing has changed, and a start that was interrupted leaves blocks that the next one drops.
func (e *engine) migrate(ctx context.Context, m *manifest) error {
	b := &builder{engine: e, alive: ctx.Err}
	for i := range m.chunks {
		recs, err := e.vals.read(chunksPlace, i, 1)
		if err != nil {
			return err
		}
		if len(recs) == 0 {
			return damaged(kindChunk, m.generation, i, "missing")
		}
		chunk, err := openBatch(kindChunk, m.generation, i, recs[0])
		if err != nil {
			return err
		}
		chunk.Each(func(op store.Op, k, v []byte) {
			if op != store.OpPut || bytes.Compare(b.last, k) >= 0 {
				err = damaged(kindChunk, m.generation, i, "order")
			}
			if err == nil {
				err = b.add(k, v)
			}
		})
		if err != nil {
			return err
		}
	}
	if err := b.end(); err != nil {
		return err
	}
	now := &manifest{covered: m.covered, runs: b.run(newTree())}
	err := e.vals.apply(&change{manifest: now.record(), covered: m.covered, chunks: true, strict: true})
	if err == nil {
		e.use(now.runs)
	}
	return err
}
