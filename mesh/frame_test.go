package mesh

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestFrameRoundTrip(t *testing.T) {
	frames := []frame{
		{frameMessage, 1, nil},
		{frameMessage, maxStreamID, []byte("hello")},
		{frameBegin, 2, []byte{5, 'a'}},
		{frameMore, 3, bytes.Repeat([]byte{7}, 300)},
		{frameOpen, 4, make([]byte, 1+tagSize)},
		{frameAccept, 4, make([]byte, tagSize)},
		{frameRefuse, 4, appendReason(ReasonRefused, "")},
		{frameClose, 5, appendReason(ReasonSession+200, strings.Repeat("x", 300))},
		{frameReset, 5, appendReason(1<<16-1, strings.Repeat("x", 128))},
		{frameCredit, 6, []byte{1}},
		{framePing, 0, make([]byte, 8)},
		{framePong, 0, make([]byte, 8)},
		{frameRetire, 0, nil},
		{frameGoodbye, 0, appendReason(ReasonIdle, "bye")},
	}
	var b []byte
	for _, f := range frames {
		n := len(b)
		b = appendFrame(b, f)
		if len(b)-n > frameSize(len(f.payload)) {
			t.Errorf("%v is longer than its bound", f.kind)
		}
	}
	for i, want := range frames {
		f, rest, err := nextFrame(b)
		if err != nil {
			t.Fatalf("frame %d: %v", i, err)
		}
		if f.kind != want.kind || f.stream != want.stream || !bytes.Equal(f.payload, want.payload) {
			t.Errorf("frame %d: got %v, want %v", i, f, want)
		}
		b = rest
	}
	if len(b) != 0 {
		t.Errorf("%d bytes left", len(b))
	}
}

func TestFrameRefuses(t *testing.T) {
	cases := []struct {
		name string
		in   []byte
		want error
	}{
		{"nothing", nil, errFrameShort},
		{"kind 0", []byte{0, 1, 0}, errFrameKind},
		{"unknown kind", []byte{byte(frameKinds), 1, 0}, errFrameKind},
		{"no stream", []byte{1}, errFrameShort},
		{"no length", []byte{1, 1}, errFrameShort},
		{"truncated payload", []byte{1, 1, 2, 0}, errFrameShort},
		{"long stream number", []byte{1, 0x81, 0x00, 0}, errFrameVarint},
		{"long length", []byte{1, 1, 0x80, 0x00}, errFrameVarint},
		{"huge length", []byte{1, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, errFrameShort},
		{"overflowing length", []byte{1, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02}, errFrameVarint},
		{"stream number above 31 bits", []byte{1, 0x80, 0x80, 0x80, 0x80, 0x08, 0}, errFrameStream},
		{"message on stream 0", []byte{1, 0, 0}, errFrameStream},
		{"ping on a stream", append([]byte{byte(framePing), 1, 8}, make([]byte, 8)...), errFrameStream},
		{"short ping", []byte{byte(framePing), 0, 1, 0}, errFramePayload},
		{"empty fragment", []byte{byte(frameMore), 1, 0}, errFramePayload},
		{"short tag", []byte{byte(frameOpen), 1, 1, 1}, errFramePayload},
		{"reason missing", []byte{byte(frameClose), 1, 0}, errFramePayload},
	}
	for _, c := range cases {
		if _, _, err := nextFrame(c.in); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

func FuzzFrame(f *testing.F) {
	f.Add(appendFrame(nil, frame{frameMessage, 1, []byte("x")}))
	f.Add(appendFrame(nil, frame{frameBegin, 300, []byte{0x80, 1, 2}}))
	f.Add(appendFrame(appendFrame(nil, frame{framePing, 0, make([]byte, 8)}), frame{frameClose, 7, appendReason(9, "no")}))
	f.Add([]byte{1, 1, 0x80, 0x00})
	f.Fuzz(func(t *testing.T, b []byte) {
		fr, rest, err := nextFrame(b)
		if err != nil {
			return
		}
		if again := append(appendFrame(nil, fr), rest...); !bytes.Equal(again, b) {
			t.Fatalf("%x reads and writes back as %x", b, again)
		}
	})
}

func FuzzReason(f *testing.F) {
	f.Add(appendReason(ReasonFull, "words"))
	f.Add([]byte{0x80, 0x00})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, text, err := readReason(b)
		if err == nil && !bytes.Equal(appendReason(r, text), b) {
			t.Fatalf("%x reads and writes back otherwise", b)
		}
		_ = r.String()
	})
}

func FuzzSignal(f *testing.F) {
	f.Add(make([]byte, 18))
	f.Add(append([]byte{1}, make([]byte, 60)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := readSignal(b); err == nil {
			_, _, _ = readDevice(s.rest)
		}
		if _, err := openSignal(b, [32]byte{}, [32]byte{}); err == nil {
			t.Fatal("opened something nobody sealed")
		}
	})
}
