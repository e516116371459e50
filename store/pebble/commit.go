//go:build !js

package pebble

import (
	"context"
	"errors"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/hyperhyperspace/hhs-go/store"
)

// Apply implements store.Store.
func (d *DB) Apply(ctx context.Context, b *store.Batch, dur store.Durability) error {
	return d.queue.Apply(ctx, b, dur)
}

// commit is what the queue calls with one group at a time. A group begins with its number, also one that only syncs.
func (d *DB) commit(batches []*store.Batch, size int, sync bool) error {
	if err := d.guard.failure(); err != nil {
		return err
	}
	if size == 0 && d.synced == d.group {
		return nil
	}
	if size > 0 {
		if err := d.space.check(uint64(size)); err != nil {
			return err
		}
		if err := d.waitForRoom(size); err != nil {
			return err
		}
	}
	b := d.db.NewBatchWithSize(size + groupRoom)
	defer b.Close()
	if err := b.Set(groupKey, groupValue(d.group+1, d.synced), nil); err != nil {
		return translate(err)
	}
	for _, from := range batches {
		if err := fill(b, from); err != nil {
			return translate(err)
		}
	}
	mode := pebble.NoSync
	if sync {
		mode = pebble.Sync
	}
	if err := d.db.Apply(b, mode); err != nil {
		return translate(err)
	}
	if err := d.guard.failure(); err != nil {
		return err // invariant 3: it failed while this group was on its way
	}
	if d.group++; sync {
		d.synced = d.group
	}
	return d.advance()
}

// fill copies the operations of from into b.
func fill(b *pebble.Batch, from *store.Batch) (err error) {
	from.Each(func(op store.Op, k, v []byte) {
		var e error
		switch op {
		case store.OpPut:
			e = b.Set(k, v, nil)
		case store.OpDelete:
			e = b.Delete(k, nil)
		case store.OpDeleteRange:
			if v == nil {
				v = beyond
			}
			e = b.DeleteRange(k, v, nil)
		}
		err = errors.Join(err, e)
	})
	return err
}

// beyond is above every key: Pebble's range deletions need an end.
var beyond = slices.Repeat([]byte{0xff}, store.MaxKey+1)
