package idb

import (
	"errors"

	"github.com/hyperhyperspace/hhs-go/store"
)

// tend starts what is due in the background: writing the memory as a run, merging runs, dropping blocks.
func (e *engine) tend() {
	e.mu.Lock()
	e.tendLocked()
	e.mu.Unlock()
}

func (e *engine) tendLocked() {
	if _, ok := e.vals.epoch(); !ok || e.closed || e.lost != nil {
		return
	}
	// A range that was deleted is written at once: that is what drops its tables, and makes room.
	drops := e.mem.ranges.Len() > 0 && len(e.version.runs) > 0
	if e.full == nil && !e.applying && (drops || e.mem.size >= e.o.memorySize) {
		e.full, e.mem = e.mem, newLayer()
	}
	if due := mergeDue(e.version.runs); due > 0 && e.readyLocked(&e.merge) {
		v := e.version
		v.refs++ // what is read stays
		e.startLocked(&e.merge, func() error {
			defer e.release(v)
			return e.mergeRuns(v.runs, due)
		})
	}
	crowded := e.merge.busy && len(e.version.runs) >= maxRuns
	if e.full != nil && !crowded && e.readyLocked(&e.flush) {
		e.startLocked(&e.flush, e.writeRun)
	}
	if spans := e.garbage; len(spans) > 0 {
		e.garbage = nil
		e.work.Go(func() { e.free(spans) })
	}
}

func (e *engine) readyLocked(j *job) bool { return !j.busy && e.written >= j.retry }

// startLocked runs a job, and afterwards what has become due. If it fails, what there is stays good; it is tried again
// when a fourth of a memory more is written.
func (e *engine) startLocked(j *job, f func() error) {
	j.busy = true
	e.work.Go(func() {
		err := f()
		e.mu.Lock()
		j.busy, j.failed, j.retry = false, nil, 0
		if err != nil && !e.closed {
			j.failed = e.settleLocked(err)
			j.retry = e.written + e.o.memorySize/4
		}
		e.wakeLocked()
		e.tendLocked()
		e.mu.Unlock()
	})
}

// free drops blocks. If that fails, the next start drops them.
func (e *engine) free(spans []span) {
	if len(spans) > 0 {
		_ = e.vals.apply(&change{free: spans})
	}
}

// writeRun makes a run of the full memory.
func (e *engine) writeRun() error {
	e.mu.Lock()
	full, bottom := e.full, len(e.version.runs) == 0
	e.mu.Unlock()
	r, b, err := e.build([]*layer{full}, nil, bottom)
	if err != nil {
		return err
	}
	return e.replace(b, full.last, func(now []*run) []*run {
		for _, older := range now {
			r = append(r, older.without(full.ranges))
		}
		return r
	})
}

// mergeRuns makes one run of the newest n, which are the first of runs; newer ones may come meanwhile.
func (e *engine) mergeRuns(runs []*run, n int) error {
	r, b, err := e.build(nil, runs[:n], n == len(runs))
	if err != nil {
		return err
	}
	return e.replace(b, 0, func(now []*run) []*run {
		newer := len(now) - len(runs)
		return append(append(now[:newer:newer], r...), now[newer+n:]...)
	})
}

// build writes what layers and runs hold as one run, none if that is nothing. At the bottom nothing is older, so that
// deletions have done their work.
func (e *engine) build(layers []*layer, runs []*run, bottom bool) ([]*run, *builder, error) {
	b := &builder{engine: e, alive: e.alive}
	ranges := newTree()
	m := newMerger(e, layers, runs, new(bounds))
	for _, c := range m.cursors {
		if !bottom {
			c.ranges.Ascend("", func(lo string, hi []byte) bool {
				addRange(ranges, lo, hi)
				return true
			})
		}
	}
	for {
		ok, err := m.next()
		if err == nil && !ok {
			err = b.end()
		} else if err == nil && (m.value != nil || !bottom) {
			err = b.add(m.key, m.value)
		}
		if err != nil {
			b.drop()
			return nil, nil, err
		}
		if !ok {
			break
		}
	}
	return b.run(ranges), b, nil
}

// replace changes the list of runs as f says, in the database and then here. covered is the last journal entry of the
// full memory, if that has become a run.
func (e *engine) replace(b *builder, covered uint64, f func(now []*run) []*run) error {
	e.edit.Lock()
	defer e.edit.Unlock()
	e.mu.Lock()
	m := &manifest{covered: max(covered, e.covered), runs: f(e.version.runs)}
	e.mu.Unlock()
	if err := e.vals.apply(&change{manifest: m.record(), covered: m.covered, strict: true}); err != nil {
		if errors.Is(err, store.ErrFull) { // else it may be that a manifest names the tables
			b.drop()
		}
		return err
	}
	e.mu.Lock()
	if covered > 0 {
		e.covered, e.full = covered, nil
	}
	e.use(m.runs)
	e.mu.Unlock()
	return nil
}

// mergeDue returns how many runs to merge, 0 for none: at least minMerge, the last no larger than all before it. What is
// left alone is so few that reading stays fast: from the fourth on each is larger than all newer ones together.
func mergeDue(runs []*run) int {
	sum := uint64(0)
	for i, r := range runs {
		size := r.size()
		if i+1 >= minMerge && size <= sum {
			return i + 1
		}
		sum += size
	}
	return 0
}
