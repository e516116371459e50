package hhs

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/hyperhyperspace/hhs-go/object"
)

const testSpace = "bafyreicbdhyjwv36jeeyjpsy6bmzfx63dlusdw5xfvnapmymcprevhctvy"

func TestParseLink(t *testing.T) {
	id, err := object.ParseID(testSpace)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]Link{
		testSpace:                  {Space: id},
		" hhs:" + testSpace + "\n": {Space: id},
		"hhs:" + testSpace + "?s=wss://a.example/signal&e=ws://10.0.0.1:7/peer":        {Space: id, Servers: []string{"wss://a.example/signal"}, Endpoints: []string{"ws://10.0.0.1:7/peer"}},
		"hhs:" + testSpace + "?s=wss://a/signal&t=stun:a:7447&later=x":                 {Space: id, Servers: []string{"wss://a/signal"}, STUN: []string{"stun:a:7447"}},
		"https://host/page/?x=y#hhs:" + testSpace + "?s=wss%3A%2F%2Fa%2Fsignal%3Fq%26": {Space: id, Servers: []string{"wss://a/signal?q&"}},
	} {
		got, err := ParseLink(text)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
		if again, err := ParseLink(got.String()); err != nil || !reflect.DeepEqual(again, got) {
			t.Errorf("%q became %q: %+v, %v", text, got, again, err)
		}
	}
	for text, part := range map[string]string{
		"http://example.org":                  "scheme",
		"":                                    "space id",
		"hhs:bafyreibroken":                   "space id",
		"hhs:" + testSpace + "?s=http://a":    "server",
		"hhs:" + testSpace + "?s=ws://u:p@a":  "server",
		"hhs:" + testSpace + "?s=%zz":         "server",
		"hhs:" + testSpace + "?e=a":           "endpoint",
		"hhs:" + testSpace + "?t=a:1":         "STUN server",
		"hhs:" + testSpace + "?t=stun:a":      "STUN server",
		"hhs:" + testSpace + "?t=stun:a:1/x":  "STUN server",
		"hhs:" + strings.Repeat("a", maxLink): "link",
		"hhs:" + testSpace + "?" + strings.Repeat("s=ws://a&", maxLinkAddrs+1): "server",
	} {
		var bad *LinkError
		if _, err := ParseLink(text); !errors.As(err, &bad) || bad.Part != part {
			t.Errorf("%.80q: %v", text, err)
		}
	}
}

// A link cannot make a node call on a host that is none of its servers.
func TestLinkSTUN(t *testing.T) {
	l := Link{Servers: []string{"wss://a.example/signal", "ws://[::1]:5/signal"},
		STUN: []string{"stun:a.example:7447", "stun:victim.example:53", "stun:[::1]:9", "stun:a.example:7447"}}
	if got := l.stunServers(); !reflect.DeepEqual(got, []string{"stun:a.example:7447", "stun:[::1]:9"}) {
		t.Error(got)
	}
}

func TestLinkWords(t *testing.T) {
	id, err := object.ParseID(testSpace)
	if err != nil {
		t.Fatal(err)
	}
	for server, after := range map[string]string{
		"":                              "",
		"ws://127.0.0.1:7447/signal":    " @ 127.0.0.1:7447",
		"wss://chat.example.org/signal": " @ chat.example.org",
		"ws://chat.example.org/signal":  " @ ws://chat.example.org/signal",
		"wss://host/other":              " @ wss://host/other",
	} {
		l := Link{Space: id}
		if server != "" {
			l.Servers = []string{server}
		}
		text := l.Words()
		if !strings.HasSuffix(text, after) || !IsWords(text) {
			t.Errorf("%s: %q", server, text)
		}
		if _, name, named := strings.Cut(text, "@"); named {
			if back, err := serverURL(name); err != nil || back != server {
				t.Errorf("%q is read as %q, %v", text, back, err)
			}
		}
	}
	for _, typed := range []string{testSpace, "ou34z5z4", "hhs:" + testSpace, "one two", "one two three four", ""} {
		if IsWords(typed) {
			t.Errorf("%q passes for three words", typed)
		}
	}
}

func FuzzParseLink(f *testing.F) {
	f.Add(testSpace)
	f.Add("hhs:" + testSpace + "?s=wss://a/signal&e=ws://b/peer&t=stun:a:1")
	f.Add("https://x/#hhs:" + testSpace)
	f.Add("hhs:?s=%")
	f.Fuzz(func(t *testing.T, text string) {
		l, err := ParseLink(text)
		if err != nil {
			return
		}
		if again, err := ParseLink(l.String()); err == nil && !reflect.DeepEqual(again, l) {
			t.Fatalf("%q became %q", text, l)
		}
		_, _, _ = l.Words(), l.Private(), l.stunServers()
	})
}
