//go:build !js

package pebble

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/hyperhyperspace/hhs-go/store"
	"github.com/hyperhyperspace/hhs-go/store/storetest"
)

func readFile(t testing.TB, fsys vfs.FS, path string) []byte {
	t.Helper()
	f, err := fsys.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func writeFile(t testing.TB, fsys vfs.FS, path string, data []byte) {
	t.Helper()
	if err := writeSynced(fsys, path, data); err != nil {
		t.Fatal(err)
	}
}

// copyStore copies a directory to a new file system.
func copyStore(t testing.TB, fsys vfs.FS, dir string) *vfs.MemFS {
	t.Helper()
	to := vfs.NewMem()
	if _, err := vfs.Clone(fsys, to, dir, dir); err != nil {
		t.Fatal(err)
	}
	return to
}

// filled is a store with tables on several levels, deletions, and groups that are in the log only.
func filled(t testing.TB, clean bool) *vfs.MemFS {
	t.Helper()
	mem := vfs.NewCrashableMem()
	d := mustOpen(t, "db", memory(mem))
	var l ledger
	if err := workload(d, &l, 120); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Compact(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if err := workload(d, &l, 123); err != nil {
		t.Fatal(err)
	}
	if clean {
		mustClose(t, d)
		return copyStore(t, mem, "db")
	}
	image := mem.CrashClone(vfs.CrashCloneCfg{})
	mustClose(t, d)
	return copyStore(t, image, "db")
}

func files(t testing.TB, fsys vfs.FS, suffix string) []string {
	t.Helper()
	names, err := fsys.List("db")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return slices.DeleteFunc(names, func(name string) bool { return !strings.Contains(name, suffix) })
}

// TestVerify finds nothing in a store that is well, and names the file of each byte that changed in one that is not: of
// every table, the manifest and the log.
func TestVerify(t *testing.T) {
	for _, clean := range []bool{true, false} {
		mem := filled(t, clean)
		var steps []Step
		r, err := verify(t.Context(), mem, "db", func(s Step) { steps = append(steps, s) })
		if err != nil || r.Err() != nil || r.Tables == 0 || r.Bytes == 0 {
			t.Fatalf("clean %v: a store that is well: %+v, %v", clean, r, err)
		}
		last := steps[len(steps)-1]
		if len(steps) != r.Tables+1 || last.Files != last.AllFiles || last.Bytes != last.AllBytes || last.Bytes != r.Bytes {
			t.Errorf("steps %+v", steps)
		}
		c, err := look(mem, "db")
		if err != nil {
			t.Fatal(err)
		}
		names, _, err := c.manifestTables()
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range append(names, c.manifest) {
			data := readFile(t, mem, "db/"+name)
			for _, at := range []int{len(data) / 3, len(data) / 2, len(data) - 60} {
				broken := bytes.Clone(data)
				broken[at] ^= 0x10
				damagedFS := copyStore(t, mem, "db")
				writeFile(t, damagedFS, "db/"+name, broken)
				r, err := verify(t.Context(), damagedFS, "db", nil)
				if err != nil || !slices.ContainsFunc(r.Damaged, func(d *DamageError) bool { return d.File == name }) {
					t.Errorf("clean %v: byte %d of %d of %s changed: %+v, %v", clean, at, len(data), name, r, err)
				}
			}
		}
	}
}

func TestVerifyOpen(t *testing.T) {
	mem := vfs.NewMem()
	d := mustOpen(t, "db", Options{FS: mem, Ballast: -1, tune: func(o *pebble.Options) {
		small(o)
		o.DisableAutomaticCompactions = true // a table that is merged is not verified
	}})
	defer mustClose(t, d)
	if err := workload(d, new(ledger), 120); err != nil {
		t.Fatal(err)
	}
	if r, err := verify(t.Context(), mem, "db", nil); !errors.Is(err, store.ErrLocked) {
		t.Fatalf("from outside: %+v, %v", r, err)
	}
	r, err := d.Verify(t.Context(), nil)
	if err != nil || r.Err() != nil || r.Tables == 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Verify(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("ended: %v", err)
	}
	names, err := tablesOf(d.db)
	if err != nil {
		t.Fatal(err)
	}
	data := bytes.Clone(readFile(t, mem, "db/"+names[0]))
	data[20] ^= 1
	f, err := mem.OpenReadWrite("db/"+names[0], vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(data, 0); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	r, err = d.Verify(t.Context(), nil)
	if err != nil || len(r.Damaged) != 1 || r.Damaged[0].File != names[0] || !errors.Is(r.Err(), store.ErrCorrupt) {
		t.Errorf("with a damaged table: %+v, %v", r, err)
	}
}

// TestSalvage: from a store that is well everything is copied, deletions included; from a damaged one all but what is in
// the damaged blocks, however many there are.
func TestSalvage(t *testing.T) {
	for _, clean := range []bool{true, false} {
		mem := filled(t, clean)
		want := dump(t, copyStore(t, mem, "db"), "db")
		r, err := salvage(t.Context(), mem, "db", "into", nil)
		if err != nil || r.Err() != nil || r.Guessed {
			t.Fatalf("clean %v: %+v, %v", clean, r, err)
		}
		if got := dump(t, mem, "into"); got != want {
			t.Fatalf("clean %v: salvaged\n%.300s\nof\n%.300s", clean, got, want)
		}
		if _, err := salvage(t.Context(), mem, "db", "into", nil); err == nil {
			t.Error("into a directory that is there")
		}
		if _, err := verify(t.Context(), mem, "into", nil); err != nil {
			t.Error(err)
		}
	}
}

// TestSalvageLog saves all groups of a log but the damaged one, of which a part in the middle of a large record is lost.
func TestSalvageLog(t *testing.T) {
	mem := vfs.NewCrashableMem()
	d := mustOpen(t, "db", Options{FS: mem, Ballast: -1})
	for i, size := range []int{10, 100_000, 20, 90_000, 30} {
		if err := put(d, entry(i), strings.Repeat(fmt.Sprint(i), size), store.Synced); err != nil {
			t.Fatal(err)
		}
	}
	image := copyStore(t, mem.CrashClone(vfs.CrashCloneCfg{}), "db")
	mustClose(t, d)
	logs := files(t, image, ".log")
	patch(t, image, logs[len(logs)-1], 50_000, []byte(strings.Repeat("?", 30_000)))
	r, err := salvage(t.Context(), image, "db", "into", nil)
	if err != nil || len(r.Damaged) != 1 || r.Keys != 4 {
		t.Fatalf("%+v, %v", r, err)
	}
	into := mustOpen(t, "into", memory(image))
	defer mustClose(t, into)
	for i, want := range []int{10, 0, 20, 90_000, 30} {
		v, err := get(t, into, entry(i))
		if len(v) != want || (want > 0) != (err == nil) {
			t.Errorf("key %d has %d bytes, want %d: %v", i, len(v), want, err)
		}
	}
}

// TestSalvageAround saves everything from a store that has lost a file beside its tables and logs.
func TestSalvageAround(t *testing.T) {
	for _, clean := range []bool{true, false} {
		mem := filled(t, clean)
		want := dump(t, copyStore(t, mem, "db"), "db")
		for _, name := range slices.Concat(files(t, mem, "OPTIONS"), files(t, mem, formatFile)) {
			for _, left := range [][]byte{nil, []byte("x\n")} {
				broken := copyStore(t, mem, "db")
				writeFile(t, broken, "db/"+name, left)
				if left == nil {
					if err := broken.Remove("db/" + name); err != nil {
						t.Fatal(err)
					}
				}
				if r, err := verify(t.Context(), broken, "db", nil); err != nil || r.Err() == nil && (clean || left != nil) {
					t.Errorf("clean %v, %s is %q: verify: %+v, %v", clean, name, left, r, err)
				}
				r, err := salvage(t.Context(), broken, "db", "into", nil)
				if err != nil || r.Guessed {
					t.Fatalf("clean %v, %s is %q: %+v, %v", clean, name, left, r, err)
				}
				if got := dump(t, broken, "into"); got != want {
					t.Errorf("clean %v, %s is %q: salvaged something else", clean, name, left)
				}
			}
		}
	}
}

// TestSalvageManifest saves every record of a store with intact tables whose manifest is damaged anywhere, also where the
// engine takes what comes before the damage for all of it, and of one that was not closed.
func TestSalvageManifest(t *testing.T) {
	for _, clean := range []bool{true, false} {
		mem := filled(t, clean)
		want := dump(t, copyStore(t, mem, "db"), "db")
		c, err := look(mem, "db")
		if err != nil {
			t.Fatal(err)
		}
		data := readFile(t, mem, "db/"+c.manifest)
		var versions [][]byte
		for at := 0; at < len(data)-40; at += 7 {
			broken := bytes.Clone(data)
			broken[at] ^= 0x10
			versions = append(versions, broken)
		}
		if clean {
			versions = append(versions, data[:len(data)-1], data[:len(data)/2], nil)
		}
		for i, broken := range versions {
			fsys := copyStore(t, mem, "db")
			writeFile(t, fsys, "db/"+c.manifest, broken)
			r, err := salvage(t.Context(), fsys, "db", "into", nil)
			if err != nil || !r.Guessed || r.Err() == nil {
				t.Fatalf("clean %v, version %d: %+v, %v", clean, i, r, err)
			}
			if got := dump(t, fsys, "into"); got != want {
				t.Fatalf("clean %v, version %d: salvaged %d records, something else than was there", clean, i, r.Keys)
			}
		}
	}
}

func dump(t testing.TB, fsys vfs.FS, dir string) string {
	t.Helper()
	d := mustOpen(t, dir, memory(fsys))
	defer mustClose(t, d)
	return storetest.Dump(t, d)
}

// TestSalvageDamaged damages every third block of a large table, and then its manifest.
func TestSalvageDamaged(t *testing.T) {
	mem := vfs.NewMem()
	o := Options{FS: mem, Ballast: -1}
	d := mustOpen(t, "db", o)
	const records = 3000
	var b store.Batch
	for i := range records {
		b.Put(fmt.Appendf(nil, "k%05d", i), fmt.Appendf(nil, "%d %s", i, strings.Repeat(fmt.Sprint(i*7919), 20)))
	}
	b.DeleteRange([]byte("k00010"), []byte("k00020"))
	b.Delete([]byte("k02500"))
	if err := d.Apply(t.Context(), &b, store.Synced); err != nil {
		t.Fatal(err)
	}
	mustClose(t, d)
	name := files(t, mem, ".sst")[0]
	r, err := openTable(t.Context(), mem, "db/"+name)
	if err != nil {
		t.Fatal(err)
	}
	layout, err := r.Layout()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	data := readFile(t, mem, "db/"+name)
	broken := 0
	for i := 1; i < len(layout.Data); i += 3 {
		data[layout.Data[i].Offset+layout.Data[i].Length/2] ^= 4
		broken++
	}
	if broken < 5 {
		t.Fatalf("%d blocks of %d", broken, len(layout.Data))
	}
	writeFile(t, mem, "db/"+name, data)
	whole := copyStore(t, mem, "db")

	report, err := salvage(t.Context(), mem, "db", "into", nil)
	if err != nil || len(report.Damaged) != 1 || report.Damaged[0].File != name || report.Guessed {
		t.Fatalf("%+v, %v", report, err)
	}
	least := int64(records * (len(layout.Data) - broken - 1) / len(layout.Data))
	if report.Keys < least-20 || report.Keys >= records {
		t.Fatalf("%d keys of %d, with %d of %d blocks damaged", report.Keys, records, broken, len(layout.Data))
	}
	into := mustOpen(t, "into", o)
	for _, gone := range []string{"k00010", "k00019", "k02500"} {
		if _, err := get(t, into, gone); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s is back: %v", gone, err)
		}
	}
	mustClose(t, into)

	for _, name := range files(t, whole, "MANIFEST-") {
		if !strings.HasPrefix(name, "marker") {
			writeFile(t, whole, "db/"+name, []byte("not a manifest"))
		}
	}
	again, err := salvage(t.Context(), whole, "db", "into", nil)
	if err != nil || !again.Guessed || again.Keys != report.Keys {
		t.Fatalf("without a manifest: %+v, %v; with one %d keys", again, err, report.Keys)
	}
}

func get(t testing.TB, d *DB, key string) ([]byte, error) {
	t.Helper()
	snap, err := d.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	return snap.Get([]byte(key))
}

// TestCheckpoint copies a store while it is written to: the copy has what was acknowledged before, and a prefix of the rest.
func TestCheckpoint(t *testing.T) {
	mem := vfs.NewMem()
	d := mustOpen(t, "db", memory(mem))
	defer mustClose(t, d)
	var l ledger
	done := make(chan error)
	go func() { done <- workload(d, &l, 400) }()
	for i := range 4 {
		_, acked, _ := l.copy()
		dir := fmt.Sprint("copy", i)
		if err := d.Checkpoint(dir); err != nil {
			t.Fatal(err)
		}
		_, _, begun := l.copy()
		c := mustOpen(t, dir, memory(mem))
		checkPrefix(t, dir, c, acked, begun)
		mustClose(t, c)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := d.Checkpoint("copy0"); err == nil {
		t.Error("over a copy that is there")
	}
}

// TestCompact: what was overwritten takes no more room, the rest is as it was, and the steps lead to the end.
func TestCompact(t *testing.T) {
	mem := vfs.NewMem()
	d := mustOpen(t, "db", Options{FS: mem, Ballast: -1, tune: func(o *pebble.Options) { o.DisableAutomaticCompactions = true }})
	defer mustClose(t, d)
	for round := range 5 {
		var b store.Batch
		for i := range 500 {
			b.Put(fmt.Appendf(nil, "k%04d", i), fmt.Appendf(nil, "%d.%d %x", round, i, bytes.Repeat([]byte{byte(i * 31)}, 100)))
		}
		if err := d.Apply(t.Context(), &b, store.Written); err != nil {
			t.Fatal(err)
		}
		if err := d.flush(); err != nil {
			t.Fatal(err)
		}
	}
	want := storetest.Dump(t, d)
	var last Step
	freed, err := d.Compact(t.Context(), func(s Step) { last = s })
	if err != nil || freed < last.AllBytes/2 || last.Files != last.AllFiles || last.Bytes != last.AllBytes || last.Bytes == 0 {
		t.Fatalf("freed %d, %v, %+v", freed, err, last)
	}
	if got := storetest.Dump(t, d); got != want {
		t.Error("the store has changed")
	}
}

// TestDamageText keeps what Pebble adds for machines out of what people read.
func TestDamageText(t *testing.T) {
	text := damaged("000004.sst", "bad block\n<corruption detail carrier>").Error()
	if strings.ContainsAny(text, "\n<") || !strings.Contains(text, "bad block; hhs fsck") {
		t.Error(text)
	}
}
