package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/andybalholm/brotli"
	"github.com/evanw/esbuild/pkg/api"
)

// page is one HTML file with its script and style.
type page struct {
	html   string // its place in the output
	from   string // the directory that html is in
	script string
	style  string
	needs  string // a package of npm without which the page is left out, as a build without npm does
}

// pages are all pages there are. The first is the index.
var pages = []page{
	{"index.html", "web", "web/chat/main.ts", "web/chat/style.css", ""},
	{"playground/index.html", "web", "web/playground/main.ts", "web/playground/style.css", ""},
	{"examples/shopping-list/index.html", "", "examples/shopping-list/main.ts", "examples/page.css", ""},
	{"examples/counter-poll/index.html", "", "examples/counter-poll/main.ts", "examples/page.css", ""},
	{"examples/files/index.html", "", "examples/files/main.ts", "examples/page.css", ""},
	{"examples/auction/index.html", "", "examples/auction/main.ts", "examples/page.css", ""},
	{"examples/shared-notes/index.html", "", "examples/shared-notes/main.ts", "examples/page.css", "@codemirror/view"},
}

// built are the pages of this build.
func (b *build) built() (list []page) {
	for _, p := range pages {
		if _, err := os.Stat(b.path("js", "node_modules", filepath.FromSlash(p.needs))); p.needs == "" || err == nil {
			list = append(list, p)
		}
	}
	return list
}

// link is what stands for a link to another page, {{link PATH TEXT}}: nothing becomes of it where that page is not built.
var link = regexp.MustCompile(`\{\{link ([a-z/-]+) ([^}]+)\}\}`)

func (b *build) links(html []byte) []byte {
	return link.ReplaceAllFunc(html, func(m []byte) []byte {
		part := link.FindSubmatch(m)
		for _, p := range b.built() {
			if p.html == string(part[1])+"index.html" {
				return fmt.Appendf(nil, `<a href="%s">%s</a>`, part[1], part[2])
			}
		}
		return nil
	})
}

// output is the built site, by path.
type output map[string][]byte

// asset adds a file whose name carries its hash, so that it may be cached for ever, and returns its path.
func (o output) asset(name string, data []byte) string {
	ext := path.Ext(name)
	sum := sha256.Sum256(data)
	p := fmt.Sprintf("assets/%s-%x%s", strings.TrimSuffix(name, ext), sum[:5], ext)
	o[p] = data
	return p
}

// web builds the pages into the output directory.
func (b *build) web() error {
	if b.wasm == "" {
		return fmt.Errorf("the pages need the engine: give -wasm")
	}
	out := output{}
	assets, err := b.engine(out)
	if err != nil {
		return err
	}
	for _, p := range b.built() {
		if err := b.page(out, p, assets); err != nil {
			return fmt.Errorf("build %s: %w", p.html, err)
		}
	}
	for _, name := range []string{"icon.svg", "manifest.webmanifest"} {
		data, err := os.ReadFile(b.path("web", name))
		if err != nil {
			return err
		}
		out[name] = data
	}
	if err := b.serviceWorker(out); err != nil {
		return err
	}
	// Not for the service worker to keep: a host that has servers to offer answers this address itself.
	out["hhs.json"] = []byte(`{"servers":[],"endpoints":[],"stun":[]}` + "\n")
	if err := b.fresh(); err != nil {
		return err
	}
	for _, name := range sorted(out) {
		if err := b.write(name, out[name]); err != nil {
			return err
		}
	}
	return nil
}

// engine adds the engine and its worker and returns their names relative to the scripts beside them.
func (b *build) engine(out output) (map[string]string, error) {
	wasm, err := os.ReadFile(b.wasm)
	if err != nil {
		return nil, err
	}
	worker, err := b.script("js/src/worker.ts", api.FormatIIFE, nil)
	if err != nil {
		return nil, err
	}
	return map[string]string{
		"wasm":   "./" + path.Base(out.asset("hhs.wasm", wasm)),
		"worker": "./" + path.Base(out.asset("worker.js", worker)),
	}, nil
}

// page adds one page: its script knows where the engine is, its HTML where script and style are.
func (b *build) page(out output, p page, assets map[string]string) error {
	where, err := json.Marshal(assets)
	if err != nil {
		return err
	}
	name := strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(p.script, "web/"), "/main.ts"), "/", "-")
	script, err := b.script(p.script, api.FormatESModule, map[string]string{"HHS_ASSETS": string(where)})
	if err != nil {
		return err
	}
	style, err := b.script(p.style, api.FormatESModule, nil)
	if err != nil {
		return err
	}
	html, err := os.ReadFile(b.path(p.from, filepath.FromSlash(p.html)))
	if err != nil {
		return err
	}
	up := strings.Repeat("../", strings.Count(p.html, "/"))
	for from, to := range map[string]string{
		"{{script}}": up + out.asset(name+".js", script),
		"{{style}}":  up + out.asset(name+".css", style),
		"{{root}}":   up,
	} {
		if from != "{{root}}" && !bytes.Contains(html, []byte(from)) {
			return fmt.Errorf("no %s in it", from)
		}
		html = bytes.ReplaceAll(html, []byte(from), []byte(to))
	}
	out[p.html] = b.links(html)
	return nil
}

// serviceWorker adds sw.js, which knows every file of this build and changes whenever one of them does.
func (b *build) serviceWorker(out output) error {
	h := sha256.New()
	files := sorted(out)
	for _, name := range files {
		fmt.Fprintf(h, "%s %x\n", name, sha256.Sum256(out[name]))
	}
	list, err := json.Marshal(files)
	if err != nil {
		return err
	}
	sw, err := b.script("web/sw.ts", api.FormatIIFE, map[string]string{
		"HHS_FILES": string(list),
		"HHS_BUILD": fmt.Sprintf(`"%x"`, h.Sum(nil)[:8]),
	})
	if err != nil {
		return err
	}
	out["sw.js"] = sw
	return nil
}

// write puts one file into the output directory, with its compressed form where that was asked for and is smaller.
func (b *build) write(name string, data []byte) error {
	to := filepath.Join(b.out, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(to, data, 0o644); err != nil {
		return err
	}
	if !b.brotli {
		return nil
	}
	small, err := compress(data)
	if err != nil {
		return err
	}
	if len(small) >= len(data) {
		return nil
	}
	return os.WriteFile(to+".br", small, 0o644)
}

// compress is brotli at quality 11 with a window of 16 MiB, what a host would do once and keep.
func compress(data []byte) ([]byte, error) {
	var buf bytes.Buffer
	w := brotli.NewWriterOptions(&buf, brotli.WriterOptions{Quality: 11, LGWin: 24})
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}
