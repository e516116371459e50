package history

import (
	"bytes"
	"testing"
)

func FuzzDecodeEnvelope(f *testing.F) {
	raw, err := full().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	for _, c := range newStory(f).all {
		f.Add(c.Raw)
	}
	for _, r := range rejects() {
		if b := r.bytes(f); len(b) < 2000 {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, err := DecodeEnvelope(raw)
		if err != nil {
			return
		}
		if again, err := e.Encode(); err != nil || !bytes.Equal(again, raw) {
			t.Fatalf("accepted %x, encodes as %x: %v", raw, again, err)
		}
	})
}

func FuzzDecodePart(f *testing.F) {
	f.Add(encodePart(f, &Part{Salt: salt(1), Payloads: [][]byte{{1}, {2, 3}}, Attached: sorted(id(1), id(2))}))
	f.Add([]byte{0x83, 0x50})
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := DecodePart(raw)
		if err != nil {
			return
		}
		if again, err := p.Encode(); err != nil || !bytes.Equal(again, raw) {
			t.Fatalf("accepted %x, encodes as %x: %v", raw, again, err)
		}
	})
}

// FuzzDecodeBatch: what is accepted has only well-formed commits, and a canonical form of its own that
// means the same.
func FuzzDecodeBatch(f *testing.F) {
	b := mixed(f)
	for _, batch := range []*Batch{{}, b, {Commits: b.Commits[1:3]}} {
		wire, err := EncodeBatch(batch)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire)
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		const limit = 1 << 20
		got, err := DecodeBatch(wire, limit)
		if err != nil {
			return
		}
		if got.Size() > limit {
			t.Fatalf("a batch of %d came through a limit of %d", got.Size(), limit)
		}
		for _, c := range got.Commits {
			if again, err := DecodeCommit(c.Raw, c.Parts); err != nil || again.ID != c.ID {
				t.Fatalf("commit %x: %v", c.Raw, err)
			}
		}
		canonical, err := EncodeBatch(got)
		if isRule(err, RuleBatch) {
			return // the same commit twice, or out of order: the replica's to refuse
		}
		if err != nil {
			t.Fatal(err)
		}
		again, err := DecodeBatch(canonical, 0)
		if err != nil {
			t.Fatal(err)
		}
		sameBatch(t, again, got)
	})
}

func FuzzDecodeRun(f *testing.F) {
	f.Add(uint64(10), AppendRun(nil, Run{10, 5, 7, 3, []Num{2, 9}}))
	f.Fuzz(func(t *testing.T, start uint64, record []byte) {
		r, err := DecodeRun(start, record)
		if err == nil && !bytes.Equal(AppendRun(nil, r), record) {
			t.Fatalf("%x is read as %v", record, r)
		}
	})
}
