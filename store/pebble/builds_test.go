//go:build !js

package pebble

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/sstable/block"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Stores written by a build with cgo and by one without, in which Pebble takes its memory and its compression from
// elsewhere. Each is written by the build that its name says:
//
//	CGO_ENABLED=1 go test ./store/pebble -run TestBuilds -write.build testdata/cgo.tar.gz
//	CGO_ENABLED=0 go test ./store/pebble -run TestBuilds -write.build testdata/pure.tar.gz
//
// They are golden stores of format 2 besides.
var writeBuild = flag.String("write.build", "", "let TestBuilds write a store of this build to a file")

const buildBatches = 151 // the last one is synced

// TestBuilds opens what either build wrote, with groups in its log and with tables of both ways of compression, checks
// every block and goes on writing. The suite runs without cgo, and with it under the race detector, so each reads the
// other's.
func TestBuilds(t *testing.T) {
	s := newScript(buildBatches + 1)
	if *writeBuild != "" {
		s.writeBuild(t, *writeBuild)
	}
	for _, name := range []string{"cgo", "pure"} {
		mem := vfs.NewMem()
		unpack(t, filepath.Join("testdata", name+".tar.gz"), mem)
		if r, err := verify(t.Context(), mem, "db", nil); err != nil || r.Err() != nil || r.Tables < 2 {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
		d := mustOpen(t, "db", memory(mem))
		if got := state(d); got != s.states[buildBatches] {
			t.Errorf("%s: reads otherwise", name)
		}
		if err := s.run(d, &ledger{begun: buildBatches}, buildBatches+1); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := state(d); got != s.states[buildBatches+1] {
			t.Errorf("%s: goes on otherwise", name)
		}
		mustClose(t, d)
	}
}

// writeBuild writes a store that was not closed: half of it with Zstandard, which a build takes from C or from Go.
func (s *script) writeBuild(t *testing.T, path string) {
	t.Helper()
	mem := vfs.NewCrashableMem()
	o := memory(mem)
	o.tune = func(po *pebble.Options) { small(po); po.DisableAutomaticCompactions = true }
	zstd := o
	zstd.tune = func(po *pebble.Options) {
		o.tune(po)
		for i := range po.Levels {
			po.Levels[i].Compression = func() *sstable.CompressionProfile { return block.ZstdCompression }
		}
	}
	var l ledger
	d := mustOpen(t, "db", zstd)
	if err := s.run(d, &l, buildBatches/2); err != nil {
		t.Fatal(err)
	}
	mustClose(t, d)
	d = mustOpen(t, "db", o)
	if err := s.run(d, &l, buildBatches-5); err != nil {
		t.Fatal(err)
	}
	if err := d.flush(); err != nil {
		t.Fatal(err)
	}
	if err := s.run(d, &l, buildBatches); err != nil { // in the log
		t.Fatal(err)
	}
	image := mem.CrashClone(vfs.CrashCloneCfg{})
	mustClose(t, d)
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	z := gzip.NewWriter(f)
	w := tar.NewWriter(z)
	for _, name := range files(t, image, "") {
		data := readFile(t, image, "db/"+name)
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(data))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

func unpack(t *testing.T, path string, to vfs.FS) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := to.MkdirAll("db", 0o700); err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(io.LimitReader(r, 1<<20))
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, to, "db/"+h.Name, data)
	}
}
