package idb

import (
	"context"
	"errors"
	"fmt"
	"syscall/js"
	"time"

	"github.com/hyperhyperspace/hhs-go/store"
)

// pace gives other tasks of the thread their turn.
type pace struct{ since time.Time }

func newPace() *pace { return &pace{time.Now()} }

// step returns at once unless the slice is used up. Then it sleeps: in WASM that is what returns to the event loop.
func (p *pace) step() {
	if time.Since(p.since) > slice {
		time.Sleep(time.Millisecond)
		p.since = time.Now()
	}
}

// load takes over the database and reads it into memory.
func (d *DB) load(ctx context.Context) error {
	err := d.takeOver("readwrite")
	if errors.Is(err, store.ErrFull) {
		// What is there must be readable also when not even a number can be written: the first write takes over.
		d.waiting, d.failed = true, err
		err = d.takeOver("readonly")
	}
	if err != nil {
		return err
	}
	err = d.loadChunks(ctx)
	if err == nil {
		err = d.loadJournal(ctx)
	}
	if errors.Is(err, store.ErrCorrupt) && d.overtaken() {
		return fmt.Errorf("%w: another tab took over while it was read", store.ErrLocked)
	}
	d.compact = max(minJournal, d.journal)
	return err
}

// takeOver raises the epoch (invariant 2), unless it may only read, and reads which snapshot there is.
func (d *DB) takeOver(mode string) error {
	var bad error
	err := transact(d.conn, mode, "strict", []any{"meta"}, func(t *transaction) {
		meta := t.store("meta")
		t.then(meta.Call("get", "epoch"), func(v js.Value) {
			d.epoch = 0
			if v.Type() == js.TypeNumber {
				d.epoch = uint64(v.Float())
			}
			if mode == "readwrite" {
				d.epoch++
				meta.Call("put", float64(d.epoch), "epoch")
			}
		})
		t.then(meta.Call("get", "snapshot"), func(v js.Value) { d.snap, bad = readSnapshotInfo(v) })
	})
	return errors.Join(err, bad)
}

// readSnapshotInfo reads what meta holds about the snapshot; undefined: there is none.
func readSnapshotInfo(v js.Value) (snapshotInfo, error) {
	if v.IsUndefined() {
		return snapshotInfo{}, nil
	}
	rec, ok := toGo(v)
	if !ok {
		return snapshotInfo{}, damaged(kindSnapshot, 0, 0, "not bytes")
	}
	return openSnapshotInfo(rec)
}

// overtaken reports whether another opener has raised the epoch since.
func (d *DB) overtaken() bool {
	other := false
	err := transact(d.conn, "readonly", "default", []any{"meta"}, func(t *transaction) {
		t.then(t.store("meta").Call("get", "epoch"), func(v js.Value) { other = !d.isOurs(v) })
	})
	return err == nil && other
}

func (d *DB) isOurs(epoch js.Value) bool {
	if epoch.IsUndefined() {
		return d.epoch == 0
	}
	return epoch.Type() == js.TypeNumber && epoch.Float() == float64(d.epoch)
}

// readAll returns the values of a range of keys, at most count.
func (d *DB) readAll(name string, keys js.Value, count int) (values []js.Value, err error) {
	err = transact(d.conn, "readonly", "default", []any{name}, func(t *transaction) {
		t.then(t.store(name).Call("getAll", keys, count), func(v js.Value) {
			for i := range v.Length() {
				values = append(values, v.Index(i))
			}
		})
	})
	return values, err
}

func (d *DB) loadChunks(ctx context.Context) error {
	p := newPace()
	for i := uint64(0); i < d.snap.chunks; {
		values, err := d.readAll("chunks", keyRange(i, min(i+chunksAtOnce, d.snap.chunks)-1), chunksAtOnce)
		if err != nil {
			return err
		}
		if len(values) == 0 {
			return damaged(kindChunk, d.snap.generation, i, "missing")
		}
		for _, v := range values {
			if _, err := d.replay(ctx, p, kindChunk, d.snap.generation, i, v); err != nil {
				return err
			}
			i++
		}
	}
	return nil
}

func (d *DB) loadJournal(ctx context.Context) error {
	p := newPace()
	d.next = d.snap.covered + 1
	for {
		values, err := d.readAll("journal", keyRange(d.next, 0), journalAtOnce)
		if err != nil || len(values) == 0 {
			return err
		}
		for _, v := range values {
			size, err := d.replay(ctx, p, kindJournal, d.next, 0, v)
			if err != nil {
				return err
			}
			d.journal += size
			d.next++
		}
	}
}

// replay applies one stored record to the memory and returns its size.
func (d *DB) replay(ctx context.Context, p *pace, kind byte, major, minor uint64, v js.Value) (int, error) {
	rec, ok := toGo(v)
	if !ok {
		return 0, damaged(kind, major, minor, "not bytes")
	}
	b, err := openBatch(kind, major, minor, rec)
	if err != nil {
		return 0, err
	}
	for part := range b.Split(stepSize) {
		if err := d.mem.Apply(ctx, part, store.Memory); err != nil {
			return 0, err
		}
		p.step()
	}
	return len(rec), nil
}
