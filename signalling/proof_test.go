package signalling

import (
	"strings"
	"testing"

	"github.com/hyperhyperspace/hhs-go/identity"
)

func TestServerName(t *testing.T) {
	for url, want := range map[string]string{
		"ws://example.org":                 "example.org:80",
		"wss://example.org":                "example.org:443",
		"https://Example.ORG/a?b#c":        "example.org:443",
		"wss://example.org:443/signal":     "example.org:443",
		"ws://127.0.0.1:7447/signalling":   "127.0.0.1:7447",
		"ws://[::1]:7447":                  "[::1]:7447",
		"ws://[0:0:0:0:0:0:0:1]":           "[::1]:80",
		"ws://[2001:DB8::1]:1/x":           "[2001:db8::1]:1",
		"wss://example.org.":               "example.org:443",
		"x://host:9":                       "host:9",
		"":                                 "",
		"example.org":                      "",
		"ws://":                            "",
		"ws:///path":                       "",
		"ws://.":                           "",
		"ws://user@example.org":            "",
		"ws://exa%6dple.org":               "",
		"ws://bücher.example":              "",
		"ws://host:0":                      "",
		"ws://host:080":                    "",
		"ws://host:65536":                  "",
		"ws://host:+80":                    "",
		"ws://host:":                       "",
		"x://host":                         "",
		"ws://[::1":                        "",
		"ws://[fe80::1%25eth0]":            "",
		"ws://[127.0.0.1]":                 "",
		"ws://a b":                         "",
		"ws://host\\@evil":                 "",
		"ws://" + strings.Repeat("a", 300): "",
	} {
		got, err := ServerName(url)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("name of %q is %q, %v; want %q", url, got, err, want)
		}
	}
}

// TestProofCovers changes each part of what is proven.
func TestProofCovers(t *testing.T) {
	key := newKey(t)
	nonce, topic := [32]byte{1}, Topic{2}
	sig, err := key.Sign(t.Context(), Proof("a.example:443", nonce, topic, 5))
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]identity.Statement{
		"server": Proof("b.example:443", nonce, topic, 5),
		"nonce":  Proof("a.example:443", [32]byte{9}, topic, 5),
		"topic":  Proof("a.example:443", nonce, Topic{9}, 5),
		"expiry": Proof("a.example:443", nonce, topic, 6),
	} {
		if identity.Verify(identity.Check{Key: key.Public(), Statement: s, Sig: sig}) == nil {
			t.Errorf("a proof verifies with another %s", name)
		}
	}
	if err := identity.Verify(identity.Check{Key: key.Public(), Statement: Proof("a.example:443", nonce, topic, 5), Sig: sig}); err != nil {
		t.Error(err)
	}
}
