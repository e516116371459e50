//go:build !js

package pebble

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/hyperhyperspace/hhs-go/store"
	"github.com/hyperhyperspace/hhs-go/store/storetest"
)

// crashed is a store as a loss of power leaves it, all of whose n batches were synced, and the end of its last log.
func crashed(t testing.TB, n int) (fsys *vfs.MemFS, log string, end int64) {
	t.Helper()
	mem := vfs.NewCrashableMem()
	d := mustOpen(t, "db", Options{FS: mem, Ballast: -1})
	for i := 1; i <= n; i++ {
		if err := put(d, entry(i), strings.Repeat(fmt.Sprint(i), 40), store.Synced); err != nil {
			t.Fatal(err)
		}
	}
	image := copyStore(t, mem.CrashClone(vfs.CrashCloneCfg{}), "db")
	mustClose(t, d)
	logs := files(t, image, ".log")
	log = logs[len(logs)-1]
	c, err := look(image, "db")
	if err != nil || len(c.damaged) > 0 || c.last != uint64(n) {
		t.Fatalf("a store that is well: %+v, %v", c, err)
	}
	var r chunkReader
	r.number = c.logs[len(c.logs)-1]
	e, err := r.read(bytes.NewReader(readFile(t, image, "db/"+log)), func(chunk) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	return image, log, e.at
}

func isDamaged(t testing.TB, fsys vfs.FS) bool {
	t.Helper()
	c, err := look(fsys, "db")
	if err != nil {
		t.Fatal(err)
	}
	return len(c.damaged) > 0
}

// patch changes bytes of a file in place.
func patch(t testing.TB, fsys vfs.FS, name string, at int64, data []byte) {
	t.Helper()
	f, err := fsys.OpenReadWrite("db/"+name, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(data, at); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestBitFlips changes every bit of the log of a store that a loss of power left, one at a time: each is noticed, also in
// the last group, and the store is not opened (RELIABILITY G6-66).
func TestBitFlips(t *testing.T) {
	mem, log, end := crashed(t, 12)
	data := readFile(t, mem, "db/"+log)
	for at := range end {
		for bit := range 8 {
			patch(t, mem, log, at, []byte{data[at] ^ 1<<bit})
			if !isDamaged(t, mem) {
				t.Errorf("bit %d of byte %d of %d changed unnoticed", bit, at, end)
			}
		}
		patch(t, mem, log, at, data[at:at+1])
	}
	patch(t, mem, log, end-10, []byte{data[end-10] ^ 1})
	before := contentsOf(t, mem)
	_, err := open("db", Options{FS: mem, Ballast: -1})
	var d *DamageError
	if !errors.Is(err, store.ErrCorrupt) || !errors.As(err, &d) || d.File != log || !strings.Contains(err.Error(), "hhs fsck") {
		t.Errorf("open: %v", err)
	}
	if contentsOf(t, mem) != before {
		t.Error("the damaged store was changed")
	}
}

// contentsOf is every byte in the store's directory.
func contentsOf(t testing.TB, fsys vfs.FS) string {
	t.Helper()
	var all strings.Builder
	for _, name := range files(t, fsys, "") {
		fmt.Fprintf(&all, "%s %x\n", name, readFile(t, fsys, "db/"+name))
	}
	return all.String()
}

// TestDamagedRecords spoils many bytes of one group: that is noticed as long as a later synced group can be read. Of the
// last group it looks like a torn write, which is the limit of what is noticed after a crash.
func TestDamagedRecords(t *testing.T) {
	mem, log, end := crashed(t, 12)
	data := readFile(t, mem, "db/"+log)
	size := end / 12
	noise := make([]byte, 40)
	r := rand.NewChaCha8([32]byte{7})
	for at := int64(4); at < end-2*size; at += 17 {
		_, _ = r.Read(noise)
		patch(t, mem, log, at, noise)
		if !isDamaged(t, mem) {
			t.Errorf("40 bytes at %d of %d changed unnoticed", at, end)
		}
		patch(t, mem, log, at, data[at:at+40])
	}
	patch(t, mem, log, end-40, noise)
	if isDamaged(t, mem) {
		t.Error("the torn last group is taken for damage")
	}
	d := mustOpen(t, "db", Options{FS: mem, Ballast: -1})
	defer mustClose(t, d)
	if _, err := get(t, d, entry(11)); err != nil {
		t.Error(err)
	}
}

// TestManyGroups: groups of every size, whose records the blocks of the log cut anywhere, are all counted.
func TestManyGroups(t *testing.T) {
	mem := vfs.NewCrashableMem()
	d := mustOpen(t, "db", Options{FS: mem, Ballast: -1})
	const groups = 4000
	for i := range groups {
		if err := put(d, "k", strings.Repeat("x", i*37%300), store.Synced); err != nil {
			t.Fatal(err)
		}
	}
	image := copyStore(t, mem.CrashClone(vfs.CrashCloneCfg{}), "db")
	mustClose(t, d)
	c, err := look(image, "db")
	if err != nil || len(c.damaged) > 0 || c.last != groups {
		t.Fatalf("%d groups, %v, %v", c.last, c.damaged, err)
	}
}

// TestOneBit is the arithmetic behind TestBitFlips, over chunks of every kind and random bytes.
func TestOneBit(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		diff := r.Uint32()
		n := r.IntN(40)
		data := make([]byte, n)
		for i := range data {
			data[i] = byte(r.Uint32())
		}
		want := false
		sum := crc(data)
		for i := range n * 8 {
			data[i/8] ^= 1 << (i % 8)
			if !oneBit(crc(data)^sum, n) {
				t.Fatalf("bit %d of %d bytes is not found", i, n)
			}
			want = want || crc(data)^sum == diff
			data[i/8] ^= 1 << (i % 8)
		}
		if oneBit(diff, n) != want {
			t.Fatalf("%x within %d bytes: want %v", diff, n, want)
		}
	}
}

// TestMissingFiles removes, truncates and empties each file of a store in turn, after a clean close and after a crash: it
// is never opened as if it were empty, and the error names a file and says what to do (RELIABILITY G6-66).
func TestMissingFiles(t *testing.T) {
	for _, clean := range []bool{true, false} {
		mem := filled(t, clean)
		c, err := look(mem, "db")
		if err != nil {
			t.Fatal(err)
		}
		live, _, err := c.manifestTables()
		if err != nil {
			t.Fatal(err)
		}
		want := dump(t, copyStore(t, mem, "db"), "db")
		needed := append(live, c.manifest, formatFile)
		if clean {
			needed = append(needed, files(t, mem, "OPTIONS")...)
		}
		for _, name := range append(needed, files(t, mem, "marker.")...) {
			for what, spoil := range map[string]func(vfs.FS){
				"removed":   func(f vfs.FS) { _ = f.Remove("db/" + name) },
				"truncated": func(f vfs.FS) { data := readFile(t, mem, "db/"+name); writeFile(t, f, "db/"+name, data[:len(data)/2]) },
				"emptied":   func(f vfs.FS) { writeFile(t, f, "db/"+name, nil) },
			} {
				if strings.HasPrefix(name, "marker.") && what != "removed" {
					continue // has no content
				}
				broken := copyStore(t, mem, "db")
				spoil(broken)
				before := contentsOf(t, broken)
				d, err := open("db", memory(broken))
				if err == nil {
					got := storetest.Dump(t, d)
					mustClose(t, d)
					if !clean && got == want {
						continue // what the lost end of the manifest did is not done yet, as after a loss of power
					}
				}
				var damage *DamageError
				if !errors.Is(err, store.ErrCorrupt) || !errors.As(err, &damage) || damage.File == "" || !strings.Contains(err.Error(), "hhs fsck") {
					t.Errorf("clean %v: %s %s: %v", clean, name, what, err)
				}
				if err != nil && contentsOf(t, broken) != before {
					t.Errorf("clean %v: %s %s: the store was changed", clean, name, what)
				}
			}
		}
		logs := files(t, mem, ".log")
		if !clean { // that there was a newer log than the last one is known after a clean close only
			logs = logs[:len(logs)-1]
		}
		for _, name := range logs {
			broken := copyStore(t, mem, "db")
			if err := broken.Remove("db/" + name); err != nil {
				t.Fatal(err)
			}
			d, err := open("db", memory(broken))
			if err == nil { // one whose groups are in tables
				mustClose(t, d)
				if got := dump(t, broken, "db"); got != want {
					t.Errorf("clean %v: %s removed: opens with less", clean, name)
				}
			}
		}
	}
}

// TestLostEdit: the manifest has lost its last edit, cleanly, with which a table goes. That the log begins with a later
// group than the tables end with shows it.
func TestLostEdit(t *testing.T) {
	mem := vfs.NewCrashableMem()
	d := mustOpen(t, "db", Options{FS: mem, Ballast: -1})
	write := func(from, to int) {
		for i := from; i <= to; i++ {
			if err := put(d, entry(i), "x", store.Synced); err != nil {
				t.Fatal(err)
			}
		}
	}
	write(1, 5)
	manifest := files(t, mem, "MANIFEST-")[0]
	edits := bytes.Clone(readFile(t, mem, "db/"+manifest))
	if err := d.flush(); err != nil {
		t.Fatal(err)
	}
	write(6, 9)
	image := copyStore(t, mem.CrashClone(vfs.CrashCloneCfg{}), "db")
	mustClose(t, d)
	if isDamaged(t, image) {
		t.Fatal("a store that is well is called damaged")
	}
	for _, name := range files(t, image, ".log")[:1] {
		if err := image.Remove("db/" + name); err != nil { // its groups are in the table
			t.Fatal(err)
		}
	}
	if isDamaged(t, image) {
		t.Fatal("a store without a log that it does not need is called damaged")
	}
	writeFile(t, image, "db/"+manifest, edits)
	if _, err := open("db", memory(image)); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("open: %v", err)
	}
}

// TestNewestLogGone misses the newest of several logs of a store that was not closed.
func TestNewestLogGone(t *testing.T) {
	mem, log, _ := crashed(t, 5)
	data := readFile(t, mem, "db/"+log)
	older := logName(logNumbers([]string{log})[0] - 1)
	writeFile(t, mem, "db/"+older, data[:0])
	if isDamaged(t, mem) {
		t.Fatal("an older log that is empty is damage")
	}
	if err := mem.Remove("db/" + log); err != nil {
		t.Fatal(err)
	}
	c, err := look(mem, "db")
	if err != nil || len(c.damaged) != 1 || c.damaged[0].File != log {
		t.Fatalf("%+v, %v", c, err)
	}
}
