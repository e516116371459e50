package address

import (
	"math/rand/v2"
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

var urls = []string{
	"ws://a", "wss://a.example/signal", "WSS://A.Example:443/peer?x=%zz#f", "ws://127.0.0.1:7447/signal", "ws://[::1]:5/signal",
	"ws://[2001:DB8::1]", "ws://user:pass@host/x", "ws://host:", "ws://münchen.example:80", "http://x_y~z/a b", "ws://h?q", "ws://h#f",
}

var notURLs = []string{
	"", "ws", "ws:", "ws://", "://a", "1s://a", "ws:///path", "ws://:80", "ws://a b", "ws://a:b", "ws://a:1:2", "ws://[::1", "ws://::1/",
	"ws://[1.2.3.4]", "ws://[::1%25lo]", "ws://%41", "ws://a/%zz", "ws://a/#%", "ws://a\n", "ws://a\x7f", "ws://<a>", "ws://@", "ws://a b@c",
}

func TestParseURL(t *testing.T) {
	for _, text := range urls {
		if _, err := ParseURL(text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		likeURL(t, text)
	}
	for _, text := range notURLs {
		if u, err := ParseURL(text); err == nil {
			t.Errorf("%q is read as %+v", text, u)
		}
	}
}

// likeURL holds what is read to net/url.
func likeURL(t *testing.T, text string) {
	t.Helper()
	u, err := ParseURL(text)
	if err != nil {
		return
	}
	want, err := url.Parse(text)
	if err != nil {
		t.Fatalf("%q is read, not by net/url: %v", text, err)
	}
	got := [...]string{u.Scheme, u.Host, u.Hostname(), u.Port()}
	if got != [...]string{want.Scheme, want.Host, want.Hostname(), want.Port()} || u.User != (want.User != nil) {
		t.Fatalf("%q is read as %+v, %q", text, u, got)
	}
}

func FuzzParseURL(f *testing.F) {
	for _, text := range append(append([]string(nil), urls...), notURLs...) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		likeURL(t, text)
		got, ok := Unescape(text)
		want, err := url.QueryUnescape(text)
		if got != want || ok != (err == nil) {
			t.Fatalf("%q is unescaped as %q, %v; want %q, %v", text, got, ok, want, err)
		}
	})
}

var ips = []string{
	"0.0.0.0", "1.2.3.4", "255.255.255.255", "127.0.0.1", "::", "::1", "1::", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "fe80::1%eth0",
	"::ffff:1.2.3.4", "::1.2.3.4", "64:ff9b::1.2.3.4", "1:0:0:2:0:0:0:3", "1:0:0:2:3:0:0:4", "2001:DB8::A", "0:0:1::",
}

var notIPs = []string{
	"", "1", "1.2.3", "1.2.3.4.5", "01.2.3.4", "256.1.1.1", "1.2.3.+4", "1.2.3.", ":", ":::", "1:2", "1:2:3:4:5:6:7:8:9", "1::2::3", "12345::", "::g",
	"1:2:3:4:5:6:7::8:9", "::1%", "1.2.3.4%eth0", ":1", "1:", "::1.2.3", "1.2.3.4::", "::1.2.3.4:5", "1:2:3:4:5:6:7:1.2.3.4", "::+1",
}

func TestParseIP(t *testing.T) {
	for _, text := range ips {
		if _, _, ok := ParseIP(text); !ok {
			t.Errorf("%q is not read", text)
		}
		likeNetip(t, text)
	}
	for _, text := range notIPs {
		if ip, _, ok := ParseIP(text); ok {
			t.Errorf("%q is read as %v", text, ip)
		}
		likeNetip(t, text)
	}
	for _, text := range []string{"1.2.3.4:0", "[::1]:65535", "[::1%lo]:1", "1.2.3.4:65536", "::1:1", "[1.2.3.4]:1", "[::1:1", "1.2.3.4", "1.2.3.4:+1", "[::1]"} {
		likeNetip(t, text)
	}
}

// likeNetip holds both readers, and what they read, to net/netip.
func likeNetip(t *testing.T, text string) {
	t.Helper()
	ip, zone, ok := ParseIP(text)
	want, err := netip.ParseAddr(text)
	if ok != (err == nil) {
		t.Fatalf("%q is read as %v, %v; want %v", text, ip, ok, err)
	}
	port, ok := ParseIPPort(text)
	wantPort, errPort := netip.ParseAddrPort(text)
	if ok != (errPort == nil) || ok && port.String() != wantPort.Addr().WithZone("").String() {
		t.Fatalf("%q is read with a port as %v, %v; want %v, %v", text, port, ok, wantPort, errPort)
	}
	if err != nil {
		return
	}
	if zone != want.Zone() {
		t.Fatalf("%q has zone %q", text, zone)
	}
	want = want.WithZone("")
	if ip.String() != want.String() || ip.Is4() != want.Is4() {
		t.Fatalf("%q is written as %v, want %v", text, ip, want)
	}
	ip, want = ip.Unmap(), want.Unmap()
	if ip.String() != want.String() || ip.IsLoopback() != want.IsLoopback() || ip.IsUnspecified() != want.IsUnspecified() {
		t.Fatalf("%q without mapping is %v, want %v", text, ip, want)
	}
	bits := 48
	if want.Is4() {
		bits = 24
	}
	if net, err := want.Prefix(bits); err != nil || ip.Network(bits) != net.String() {
		t.Fatalf("%q is of %s, want %v, %v", text, ip.Network(bits), net, err)
	}
}

func FuzzParseIP(f *testing.F) {
	for _, text := range append(append([]string(nil), ips...), notIPs...) {
		f.Add(text)
	}
	f.Fuzz(likeNetip)
}

// TestAllZeros writes every pattern of groups that are zero.
func TestAllZeros(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for pattern := range 1 << 8 {
		var parts []string
		for i := range 8 {
			n := uint64(0)
			if pattern>>i&1 == 1 {
				n = 1 + rnd.Uint64N(0xffff)
			}
			parts = append(parts, hexOf(n))
		}
		likeNetip(t, strings.Join(parts, ":"))
	}
}

func hexOf(n uint64) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[n>>12], digits[n>>8&15], digits[n>>4&15], digits[n&15]})
}
