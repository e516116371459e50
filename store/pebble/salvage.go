//go:build !js

package pebble

import (
	"bytes"
	"cmp"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/batchrepr"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/hyperhyperspace/hhs-go/store"
)

// Salvage copies what can still be read of a store that no process has open into a new one at into, which must not exist,
// and changes nothing in dir. Damaged blocks of tables and damaged records of logs are left out and reported; where one
// held the newest value of a key, or its deletion, an older value may be there instead. So what is in the new store is
// all from the old one, but not a state that it ever had: what refers to each other has to be checked by whoever knows
// it. If it fails, into is to be removed.
func Salvage(ctx context.Context, dir, into string, progress Progress) (Report, error) {
	r, err := salvage(ctx, vfs.Default, dir, into, progress)
	if err != nil {
		return r, fmt.Errorf("salvage store %s into %s: %w", dir, into, err)
	}
	return r, nil
}

func salvage(ctx context.Context, fsys vfs.FS, dir, into string, progress Progress) (r Report, err error) {
	if _, err := readFormat(fsys, dir); errors.Is(err, store.ErrNewer) { // before the lock's file is touched
		return r, err
	}
	lock, err := lockForReading(fsys, dir)
	if err != nil {
		return r, err
	}
	defer lock.Close()
	files, err := look(fsys, dir)
	if err != nil {
		return r, err
	}
	if _, err := fsys.Stat(into); err == nil {
		return r, fmt.Errorf("%s is already there", into)
	}
	s := &salvager{fs: fsys, dir: dir, report: &r, progress: progress}
	names, flushed := files.ownTables(&r)
	for _, name := range names {
		s.addTable(ctx, name)
	}
	for _, number := range files.logs {
		s.addLog(number, flushed)
	}
	slices.SortStableFunc(s.logged, edition.compare)
	s.sources = append(s.sources, slices.Values(s.logged))
	if err := s.write(ctx, into); err != nil {
		return r, err
	}
	return r, nil
}

// ownTables reports the damage beside tables and lists the tables to read: those that the manifest names, or all that are
// there if it is damaged, however much of it can be read.
func (c *contents) ownTables(r *Report) (names []string, flushed uint64) {
	r.Damaged = c.damaged
	if !c.doubtful() {
		names, flushed, err := c.manifestTables()
		if err == nil {
			return names, flushed
		}
		r.Damaged = append(r.Damaged, asDamage(err, c.manifest))
	}
	r.Guessed = true
	return c.tables, 0
}

// manifestTables lists the tables that belong to the store, and the highest number that Pebble gave to anything in them:
// what logs hold up to it is in tables, or was deleted since.
func (c *contents) manifestTables() (names []string, flushed uint64, err error) {
	err = c.withEngine(beside, func(db *pebble.DB) error {
		levels, err := db.SSTables()
		if err != nil {
			return err
		}
		for _, level := range levels {
			for _, t := range level {
				flushed = max(flushed, uint64(t.LargestSeqNum))
			}
		}
		names, err = tablesOf(db)
		return err
	})
	return names, flushed, err
}

// edition is one version of a key.
type edition struct {
	key, value []byte
	number     uint64 // Pebble's sequence number: of two versions the one with the higher number counts
	deleted    bool
}

// compare orders by key, newest first.
func (e edition) compare(f edition) int {
	if c := bytes.Compare(e.key, f.key); c != 0 {
		return c
	}
	return cmp.Compare(f.number, e.number)
}

// removal is the deletion of a range.
type removal struct {
	from, to []byte
	number   uint64
}

type salvager struct {
	fs       vfs.FS
	dir      string
	report   *Report
	progress Progress
	step     Step

	sources  []iter.Seq[edition] // each in order
	logged   []edition
	removals []removal
}

func (s *salvager) damage(err error, file string) {
	s.report.Damaged = append(s.report.Damaged, asDamage(err, file))
}

// addLog takes the records of a log.
func (s *salvager) addLog(number uint32, flushed uint64) {
	name := logName(number)
	f, err := s.fs.Open(s.fs.PathJoin(s.dir, name))
	if err != nil {
		s.damage(err, name)
		return
	}
	var record []byte
	var parts groupReader
	r := chunkReader{number: number}
	_, err = r.read(f, func(ch chunk) error {
		parts.next(ch)
		if ch.first {
			record = record[:0]
		}
		if record = append(record, ch.data...); ch.last && parts.complete {
			s.addRecord(record, flushed)
		}
		s.report.Bytes += int64(len(ch.data))
		return nil
	})
	if err = errors.Join(err, f.Close()); err != nil {
		s.damage(err, name)
	}
	s.report.Logs++
}

// addRecord takes the operations of a batch.
func (s *salvager) addRecord(record []byte, flushed uint64) {
	h, ok := batchrepr.ReadHeader(record)
	if !ok || uint64(h.SeqNum) <= flushed {
		return
	}
	number := uint64(h.SeqNum)
	r := batchrepr.Read(bytes.Clone(record))
	for {
		kind, key, value, ok, err := r.Next()
		if !ok || err != nil {
			return
		}
		switch kind {
		case pebble.InternalKeyKindSet:
			s.logged = append(s.logged, edition{key: key, value: value, number: number})
		case pebble.InternalKeyKindDelete:
			s.logged = append(s.logged, edition{key: key, number: number, deleted: true})
		case pebble.InternalKeyKindRangeDelete:
			s.removals = append(s.removals, removal{key, value, number})
		case pebble.InternalKeyKindLogData:
			continue // has no number
		}
		number++
	}
}

// write merges the sources into a new store.
func (s *salvager) write(ctx context.Context, into string) (err error) {
	to, err := open(into, Options{FS: s.fs, Ballast: -1})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	var b store.Batch
	for e := range s.newest() {
		if store.Reserved(e.key) {
			continue
		}
		b.Put(e.key, e.value)
		s.report.Keys++
		if b.Size() >= salvageBatch {
			if err := to.Apply(ctx, &b, store.Written); err != nil {
				return err
			}
			b.Reset()
			s.progress.tell(s.step)
		}
	}
	err = to.Apply(ctx, &b, store.Synced)
	s.progress.tell(s.step)
	return err
}

// newest yields the newest version of each key that is not deleted.
func (s *salvager) newest() iter.Seq[edition] {
	slices.SortFunc(s.removals, func(a, b removal) int { return bytes.Compare(a.from, b.from) })
	return func(yield func(edition) bool) {
		var last []byte
		next := 0 // removals before it have begun
		var active []removal
		for e := range mergeEntries(s.sources) {
			if last != nil && bytes.Equal(e.key, last) {
				continue
			}
			last = append(last[:0], e.key...)
			for ; next < len(s.removals) && bytes.Compare(s.removals[next].from, e.key) <= 0; next++ {
				active = append(active, s.removals[next])
			}
			active = slices.DeleteFunc(active, func(r removal) bool { return bytes.Compare(r.to, e.key) <= 0 })
			gone := e.deleted || slices.ContainsFunc(active, func(r removal) bool { return r.number > e.number })
			if !gone && !yield(e) {
				return
			}
		}
	}
}

// cursor is the place in a source.
type cursor struct {
	edition
	next func() (edition, bool)
}

type cursors []cursor

func (c cursors) Len() int           { return len(c) }
func (c cursors) Less(i, j int) bool { return c[i].compare(c[j].edition) < 0 }
func (c cursors) Swap(i, j int)      { c[i], c[j] = c[j], c[i] }
func (c *cursors) Push(x any)        { *c = append(*c, x.(cursor)) }
func (c *cursors) Pop() any {
	last := (*c)[len(*c)-1]
	*c = (*c)[:len(*c)-1]
	return last
}

// mergeEntries yields the entries of all sources in order.
func mergeEntries(sources []iter.Seq[edition]) iter.Seq[edition] {
	return func(yield func(edition) bool) {
		var h cursors
		for _, source := range sources {
			next, stop := iter.Pull(source)
			defer stop()
			if e, ok := next(); ok {
				h = append(h, cursor{e, next})
			}
		}
		heap.Init(&h)
		for len(h) > 0 {
			if !yield(h[0].edition) {
				return
			}
			e, ok := h[0].next()
			if !ok {
				heap.Pop(&h)
				continue
			}
			h[0].edition = e
			heap.Fix(&h, 0)
		}
	}
}
