//go:build !js

package signalling

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun/v4"
)

// TestSTUNAgainstOracle lets another implementation read the answers.
func TestSTUNAgainstOracle(t *testing.T) {
	for _, from := range []string{"192.0.2.7:5", "[2001:db8::1]:65535"} {
		addr := netip.MustParseAddrPort(from)
		req := stun.MustBuild(stun.TransactionID, stun.BindingRequest, stun.NewSoftware("x"), stun.Fingerprint)
		var got stun.Message
		if err := stun.Decode(answerSTUN(req.Raw, addr), &got); err != nil {
			t.Fatal(err)
		}
		var mapped stun.XORMappedAddress
		if err := mapped.GetFrom(&got); err != nil || got.Type != stun.BindingSuccess || got.TransactionID != req.TransactionID {
			t.Fatalf("answer %v, %v", got, err)
		}
		if mapped.String() != addr.String() {
			t.Errorf("from %s, told %s", addr, mapped)
		}
	}
}

func TestSTUNUnknownAttribute(t *testing.T) {
	req := stun.MustBuild(stun.TransactionID, stun.BindingRequest, stun.RawAttribute{Type: 0x0003, Value: make([]byte, 4)})
	var got stun.Message
	if err := stun.Decode(answerSTUN(req.Raw, netip.MustParseAddrPort("192.0.2.7:5")), &got); err != nil {
		t.Fatal(err)
	}
	var code stun.ErrorCodeAttribute
	if err := code.GetFrom(&got); err != nil || code.Code != stun.CodeUnknownAttribute {
		t.Fatalf("code %v, %v", code, err)
	}
	var unknown stun.UnknownAttributes
	if err := unknown.GetFrom(&got); err != nil || len(unknown) != 1 || unknown[0] != 0x0003 {
		t.Fatalf("unknown attributes %v, %v", unknown, err)
	}
}

func TestSTUNIgnores(t *testing.T) {
	good := stun.MustBuild(stun.TransactionID, stun.BindingRequest, stun.NewUsername("u")).Raw
	from := netip.MustParseAddrPort("192.0.2.7:5")
	if answerSTUN(good, from) == nil {
		t.Fatal("a good request gets no answer")
	}
	for i := range good {
		if i < stunHeader || i%4 != 0 {
			if answerSTUN(good[:i], from) != nil {
				t.Errorf("the first %d bytes get an answer", i)
			}
		}
	}
	for name, change := range map[string]func([]byte) []byte{
		"response":         func(b []byte) []byte { b[0] = 1; return b },
		"indication":       func(b []byte) []byte { b[1] = 0x11; return b },
		"other cookie":     func(b []byte) []byte { b[4]++; return b },
		"wrong length":     func(b []byte) []byte { b[3] += 4; return b },
		"attribute beyond": func(b []byte) []byte { b[stunHeader+3] = 99; return b },
		"huge":             func(b []byte) []byte { return append(b, make([]byte, stunMax)...) },
	} {
		if answerSTUN(change(bytes.Clone(good)), from) != nil {
			t.Errorf("%s: got an answer", name)
		}
	}
}

func TestServeSTUN(t *testing.T) {
	server, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- ServeSTUN(ctx, server) }()
	client, err := net.Dial("udp4", server.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	client.SetReadDeadline(time.Now().Add(10 * time.Second))
	req := stun.MustBuild(stun.TransactionID, stun.BindingRequest)
	buf := make([]byte, 1500)
	for _, junk := range [][]byte{{}, {1}, make([]byte, 1200)} {
		if _, err := client.Write(junk); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := client.Write(req.Raw); err != nil {
		t.Fatal(err)
	}
	n, err := client.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	got := stun.Message{Raw: buf[:n]}
	var mapped stun.XORMappedAddress
	if err := got.Decode(); err != nil {
		t.Fatal(err)
	}
	if err := mapped.GetFrom(&got); err != nil || mapped.String() != client.LocalAddr().String() {
		t.Fatalf("told %v, %v; want %v", mapped, err, client.LocalAddr())
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func FuzzSTUN(f *testing.F) {
	f.Add(stun.MustBuild(stun.TransactionID, stun.BindingRequest, stun.NewUsername("u"), stun.Fingerprint).Raw)
	f.Add(stun.MustBuild(stun.TransactionID, stun.BindingRequest, stun.RawAttribute{Type: 3, Value: []byte{1}}).Raw)
	from := netip.MustParseAddrPort("[2001:db8::1]:99")
	f.Fuzz(func(t *testing.T, b []byte) {
		out := answerSTUN(b, from)
		if out == nil {
			return
		}
		if len(out) > 11*len(b)/5 || int(binary.BigEndian.Uint16(out[2:])) != len(out)-stunHeader {
			t.Fatalf("%d bytes answered with %x", len(b), out)
		}
		if err := stun.Decode(out, new(stun.Message)); err != nil {
			t.Fatal(err)
		}
	})
}
