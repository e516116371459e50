package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// site builds the pages around a stand-in for the engine.
func site(t *testing.T, brotli bool) (dir string) {
	t.Helper()
	tmp := t.TempDir()
	wasm := filepath.Join(tmp, "hhs.wasm")
	if err := os.WriteFile(wasm, []byte("\x00asm\x01\x00\x00\x00"), 0o644); err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(tmp, "web")
	b := &build{root: "../..", out: dir, wasm: wasm, wasmExec: "../../js/test/fake-engine.ts", minify: true, brotli: brotli}
	if err := b.run("web"); err != nil {
		t.Fatal(err)
	}
	return dir
}

// files reads all files below dir.
func files(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, p))
		all[p] = data
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestSite(t *testing.T) {
	all := files(t, site(t, false))
	refs := regexp.MustCompile(`(?:src|href)="([^"]+)"`)
	for _, p := range (&build{root: "../.."}).built() {
		page := p.html
		html := string(all[page])
		if html == "" {
			t.Errorf("no %s", page)
		}
		if strings.Contains(html, "{{") {
			t.Errorf("%s has a placeholder left", page)
		}
		for _, m := range refs.FindAllStringSubmatch(html, -1) {
			to := filepath.ToSlash(filepath.Join(filepath.Dir(page), m[1]))
			if strings.HasSuffix(m[1], "/") {
				to += "/index.html"
			}
			if _, ok := all[to]; !ok && !strings.HasPrefix(m[1], "#") {
				t.Errorf("%s refers to %s, which is not there", page, m[1])
			}
		}
	}
	sw := string(all["sw.js"])
	for name := range all {
		kept := strings.Contains(sw, `"`+name+`"`)
		if own := name == "sw.js" || name == "hhs.json" || name == marker; kept == own {
			t.Errorf("service worker keeps %s: %v", name, kept)
		}
	}
}

func TestBuildIsReproducible(t *testing.T) {
	one, two := files(t, site(t, false)), files(t, site(t, false))
	if len(one) != len(two) {
		t.Fatalf("%d files, then %d", len(one), len(two))
	}
	for name, data := range one {
		if !bytes.Equal(data, two[name]) {
			t.Errorf("%s differs between two builds", name)
		}
	}
}

func TestBrotli(t *testing.T) {
	all := files(t, site(t, true))
	small, plain := all["index.html.br"], all["index.html"]
	if len(small) == 0 || len(small) >= len(plain) {
		t.Errorf("index.html has %d bytes, %d compressed", len(plain), len(small))
	}
	if _, ok := all["sw.js.br"]; !ok {
		t.Error("no sw.js.br")
	}
}

func TestForeignDirectoryIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	precious := filepath.Join(dir, "precious")
	if err := os.WriteFile(precious, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	b := &build{root: "../..", out: dir, wasmExec: "../../js/test/fake-engine.ts"}
	if err := b.run("test"); err == nil {
		t.Error("overwrote a directory it did not make")
	}
	if _, err := os.Stat(precious); err != nil {
		t.Error(err)
	}
}

func TestMistakesAreNamed(t *testing.T) {
	for _, c := range []struct {
		b    build
		only string
		want string
	}{
		{build{}, "web", "-out"},
		{build{out: "x"}, "everything", "everything"},
		{build{out: "x"}, "web", "-wasm"},
		{build{out: "x"}, "package", "-wasm"},
		{build{out: "x", wasmExec: "nowhere/wasm_exec.js"}, "web", "nowhere"},
	} {
		c.b.root = "../.."
		if c.b.wasmExec == "" {
			c.b.wasmExec = "../../js/test/fake-engine.ts"
		}
		if err := c.b.run(c.only); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("-only %s: %v, want an error with %q", c.only, err, c.want)
		}
	}
}
