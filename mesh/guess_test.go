package mesh

import (
	"context"
	"encoding/binary"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/transport"
)

// A peer that guesses tags is cut off, refused when it comes back, and learns
// nothing on the way: every answer is the same.
func TestGuessing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, err := New(Config{Device: newDevice(t)})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		for i := range 100 {
			id := object.Sum(object.DagCBOR, []byte{byte(i)})
			if _, err := m.Join(Group{Space: id, Serve: func(context.Context, *Stream) { t.Error("served") }}); err != nil {
				t.Fatal(err)
			}
		}
		guesser := newHands(t)
		ca, cb := transport.Pipe()
		m.Accept(cb)
		ch, err := guesser.handshake(t.Context(), ca)
		if err != nil {
			t.Fatal(err)
		}
		refusals := guess(t, ch)
		if c := m.Counters(); c.Violations != 1 || c.Unknown < 2048 || c.Unknown > 2200 || refusals > 2200 {
			t.Errorf("%d refusals, %+v", refusals, c)
		}
		time.Sleep(time.Second)
		ca, cb = transport.Pipe()
		m.Accept(cb)
		if ch, err = guesser.handshake(t.Context(), ca); err == nil {
			if _, err := ch.receive(t.Context()); err == nil {
				t.Error("taken again")
			}
			_ = ca.Close()
		}
		synctest.Wait()
		if m.Counters().Penalised != 1 {
			t.Errorf("%+v", m.Counters())
		}
	})
}

// guess opens streams with random tags until it is cut off, and counts answers.
func guess(t *testing.T, ch *channel) (refusals int) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			b, err := ch.receive(context.Background())
			for err == nil && len(b) > 0 {
				var f frame
				f, b, err = nextFrame(b)
				switch f.kind {
				case frameRefuse:
					refusals++
					if string(f.payload) != string(appendReason(ReasonRefused, "")) {
						t.Errorf("another answer: %x", f.payload)
					}
				case frameGoodbye:
				default:
					t.Errorf("unexpected frame %d", f.kind)
				}
			}
			if err != nil {
				return
			}
		}
	}()
	for i := range uint32(10_000) {
		payload := binary.BigEndian.AppendUint32([]byte{byte(purposeSpace) + byte(i%3)}, i)
		payload = append(payload, make([]byte, 1+tagSize-len(payload))...)
		if ch.send(t.Context(), appendFrame(nil, frame{frameOpen, 2*i + 1, payload})) != nil {
			break
		}
	}
	<-done
	_ = ch.conn.Close()
	return refusals
}
