package history

import (
	"bytes"
	"errors"
	"runtime"
	"testing"

	"github.com/hyperhyperspace/hhs-go/object"
)

// sameBatch compares what matters: ids, bytes, parts, attestations, objects.
func sameBatch(t *testing.T, got, want *Batch) {
	t.Helper()
	if len(got.Commits) != len(want.Commits) {
		t.Fatalf("%d commits, want %d", len(got.Commits), len(want.Commits))
	}
	for i, w := range want.Commits {
		g := got.Commits[i]
		if g.ID != w.ID || !bytes.Equal(g.Raw, w.Raw) {
			t.Fatalf("commit %d:\n got %x\nwant %x", i, g.Raw, w.Raw)
		}
		env, err := DecodeEnvelope(g.Raw)
		if err != nil {
			t.Fatalf("commit %d: %v", i, err)
		}
		again, err := env.Encode()
		if err != nil || !bytes.Equal(again, g.Raw) {
			t.Fatalf("commit %d: its envelope is not that of its bytes: %v", i, err)
		}
		if len(g.Parts) != len(w.Parts) {
			t.Fatalf("commit %d: %d parts, want %d", i, len(g.Parts), len(w.Parts))
		}
		for j := range w.Parts {
			if (g.Parts[j] == nil) != (w.Parts[j] == nil) || !bytes.Equal(g.Parts[j], w.Parts[j]) {
				t.Fatalf("commit %d part %d:\n got %x\nwant %x", i, j, g.Parts[j], w.Parts[j])
			}
		}
	}
	if len(got.Attestations) != len(want.Attestations) || len(got.Objects) != len(want.Objects) {
		t.Fatalf("attestations or objects are lost")
	}
	for i, a := range want.Attestations {
		if got.Attestations[i].Commit != a.Commit || !bytes.Equal(got.Attestations[i].Sig, a.Sig) {
			t.Fatalf("attestation %d differs", i)
		}
	}
	for i := range want.Objects {
		if !bytes.Equal(got.Objects[i], want.Objects[i]) {
			t.Fatalf("object %d differs", i)
		}
	}
}

func roundTrip(t *testing.T, b *Batch) []byte {
	t.Helper()
	wire, err := EncodeBatch(b)
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeBatch(wire, b.Size())
	if err != nil {
		t.Fatal(err)
	}
	sameBatch(t, got, b)
	if got.Size() != b.Size() {
		t.Fatalf("size %d, want %d", got.Size(), b.Size())
	}
	again, err := EncodeBatch(got)
	if err != nil || !bytes.Equal(again, wire) {
		t.Fatalf("encoding is not deterministic: %v", err)
	}
	if b.Size() < 2 {
		return wire
	}
	if _, err := DecodeBatch(wire, b.Size()-1); !isRule(err, RuleBatchSize) {
		t.Fatalf("a limit of one less: %v", err)
	}
	return wire
}

func isRule(err error, rule string) bool {
	var e *Error
	return errors.As(err, &e) && e.Rule == rule
}

// mixed is a batch with everything in it.
func mixed(t testing.TB) *Batch {
	s := newStory(t)
	genesis := s.all[0]
	a := s.say(key(2), 30, genesis.ID)
	b := s.say(key(3), 40, genesis.ID)
	s.say(key(2), 50, b.ID)
	object1, object2, object3 := []byte("\xa0"), []byte("raw bytes"), []byte("\x80")
	attached := []object.ID{object.Sum(object.Raw, object2), object.Sum(object.DagCBOR, object1), object.Sum(object.DagCBOR, object3), id(99)}
	sortIDs(attached)
	part := encodePart(t, &Part{Salt: salt(9), Payloads: [][]byte{{1}, {2, 3}}, Attached: attached})
	absent := encodePart(t, &Part{Salt: salt(8), Payloads: [][]byte{{4}}})
	odd := []byte("no part at all")
	c := s.commit(&Envelope{
		Author: key(1), Parents: []object.ID{a.ID}, Epoch: 3, Grant: GrantRef{Op: OpRef{a.ID, 0}},
		Ops: []Op{
			{Field: "members", Action: "add", Part: 0, Size: 1},
			{Field: "members", Action: "remove", Part: NoPart, Refs: []OpRef{{a.ID, 0}, {id(7), 3}}},
			{Field: "topic", Action: "set", Part: 0, Size: 2, Refs: []OpRef{{b.ID, 0}}},
			{Field: "topic", Action: "set", Part: 1, Size: 1},
			{Field: "topic", Action: "set", Part: 2, Size: 5},
		},
	}, [][]byte{part, absent, odd})
	c.Parts[1] = nil
	ids := []object.ID{a.ID, b.ID, id(1000), id(1001)}
	sortIDs(ids)
	s.commit(&Envelope{Author: key(4), Parents: ids, Grant: GrantRef{Index: 2}}, nil)
	last := s.say(key(2), 60, c.ID)
	return &Batch{
		Commits:      s.all,
		Attestations: []Attestation{{b.ID, sig(1)}, {c.ID, sig(2)}, {last.ID, sig(3)}},
		Objects:      [][]byte{object1, object2, object3},
	}
}

func TestBatchRoundTrip(t *testing.T) {
	roundTrip(t, &Batch{})
	b := mixed(t)
	roundTrip(t, b)
	objects := b.Attached()
	if len(objects) != 3 {
		t.Fatalf("%d attached objects", len(objects))
	}
	for _, o := range objects {
		if object.Sum(o.ID.Codec(), o.Block) != o.ID {
			t.Errorf("%s is not the id of its block", o.ID)
		}
	}
	// The tail alone: edges point outside.
	roundTrip(t, &Batch{Commits: b.Commits[2:4], Attestations: []Attestation{{b.Commits[3].ID, sig(1)}}})
}

// TestBatchOverhead holds the wire form to its purpose: a chain of single-op commits costs at most 34
// bytes each besides the payload, the salt of 16 included.
func TestBatchOverhead(t *testing.T) {
	const n, payload = 1000, 116
	cases := []struct {
		name   string
		author func(i int) byte
		refs   bool
		most   int
	}{
		{"one author", func(int) byte { return 2 }, false, 22},
		{"two authors in turns", func(i int) byte { return byte(2 + i%2) }, false, 23},
		{"each naming the op before", func(int) byte { return 2 }, true, 31},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := newStory(t)
			for i := range n {
				tip := s.all[len(s.all)-1]
				author := key(c.author(i))
				var parents []object.ID
				if tip.Env.Author != author {
					parents = []object.ID{tip.ID}
				}
				if !c.refs {
					s.say(author, payload, parents...)
					continue
				}
				part := encodePart(t, &Part{Salt: salt(byte(i)), Payloads: [][]byte{make([]byte, payload)}})
				s.commit(&Envelope{Author: author, Parents: parents, Ops: []Op{
					{Field: "topic", Action: "set", Size: payload, Refs: []OpRef{{tip.ID, 0}}}}}, [][]byte{part})
			}
			last := s.all[len(s.all)-1].ID
			wire := roundTrip(t, &Batch{Commits: s.all[1:], Attestations: []Attestation{{last, sig(1)}}})
			overhead := float64(len(wire))/n - payload
			t.Logf("%d commits in %d bytes: %.2f bytes each besides the payload", n, len(wire), overhead)
			if overhead > float64(c.most)+0.5 {
				t.Errorf("over %d bytes", c.most)
			}
		})
	}
}

func TestBatchRefusesWhatDoesNotBelong(t *testing.T) {
	s := newStory(t)
	a := s.say(key(2), 10, s.all[0].ID)
	b := s.say(key(2), 10)
	cases := map[string]*Batch{
		"out of order":           {Commits: []*Commit{b, a}},
		"twice":                  {Commits: []*Commit{a, a}},
		"attests another":        {Commits: []*Commit{a}, Attestations: []Attestation{{b.ID, sig(1)}}},
		"attests twice":          {Commits: []*Commit{a}, Attestations: []Attestation{{a.ID, sig(1)}, {a.ID, sig(2)}}},
		"short signature":        {Commits: []*Commit{a}, Attestations: []Attestation{{a.ID, sig(1)[1:]}}},
		"object nobody attaches": {Commits: []*Commit{a}, Objects: [][]byte{{0xa0}}},
		"object twice":           {Commits: []*Commit{a}, Objects: [][]byte{{0xa0}, {0xa0}}},
	}
	for name, batch := range cases {
		if _, err := EncodeBatch(batch); !isRule(err, RuleBatch) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestBatchTruncatedAndFlipped is cases 1 and 2: every prefix is refused, and a flipped bit either is or
// gives other commits, never the same commit with other bytes.
func TestBatchTruncatedAndFlipped(t *testing.T) {
	b := mixed(t)
	wire := roundTrip(t, b)
	for i := range wire {
		if _, err := DecodeBatch(wire[:i], 0); err == nil {
			t.Fatalf("accepted %d bytes of %d", i, len(wire))
		}
	}
	if _, err := DecodeBatch(append(bytes.Clone(wire), 0), 0); !isRule(err, RuleBatchForm) {
		t.Fatalf("accepted a trailing byte: %v", err)
	}
	for i := range wire {
		for bit := range 8 {
			flipped := bytes.Clone(wire)
			flipped[i] ^= 1 << bit
			got, err := DecodeBatch(flipped, 0)
			if err != nil {
				continue
			}
			for _, c := range got.Commits {
				if object.Sum(object.DagCBOR, c.Raw) != c.ID {
					t.Fatalf("byte %d bit %d: an id that is not its commit's", i, bit)
				}
			}
		}
	}
}

// TestBatchDeclaredLengths is case 5: what is declared and not there is refused before it is allocated.
func TestBatchDeclaredLengths(t *testing.T) {
	huge := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}
	for pos := 1; pos <= 6; pos++ {
		wire := append([]byte{batchFormat}, make([]byte, pos-1)...)
		wire = append(append(wire, huge...), make([]byte, 10)...)
		const times = 100
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range times {
			if _, err := DecodeBatch(wire, 0); err == nil {
				t.Fatal("accepted")
			}
		}
		runtime.ReadMemStats(&after)
		allocs := (after.TotalAlloc - before.TotalAlloc) / times
		if allocs > 4096 {
			t.Errorf("table %d: %d bytes allocated for %d", pos, allocs, len(wire))
		}
	}
}

// TestBatchBomb is R9: 64 KiB of the commits that grow most stay within 32 MiB and stop at the limit.
func TestBatchBomb(t *testing.T) {
	wire := []byte{batchFormat, 1}
	wire = key(1).Append(wire)
	wire = append(wire, 1)
	digest := id(1).Digest()
	wire = append(wire, digest[:]...)
	wire = append(wire, 1, 1, 'f', 1, 'a', 0, 0x80, 0x60) // 12288 commits
	wire = append(wire, parentsList, 0, 1, 0, 1, 1, 0, 0) // seq 1, one external parent
	for len(wire) < 64<<10 {
		wire = append(wire, flagSameAuthor|flagChained|parentsNone, 0, 0, 0)
	}
	if _, err := DecodeBatch(wire, 0); err == nil {
		t.Fatal("accepted")
	}
	if _, err := DecodeBatch(wire, 1<<20); !isRule(err, RuleBatchSize) {
		t.Fatalf("the limit did not hold: %v", err)
	}
}

func BenchmarkBatch(b *testing.B) {
	s := newStory(b)
	const n = 1000
	for range n {
		tip := s.all[len(s.all)-1]
		var parents []object.ID
		if len(s.all) == 1 {
			parents = []object.ID{tip.ID}
		}
		s.say(key(2), 116, parents...)
	}
	batch := &Batch{Commits: s.all[1:], Attestations: []Attestation{{s.all[n].ID, sig(1)}}}
	wire, err := EncodeBatch(batch)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := EncodeBatch(batch); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "commits/s")
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := DecodeBatch(wire, 0); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "commits/s")
	})
	b.Run("envelope", func(b *testing.B) {
		b.ReportAllocs()
		raw := s.all[n].Raw
		for b.Loop() {
			if _, err := DecodeEnvelope(raw); err != nil {
				b.Fatal(err)
			}
		}
	})
}
