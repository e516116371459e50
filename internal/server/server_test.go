package server

import (
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/goleak"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/transport/ws"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var built = fstest.MapFS{
	"index.html":              {Data: []byte("<!doctype html>chat")},
	"playground/index.html":   {Data: []byte("<!doctype html>playground")},
	"sw.js":                   {Data: []byte("self")},
	"assets/hhs-1234.wasm":    {Data: []byte("\x00asm plain")},
	"assets/hhs-1234.wasm.br": {Data: []byte("compressed by brotli")},
	"assets/chat-1.js":        {Data: []byte("let a")},
	"assets/chat-1.js.gz":     {Data: []byte("compressed by gzip")},
	"hhs.json":                {Data: []byte(`{"servers":["wss://wrong"]}`)},
}

// running serves until the test ends.
func running(t *testing.T, o Options, node *hhs.Node) *Server {
	t.Helper()
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	s, err := Listen(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, node) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error("serve:", err)
		}
	})
	return s
}

// get asks without following redirects or undoing compression.
func get(t *testing.T, method, url string, header ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	tr := &http.Transport{DisableCompression: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // the test's own certificate
	defer tr.CloseIdleConnections()
	resp, err := tr.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return resp, "" // the body is the connection
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func TestPages(t *testing.T) {
	s := running(t, Options{Pages: built}, nil)
	const forever, again = "public, max-age=31536000, immutable", "no-cache"
	for _, c := range []struct {
		path, accepts         string
		code                  int
		kind, cache, encoding string
		body                  string
	}{
		{"/", "", 200, "text/html; charset=utf-8", again, "", "<!doctype html>chat"},
		{"/index.html", "", 200, "text/html; charset=utf-8", again, "", "<!doctype html>chat"},
		{"/playground/", "", 200, "text/html; charset=utf-8", again, "", "<!doctype html>playground"},
		{"/sw.js", "gzip, br", 200, "text/javascript; charset=utf-8", again, "", "self"},
		{"/assets/hhs-1234.wasm", "", 200, "application/wasm", forever, "", "\x00asm plain"},
		{"/assets/hhs-1234.wasm", "gzip, deflate, br", 200, "application/wasm", forever, "br", "compressed by brotli"},
		{"/assets/hhs-1234.wasm", "br;q=0", 200, "application/wasm", forever, "", "\x00asm plain"},
		{"/assets/chat-1.js", "gzip, br", 200, "text/javascript; charset=utf-8", forever, "gzip", "compressed by gzip"},
		{"/nosuch", "", 404, "text/plain; charset=utf-8", again, "", "there is no such page\n"},
		{"/assets/", "", 404, "text/plain; charset=utf-8", again, "", "there is no such page\n"},
		{"/assets/hhs-1234.wasm.br", "", 404, "text/plain; charset=utf-8", again, "", "there is no such page\n"},
	} {
		resp, body := get(t, "GET", s.URL()+c.path, "Accept-Encoding", c.accepts)
		h := resp.Header
		if resp.StatusCode != c.code || h.Get("Content-Type") != c.kind || h.Get("Cache-Control") != c.cache || h.Get("Content-Encoding") != c.encoding || body != c.body {
			t.Errorf("%s (%s): %d %v %q", c.path, c.accepts, resp.StatusCode, h, body)
		}
		for name, part := range map[string]string{"Content-Security-Policy": "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'",
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin"} {
			if !strings.Contains(h.Get(name), part) {
				t.Errorf("%s: %s is %q", c.path, name, h.Get(name))
			}
		}
		if h.Get("Access-Control-Allow-Origin") != "" || h.Get("Set-Cookie") != "" {
			t.Errorf("%s: %v", c.path, h)
		}
	}
	if resp, _ := get(t, "GET", s.URL()+"/playground"); resp.StatusCode != 301 || resp.Header.Get("Location") != "/playground/" {
		t.Error("playground without a slash:", resp.StatusCode, resp.Header)
	}
	resp, _ := get(t, "GET", s.URL()+"/")
	if resp, body := get(t, "GET", s.URL()+"/", "If-None-Match", resp.Header.Get("ETag")); resp.StatusCode != 304 || body != "" {
		t.Error("revalidated:", resp.StatusCode, body)
	}
	if resp, body := get(t, "HEAD", s.URL()+"/"); resp.StatusCode != 200 || body != "" {
		t.Error("HEAD:", resp.StatusCode, body)
	}
	for _, path := range []string{"/", "/hhs.json"} {
		if resp, _ := get(t, "POST", s.URL()+path); resp.StatusCode != 405 || resp.Header.Get("Allow") != "GET, HEAD" {
			t.Error("POST", path, resp.StatusCode)
		}
	}
}

// What the build did not compress is compressed for those far away.
func TestSqueeze(t *testing.T) {
	long := strings.Repeat("let a = 1\n", 1000)
	files := fstest.MapFS{"index.html": {Data: []byte("x")}, "assets/long.js": {Data: []byte(long)}}
	near := running(t, Options{Pages: files}, nil)
	if resp, body := get(t, "GET", near.URL()+"/assets/long.js", "Accept-Encoding", "gzip"); resp.Header.Get("Content-Encoding") != "" || body != long {
		t.Error(resp.Header)
	}
	far := running(t, Options{Pages: files, PublicURL: "https://chat.example.org"}, nil)
	resp, body := get(t, "GET", "http://"+far.Addr().String()+"/assets/long.js", "Accept-Encoding", "gzip")
	r, err := gzip.NewReader(strings.NewReader(body))
	if err != nil {
		t.Fatal(resp.Header, err)
	}
	if plain, err := io.ReadAll(r); err != nil || string(plain) != long || resp.Header.Get("Content-Encoding") != "gzip" || len(body) > len(long)/10 {
		t.Error(resp.Header, len(body), err)
	}
	if resp, _ := get(t, "GET", "http://"+far.Addr().String()+"/", "Accept-Encoding", "gzip"); resp.Header.Get("Content-Encoding") != "" {
		t.Error("a byte was compressed")
	}
}

func TestNoPages(t *testing.T) {
	s := running(t, Options{NoPages: "build them"}, nil)
	if resp, body := get(t, "GET", s.URL()+"/"); resp.StatusCode != 503 || body != "build them\n" {
		t.Error(resp.StatusCode, body)
	}
}

func TestHosts(t *testing.T) {
	s := running(t, Options{Pages: built}, nil)
	resp, body := get(t, "GET", s.URL()+"/hhs.json")
	var h Hosts
	if err := json.Unmarshal([]byte(body), &h); err != nil {
		t.Fatal(err)
	}
	addr := s.Addr().String()
	if h.Servers[0] != "ws://"+addr+"/signal" || h.Endpoints[0] != "ws://"+addr+"/peer" || !strings.HasPrefix(h.STUN[0], "stun:127.0.0.1:") {
		t.Error(body)
	}
	if resp.Header.Get("Cache-Control") != "no-store" || resp.Header.Get("Content-Type") != "application/json" {
		t.Error(resp.Header)
	}
	for _, c := range []struct {
		o              Options
		server, origin string
	}{
		{Options{PublicURL: "https://chat.example.org"}, "wss://chat.example.org/signal", "https://chat.example.org"},
		{Options{PublicURL: "https://chat.example.org/hhs/"}, "wss://chat.example.org/hhs/signal", "https://chat.example.org/hhs"},
		{Options{PublicURL: "http://192.168.1.5:8080"}, "ws://192.168.1.5:8080/signal", "http://192.168.1.5:8080"},
	} {
		c.o.Listen = "127.0.0.1:0"
		s, err := Listen(c.o)
		if err != nil {
			t.Fatal(err)
		}
		if len(s.Hosts().STUN) != 0 { // it is bound to loopback, where the proxy is
			t.Error(s.Hosts().STUN)
		}
		if s.Hosts().Servers[0] != c.server || s.URL() != c.origin {
			t.Error(s.Hosts(), s.URL())
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestNoPeerEndpoint(t *testing.T) {
	s := running(t, Options{NoPeer: true, Pages: built}, nil)
	if len(s.Hosts().Endpoints) != 0 {
		t.Error(s.Hosts())
	}
	if resp, _ := get(t, "GET", s.URL()+"/peer"); resp.StatusCode != 404 {
		t.Error(resp.StatusCode)
	}
}

// The two WebSocket endpoints take a page of any origin.
func TestEndpoints(t *testing.T) {
	node, err := hhs.Open(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	t.Run("open", func(t *testing.T) {
		s := running(t, Options{}, node)
		for _, url := range append(s.Hosts().Servers, s.Hosts().Endpoints...) {
			conn, err := (&ws.Dialer{}).Dial(t.Context(), url)
			if err != nil {
				t.Errorf("%s: %v", url, err)
				continue
			}
			conn.Close()
			if resp, _ := get(t, "GET", strings.Replace(url, "ws", "http", 1), "Origin", "https://elsewhere.example", "Connection", "Upgrade",
				"Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="); resp.StatusCode != 101 {
				t.Errorf("%s from another origin: %d", url, resp.StatusCode)
			}
		}
	})
}

func TestBusyAndKept(t *testing.T) {
	first, err := Listen(Options{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	addr := first.Addr().String()
	dir := t.TempDir()
	var busy *BusyError
	for _, any := range []bool{false, true} { // a chosen address is never replaced
		if _, err := Listen(Options{Dir: dir, Listen: addr, AnyPort: any}); !errors.As(err, &busy) || busy.Addr != addr || !strings.Contains(err.Error(), "--listen") {
			t.Error(err)
		}
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second, err := Listen(Options{Dir: dir, Listen: addr})
	if err != nil {
		t.Fatal(err)
	}
	second.Close()
	third, err := Listen(Options{Dir: dir}) // as the time before
	if err != nil || third.Addr().String() != addr {
		t.Fatal(third.Addr(), err)
	}
	third.Close()
}

func TestWrongOptions(t *testing.T) {
	for _, o := range []Options{
		{Listen: "nonsense"}, {Listen: "127.0.0.1:99999"}, {TLSCert: "x"}, {TLSKey: "x"}, {TLSCert: "nothere", TLSKey: "nothere"},
		{Domain: "example.org"}, {Domain: "example.org", Dir: "x", TLSCert: "a", TLSKey: "b"},
		{PublicURL: "example.org"}, {PublicURL: "ws://example.org"}, {PublicURL: "https://u:p@example.org"}, {PublicURL: "https://example.org?x"},
	} {
		if o.Listen == "" {
			o.Listen = "127.0.0.1:0"
		}
		if s, err := Listen(o); err == nil {
			s.Close()
			t.Errorf("%+v was taken", o)
		}
	}
}

func TestTLS(t *testing.T) {
	cert, key := selfSigned(t)
	s := running(t, Options{TLSCert: cert, TLSKey: key, Pages: built}, nil)
	if !strings.HasPrefix(s.URL(), "https://") || !strings.HasPrefix(s.Hosts().Servers[0], "wss://") {
		t.Error(s.URL(), s.Hosts())
	}
	if _, body := get(t, "GET", s.URL()+"/"); body != "<!doctype html>chat" {
		t.Error(body)
	}
}

// With a certificate and no address chosen, others can reach the server.
func TestAddressWithCertificate(t *testing.T) {
	dir := t.TempDir()
	for _, o := range []Options{{TLSCert: "c", TLSKey: "k"}, {Domain: "example.org", Dir: dir}} {
		if addr, chosen, err := o.chosen(); addr != ":443" || chosen || err != nil {
			t.Error(addr, chosen, err)
		}
		if o.Listen = "127.0.0.1:8443"; o.Listen != "" {
			if addr, _, err := o.chosen(); addr != o.Listen || err != nil {
				t.Error(addr, err)
			}
		}
	}
}

func selfSigned(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, body []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: body}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("cert.pem", "CERTIFICATE", cert), write("key.pem", "PRIVATE KEY", der)
}

// A request whose header is too long is refused.
func TestHeaderLimits(t *testing.T) {
	s := running(t, Options{Pages: built}, nil)
	conn, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// net/http allows 4 KiB over the limit; it answers when it has read that much.
	long := "GET / HTTP/1.1\r\nHost: x\r\nX-Long: "
	if _, err := io.WriteString(conn, long+strings.Repeat("a", maxHeader+4096-len(long))); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, len("HTTP/1.1 431"))
	if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != "HTTP/1.1 431" {
		t.Errorf("%q, %v", answer, err)
	}
}

// Only a proxy near by may say who a request is from.
func TestAddress(t *testing.T) {
	s := &Server{opts: Options{PublicURL: "https://x"}}
	for _, c := range []struct{ remote, forwarded, want string }{
		{"127.0.0.1:5", "1.2.3.4", "1.2.3.4"},
		{"127.0.0.1:5", "9.9.9.9, 1.2.3.4", "1.2.3.4"},
		{"10.0.0.1:5", "1.2.3.4", "1.2.3.4"},
		{"8.8.8.8:5", "1.2.3.4", "8.8.8.8:5"},
		{"127.0.0.1:5", "", "127.0.0.1:5"},
	} {
		r := &http.Request{RemoteAddr: c.remote, Header: http.Header{}}
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		if got := s.address()(r); got != c.want {
			t.Errorf("%v: %q", c, got)
		}
	}
	if (&Server{}).address() != nil {
		t.Error("without a proxy the header counts")
	}
}
