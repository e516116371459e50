package idb

import (
	"context"
	"errors"
	"fmt"
	"syscall/js"

	"github.com/hyperhyperspace/hhs-go/store"
)

// errFenced ends every transaction of a writer whose time is over.
var errFenced = fmt.Errorf("%w: another tab writes now", store.ErrReadOnly)

// fence is the first request of every writing transaction (invariant 2).
func (d *DB) fence(t *transaction) {
	t.then(t.store("meta").Call("get", "epoch"), func(v js.Value) {
		if !d.isOurs(v) {
			t.abort(errFenced)
		}
	})
}

// claim is the fence of a store that was opened full: with its first write it takes over, if nobody has written since
// it was read.
func (d *DB) claim(t *transaction) {
	meta := t.store("meta")
	t.then(meta.Call("get", "epoch"), func(v js.Value) {
		if !d.isOurs(v) {
			t.abort(errFenced)
			return
		}
		meta.Call("put", float64(d.epoch+1), "epoch")
	})
	t.then(meta.Call("get", "snapshot"), func(v js.Value) {
		if info, err := readSnapshotInfo(v); err != nil || info.generation != d.snap.generation {
			t.abort(errFenced)
		}
	})
	t.then(t.store("journal").Call("count", keyRange(d.next, 0)), func(v js.Value) {
		if v.Int() > 0 {
			t.abort(errFenced)
		}
	})
}

// commit is what the queue calls with one group at a time.
func (d *DB) commit(batches []*store.Batch, size int, sync bool) error {
	d.mu.Lock()
	lost, number := d.lost, d.next
	d.mu.Unlock()
	if lost != nil {
		return lost
	}
	if size == 0 && !sync {
		return nil
	}
	durability := "relaxed"
	if sync {
		durability = "strict"
	}
	rec := journalRecord(number, batches, size)
	err := transact(d.conn, "readwrite", durability, []any{"meta", "journal"}, func(t *transaction) {
		if d.waiting {
			d.claim(t)
		} else {
			d.fence(t)
		}
		if size == 0 { // a barrier has to write something to make the browser sync
			t.store("meta").Call("put", float64(d.epoch), "epoch")
			return
		}
		t.store("journal").Call("add", rec, float64(number)) // add: an entry is never replaced
	})
	d.report(&d.failed, err)
	if err != nil {
		return d.explain(err)
	}
	if d.waiting {
		d.waiting = false
		d.epoch++
	}
	if size == 0 {
		return nil
	}
	for _, b := range batches {
		if err := d.mem.Apply(context.Background(), b, store.Memory); err != nil {
			return err // unreachable: the queue has checked the batch, and Close waits for us
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.next++
	d.journal += rec.Length()
	d.snapshotIfDue()
	return nil
}

// journalRecord packs a group, before its transaction begins.
func journalRecord(number uint64, batches []*store.Batch, size int) js.Value {
	rec := beginRecord(kindJournal, number, 0, size)
	for _, b := range batches {
		rec = append(rec, b.Bytes()...)
	}
	return toJS(endRecord(rec))
}

// report keeps the outcome of a write or a snapshot for Health, and gives up writing once another has taken over.
func (d *DB) report(outcome *error, err error) {
	d.mu.Lock()
	*outcome = err
	d.mu.Unlock()
	if errors.Is(err, errFenced) {
		d.lose(errFenced)
	}
}

// explain returns why the store was lost, if it was: the browser says only that the connection is closed.
func (d *DB) explain(err error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.lost != nil {
		return d.lost
	}
	return err
}

// snapshotIfDue starts taking a snapshot if the journal has grown enough. The caller holds d.mu.
func (d *DB) snapshotIfDue() {
	if d.busy || d.journal < d.compact {
		return
	}
	snap, err := d.mem.Snapshot()
	if err != nil {
		return // closing
	}
	d.busy = true
	info := snapshotInfo{generation: d.snap.generation + 1, covered: d.next - 1}
	covered := d.journal
	d.work.Go(func() {
		size, err := d.takeSnapshot(&info, snap)
		d.report(&d.failedSnap, err)
		d.mu.Lock()
		defer d.mu.Unlock()
		d.busy = false
		if err != nil { // what there is stays good; the next try comes when as much again is written
			d.compact = 2 * d.journal
			return
		}
		d.snap = info
		d.journal -= covered
		d.compact = max(minJournal, size)
	})
}

// takeSnapshot replaces snapshot and journal by the state in snap (invariant 4). Encoding gives way and happens while
// writes go on; the transaction puts one chunk after the other.
func (d *DB) takeSnapshot(info *snapshotInfo, snap store.Snapshot) (size int, err error) {
	chunks, size, err := encodeChunks(info.generation, snap)
	if err := errors.Join(err, snap.Close()); err != nil {
		return 0, err
	}
	info.chunks = uint64(len(chunks))
	rec := toJS(info.record())
	return size, transact(d.conn, "readwrite", "strict", []any{"meta", "journal", "chunks"}, func(t *transaction) {
		d.fence(t)
		target := t.store("chunks")
		target.Call("clear")
		t.store("journal").Call("delete", js.Global().Get("IDBKeyRange").Call("upperBound", float64(info.covered)))
		var put func(i int)
		put = func(i int) {
			if i == len(chunks) {
				t.store("meta").Call("put", rec, "snapshot")
				return
			}
			t.then(target.Call("put", chunks[i], i), func(js.Value) { put(i + 1) })
		}
		put(0)
	})
}

// encodeChunks packs everything that a snapshot holds.
func encodeChunks(generation uint64, snap store.Snapshot) (chunks []js.Value, size int, err error) {
	var b store.Batch
	p := newPace()
	flush := func() {
		rec := beginRecord(kindChunk, generation, uint64(len(chunks)), b.Size())
		chunks = append(chunks, toJS(endRecord(append(rec, b.Bytes()...))))
		size += b.Size()
		b.Reset()
	}
	for kv, err := range snap.Scan(nil, nil, false) {
		if err != nil {
			return nil, 0, err
		}
		steps := b.Size() / stepSize
		b.Put(kv.Key, kv.Value)
		if b.Size()/stepSize != steps {
			p.step()
		}
		if b.Size() >= chunkSize {
			flush()
		}
	}
	if b.Len() > 0 {
		flush()
	}
	return chunks, size, nil
}
