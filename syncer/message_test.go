package syncer

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
)

func someIDs(n int) []object.ID {
	ids := make([]object.ID, n)
	for i := range ids {
		ids[i] = object.Sum(object.DagCBOR, []byte{byte(i), byte(i >> 8)})
	}
	slices.SortFunc(ids, object.ID.Compare)
	return ids
}

func samples() []Message {
	return []Message{
		&Hello{Version, HeadsOf(nil)},
		&Hello{Version, HeadsOf(someIDs(3))},
		&Hello{Version, HeadsOf(someIDs(MaxHeads + 1))},
		&Chains{},
		&Chains{Base: someIDs(2), Chains: limitChains([]Chain{{testKey(1), 5, someIDs(1)[0]}, {testKey(1), 7, someIDs(1)[0]}, {testKey(2), 1 << 40, someIDs(1)[0]}})},
		&Chains{Round: 1, Chains: []Chain{{testKey(3), 1, someIDs(1)[0]}}},
		&Batch{Round: 1, Left: 300, Data: []byte("packed")},
		&Batch{Final: true, Hash: [32]byte{1}, Data: []byte{packStored}},
		&Have{Round: 1, Acked: 200, Sends: 1, Done: true, Heads: HeadsOf(someIDs(1))},
		&Bye{CodeStalled},
		&Ask{1, BlockAt{object.Sum(object.Raw, nil), 0, 0}},
		&Ask{1 << 40, BlockAt{someIDs(1)[0], 2, 1 << 60}},
		&Block{7, BlockHere, []byte("bytes")},
		&Block{7, BlockAbsent, nil},
		&Block{8, BlobAbsent, nil},
		&Bye{1 << 40},
	}
}

func TestMessagesRoundTrip(t *testing.T) {
	for _, m := range samples() {
		data := Encode(m)
		back, err := Decode(data)
		if err != nil {
			t.Errorf("%T: %v", m, err)
			continue
		}
		if again := Encode(back); !bytes.Equal(again, data) {
			t.Errorf("%T: %x came back as %x", m, data, again)
		}
	}
}

// Every cut and every extra byte is refused with a typed error (invariant 9).
func TestMessagesCut(t *testing.T) {
	for _, m := range samples() {
		data := Encode(m)
		_, isBatch := m.(*Batch) // what has data to the end can be cut
		if b, isBlock := m.(*Block); isBlock && b.Status == BlockHere {
			isBatch = true
		}
		for n := range min(len(data), 200) {
			_, err := Decode(data[:n])
			var bad *MessageError
			if err == nil && !isBatch || err != nil && !errors.As(err, &bad) {
				t.Errorf("%T cut at %d: %v", m, n, err)
			}
		}
		if _, err := Decode(append(bytes.Clone(data), 0)); err == nil && !isBatch {
			t.Errorf("%T with a byte more is accepted", m)
		}
	}
}

func TestMessagesRefused(t *testing.T) {
	ids := someIDs(2)
	heads := HeadsOf(ids)
	wrongHash, few, many := heads, HeadsOf(someIDs(MaxHeads+1)), heads
	wrongHash.Hash[0] ^= 1
	few.IDs = few.IDs[:5]
	many.IDs = []object.ID{ids[1], ids[0]}
	for name, c := range map[string]struct {
		data []byte
		code Code
	}{
		"empty":                  {nil, CodeMalformed},
		"unknown kind":           {[]byte{99}, CodeUnknown},
		"kind 0":                 {[]byte{0}, CodeUnknown},
		"version":                {Encode(&Hello{Version + 1, heads}), CodeVersion},
		"version alone":          {[]byte{kindHello, 2}, CodeVersion},
		"hash":                   {Encode(&Hello{Version, wrongHash}), CodeMalformed},
		"fewer than told":        {Encode(&Hello{Version, few}), CodeMalformed},
		"unsorted heads":         {Encode(&Hello{Version, many}), CodeMalformed},
		"long":                   {make([]byte, MaxMessage+1), CodeMalformed},
		"declared length":        {[]byte{kindChains, 0, 0xff, 0xff, 0xff, 0xff, 0x0f}, CodeMalformed},
		"not minimal":            {[]byte{kindBye, 0x80, 0x00}, CodeMalformed},
		"varint too long":        {append([]byte{kindBye}, bytes.Repeat([]byte{0xff}, 12)...), CodeMalformed},
		"flag":                   {[]byte{kindBatch, 0, 0, 2, 0}, CodeMalformed},
		"final with more":        {Encode(&Batch{Left: 1, Final: true}), CodeMalformed},
		"round":                  {Encode(&Chains{Round: 2}), CodeMalformed},
		"retry with base":        {Encode(&Chains{Round: 1, Base: ids}), CodeMalformed},
		"ask number 0":           {Encode(&Ask{0, BlockAt{ids[0], 0, 0}}), CodeMalformed},
		"ask too deep":           {Encode(&Ask{1, BlockAt{ids[0], 3, 0}}), CodeMalformed},
		"ask codec":              {append([]byte{kindAsk, 1, 0x70}, make([]byte, 34)...), CodeMalformed},
		"block status":           {[]byte{kindBlock, 1, 3}, CodeMalformed},
		"absent block with data": {[]byte{kindBlock, 1, 1, 0}, CodeMalformed},
		"block too long":         {Encode(&Block{1, BlockHere, make([]byte, object.MaxBlock+1)}), CodeMalformed},
		"chain seq 0":            {Encode(&Chains{Chains: []Chain{{testKey(1), 0, ids[0]}}}), CodeMalformed},
		"chains unsorted":        {Encode(&Chains{Chains: []Chain{{testKey(1), 2, ids[0]}, {testKey(1), 1, ids[0]}}}), CodeMalformed},
		"chains twice the same":  {Encode(&Chains{Chains: []Chain{{testKey(1), 2, ids[0]}, {testKey(1), 2, ids[0]}}}), CodeMalformed},
	} {
		_, err := Decode(c.data)
		var bad *MessageError
		if !errors.As(err, &bad) || bad.Code != c.code {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, m := range samples() {
		f.Add(Encode(m))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Decode(data)
		if err != nil {
			var bad *MessageError
			if !errors.As(err, &bad) {
				t.Errorf("an untyped error: %v", err)
			}
			return
		}
		if again := Encode(m); !bytes.Equal(again, data) {
			t.Errorf("%x is accepted and encoded as %x", data, again)
		}
	})
}

func TestPack(t *testing.T) {
	for _, wire := range [][]byte{nil, {1}, bytes.Repeat([]byte("commit "), 10), bytes.Repeat([]byte("commit "), 10_000), make([]byte, history.MaxBatchWire)} {
		data, err := new(packer).pack(wire)
		if err != nil {
			t.Fatal(err)
		}
		back, err := unpack(data, func() {})
		if err != nil || !bytes.Equal(back, wire) {
			t.Errorf("%d bytes: %d came back, %v", len(wire), len(back), err)
		}
		if len(data) > len(wire)+1 {
			t.Errorf("%d bytes became %d", len(wire), len(data))
		}
	}
}

func TestUnpackRefused(t *testing.T) {
	good, err := new(packer).pack(bytes.Repeat([]byte("x"), 5000))
	if err != nil {
		t.Fatal(err)
	}
	bomb, err := new(packer).pack(make([]byte, history.MaxBatchWire))
	if err != nil {
		t.Fatal(err)
	}
	over := append([]byte{packDeflate, 0xff, 0xff, 0xff, 0x7f}, bomb[5:]...)
	lies := bytes.Clone(good)
	lies[1]--
	for name, data := range map[string][]byte{
		"empty": {}, "unknown": {7, 1}, "no length": {packDeflate}, "cut": good[:len(good)-3], "more": append(bytes.Clone(good), 0),
		"length over the limit": over, "inflates to more than told": lies, "noise": {packDeflate, 5, 0xff, 0xff, 0xff}, "not minimal": {packDeflate, 0x80, 0, 0},
	} {
		if back, err := unpack(data, func() {}); err == nil {
			t.Errorf("%s: %d bytes", name, len(back))
		}
	}
}

func FuzzUnpack(f *testing.F) {
	for _, wire := range [][]byte{{1}, bytes.Repeat([]byte("commit "), 1000), make([]byte, 100_000)} {
		data, err := new(packer).pack(wire)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		wire, err := unpack(data, func() {})
		if err == nil && len(wire) > history.MaxBatchWire+len(data) {
			t.Errorf("%d bytes inflate to %d", len(data), len(wire))
		}
	})
}

// A long batch that does not shrink is sent as it is, one that does is deflated.
func TestPackWorth(t *testing.T) {
	random := make([]byte, 100_000)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range random {
		random[i] = byte(r.Uint32())
	}
	for wire, want := range map[string]byte{string(random): packStored, string(chat(t, 2000)): packDeflate, string(random[:1000]): packStored} {
		data, err := new(packer).pack([]byte(wire))
		if err != nil || data[0] != want {
			t.Errorf("%d bytes are packed as %d, %v; want %d", len(wire), data[0], err, want)
		}
		if back, err := unpack(data, func() {}); err != nil || string(back) != wire {
			t.Errorf("%d bytes came back as %d, %v", len(wire), len(back), err)
		}
	}
}

// Work on a long batch gives way again and again.
func TestUnbatchPauses(t *testing.T) {
	data, err := new(packer).pack(chat(t, 2000))
	if err != nil {
		t.Fatal(err)
	}
	pauses := 0
	b, err := unbatch(data, func() { pauses++ })
	if err != nil || len(b.Commits) != 2000 {
		t.Fatalf("%v", err)
	}
	if pauses < 50 {
		t.Errorf("%d pauses while 2,000 commits were inflated and decoded", pauses)
	}
}
