package main

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/examples/chat/room"
	"github.com/hyperhyperspace/hhs-go/identity"
)

const nasty = "a\x1b[2J\u009b\u202e\r\n* Bob left\u2028"

// What others wrote does not act on the terminal, whichever command shows it.
func TestOutputIsPlain(t *testing.T) {
	value, err := json.Marshal(nasty)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	written := entry{Value: value, Name: nasty, Identity: "did:key:z6Mk", Time: now}
	for _, asJSON := range []bool{false, true} {
		for name, print := range map[string]func(a *app) error{
			"chat": func(a *app) error {
				show := a.show()
				for _, event := range []string{"ask", "note", "said", "joined"} {
					show(event, nasty, nasty)
				}
				return nil
			},
			"get": func(a *app) error {
				for _, f := range []fieldValue{
					{Field: nasty, Type: "register", Value: &written},
					{Field: "f", Type: "register", Value: &written, Conflicts: []entry{written, written}},
					{Field: "f", Type: "log", Entries: []entry{written}},
				} {
					if err := a.emit(f, func() { a.printField(f) }); err != nil {
						return err
					}
				}
				return nil
			},
			"watch": func(a *app) error {
				return a.printChange(change{Event: "change", Field: "f", Before: value, After: value, Name: nasty, Time: &now})
			},
			"peers": func(a *app) error {
				list := []peerInfo{{Name: nasty, Device: nasty}}
				return a.emit(list, func() { a.printPeers(list, "") })
			},
			"space show": func(a *app) error {
				i := spaceInfo{Ready: true, Kind: nasty, Created: &now, Fields: []fieldInfo{{nasty, "set"}}, Refused: map[string]int{nasty: 1},
					Refusals: []refusal{{Reason: nasty}}, Peers: []peerInfo{{Name: nasty}}, Link: nasty}
				return a.emit(i, func() { a.printSpace(i) })
			},
			"an error": func(a *app) error { a.fail(failf("value", "%s", nasty)); return nil },
			"a note":   func(a *app) error { a.notef("%s\n", nasty); return nil },
		} {
			var out bytes.Buffer
			a := &app{out: &out, err: &out, json: asJSON}
			if err := print(a); err != nil {
				t.Fatal(name, err)
			}
			for _, bad := range []string{"\x1b", "\u009b", "\u202e", "\u2028", "\r"} {
				if strings.Contains(out.String(), bad) {
					t.Errorf("%s (JSON: %v) prints %q: %q", name, asJSON, bad, out.String())
				}
			}
			if strings.Contains(out.String(), "\n*") && name != "chat" || strings.Contains(out.String(), "\n* Bob left") {
				t.Errorf("%s (JSON: %v): a forged line in %q", name, asJSON, out.String())
			}
			if asJSON && out.Len() > 0 && !strings.Contains(out.String(), `\u202e`) {
				t.Errorf("%s: not escaped in %q", name, out.String())
			}
		}
	}
}

// A commit of a time that no calendar shows is a line like any other.
func TestWatchAnyTime(t *testing.T) {
	n, err := hhs.Open(t.Context(), "", hhs.Offline(), hhs.Kinds(room.Chat))
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	r, err := hhs.Create(t.Context(), n, room.Chat)
	if err != nil {
		t.Fatal(err)
	}
	key, err := identity.ParsePublicKey(string(n.Identity()))
	if err != nil {
		t.Fatal(err)
	}
	for _, ms := range []int64{math.MaxInt64, math.MinInt64, -1, 253402300800000} {
		one, err := changeOf(r.AnySpace, hhs.Change{Field: "topic", Change: crdt.Change{Op: crdt.Op{Time: ms, Identity: key}}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := json.Marshal(one); err != nil {
			t.Error(ms, err)
		}
	}
}

func TestProgram(t *testing.T) {
	for started, want := range map[string]string{
		"hhs": "hhs", "./dist/hhs": "./dist/hhs", "/a b/hhs": "'/a b/hhs'", "/tmp/go-build123/b001/exe/hhs": "go run ./cmd/hhs",
	} {
		if got := program(started); got != want {
			t.Errorf("%s: %s", started, got)
		}
	}
}
