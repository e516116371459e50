package noise

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"strings"
	"testing"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func keyOf(t testing.TB, private []byte) Key {
	t.Helper()
	k, err := NewKey(bytes.NewReader(private))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestVectors runs those for this protocol among the vectors that come with github.com/flynn/noise, which cover what
// other implementations of the framework publish.
func TestVectors(t *testing.T) {
	text, err := os.ReadFile("testdata/vectors.txt")
	if err != nil {
		t.Fatal(err)
	}
	for block := range strings.SplitSeq(strings.TrimSpace(string(text)), "\n\n") {
		v := map[string]string{}
		for line := range strings.Lines(block) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			v[key] = value
		}
		if v["handshake"] != name {
			t.Fatalf("a vector for %q", v["handshake"])
		}
		side := func(initiator bool, who, gen string) *Handshake {
			return New(Config{
				Initiator: initiator, Prologue: unhex(t, v["prologue"]),
				Static: keyOf(t, unhex(t, v[who+"_static"])), Random: bytes.NewReader(unhex(t, v[gen])),
			})
		}
		vector(t, v, side(true, "init", "gen_init_ephemeral"), side(false, "resp", "gen_resp_ephemeral"))
	}
}

func vector(t *testing.T, v map[string]string, from, to *Handshake) {
	var ciphers, others [2]*Cipher
	for i := range 5 {
		n := string(rune('0' + i))
		payload, want := unhex(t, v["msg_"+n+"_payload"]), unhex(t, v["msg_"+n+"_ciphertext"])
		var message, got []byte
		var err, errTo error
		if i < 3 {
			message, ciphers[0], ciphers[1], err = from.Write(nil, payload)
			got, others[0], others[1], errTo = to.Read(nil, message)
		} else {
			message, err = ciphers[(i+1)%2].Encrypt(nil, nil, payload)
			got, errTo = others[(i+1)%2].Decrypt(nil, nil, message)
		}
		if err != nil || errTo != nil || !bytes.Equal(message, want) || !bytes.Equal(got, payload) {
			t.Fatalf("message %d: %x, %v, read as %x, %v; want %x", i, message, err, got, errTo, want)
		}
		from, to = to, from
	}
	if from.Hash() != to.Hash() {
		t.Error("the sides have different hashes")
	}
}

// pair returns both sides of a handshake whose first n messages have been exchanged.
func pair(t testing.TB, n int) (initiator, responder *Handshake) {
	t.Helper()
	one, two := bytes.Repeat([]byte{1}, 64), bytes.Repeat([]byte{2}, 64)
	initiator = New(Config{Initiator: true, Prologue: []byte("test"), Static: keyOf(t, one[:32]), Random: bytes.NewReader(one)})
	responder = New(Config{Prologue: []byte("test"), Static: keyOf(t, two[:32]), Random: bytes.NewReader(two)})
	from, to := initiator, responder
	for range n {
		message, _, _, err := from.Write(nil, []byte("payload"))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, _, err := to.Read(nil, message); err != nil {
			t.Fatal(err)
		}
		from, to = to, from
	}
	return initiator, responder
}

func TestRefused(t *testing.T) {
	for n := range 3 {
		initiator, responder := pair(t, n)
		from, to := initiator, responder
		if n%2 == 1 {
			from, to = responder, initiator
		}
		if _, _, _, err := to.Write(nil, nil); !errors.Is(err, ErrTurn) {
			t.Errorf("message %d written by the wrong side: %v", n, err)
		}
		if _, _, _, err := from.Read(nil, make([]byte, 200)); !errors.Is(err, ErrTurn) {
			t.Errorf("message %d read by the wrong side: %v", n, err)
		}
		message, _, _, err := from.Write(nil, []byte("payload"))
		if err != nil {
			t.Fatal(err)
		}
		least := KeySize // of what comes before an encrypted payload
		if n == 1 {
			least += KeySize + TagSize
		} else if n == 2 {
			least += TagSize
		}
		for cut := range len(message) {
			_, to := pair(t, n)
			if n%2 == 1 {
				to, _ = pair(t, n)
			}
			_, _, _, err := to.Read(nil, message[:cut])
			switch {
			case cut < least && !errors.Is(err, ErrShort):
				t.Errorf("%d bytes of message %d: %v", cut, n, err)
			case cut >= least && n > 0 && !errors.Is(err, ErrOpen):
				t.Errorf("%d bytes of message %d: %v", cut, n, err)
			}
		}
		for at := range message {
			_, to := pair(t, n)
			if n%2 == 1 {
				to, _ = pair(t, n)
			}
			bad := bytes.Clone(message)
			bad[at] ^= 1
			if _, _, _, err := to.Read(nil, bad); n > 0 && err == nil {
				t.Errorf("message %d with another byte %d is read", n, at)
			}
		}
	}
}

func TestOver(t *testing.T) {
	initiator, responder := pair(t, 3)
	for _, h := range []*Handshake{initiator, responder} {
		if _, _, _, err := h.Write(nil, nil); !errors.Is(err, ErrTurn) {
			t.Errorf("write after the end: %v", err)
		}
		if _, _, _, err := h.Read(nil, make([]byte, 200)); !errors.Is(err, ErrTurn) {
			t.Errorf("read after the end: %v", err)
		}
	}
	if initiator.PeerStatic() != responder.Static.Public || responder.PeerStatic() != initiator.Static.Public {
		t.Error("a side has the wrong key of the other")
	}
}

func TestPrologue(t *testing.T) {
	initiator, _ := pair(t, 0)
	_, responder := pair(t, 0)
	responder.mixHash([]byte("more"))
	message, _, _, err := initiator.Write(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := responder.Read(nil, message); err != nil {
		t.Fatal("the first message is not authenticated:", err)
	}
	if message, _, _, err = responder.Write(nil, nil); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := initiator.Read(nil, message); !errors.Is(err, ErrOpen) {
		t.Errorf("different prologues: %v", err)
	}
}

func TestCipher(t *testing.T) {
	key := make([]byte, KeySize)
	out, in := newCipher(key), newCipher(key)
	for i := range 10 {
		sealed, err := out.Encrypt(nil, []byte("ad"), []byte("record"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := in.Decrypt(nil, nil, sealed); !errors.Is(err, ErrOpen) {
			t.Errorf("other associated data: %v", err)
		}
		opened, err := in.Decrypt(nil, []byte("ad"), sealed)
		if err != nil || string(opened) != "record" {
			t.Fatalf("record %d: %q, %v", i, opened, err)
		}
		if i%3 == 2 {
			out.Rekey()
			in.Rekey()
		}
	}
	out.next = ^uint64(0)
	if _, err := out.Encrypt(nil, nil, nil); !errors.Is(err, ErrNonces) {
		t.Errorf("the nonce of a new key is used: %v", err)
	}
}

// FuzzRead gives each side hostile messages: an error or a step, never a panic.
func FuzzRead(f *testing.F) {
	f.Add(uint8(0), make([]byte, 32))
	f.Add(uint8(1), make([]byte, 96))
	f.Add(uint8(2), make([]byte, 64))
	f.Fuzz(func(t *testing.T, n uint8, message []byte) {
		to, other := pair(t, int(n%3))
		if n%3 != 1 {
			to = other
		}
		if _, _, _, err := to.Read(nil, message); err == nil && n%3 != 0 {
			t.Errorf("a message that nobody wrote is read: %x", message)
		}
	})
}
