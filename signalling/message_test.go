package signalling

import (
	"bytes"
	"crypto/rand"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
)

func newKey(t testing.TB) identity.PrivateKey {
	t.Helper()
	k, err := identity.NewKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// samples has one message of every kind, and both forms of those that have two.
func samples(t testing.TB) []*message {
	topic, handle := Topic{1, 2, 31: 3}, Handle{4, 15: 5}
	return []*message{
		{kind: kindHello, version: Version, name: "127.0.0.1:7447", nonce: [32]byte{6}, time: 1_700_000_000_000, topics: 256},
		{kind: kindListen, topic: topic, key: newKey(t).Public(), name: "a.example:443", expiry: 1, sig: bytes.Repeat([]byte{7}, 64)},
		{kind: kindListening, topic: topic, handle: handle, expiry: 23},
		{kind: kindUnlisten, topic: topic},
		{kind: kindPresent, topic: topic, handle: handle, existing: true},
		{kind: kindPresent, topic: topic, handle: handle},
		{kind: kindGone, topic: topic, handle: handle},
		{kind: kindSend, topic: topic, handle: handle, body: []byte("offer")},
		{kind: kindMessage, topic: topic, handle: handle, body: []byte{}},
		{kind: kindPing, number: 24},
		{kind: kindPong, number: 1 << 40},
		{kind: kindError, code: CodeFull, text: "no", topic: topic, hasTopic: true, handle: handle, hasWho: true},
		{kind: kindError, code: CodeLeaving},
	}
}

func TestMessages(t *testing.T) {
	for _, m := range samples(t) {
		b := m.encode()
		got, err := decode(b)
		if err != nil || !reflect.DeepEqual(got, m) {
			t.Errorf("%+v became %+v, %v", m, got, err)
		}
		for i := range b {
			var bad *MessageError
			if _, err := decode(b[:i]); !errors.As(err, &bad) {
				t.Errorf("first %d of %d bytes of kind %d: %v", i, len(b), m.kind, err)
			}
		}
		if _, err := decode(append(b, 0)); err == nil {
			t.Errorf("kind %d with a trailing byte was accepted", m.kind)
		}
		for i := range b { // every bit: refused, or another message in the one form it has
			for bit := range 8 {
				b[i] ^= 1 << bit
				if got, err := decode(b); err == nil && !bytes.Equal(got.encode(), b) {
					t.Errorf("kind %d, bit %d of byte %d: two forms of one message", m.kind, bit, i)
				}
				b[i] ^= 1 << bit
			}
		}
	}
}

func TestLargestMessage(t *testing.T) {
	m := &message{kind: kindSend, body: make([]byte, MaxBody)}
	b := m.encode()
	if len(b) > MaxMessage {
		t.Fatalf("the largest body makes %d bytes", len(b))
	}
	if _, err := decode(b); err != nil {
		t.Fatal(err)
	}
	m.body = make([]byte, MaxBody+1)
	if _, err := decode(m.encode()); err == nil {
		t.Fatal("a larger body was accepted")
	}
	if _, err := decode(make([]byte, MaxMessage+1)); err == nil {
		t.Fatal("a larger message was accepted")
	}
}

func TestRefusedMessages(t *testing.T) {
	encode := func(elements ...any) []byte {
		b, err := object.Encode(elements)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	topic, handle := make([]byte, 32), make([]byte, 16)
	for name, b := range map[string][]byte{
		"nothing":          {},
		"no list":          {0x01},
		"empty list":       {0x80},
		"unknown kind":     encode(11),
		"negative kind":    encode(-1),
		"kind as text":     encode("ping", 1),
		"too few":          encode(8),
		"too many":         encode(8, 1, 1),
		"negative number":  encode(8, -1),
		"null number":      encode(8, nil),
		"float number":     encode(8, 1.0),
		"short topic":      encode(3, topic[:31]),
		"long topic":       encode(3, append(topic, 0)),
		"topic as text":    encode(3, string(topic)),
		"short handle":     encode(5, topic, handle[:15]),
		"bool as number":   encode(4, topic, handle, 1),
		"body as list":     encode(6, topic, handle, []any{}),
		"odd error topic":  encode(10, "full", "", topic[:1], []byte{}),
		"long code":        encode(10, strings.Repeat("c", maxCode+1), "", []byte{}, []byte{}),
		"long text":        encode(10, "full", strings.Repeat("c", maxText+1), []byte{}, []byte{}),
		"bad key":          encode(1, topic, make([]byte, 34), "n", 1, make([]byte, 64)),
		"short signature":  encode(1, topic, append([]byte{0xed, 1}, topic...), "n", 1, make([]byte, 63)),
		"version 0":        encode(0, 0, "", topic, 1, 1),
		"a link":           {0x82, 0x03, 0xd8, 0x2a, 0x41, 0x00},
		"huge declared":    {0x9b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		"huge body length": {0x84, 0x06, 0x5b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		"indefinite":       {0x9f, 0x08, 0x01, 0xff},
		"non-minimal":      {0x82, 0x08, 0x18, 0x01},
		"deep":             bytes.Repeat([]byte{0x81}, 10_000),
	} {
		var bad *MessageError
		if m, err := decode(b); !errors.As(err, &bad) {
			t.Errorf("%s: %+v, %v; want a MessageError", name, m, err)
		}
	}
}

func FuzzMessage(f *testing.F) {
	for _, m := range samples(f) {
		f.Add(m.encode())
	}
	f.Add([]byte{0x82, 0x08, 0x18, 0x01})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decode(b)
		if err != nil {
			var bad *MessageError
			if !errors.As(err, &bad) {
				t.Fatalf("error of type %T", err)
			}
			return
		}
		if !bytes.Equal(m.encode(), b) {
			t.Fatalf("%x decodes to %+v, which encodes as %x", b, m, m.encode())
		}
	})
}
