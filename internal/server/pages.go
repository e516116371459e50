package server

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"net/http"
	"net/netip"
	"path"
	"strconv"
	"strings"
	"sync"
)

// csp lets a page run its own scripts and the engine, and connect to the peers
// and signalling servers that links name, which may be anywhere. Nothing inline
// and nothing from elsewhere runs. The pages say the same in a meta element, for
// hosts that send no headers.
const csp = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; " +
	"connect-src 'self' ws: wss:; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// harden sets the headers that every answer carries.
func harden(h http.Header) {
	h.Set("Content-Security-Policy", csp)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
}

// types are those of the files a build makes, so that the answer does not
// depend on the machine's own table.
var types = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8",
	".css": "text/css; charset=utf-8", ".wasm": "application/wasm", ".json": "application/json", ".map": "application/json",
	".svg": "image/svg+xml", ".png": "image/png", ".ico": "image/x-icon",
	".webmanifest": "application/manifest+json", ".txt": "text/plain; charset=utf-8",
}

// page is one file, ready to be sent.
type page struct {
	kind    string
	cache   string
	etag    string
	plain   []byte
	br, gz  []byte        // compressed by the build; nil: there is none
	squeeze func() []byte // gzip, made when it is first asked for; nil where it saves nothing
}

// pages serves the built files of package web. It is read once: the files are
// in the binary.
type pages struct {
	files map[string]*page // by path, without the first slash
	none  string           // what is said when there are none
	proxy bool             // requests come through a proxy, so an address near by says nothing
}

func loadPages(files fs.FS, none string, proxy bool) (*pages, error) {
	p := &pages{files: map[string]*page{}, none: none, proxy: proxy}
	if files == nil {
		return p, nil
	}
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		ext := path.Ext(name)
		if err != nil || d.IsDir() || types[ext] == "" || name == "hhs.json" {
			return err
		}
		f := &page{kind: types[ext], cache: "no-cache"}
		if strings.HasPrefix(name, "assets/") { // a hash of the content is in the name
			f.cache = "public, max-age=31536000, immutable"
		}
		if f.plain, err = fs.ReadFile(files, name); err != nil {
			return err
		}
		if f.br, err = optional(files, name+".br"); err != nil {
			return err
		}
		if f.gz, err = optional(files, name+".gz"); err != nil {
			return err
		}
		if f.gz == nil && len(f.plain) >= minSqueeze && ext != ".png" {
			f.squeeze = sync.OnceValue(func() []byte { return squeeze(f.plain) })
		}
		sum := sha256.Sum256(f.plain)
		f.etag = hex.EncodeToString(sum[:16])
		p.files[name] = f
		return nil
	})
	return p, err
}

// squeeze compresses a file that the build did not.
func squeeze(plain []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b) // neither can fail: they write to memory
	_, _ = w.Write(plain)
	_ = w.Close()
	return b.Bytes()
}

// near tells whether a request comes from this machine, where compressing takes
// longer than sending.
func (p *pages) near(r *http.Request) bool {
	addr, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && addr.Addr().IsLoopback() && !p.proxy
}

func optional(files fs.FS, name string) ([]byte, error) {
	body, err := fs.ReadFile(files, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return body, err
}

// readOnly refuses all but GET and HEAD.
func readOnly(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	w.Header().Set("Allow", "GET, HEAD")
	http.Error(w, "only GET and HEAD are answered here", http.StatusMethodNotAllowed)
	return false
}

// ServeHTTP sends a file.
func (p *pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	harden(w.Header())
	if !readOnly(w, r) {
		return
	}
	if len(p.files) == 0 {
		http.Error(w, p.none, http.StatusServiceUnavailable)
		return
	}
	name := strings.TrimPrefix(r.URL.Path, "/")
	if name == "" || strings.HasSuffix(name, "/") {
		name += "index.html"
	}
	f := p.files[name]
	if f == nil {
		if p.files[name+"/index.html"] != nil {
			http.Redirect(w, r, "/"+name+"/", http.StatusMovedPermanently)
			return
		}
		w.Header().Set("Cache-Control", "no-cache")
		http.Error(w, "there is no such page", http.StatusNotFound)
		return
	}
	f.send(w, r, p.near(r))
}

func (f *page) send(w http.ResponseWriter, r *http.Request, near bool) {
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("Cache-Control", f.cache)
	h.Set("Vary", "Accept-Encoding")
	body, etag := f.plain, f.etag
	switch accepts := r.Header.Get("Accept-Encoding"); {
	case f.br != nil && accept(accepts, "br"):
		body, etag = f.br, f.etag+"-br"
		h.Set("Content-Encoding", "br")
	case f.gz != nil && accept(accepts, "gzip"):
		body, etag = f.gz, f.etag+"-gz"
		h.Set("Content-Encoding", "gzip")
	case f.squeeze != nil && !near && accept(accepts, "gzip"):
		body, etag = f.squeeze(), f.etag+"-gz"
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("ETag", `"`+etag+`"`)
	if matches(r.Header.Get("If-None-Match"), etag) {
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodGet {
		w.Write(body)
	}
}

// accept tells whether a client takes an encoding: named, and not with q=0.
func accept(header, encoding string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, params, _ := strings.Cut(part, ";")
		if strings.TrimSpace(name) == encoding {
			q := strings.TrimSpace(params)
			return q != "q=0" && q != "q=0.0" && q != "q=0.00" && q != "q=0.000"
		}
	}
	return false
}

func matches(header, etag string) bool {
	for part := range strings.SplitSeq(header, ",") {
		if strings.Trim(strings.TrimPrefix(strings.TrimSpace(part), "W/"), `"`) == etag {
			return true
		}
	}
	return false
}
