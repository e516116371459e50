package mesh

import (
	"bytes"
	"crypto/rand"
	"slices"
	"testing"
	"time"

	"github.com/hyperhyperspace/hhs-go/object"
)

// A server that changes any byte of a body, or shows it on another topic or
// day, or to another space, gets nothing out of it.
func TestSealedSignals(t *testing.T) {
	id := object.Sum(object.DagCBOR, []byte("space"))
	topic := spaceTopic(id, "example.org:443", 20000)
	key, err := sealKey(id.Bytes(), topic)
	if err != nil {
		t.Fatal(err)
	}
	s := sealedSignal{kind: signalTo, attempt: attemptID{1, 2}, number: 300, rest: []byte("an offer")}
	body, err := s.seal(key, topic, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	got, err := openSignal(body, key, topic)
	if err != nil || got.kind != s.kind || got.attempt != s.attempt || got.number != 300 || !bytes.Equal(got.rest, s.rest) {
		t.Fatalf("%+v, %v", got, err)
	}
	for i := range body {
		bad := slices.Clone(body)
		bad[i] ^= 1 << (i % 8)
		if _, err := openSignal(bad, key, topic); err == nil {
			t.Fatalf("byte %d changed and accepted", i)
		}
		if _, err := openSignal(body[:i], key, topic); err == nil {
			t.Fatalf("cut at %d and accepted", i)
		}
	}
	if bytes.Contains(body, []byte("offer")) {
		t.Error("readable")
	}
	other := spaceTopic(id, "example.org:443", 20001)
	if _, err := openSignal(body, key, other); err == nil {
		t.Error("accepted on another topic")
	}
	key2, _ := sealKey(object.Sum(object.DagCBOR, []byte("other")).Bytes(), topic)
	if _, err := openSignal(body, key2, topic); err == nil {
		t.Error("accepted in another space")
	}
}

func TestTopics(t *testing.T) {
	id := object.Sum(object.DagCBOR, []byte("space"))
	a := spaceTopic(id, "example.org:443", 20000)
	for name, b := range map[string][32]byte{
		"day":    spaceTopic(id, "example.org:443", 20001),
		"server": spaceTopic(id, "example.org:80", 20000),
		"space":  spaceTopic(object.Sum(object.Raw, []byte("space")), "example.org:443", 20000),
		"words":  wordsMeeting(1, "example.org:443", 20000),
	} {
		if a == b {
			t.Errorf("another %s gives the same topic", name)
		}
	}
	for url, want := range map[string]string{
		"ws://localhost:7447/signal": "localhost:7447",
		"ws://127.0.0.1:7447":        "localhost:7447",
		"ws://[::1]:7447/x":          "localhost:7447",
		"wss://Example.org":          "example.org:443",
	} {
		if got, err := meetingHost(url); err != nil || got != want {
			t.Errorf("%s: %q, %v", url, got, err)
		}
	}
}

func TestDays(t *testing.T) {
	at := func(h, m int) time.Time { return time.Date(2026, 5, 4, h, m, 0, 0, time.UTC) }
	today := at(12, 0).Unix() / 86400
	for _, c := range []struct {
		now  time.Time
		want []int64
		next time.Time
	}{
		{at(12, 0), []int64{today}, at(22, 0)},
		{at(21, 59), []int64{today}, at(22, 0)},
		{at(22, 0), []int64{today, today + 1}, at(24, 0)},
		{at(23, 59), []int64{today, today + 1}, at(24, 0)},
		{at(0, 0), []int64{today - 1, today}, at(2, 0)},
		{at(1, 59), []int64{today - 1, today}, at(2, 0)},
		{at(2, 0), []int64{today}, at(22, 0)},
	} {
		got, next := days(c.now)
		if !slices.Equal(got, c.want) || !next.Equal(c.next) {
			t.Errorf("%v: %v until %v, want %v until %v", c.now, got, next.UTC(), c.want, c.next)
		}
	}
}

// Tags are bound to the channel and to the side.
func TestTags(t *testing.T) {
	id := object.Sum(object.DagCBOR, []byte("space"))
	seen := map[tag]string{}
	for name, tg := range map[string]tag{
		"space, initiator":        spaceTag(id, [32]byte{1}, true),
		"space, responder":        spaceTag(id, [32]byte{1}, false),
		"space, other channel":    spaceTag(id, [32]byte{2}, true),
		"other space":             spaceTag(object.Sum(object.Raw, []byte("space")), [32]byte{1}, true),
		"words":                   wordsTag(7, [32]byte{1}, true),
		"words of the other side": wordsTag(7, [32]byte{1}, false),
	} {
		if other, ok := seen[tg]; ok {
			t.Errorf("%s equals %s", name, other)
		}
		seen[tg] = name
	}
}

func TestPenalties(t *testing.T) {
	lim := Limits{Penalties: 3}.withDefaults()
	p := newPenalties(&lim)
	now := time.Unix(1000, 0)
	p.add("x", now)
	if !p.active("x", now.Add(59*time.Second)) || p.active("x", now.Add(time.Minute)) || p.active("y", now) {
		t.Error("first penalty")
	}
	p.add("x", now)
	if !p.active("x", now.Add(119*time.Second)) {
		t.Error("it does not double")
	}
	for range 20 {
		p.add("x", now)
	}
	if p.active("x", now.Add(24*time.Hour)) {
		t.Error("over a day")
	}
	p.add("", now)
	for _, k := range []string{"a", "b", "c"} {
		p.add(k, now)
	}
	if p.active("x", now) || len(p.by) != 3 || len(p.line) != 3 {
		t.Error("the oldest is not forgotten")
	}
	for remote, want := range map[string]string{
		"192.0.2.7:443": "net 192.0.2.0/24", "[2001:db8:1:2::3]:1": "net 2001:db8:1::/48",
		"ws://192.0.2.9:80/x": "net 192.0.2.0/24", "127.0.0.1:1": "", "::1": "", "pipe": "", "wss://example.org/x": "",
		"::ffff:192.0.2.1": "net 192.0.2.0/24",
	} {
		if got := addressGroup(remote); got != want {
			t.Errorf("%s: %q, want %q", remote, got, want)
		}
	}
}
