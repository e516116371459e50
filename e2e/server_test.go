package e2e

import (
	"bytes"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"
)

// static serves the built pages as any host of files would, at an address of this machine.
func static(t *testing.T, ip string) string {
	t.Helper()
	return staticChanged(t, ip, func(_ string, body []byte) []byte { return body })
}

// staticChanged serves the built pages with changes.
func staticChanged(t *testing.T, ip string, change func(name string, body []byte) []byte) string {
	t.Helper()
	dir := os.DirFS(pages(t))
	handler := func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/")
		if name == "" || strings.HasSuffix(name, "/") {
			name += "index.html"
		}
		if name == "favicon.ico" { // asked for by the browser where a document names none
			w.WriteHeader(http.StatusNoContent)
			return
		}
		body, err := fs.ReadFile(dir, name)
		if err != nil {
			http.NotFound(w, r)
			return
		}
		http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(change(name, body)))
	}
	l, err := net.Listen("tcp", net.JoinHostPort(ip, "0"))
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(handler))
	s.Listener.Close()
	s.Listener = l
	s.Start()
	t.Cleanup(s.Close)
	return s.URL + "/"
}

// hash is the part of a page's link that names the room.
func hash(t *testing.T, link string) string {
	t.Helper()
	_, room, found := strings.Cut(link, "#")
	if !found {
		t.Fatalf("%q names no room", link)
	}
	return room
}

// TestAnyonesServer lets two pages meet that come from different hosts and have different servers, through links alone.
func TestAnyonesServer(t *testing.T) {
	t.Parallel()
	needInterface(t)
	one, two := serve(t), serve(t)
	ana := profile(t, "ana").open(one.URL).ready()
	ben := profile(t, "ben").open(static(t, "127.0.0.1") + "?server=" + url.QueryEscape(two.signalling())).ready()

	link := ana.create("At one's server")
	ana.write("from one")
	ben.enter(hash(t, link))
	ben.shows("from one")
	ben.write("from a plain host")
	ana.shows("from a plain host")

	link = ben.create("")
	if !strings.Contains(link, two.address) || strings.Contains(link, one.address) {
		t.Errorf("the link of a room made with the second's signalling is %s", link)
	}
	ben.write("at two's server")
	ana.enter(hash(t, link))
	ana.shows("at two's server")
	ana.write("from the first's page")
	ben.shows("from the first's page")
	for _, p := range []*tab{ana, ben} {
		p.hasTransport("rtc")
		p.direct()
	}
}

// TestInsecureOrigin shows what a page says where browsers withhold keys: one sentence, and nothing else happens.
func TestInsecureOrigin(t *testing.T) {
	t.Parallel()
	address := static(t, needInterface(t).String())
	p := profile(t, "insecure").open(address)
	p.until(`d.state === 'insecure'`)
	want := "This page was opened from " + strings.TrimSuffix(address, "/") +
		", where browsers withhold keys and storage; open it over https, or from localhost."
	if got := p.text(`document.getElementById('notice').innerText.trim()`); got != want {
		t.Errorf("the page says %q, want %q", got, want)
	}
	if n := p.text(`String(document.querySelectorAll('#notice button, #welcome:not([hidden]), #room:not([hidden])').length)`); n != "0" {
		t.Errorf("the page offers %s ways on, where there is none", n)
	}
}
