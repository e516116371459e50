//go:build !js

package pebble

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// Checkpoint makes a copy of the store in dir, which must not exist, while the store goes on. The copy has everything
// acknowledged before the call, and whatever of what comes during it without gaps. Tables, which never change, are hard
// links where the file system has them. The copy opens as a store of its own once Checkpoint has returned; one cut short
// is refused as damaged.
func (d *DB) Checkpoint(dir string) error {
	if err := d.beginRead(); err != nil {
		return fmt.Errorf("copy store: %w", err)
	}
	defer d.endRead()
	if err := d.checkpoint(dir); err != nil {
		return fmt.Errorf("copy store %s to %s: %w", d.dir, dir, translate(err))
	}
	return nil
}

func (d *DB) checkpoint(dir string) error {
	if err := d.Health(); err != nil {
		return err
	}
	if err := d.flush(); err != nil { // the copy's log is short, and nothing of it is in memory only
		return err
	}
	if err := d.db.Checkpoint(dir, pebble.WithFlushedWAL()); err != nil {
		return err
	}
	return errors.Join(d.guard.failure(), writeFormat(d.space.fs, dir, Format))
}

// Compact merges all tables, so that what was deleted or overwritten takes no more room, and returns the bytes freed. It
// reads and writes the whole store once and needs up to compactRange of room while it works; the store goes on meanwhile.
func (d *DB) Compact(ctx context.Context, progress Progress) (freed int64, err error) {
	if err := d.beginRead(); err != nil {
		return 0, fmt.Errorf("compact store: %w", err)
	}
	defer d.endRead()
	if freed, err = d.compact(ctx, progress); err != nil {
		return freed, fmt.Errorf("compact store %s: %w", d.dir, translate(err))
	}
	return freed, nil
}

func (d *DB) compact(ctx context.Context, progress Progress) (freed int64, err error) {
	if err := d.Health(); err != nil {
		return 0, err
	}
	log := d.db.Metrics().WAL.PhysicalSize
	if err := d.flush(); err != nil {
		return 0, err
	}
	parts, before, err := d.parts()
	if err != nil {
		return 0, err
	}
	step, from := Step{AllFiles: len(parts), AllBytes: before}, []byte{0}
	for _, p := range parts {
		progress.tell(step)
		if err := d.db.Compact(ctx, from, p.end, false); err != nil {
			return 0, err
		}
		from = p.end
		step.Files, step.Bytes = step.Files+1, step.Bytes+p.size
	}
	progress.tell(step)
	_, after, err := d.parts()
	freed = before - after + int64(log) - int64(d.db.Metrics().WAL.PhysicalSize)
	return freed, errors.Join(err, d.guard.failure())
}

// part is a range of keys, up to end, and the bytes of the tables in it.
type part struct {
	end  []byte
	size int64
}

// parts divides the keys so that each part has tables of compactRange, and returns the size of all tables.
func (d *DB) parts() (parts []part, all int64, err error) {
	levels, err := d.db.SSTables()
	if err != nil {
		return nil, 0, err
	}
	var tables []part
	for _, level := range levels {
		for _, t := range level {
			tables = append(tables, part{slices.Clone(t.Largest.UserKey), int64(t.Size)})
			all += int64(t.Size)
		}
	}
	slices.SortFunc(tables, func(a, b part) int { return bytes.Compare(a.end, b.end) })
	sum := int64(0)
	for i, t := range tables {
		sum += t.size
		switch {
		case i == len(tables)-1:
			parts = append(parts, part{beyond, sum})
		case sum >= compactRange && !bytes.Equal(t.end, tables[i+1].end):
			parts = append(parts, part{t.end, sum})
			sum = 0
		}
	}
	return parts, all, nil
}
