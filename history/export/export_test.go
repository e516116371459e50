package export

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/object/car"
)

// key is a public key that nothing can sign for.
func key(t testing.TB) identity.PublicKey {
	t.Helper()
	b := make([]byte, identity.KeySize)
	b[0], b[1], b[2] = 0xed, 0x01, 7
	k, err := identity.PublicKeyFromBytes(b)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// story is a space of two batches: its first commit, and a chain in which the last commit has a part that is no value
// and the one before attaches an object.
func story(t testing.TB) (Head, []*history.Batch) {
	t.Helper()
	body, err := object.Encode(map[string]any{"$type": "test"})
	if err != nil {
		t.Fatal(err)
	}
	leaf := []byte("an object")
	attaching, err := (&history.Part{Payloads: [][]byte{{1}}, Attached: []object.ID{object.Sum(object.Raw, leaf)}}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	var all []*history.Commit
	add := func(e *history.Envelope, parts ...[]byte) {
		e.Version, e.Author, e.Seq = history.Version, key(t), uint64(len(all)+1)
		if len(all) > 0 {
			e.Prev = all[len(all)-1].ID
		}
		for _, p := range parts {
			e.Parts = append(e.Parts, history.PartDigest(p))
		}
		c, err := history.NewCommit(e, parts)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	write := func() *history.Envelope {
		return &history.Envelope{Ops: []history.Op{{Field: "f", Action: "set", Part: 0, Size: 1}}}
	}
	add(&history.Envelope{Grant: history.GrantRef{Index: history.NoGrant}, Ops: []history.Op{{Action: "create", Part: history.NoPart, Body: body, Size: len(body)}}})
	add(write(), attaching)
	add(write(), []byte{0x18, 0x00}) // not canonical
	proof := func(c *history.Commit) []history.Attestation {
		return []history.Attestation{{Commit: c.ID, Sig: bytes.Repeat([]byte{9}, history.SignatureSize)}}
	}
	return Head{Space: all[0].ID, Commits: 3, Heads: []object.ID{all[2].ID}}, []*history.Batch{
		{Commits: all[:1], Attestations: proof(all[0])},
		{Commits: all[1:], Attestations: proof(all[2]), Objects: [][]byte{leaf}},
	}
}

func written(t testing.TB, h Head, batches ...*history.Batch) []byte {
	t.Helper()
	var buf bytes.Buffer
	w, err := NewWriter(&buf, h)
	for _, b := range batches {
		if err == nil {
			err = w.Batch(b)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func readAll(data io.Reader) (h Head, list []*history.Batch, err error) {
	r, err := NewReader(data)
	if err != nil {
		return h, nil, err
	}
	for {
		b, err := r.Next()
		if err == io.EOF {
			return r.Head(), list, nil
		}
		if err != nil {
			return r.Head(), list, err
		}
		list = append(list, b)
	}
}

func sameBatch(a, b *history.Batch) bool {
	return slices.EqualFunc(a.Commits, b.Commits, func(x, y *history.Commit) bool {
		return x.ID == y.ID && bytes.Equal(x.Raw, y.Raw) && slices.EqualFunc(x.Parts, y.Parts, bytes.Equal)
	}) && slices.EqualFunc(a.Objects, b.Objects, bytes.Equal) &&
		slices.EqualFunc(a.Attestations, b.Attestations, func(x, y history.Attestation) bool { return x.Commit == y.Commit && bytes.Equal(x.Sig, y.Sig) })
}

func TestRoundTrip(t *testing.T) {
	h, batches := story(t)
	data := written(t, h, batches...)
	got, list, err := readAll(bytes.NewReader(data))
	if err != nil || !slices.EqualFunc(list, batches, sameBatch) {
		t.Fatalf("%d batches, %v", len(list), err)
	}
	if got.Space != h.Space || got.Commits != 3 || !slices.Equal(got.Heads, h.Heads) {
		t.Errorf("head %v", got)
	}
}

// sections takes a file apart: its header and its blocks, and says where each begins.
func sections(t testing.TB, data []byte) (list [][]byte, at []int64) {
	t.Helper()
	for off := 0; off < len(data); {
		n, size := binary.Uvarint(data[off:])
		list, at = append(list, data[off:off+size+int(n)]), append(at, int64(off))
		off += size + int(n)
	}
	return list, at
}

// block makes a section of a value.
func block(t testing.TB, v any) []byte {
	t.Helper()
	b, err := object.Encode(v)
	if err != nil {
		t.Fatal(err)
	}
	id := object.Sum(object.DagCBOR, b)
	return append(id.Append(binary.AppendUvarint(nil, uint64(36+len(b)))), b...)
}

// The sections of the file that story makes.
const (
	sHeader = iota
	sHead
	sBatch1
	sProofs1
	sCommit1
	sBatch2
	sProofs2
	sCommit2
	sPart2
	sCommit3
	sPart3
	sObject
	sEnd
)

// A file that is not as it was written is refused at the block where that shows.
func TestRefuses(t *testing.T) {
	h, batches := story(t)
	list, at := sections(t, written(t, h, batches...))
	if len(list) != sEnd {
		t.Fatalf("%d sections", len(list))
	}
	head := func(version, commits int64, space object.ID) []byte {
		return block(t, map[string]any{"$type": typeHead, "version": version, "space": space, "commits": commits})
	}
	batch := func(commits, objects, proofs int64) []byte {
		return block(t, map[string]any{"$type": typeBatch, "commits": commits, "objects": objects, "attestations": proofs})
	}
	some := block(t, "some value")
	replaced := func(i int, with ...[]byte) [][]byte { return slices.Replace(slices.Clone(list), i, i+1, with...) }
	swapped := func(i, j int) [][]byte {
		l := slices.Clone(list)
		l[i], l[j] = l[j], l[i]
		return l
	}
	for name, one := range map[string]struct {
		list [][]byte
		rule string
		at   int
	}{
		"no blocks":                   {list[:1], car.RuleTruncated, sHead},
		"another block first":         {replaced(sHead, some), RuleHead, sHead},
		"a newer version":             {replaced(sHead, head(2, 3, h.Space)), RuleVersion, sHead},
		"another space than the root": {replaced(sHead, head(1, 3, h.Heads[0])), RuleHead, sHead},
		"a head without commits":      {replaced(sHead, head(1, 0, h.Space)), RuleHead, sHead},
		"a negative count":            {replaced(sHead, head(1, -1, h.Space)), RuleHead, sHead},
		"cut before a batch":          {list[:sBatch2], car.RuleTruncated, sBatch2},
		"cut in a batch":              {list[:sPart3], car.RuleTruncated, sPart3},
		"more than announced":         {append(slices.Clone(list), some), RuleEnd, sEnd},
		"one commit fewer announced":  {replaced(sHead, head(1, 2, h.Space)), RuleBatch, sBatch2},
		"no batch":                    {replaced(sBatch1), RuleOrder, sBatch1},
		"an empty batch":              {replaced(sBatch2, batch(0, 0, 0)), RuleBatch, sBatch2},
		"more proofs than commits":    {replaced(sBatch2, batch(2, 1, 3)), RuleBatch, sBatch2},
		"a huge count":                {replaced(sBatch2, batch(1<<50, 1, 1)), RuleBatch, sBatch2},
		"no proofs":                   {replaced(sProofs2), RuleOrder, sProofs2},
		"another number of proofs":    {replaced(sBatch2, batch(2, 1, 2)), RuleAttestation, sProofs2},
		"a proof of another form":     {replaced(sProofs2, block(t, map[string]any{"$type": typeProofs, "list": []any{"x"}})), RuleAttestation, sProofs2},
		"a short signature": {replaced(sProofs2, block(t, map[string]any{"$type": typeProofs, "list": []any{[]any{h.Space, []byte("x")}}})),
			RuleAttestation, sProofs2},
		"a value for an envelope":  {replaced(sCommit2, some), RuleCommit, sCommit2},
		"a part for an envelope":   {swapped(sCommit2, sPart2), RuleCommit, sCommit2},
		"an object for a commit":   {swapped(sCommit2, sObject), RuleOrder, sCommit2},
		"a part of another commit": {swapped(sPart2, sPart3), RulePart, sPart2},
		"no part":                  {replaced(sPart2), RulePart, sPart2},
		"no object":                {replaced(sObject), car.RuleTruncated, sObject},
		"another object":           {replaced(sObject, some), RuleObject, sObject},
		"an object twice":          {replaced(sBatch2, batch(2, 2, 1), list[sProofs2], list[sCommit2], list[sPart2], list[sCommit3], list[sPart3], list[sObject]), RuleObject, sObject + 0},
	} {
		t.Run(name, func(t *testing.T) {
			_, got, err := readAll(bytes.NewReader(slices.Concat(one.list...)))
			var e *car.Error
			if !errors.As(err, &e) || e.Rule != one.rule {
				t.Fatalf("want %s, got %v", one.rule, err)
			}
			want := int64(0)
			for _, s := range one.list[:one.at] {
				want += int64(len(s))
			}
			if name != "an object twice" && e.Offset != want { // there the second of them is named
				t.Errorf("at byte %d, want %d: %v", e.Offset, want, err)
			}
			for i := range got {
				if !sameBatch(got[i], batches[i]) {
					t.Errorf("batch %d is another one", i)
				}
			}
		})
	}
	if at[sHead] == 0 {
		t.Error("no header")
	}
}

// forever yields a head and a beginning, and then one section without end.
type forever struct {
	begin, again []byte
	off          int
	read         int64
}

func (f *forever) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		from := f.again
		if len(f.begin) > 0 {
			from = f.begin
		}
		c := copy(p[n:], from[f.off:])
		if n, f.off = n+c, f.off+c; f.off == len(from) {
			f.begin, f.off = nil, 0
		}
	}
	f.read += int64(n)
	return n, nil
}

// A batch that never ends is refused when it is as large as a batch may be.
func TestBoundedBatch(t *testing.T) {
	h, batches := story(t)
	h.Commits = 1 << 30
	list, _ := sections(t, written(t, h, batches...))
	batch := block(t, map[string]any{"$type": typeBatch, "commits": int64(1 << 29), "objects": int64(0), "attestations": int64(0)})
	f := &forever{begin: slices.Concat(list[sHeader], list[sHead], batch), again: list[sCommit1]}
	_, _, err := readAll(f)
	var e *car.Error
	if !errors.As(err, &e) || e.Rule != RuleBatch {
		t.Fatal(err)
	}
	if f.read > maxBatch {
		t.Errorf("%d bytes were read of a batch of at most %d", f.read, maxBatch)
	}
}

func FuzzRead(f *testing.F) {
	h, batches := story(f)
	data := written(f, h, batches...)
	f.Add(data)
	list, _ := sections(f, data)
	f.Add(slices.Concat(list[:sBatch2]...))
	f.Add(slices.Concat(append(list[:sCommit2:sCommit2], list[sPart2:]...)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		head, list, err := readAll(bytes.NewReader(data))
		var e *car.Error
		if err != nil && !errors.As(err, &e) {
			t.Fatalf("an error without a place: %v", err)
		}
		commits := uint64(0)
		for _, b := range list {
			commits += uint64(len(b.Commits))
			for _, c := range b.Commits {
				if object.Sum(object.DagCBOR, c.Raw) != c.ID {
					t.Fatal("a commit with another id")
				}
			}
		}
		if err == nil && commits != head.Commits {
			t.Fatalf("%d commits of %d, and no error", commits, head.Commits)
		}
	})
}
