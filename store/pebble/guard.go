//go:build !js

package pebble

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/hyperhyperspace/hhs-go/internal/log"
	"github.com/hyperhyperspace/hhs-go/store"
)

// retryPause slows down Pebble's flushes and compactions, which begin again at once when they fail.
const retryPause = 250 * time.Millisecond

// guard stands between Pebble and the file system, and is Pebble's logger. Pebble ends the process, or panics, when its
// log cannot be written; the guard keeps invariant 3 in another way. The first error of a write-side operation on the
// log or on a directory, and every Fatalf, is recorded before Pebble hears of it. From then on commits are answered with
// that failure and the disk stays as it is, so that a later open recovers all that was acknowledged: writing tables and
// the manifest fails, removing does nothing. Operations on the log and on directories are reported to Pebble as done: it
// has no other way to go on serving reads.
type guard struct {
	vfs.FS
	log      log.Logger
	pressure *pressure
	opening  atomic.Bool // see pretends
	logging  atomic.Bool // there is a new log
	failed   atomic.Pointer[error]
	lost     atomic.Pointer[func(error)]
	closing  chan struct{}
	once     sync.Once
}

func newGuard(base vfs.FS, sp *space, to log.Logger) *guard {
	return &guard{FS: vfs.OnDiskFull(base, sp.diskFull), log: to, pressure: newPressure(), closing: make(chan struct{})}
}

// failure returns nil, or why nothing more is written.
func (g *guard) failure() error {
	if err := g.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// fail records the first failure. Closing the store is no failure.
func (g *guard) fail(what string, cause error) {
	err := cause
	if !errors.Is(err, store.ErrReadOnly) {
		err = fmt.Errorf("%w until it is opened again: %s: %w", store.ErrReadOnly, what, translate(cause))
	}
	if g.failed.CompareAndSwap(nil, &err) {
		g.log.Error("store is read only from now on", "err", err)
		if lost := g.lost.Load(); lost != nil {
			go (*lost)(err) // on a goroutine of its own: it may close the store
		}
	}
}

// onFailure has lost called with the first failure from now on.
func (g *guard) onFailure(lost func(error)) {
	if lost != nil {
		g.lost.Store(&lost)
	}
}

func (g *guard) close() { g.once.Do(func() { close(g.closing) }) }

// Infof implements pebble.Logger.
func (g *guard) Infof(format string, args ...any) { g.log.Debug(fmt.Sprintf(format, args...)) }

// Errorf implements pebble.Logger.
func (g *guard) Errorf(format string, args ...any) { g.log.Warn(fmt.Sprintf(format, args...)) }

// Fatalf implements pebble.Logger. It records the failure and returns, which Pebble's callers survive: they return the
// error they have in hand.
func (g *guard) Fatalf(format string, args ...any) {
	cause := fmt.Errorf(format, args...)
	for _, a := range args {
		if err, ok := a.(error); ok {
			cause = fmt.Errorf("%s: %w", strings.TrimSuffix(format, ": %v"), err) // keeps the cause's identity
			break
		}
	}
	g.fail("engine", cause)
}

// events keeps Pebble's defaults from ending the process on damaged tables: the reads that meet one fail, the rest works.
func (g *guard) events() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: func(err error) {
			g.log.Warn("store: background work failed", "err", err)
			g.pressure.background(err)
		},
		FlushEnd:      func(info pebble.FlushInfo) { g.pressure.flushEnded(info.Err) },
		CompactionEnd: func(info pebble.CompactionInfo) { g.pressure.ended(&g.pressure.merge, info.Err) },
		DataCorruption: func(info pebble.DataCorruptionInfo) {
			g.log.Error("store: damaged table", "path", info.Path, "err", info.Details)
		},
	}
}

func isLog(name string) bool { return strings.HasSuffix(name, ".log") }

// settle makes what was done in a directory durable before a marker in it is made or removed, or a log removed. Pebble makes
// a new manifest, the marker that names it and removes the old marker, and syncs the directory at the end only: a disk that
// keeps any part of that would be left with a marker of a manifest that is not there, or with none.
func (g *guard) settle(name string) error {
	if g.failure() != nil {
		return nil
	}
	err := syncDir(g.FS, g.PathDir(name))
	if err != nil {
		g.fail("sync directory of "+name, err)
	}
	return err
}

func (g *guard) isMarker(name string) bool { return strings.HasPrefix(g.PathBase(name), "marker.") }

// Create implements vfs.FS.
func (g *guard) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if g.isMarker(name) {
		if err := g.settle(name); err != nil && !g.opening.Load() {
			return nil, err
		}
	}
	return g.create(name, func() (vfs.File, error) { return g.FS.Create(name, category) })
}

// ReuseForWrite implements vfs.FS. Nothing is written over: a torn write over a similar record of an older log looks like a
// changed bit. An old log that cannot be removed is no failure: nothing of it is needed any more, and the next opening removes it.
func (g *guard) ReuseForWrite(old, name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := g.Create(name, category)
	if err != nil {
		return nil, err
	}
	if err := g.Remove(old); err != nil {
		g.log.Warn("store: an old log stays until the next opening", "file", old, "err", err)
	}
	return f, nil
}

// noteLog notes the number of the newest log, durably and after its file: check misses the log if it is gone later.
func (g *guard) noteLog(name string) error {
	dir := g.PathDir(name)
	if err := syncDir(g.FS, dir); err != nil {
		return err
	}
	note := g.PathJoin(dir, logFile)
	if err := writeSynced(g.FS, note+".tmp", []byte(g.PathBase(name)+"\n")); err != nil {
		return err
	}
	if err := g.FS.Rename(note+".tmp", note); err != nil {
		return err
	}
	return syncDir(g.FS, dir)
}

func (g *guard) create(name string, create func() (vfs.File, error)) (vfs.File, error) {
	var f vfs.File
	err := g.failure()
	if err == nil {
		f, err = create()
	}
	switch {
	case err == nil && isLog(name):
		g.logging.Store(true)
		if err := g.noteLog(name); err != nil {
			g.fail("note "+name, err)
		}
		return &guardedFile{File: f, guard: g, name: name}, nil
	case err == nil:
		return &frozenFile{File: f, guard: g, name: name}, nil
	case isLog(name):
		g.fail("create "+name, err)
		return &guardedFile{File: vfs.NewMemFile(nil), guard: g, name: name}, nil
	case g.pretends("create "+name, err):
		return &frozenFile{File: vfs.NewMemFile(nil), guard: g, name: name}, nil
	}
	g.pause()
	return nil, err
}

// pretends tells whether an error is kept from Pebble. While it opens a store it tries a flush that fails without end. So
// then the first failure of any write is recorded and everything after it reported as done, and nothing of it is; whoever
// opens the store looks for failures in the end.
func (g *guard) pretends(what string, err error) bool {
	if err == nil || !g.opening.Load() {
		return false
	}
	g.fail(what, err)
	return true
}

// pause slows down what Pebble repeats at once.
func (g *guard) pause() {
	select {
	case <-g.closing:
	case <-time.After(retryPause):
	}
}

// OpenDir implements vfs.FS.
func (g *guard) OpenDir(name string) (vfs.File, error) {
	f, err := g.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &guardedFile{File: f, guard: g, name: name}, nil
}

// Remove implements vfs.FS. While a store is opened its logs stay until there is a new one: a store without any has lost it.
func (g *guard) Remove(name string) error {
	if g.failure() != nil {
		return nil // what is obsolete for Pebble may be all that is left for the next open
	}
	if isLog(name) && !g.logging.Load() {
		return nil
	}
	if (isLog(name) || g.isMarker(name)) && g.settle(name) != nil {
		return nil
	}
	return g.FS.Remove(name)
}

// Rename implements vfs.FS.
func (g *guard) Rename(old, name string) error {
	return g.change("rename "+old, func() error { return g.FS.Rename(old, name) })
}

// Link implements vfs.FS.
func (g *guard) Link(old, name string) error {
	return g.change("link "+old, func() error { return g.FS.Link(old, name) })
}

// change does what is neither the log's nor a directory's.
func (g *guard) change(what string, op func() error) error {
	err := g.failure()
	if err == nil {
		err = op()
	}
	if g.pretends(what, err) {
		return nil
	}
	return err
}

// Unwrap implements vfs.FS.
func (g *guard) Unwrap() vfs.FS { return g.FS }

// frozenFile is a table, a manifest or another small file: it takes nothing more after a failure.
type frozenFile struct {
	vfs.File
	guard *guard
	name  string
}

// Write implements vfs.File.
func (f *frozenFile) Write(p []byte) (n int, err error) {
	n = len(p)
	err = f.guard.change("write "+f.name, func() error { n, err = f.File.Write(p); return err })
	if err == nil {
		return len(p), nil
	}
	return n, err
}

// Sync implements vfs.File.
func (f *frozenFile) Sync() error { return f.guard.change("sync "+f.name, f.File.Sync) }

// SyncData implements vfs.File.
func (f *frozenFile) SyncData() error { return f.guard.change("sync "+f.name, f.File.SyncData) }

// SyncTo implements vfs.File.
func (f *frozenFile) SyncTo(length int64) (full bool, err error) {
	err = f.guard.change("sync "+f.name, func() error { full, err = f.File.SyncTo(length); return err })
	return full, err
}

// guardedFile is a log or a directory.
type guardedFile struct {
	vfs.File
	guard *guard
	name  string
}

// do performs a write-side operation unless something failed before, and reports success to Pebble in any case.
func (f *guardedFile) do(what string, op func() error) {
	if f.guard.failure() != nil {
		return
	}
	if err := op(); err != nil {
		f.guard.fail(what+" "+f.name, err)
	}
}

// Write implements vfs.File.
func (f *guardedFile) Write(p []byte) (int, error) {
	f.do("write", func() error { _, err := f.File.Write(p); return err })
	return len(p), nil
}

// Sync implements vfs.File.
func (f *guardedFile) Sync() error {
	f.do("sync", f.File.Sync)
	return nil
}

// SyncData implements vfs.File.
func (f *guardedFile) SyncData() error {
	f.do("sync", f.File.SyncData)
	return nil
}

// SyncTo implements vfs.File.
func (f *guardedFile) SyncTo(length int64) (full bool, err error) {
	f.do("sync", func() error { full, err = f.File.SyncTo(length); return err })
	return full, nil
}

// Close implements vfs.File. The descriptor is released even after a failure.
func (f *guardedFile) Close() error {
	if err := f.File.Close(); err != nil {
		f.guard.fail("close "+f.name, err)
	}
	return nil
}
