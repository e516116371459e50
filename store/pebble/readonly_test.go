//go:build !js

package pebble

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/hyperhyperspace/hhs-go/store"
	"github.com/hyperhyperspace/hhs-go/store/storetest"
)

// limitedFS is a disk of limited size and number of files.
type limitedFS struct {
	vfs.FS
	mu          sync.Mutex
	room, files int64
}

func (l *limitedFS) take(bytes, files int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if bytes > l.room || files > l.files {
		return syscall.ENOSPC
	}
	l.room, l.files = l.room-bytes, l.files-files
	return nil
}

func (l *limitedFS) set(room, files int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.room, l.files = room, files
}

func (l *limitedFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := l.take(0, 1); err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	f, err := l.FS.Create(name, c)
	return limitedFile{f, l}, err
}

func (l *limitedFS) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := l.FS.ReuseForWrite(old, name, c)
	return limitedFile{f, l}, err
}

func (l *limitedFS) Remove(name string) error {
	if info, err := l.FS.Stat(name); err == nil {
		_ = l.take(-info.Size(), -1)
	}
	return l.FS.Remove(name)
}

func (l *limitedFS) GetDiskUsage(string) (vfs.DiskUsage, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return vfs.DiskUsage{AvailBytes: uint64(l.room), TotalBytes: 1 << 40}, nil
}

type limitedFile struct {
	vfs.File
	l *limitedFS
}

func (f limitedFile) Write(p []byte) (int, error) {
	if err := f.l.take(int64(len(p)), 0); err != nil {
		return 0, err
	}
	return f.File.Write(p)
}

// TestFullDisk fills a disk while a store writes, another program having taken the room that the low-water mark had seen:
// past the ballast the store says why it ends, opens again for reading as long as there is no room, and writes on once
// there is. The same with no room for another file (RELIABILITY G6-63, 65).
func TestFullDisk(t *testing.T) {
	for _, what := range []string{"bytes", "files"} {
		disk := &limitedFS{FS: vfs.NewMem(), room: 1 << 40, files: 1 << 20}
		lost := make(chan error, 1)
		o := memory(disk)
		o.LowWater, o.Free = 1<<10, func(string) (uint64, error) { return 1 << 40, nil } // the mark sees nothing
		o.Lost = func(err error) { lost <- err }
		d := mustOpen(t, "db", o)
		var l ledger
		if err := workload(d, &l, 20); err != nil {
			t.Fatal(err)
		}
		if what == "bytes" {
			disk.set(20<<10, 1<<20)
		} else {
			disk.set(1<<40, 2)
		}
		err := workload(d, &l, 100_000)
		if !errors.Is(err, store.ErrFull) {
			t.Fatalf("%s: the disk is full: %v", what, err)
		}
		if errors.Is(err, store.ErrReadOnly) { // the log could not be written; else a table, which is tried again
			if err := <-lost; !errors.Is(err, store.ErrFull) {
				t.Errorf("%s: lost: %v", what, err)
			}
		}
		if err := d.Health(); !errors.Is(err, store.ErrFull) {
			t.Errorf("%s: health: %v", what, err)
		}
		_ = d.Close() // may say it again
		synced, acked, begun := l.copy()

		if what == "bytes" {
			disk.set(5<<10, 1<<20)
		} else {
			disk.set(1<<40, 0)
		}
		o = memory(disk)
		d, err = open("db", o)
		if what == "files" { // the lock's file was there before
			if err == nil {
				mustClose(t, d)
			}
			disk.set(1<<40, 1)
			d, err = open("db", o)
		}
		if err != nil {
			t.Fatalf("%s: open without room: %v", what, err)
		}
		checkPrefix(t, "without room", d, synced, begun)
		if err := put(d, "a", "1", store.Synced); !errors.Is(err, store.ErrFull) || !errors.Is(err, store.ErrReadOnly) {
			t.Errorf("%s: write without room: %v", what, err)
		}
		if err := d.Health(); !errors.Is(err, store.ErrFull) {
			t.Errorf("%s: health without room: %v", what, err)
		}
		mustClose(t, d)

		disk.set(1<<40, 1<<20)
		d = mustOpen(t, "db", o)
		checkPrefix(t, "with room again", d, synced, begun)
		storetest.Apply(t, d, "a", "1")
		mustClose(t, d)
		if acked < 20 {
			t.Errorf("%s: only %d batches", what, acked)
		}
	}
}

// TestTablesFull: there is room for the log and none for tables. Writes fail instead of waiting, nothing is lost, and they
// work again once a table could be written.
func TestTablesFull(t *testing.T) {
	var full atomic.Bool
	disk := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full.Load() && op.Kind == errorfs.OpCreate && isTable(op.Path) {
			return syscall.ENOSPC
		}
		return nil
	}))
	d := mustOpen(t, "db", memory(disk))
	defer mustClose(t, d)
	full.Store(true)
	var l ledger
	err := workload(d, &l, 1_000_000)
	if !errors.Is(err, store.ErrFull) || errors.Is(err, store.ErrReadOnly) {
		t.Fatalf("no room for tables: %v", err)
	}
	if err := d.Health(); !errors.Is(err, store.ErrFull) {
		t.Errorf("health: %v", err)
	}
	_, acked, _ := l.copy()
	checkPrefix(t, "no room for tables", d, acked, acked)
	full.Store(false)
	for turn := d.guard.pressure.turn(); d.Health() != nil; turn = d.guard.pressure.turn() {
		<-turn // the next try
	}
	if err := workload(d, &l, acked+50); err != nil {
		t.Fatal(err)
	}
	checkPrefix(t, "with room again", d, acked+50, acked+50)
}

// TestReadOnlyMedium: nothing can be written, nothing is, and all can be read.
func TestReadOnlyMedium(t *testing.T) {
	for _, clean := range []bool{true, false} {
		for _, cause := range []error{syscall.EROFS, syscall.EACCES} {
			mem := filled(t, clean)
			want := dump(t, copyStore(t, mem, "db"), "db")
			before := contentsOf(t, mem)
			medium := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
				if op.Kind.ReadOrWrite() == errorfs.OpIsRead || op.Kind == errorfs.OpFileClose {
					return nil
				}
				return &fs.PathError{Op: "open", Path: op.Path, Err: cause}
			}))
			d, err := open("db", memory(medium))
			if err != nil {
				t.Fatalf("clean %v: %v", clean, err)
			}
			if got := storetest.Dump(t, d); got != want {
				t.Errorf("clean %v: reads otherwise", clean)
			}
			if err := put(d, "a", "1", store.Synced); !errors.Is(err, store.ErrReadOnly) || !errors.Is(err, cause) {
				t.Errorf("clean %v: write: %v", clean, err)
			}
			if r, err := d.Verify(t.Context(), nil); err != nil || r.Err() != nil || r.Tables == 0 {
				t.Errorf("clean %v: verify: %+v, %v", clean, r, err)
			}
			mustClose(t, d)
			if contentsOf(t, mem) != before {
				t.Errorf("clean %v: the medium was written", clean)
			}
			if _, err := open("other", memory(medium)); !errors.Is(err, cause) {
				t.Errorf("a new store: %v", err)
			}
		}
	}
}

// TestUnreadableBlocks: reads that the disk fails say that the store is damaged, others work, and writes go on.
func TestUnreadableBlocks(t *testing.T) {
	mem := filled(t, true)
	var failing atomic.Bool
	medium := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if failing.Load() && op.Kind == errorfs.OpFileReadAt && strings.HasSuffix(op.Path, ".sst") {
			return syscall.EIO
		}
		return nil
	}))
	d := mustOpen(t, "db", memory(medium))
	defer mustClose(t, d)
	failing.Store(true)
	var last error
	snap, err := d.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	for _, err := range snap.Scan(nil, nil, false) {
		last = err
	}
	if _, err := snap.Get([]byte(entry(50))); !errors.Is(err, store.ErrCorrupt) || !errors.Is(last, store.ErrCorrupt) {
		t.Errorf("get: %v, scan: %v", err, last)
	}
	if err := put(d, "zz", "1", store.Synced); err != nil {
		t.Error(err)
	}
	if _, err := get(t, d, "zz"); err != nil {
		t.Error(err)
	}
	failing.Store(false)
	if _, err := get(t, d, entry(50)); err != nil {
		t.Error(err)
	}
}

// TestUnwritableDirectory opens a directory as a user who may read it only, in a process of its own, while nobody has it
// open and while this one does.
func TestUnwritableDirectory(t *testing.T) {
	dir := t.TempDir()
	d := mustOpen(t, dir, Options{Ballast: -1})
	storetest.Apply(t, d, "a", "1")
	mustClose(t, d)
	exe := filepath.Join(t.TempDir(), "open")
	if err := vfs.Copy(vfs.Default, mustExecutable(t), exe); err != nil {
		t.Fatal(err)
	}
	for path := filepath.Dir(exe); path != filepath.Dir(os.TempDir()); path = filepath.Dir(path) {
		_ = os.Chmod(path, 0o755) // as far as they are ours
	}
	modes(t, dir, 0o555, 0o444)
	if err := os.Chmod(exe, 0o755); err != nil {
		t.Fatal(err)
	}
	defer modes(t, dir, 0o755, 0o644)
	try := func() string {
		cmd := exec.Command(exe)
		cmd.Env = append(os.Environ(), "HHS_TEST_OPEN="+dir)
		if os.Geteuid() == 0 { // who may write anything
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s, %v", out, err)
		}
		return string(out)
	}
	if got := try(); !strings.Contains(got, "a=1") || !strings.Contains(got, store.ErrReadOnly.Error()) || !strings.Contains(got, "permission denied") {
		t.Errorf("nobody has it open: %s", got)
	}
	modes(t, dir, 0o755, 0o644)
	d = mustOpen(t, dir, Options{Ballast: -1})
	defer mustClose(t, d)
	modes(t, dir, 0o555, 0o444)
	if got := try(); !strings.Contains(got, fmt.Sprint(store.ErrLocked, " ", os.Getpid())) {
		t.Errorf("this process has it open: %s", got)
	}
}

func mustExecutable(t *testing.T) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return exe
}

// modes sets the rights of a directory and its files.
func modes(t *testing.T, dir string, ofDir, ofFiles fs.FileMode) {
	t.Helper()
	names, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range names {
		if err := os.Chmod(filepath.Join(dir, e.Name()), ofFiles); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, ofDir); err != nil {
		t.Fatal(err)
	}
}
