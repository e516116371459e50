//go:build !js

package pebble

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// pressure knows how Pebble's work in the background goes, flushes and merges. Pebble itself tries what has failed again
// without end, and lets writers wait for it meanwhile. Here they wait only while it gets on (waitForRoom).
type pressure struct {
	flush, merge atomic.Pointer[error] // how the last one failed; nil if it did not
	suspect      atomic.Pointer[error] // how the last flush ended

	mu   sync.Mutex
	next chan struct{} // closed when the next one ends
}

func newPressure() *pressure { return &pressure{next: make(chan struct{})} }

// turn returns what is closed when the next flush or merge ends. Who waits takes it before looking whether to wait.
func (p *pressure) turn() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.next
}

func (p *pressure) ended(last *atomic.Pointer[error], err error) {
	if err == nil {
		last.Store(nil)
	} else {
		last.Store(&err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.next)
	p.next = make(chan struct{})
}

// flushEnded hears of the end of a flush. That there was nothing to write is an error too in what Pebble says of it; only
// a failure is reported once more, as one of the background.
func (p *pressure) flushEnded(err error) {
	p.suspect.Store(&err)
	p.ended(&p.flush, nil)
}

func (p *pressure) background(err error) {
	if last := p.suspect.Load(); last != nil && *last != nil && errors.Is(err, *last) {
		p.ended(&p.flush, err)
	}
}

// flushError returns how the last flush failed, or nil.
func (p *pressure) flushError() error {
	if err := p.flush.Load(); err != nil {
		return *err
	}
	return nil
}

// flushing returns why writes are refused while tables cannot be written: for want of room until a flush succeeds, which
// is tried again and again, and for any other reason for good.
func (d *DB) flushing() error {
	err := d.guard.pressure.flushError()
	switch {
	case err == nil:
		return nil
	case vfs.IsNoSpaceError(err):
		return fmt.Errorf("write table: %w; make room and it goes on", translate(err))
	case pebble.IsCorruptionError(err):
		return fmt.Errorf("write table: %w", translate(err))
	}
	d.guard.fail("write table", err)
	return d.guard.failure()
}

// waitForRoom returns once there is room for another group: what is in memory only stays below maxMemTables tables, and
// the tables not yet merged below l0Stop, or mergePause has passed: too many of them make reads slow and nothing worse. It
// looks once in checkEvery bytes.
func (d *DB) waitForRoom(size int) error {
	if err := d.flushing(); err != nil {
		return err
	}
	if d.unchecked += size; d.unchecked < checkEvery {
		return nil
	}
	d.unchecked = 0
	for {
		turn := d.guard.pressure.turn()
		m := d.db.Metrics()
		full := m.MemTable.Size >= maxMemTables*memTableSize
		behind := int(m.Levels[0].Sublevels) >= l0Stop && d.guard.pressure.merge.Load() == nil
		if !full && !behind {
			return nil
		}
		select {
		case <-turn:
		case <-d.afterPause(full):
			return nil
		}
		if err := d.flushing(); err != nil {
			return err
		}
		if err := d.guard.failure(); err != nil {
			return err
		}
	}
}

// afterPause ends the wait for merges only.
func (d *DB) afterPause(full bool) <-chan time.Time {
	if full {
		return nil
	}
	return time.After(mergePause)
}
