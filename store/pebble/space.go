//go:build !js

package pebble

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/hyperhyperspace/hhs-go/internal/log"
	"github.com/hyperhyperspace/hhs-go/store"
)

// ballastFile is given back to a full disk.
const ballastFile = "BALLAST"

// space watches the room on the disk (invariant 4).
type space struct {
	fs       vfs.FS // below the guard: the ballast is handled while Pebble's own writes wait
	dir      string
	free     func(dir string) (uint64, error)
	lowWater uint64
	ballast  int64
	log      log.Logger

	hit  atomic.Bool // the disk was full, and the ballast has not been restored since
	mu   sync.Mutex  // guards full
	full bool        // what was last logged
}

func newSpace(fsys vfs.FS, dir string, o Options) *space {
	s := &space{fs: fsys, dir: dir, free: o.Free, lowWater: o.LowWater, ballast: o.Ballast, log: o.Log}
	if s.free == nil {
		s.free = s.ask
	}
	if s.lowWater == 0 {
		s.lowWater = DefaultLowWater
	}
	if s.ballast == 0 {
		s.ballast = DefaultBallast
	}
	s.ballast = max(0, s.ballast)
	return s
}

func (s *space) ask(dir string) (uint64, error) {
	u, err := s.fs.GetDiskUsage(dir)
	if errors.Is(err, vfs.ErrUnsupported) {
		return 1 << 62, nil // a file system in memory
	}
	return u.AvailBytes, err
}

// check returns store.ErrFull if n more bytes would reach below the mark.
func (s *space) check(n uint64) error {
	free, err := s.free(s.dir)
	if err != nil {
		return fmt.Errorf("ask for free space: %w", err)
	}
	need := s.lowWater
	if n > 0 {
		need += n + spaceSlack
	}
	if s.hit.Load() {
		need += uint64(s.ballast)
	}
	full := free < need
	s.report(full, free, need)
	if full {
		return fmt.Errorf("%w: %d MiB free in %s, writing needs %d MiB; make room and it goes on",
			store.ErrFull, free>>20, s.dir, need>>20)
	}
	if s.hit.Load() {
		s.restoreBallast()
	}
	return nil
}

// report logs changes only.
func (s *space) report(full bool, free, need uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if full == s.full {
		return
	}
	s.full = full
	if full {
		s.log.Warn("disk full: store refuses writes", "dir", s.dir, "free", free, "need", need)
	} else {
		s.log.Info("store takes writes again", "dir", s.dir, "free", free)
	}
}

// diskFull is called when a write met a full disk; Pebble's other writes wait until it returns, and then the write is
// tried once more.
func (s *space) diskFull() {
	s.hit.Store(true)
	err := s.fs.Remove(s.fs.PathJoin(s.dir, ballastFile))
	s.log.Warn("disk full: ballast given back", "dir", s.dir, "err", err)
}

// restoreBallast writes the ballast if there is none and much more room than it takes. Without one the store works.
func (s *space) restoreBallast() {
	name := s.fs.PathJoin(s.dir, ballastFile)
	if s.ballast == 0 {
		s.hit.Store(false)
		return
	}
	if _, err := s.fs.Stat(name); err == nil {
		s.hit.Store(false)
		return
	}
	free, err := s.free(s.dir)
	if err != nil || free < s.lowWater+2*uint64(s.ballast) {
		return
	}
	if err := s.writeBallast(name); err != nil {
		s.log.Warn("cannot write ballast", "file", name, "err", err)
		_ = s.fs.Remove(name) // a partial one is worth nothing; if it stays it is removed on a full disk
		return
	}
	s.hit.Store(false)
}

// writeBallast fills the file with bytes that no file system compresses away.
func (s *space) writeBallast(name string) error {
	f, err := s.fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	random := rand.NewChaCha8([32]byte{})
	buf := make([]byte, 256<<10)
	for left := s.ballast; left > 0 && err == nil; left -= int64(len(buf)) {
		_, _ = random.Read(buf) // never fails
		_, err = f.Write(buf[:min(left, int64(len(buf)))])
	}
	return errors.Join(err, f.Close())
}
