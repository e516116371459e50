//go:build !js

package pebble

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"github.com/hyperhyperspace/hhs-go/store"
	"github.com/hyperhyperspace/hhs-go/store/storetest"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("HHS_TEST_OPEN"); dir != "" {
		openAndPrint(dir)
		os.Exit(0)
	}
	if dir := os.Getenv("HHS_TEST_WRITE"); dir != "" {
		writeForever(dir)
	}
	// Pebble leaves this goroutine behind when its Open fails after creating it, which TestFailingDisk makes it do.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction(
		"github.com/cockroachdb/pebble/v2.(*ConcurrencyLimitScheduler).periodicGranter"))
}

// openAndPrint is the child of tests that open a store from another process: it prints the error, or what the store holds
// and whether it can be written.
func openAndPrint(dir string) {
	d, err := Open(dir, Options{Ballast: -1})
	if err != nil {
		fmt.Print(err)
		return
	}
	snap, err := d.Snapshot()
	if err != nil {
		fmt.Print(err)
		return
	}
	for kv, err := range snap.Scan(nil, nil, false) {
		fmt.Printf("%s=%s %v\n", kv.Key, kv.Value, err)
	}
	fmt.Println(d.Health(), snap.Close(), d.Close())
}

// small makes tables so small that a short test flushes, merges and changes logs. Pebble's own stop for writers, which has
// no end while flushes fail, stays as many bytes above that of waitForRoom as with large ones.
func small(o *pebble.Options) {
	o.MemTableSize = 16 << 10
	o.MemTableStopWritesThreshold *= memTableSize / (16 << 10)
	o.MaxManifestFileSize = 512
}

func memory(fsys vfs.FS) Options { return Options{FS: fsys, Ballast: -1, tune: small} }

func mustOpen(t testing.TB, dir string, o Options) *DB {
	t.Helper()
	d, err := open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func mustClose(t testing.TB, d *DB) {
	t.Helper()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

func put(d *DB, key, value string, dur store.Durability) error {
	var b store.Batch
	b.Put([]byte(key), []byte(value))
	return d.Apply(context.Background(), &b, dur)
}

func TestSuite(t *testing.T) {
	storetest.Run(t, func(t testing.TB) store.Store { return mustOpen(t, "db", memory(vfs.NewMem())) })
}

func TestSuiteOnDisk(t *testing.T) {
	storetest.Run(t, func(t testing.TB) store.Store { return mustOpen(t, t.TempDir(), Options{Ballast: -1}) })
}

func TestReopen(t *testing.T) {
	storetest.RunReopen(t, func(t testing.TB) func() (store.Store, error) {
		dir := t.TempDir()
		return func() (store.Store, error) { return Open(dir, Options{Ballast: 1 << 20}) }
	})
}

// TestLockedByProcess opens a store that this process holds from another one.
func TestLockedByProcess(t *testing.T) {
	dir := t.TempDir()
	d := mustOpen(t, dir, Options{Ballast: -1})
	defer mustClose(t, d)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), "HHS_TEST_OPEN="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), fmt.Sprint(store.ErrLocked, " ", os.Getpid())) || !strings.Contains(string(out), dir) {
		t.Fatalf("second process: %s, %v", out, err)
	}
}

func TestNewerUntouched(t *testing.T) {
	dir := t.TempDir()
	d := mustOpen(t, dir, Options{Ballast: -1})
	if err := put(d, "a", "1", store.Synced); err != nil {
		t.Fatal(err)
	}
	mustClose(t, d)
	for text, want := range map[string]error{
		"3\n": store.ErrNewer, "10\n": store.ErrNewer, "": store.ErrCorrupt, "1": store.ErrCorrupt, "01\n": store.ErrCorrupt,
		"-1\n": store.ErrCorrupt, "x\n": store.ErrCorrupt, "1\n\n": store.ErrCorrupt,
		strings.Repeat("1", 100) + "\n": store.ErrCorrupt,
	} {
		if err := os.WriteFile(filepath.Join(dir, formatFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		before := tree(t, dir)
		_, err := Open(dir, Options{})
		if !errors.Is(err, want) {
			t.Errorf("format %q: %v, want %v", text, err, want)
		}
		if after := tree(t, dir); after != before {
			t.Errorf("format %q: the store was changed:\n%s\n%s", text, before, after)
		}
	}
	if err := os.Remove(filepath.Join(dir, formatFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{}); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("without a format file: %v", err)
	}
}

// TestMigration brings a store of format 1 and an older Pebble to this format, once, and says so.
func TestMigration(t *testing.T) {
	mem := vfs.NewMem()
	s := newScript(30)
	s.older(t, mem, "db", new(ledger), 30)
	var steps []Step
	o := memory(mem)
	o.Progress = func(s Step) { steps = append(steps, s) }
	d := mustOpen(t, "db", o)
	if got := state(d); got != s.states[30] {
		t.Error("it reads otherwise")
	}
	if want := []Step{{AllFiles: 1}, {Files: 1, AllFiles: 1}}; !slices.Equal(steps, want) {
		t.Errorf("steps %+v", steps)
	}
	if v := d.db.FormatMajorVersion(); v != formatMajorVersion || d.group == 0 {
		t.Errorf("Pebble's format %d, group %d", v, d.group)
	}
	mustClose(t, d)
	if v, err := readFormat(mem, "db"); v != Format || err != nil {
		t.Errorf("format %d, %v", v, err)
	}
	mustClose(t, mustOpen(t, "db", o))
	if len(steps) != 2 {
		t.Errorf("brought to it again: %+v", steps)
	}
}

// tree describes every file of a directory: name, size, time of change.
func tree(t *testing.T, dir string) string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&out, e.Name(), info.Size(), info.ModTime().UnixNano())
	}
	return out.String()
}

func TestUnreadableDirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(filepath.Join(file, "db"), Options{})
	if err == nil || errors.Is(err, store.ErrLocked) || !strings.Contains(err.Error(), file) {
		t.Fatalf("a directory that cannot be: %v", err)
	}
}

// TestLowWater: writes are refused below the mark, keep nothing, and work again when there is room.
func TestLowWater(t *testing.T) {
	var free atomic.Uint64
	free.Store(1 << 40)
	o := Options{Free: func(string) (uint64, error) { return free.Load(), nil }, Ballast: 1 << 20, LowWater: 8 << 20}
	dir := t.TempDir()
	d := mustOpen(t, dir, o)
	defer func() { mustClose(t, d) }()
	if _, err := os.Stat(filepath.Join(dir, ballastFile)); err != nil {
		t.Fatalf("no ballast: %v", err)
	}
	if err := put(d, "a", "1", store.Synced); err != nil {
		t.Fatal(err)
	}
	free.Store(8<<20 - 1)
	for range 2 {
		if err := put(d, "b", "2", store.Synced); !errors.Is(err, store.ErrFull) {
			t.Fatalf("below the mark: %v", err)
		}
	}
	if err := d.Health(); !errors.Is(err, store.ErrFull) {
		t.Fatalf("health: %v", err)
	}
	if got := storetest.Dump(t, d); got != "a=1" {
		t.Fatalf("holds %s", got)
	}
	if err := d.Apply(t.Context(), new(store.Batch), store.Synced); err != nil {
		t.Fatalf("a barrier needs no room: %v", err)
	}
	mustClose(t, d)
	d = mustOpen(t, dir, o) // a full disk is no reason not to open
	free.Store(64 << 20)
	if err := put(d, "b", "2", store.Synced); err != nil {
		t.Fatalf("with room again: %v", err)
	}
	if got := storetest.Dump(t, d); got != "a=1 b=2" {
		t.Fatalf("holds %s", got)
	}
}

// TestDamagedTable flips bytes of a table: reads that meet them say so, and nothing ends the process.
func TestDamagedTable(t *testing.T) {
	dir := t.TempDir()
	d := mustOpen(t, dir, Options{Ballast: -1})
	for i := range 200 {
		if err := put(d, fmt.Sprintf("k%03d", i), strings.Repeat("v", 300), store.Written); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.db.Flush(); err != nil {
		t.Fatal(err)
	}
	mustClose(t, d)
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatalf("tables %v, %v", tables, err)
	}
	for _, name := range tables {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		data[100] ^= 1
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d = mustOpen(t, dir, Options{Ballast: -1})
	defer mustClose(t, d)
	snap, err := d.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	if _, err := snap.Get([]byte("k000")); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("get: %v", err)
	}
	var last error
	for _, err := range snap.Scan(nil, nil, false) {
		last = err
	}
	if !errors.Is(last, store.ErrCorrupt) {
		t.Errorf("scan: %v", last)
	}
	if err := put(d, "new", "1", store.Synced); err != nil {
		t.Errorf("a damaged table does not stop writes: %v", err)
	}
}
