package history

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"strconv"
	"testing"

	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
)

const vectorFile = "../testdata/vectors/history.json"

var update = flag.Bool("update", false, "write "+vectorFile)

// vectorSet is the file. Bytes are hex, ids and keys their text, numbers that may be large are text.
type vectorSet struct {
	About        string              `json:"about"`
	Envelopes    []envelopeVector    `json:"envelopes"`
	Parts        []partVector        `json:"parts"`
	Attestations []attestationVector `json:"attestations"`
	Batches      []batchVector       `json:"batches"`
	Reject       struct {
		Envelopes []rejectVector `json:"envelopes"`
		Parts     []rejectVector `json:"parts"`
		Batches   []rejectVector `json:"batches"`
	} `json:"reject"`
}

type refVector struct {
	Commit string `json:"commit"`
	Index  uint32 `json:"index"`
}

type opVector struct {
	Field  string      `json:"field"`
	Action string      `json:"action"`
	Refs   []refVector `json:"refs"`
	Part   *int        `json:"part,omitempty"`
	Size   int         `json:"size,omitempty"`
	Body   string      `json:"body,omitempty"`
}

type envelopeVector struct {
	Name    string     `json:"name"`
	Version int        `json:"version"`
	Author  string     `json:"author"`
	Seq     string     `json:"seq"`
	Prev    string     `json:"prev,omitempty"`
	Parents []string   `json:"parents"`
	Grant   *int       `json:"grant,omitempty"`
	GrantOp *refVector `json:"grantOp,omitempty"`
	Epoch   string     `json:"epoch"`
	Time    string     `json:"time"`
	Ops     []opVector `json:"ops"`
	Parts   []string   `json:"parts"`
	Hex     string     `json:"hex"`
	ID      string     `json:"id"`
	Edges   []string   `json:"edges"` // ascending
}

type partVector struct {
	Name     string   `json:"name"`
	Salt     string   `json:"salt"`
	Payloads []string `json:"payloads"`
	Attached []string `json:"attached"`
	Hex      string   `json:"hex"`
	Digest   string   `json:"digest"`
}

type attestationVector struct {
	Space     string `json:"space"`
	Seq       string `json:"seq"`
	Commit    string `json:"commit"`
	Hash      string `json:"hash"`
	Statement string `json:"statement"`
}

type batchVector struct {
	Name         string        `json:"name"`
	Commits      []batchCommit `json:"commits"`
	Attestations []batchSig    `json:"attestations"`
	Objects      []string      `json:"objects"`
	Hex          string        `json:"hex"`
}

type batchCommit struct {
	ID       string    `json:"id"`
	Envelope string    `json:"envelope"`
	Parts    []*string `json:"parts"` // null: absent
}

type batchSig struct {
	Commit string `json:"commit"`
	Sig    string `json:"sig"`
}

type rejectVector struct {
	Name string `json:"name"`
	Hex  string `json:"hex"`
	Rule string `json:"rule"`
}

func texts(ids []object.ID) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = id.String()
	}
	return out
}

func hexes(blocks [][]byte) []string {
	out := make([]string, len(blocks))
	for i, b := range blocks {
		out[i] = hex.EncodeToString(b)
	}
	return out
}

func describe(name string, c *Commit) envelopeVector {
	e := c.Env
	edges := c.Edges()
	sortIDs(edges)
	v := envelopeVector{
		Name: name, Version: e.Version, Author: e.Author.String(), Prev: e.Prev.String(),
		Seq: strconv.FormatUint(e.Seq, 10), Epoch: strconv.FormatUint(e.Epoch, 10), Time: strconv.FormatInt(e.Time, 10),
		Parents: texts(e.Parents), Parts: []string{}, Ops: []opVector{},
		Hex: hex.EncodeToString(c.Raw), ID: c.ID.String(), Edges: texts(edges),
	}
	switch {
	case !e.Grant.Op.IsZero():
		v.GrantOp = &refVector{e.Grant.Op.Commit.String(), e.Grant.Op.Index}
	case e.Grant.Index != NoGrant:
		v.Grant = &e.Grant.Index
	}
	for i := range e.Ops {
		op := &e.Ops[i]
		o := opVector{Field: op.Field, Action: op.Action, Refs: []refVector{}, Body: hex.EncodeToString(op.Body)}
		if op.Part != NoPart {
			o.Part, o.Size = &op.Part, op.Size
		}
		for _, r := range op.Refs {
			if r.IsZero() { // an earlier op of the same commit
				o.Refs = append(o.Refs, refVector{"", r.Index})
				continue
			}
			o.Refs = append(o.Refs, refVector{r.Commit.String(), r.Index})
		}
		v.Ops = append(v.Ops, o)
	}
	for _, p := range e.Parts {
		v.Parts = append(v.Parts, hex.EncodeToString(p[:]))
	}
	return v
}

func describeBatch(t testing.TB, name string, b *Batch) batchVector {
	wire, err := EncodeBatch(b)
	if err != nil {
		t.Fatal(err)
	}
	v := batchVector{Name: name, Commits: []batchCommit{}, Attestations: []batchSig{}, Objects: hexes(b.Objects), Hex: hex.EncodeToString(wire)}
	for _, c := range b.Commits {
		bc := batchCommit{ID: c.ID.String(), Envelope: hex.EncodeToString(c.Raw), Parts: []*string{}}
		for _, p := range c.Parts {
			var text *string
			if p != nil {
				s := hex.EncodeToString(p)
				text = &s
			}
			bc.Parts = append(bc.Parts, text)
		}
		v.Commits = append(v.Commits, bc)
	}
	for _, a := range b.Attestations {
		v.Attestations = append(v.Attestations, batchSig{a.Commit.String(), hex.EncodeToString(a.Sig)})
	}
	return v
}

// makeVectors builds the whole file from code.
func makeVectors(t testing.TB) *vectorSet {
	set := &vectorSet{About: "Commits, see docs/spec/history.md. hex is the canonical form, id and digest follow from it; a grant neither as index nor as op is none. Batches rebuild exactly the envelopes and parts listed. Each reject names the rule it breaks. Written by go test ./history -update."}
	b := mixed(t)
	for i, name := range []string{"first commit of a space", "one op", "another author", "merge", "everything", "empty merge with a manifest grant"} {
		set.Envelopes = append(set.Envelopes, describe(name, b.Commits[i]))
	}
	whole, err := NewCommit(full(), nil)
	if err != nil {
		t.Fatal(err)
	}
	set.Envelopes = append(set.Envelopes, describe("all parts absent", whole))
	for name, p := range orderedParts() {
		raw := encodePart(t, p)
		digest := PartDigest(raw)
		set.Parts = append(set.Parts, partVector{
			Name: name, Salt: hex.EncodeToString(p.Salt[:]), Payloads: hexes(p.Payloads), Attached: texts(p.Attached),
			Hex: hex.EncodeToString(raw), Digest: hex.EncodeToString(digest[:]),
		})
	}
	for _, c := range b.Commits[:2] {
		s := AttestationStatement(b.Commits[0].ID, c.Env.Seq, c.ID)
		set.Attestations = append(set.Attestations, attestationVector{
			Space: s.Space.String(), Seq: strconv.FormatUint(c.Env.Seq, 10), Commit: c.ID.String(),
			Hash: hex.EncodeToString(s.Hash[:]), Statement: hex.EncodeToString(s.Bytes()),
		})
	}
	set.Batches = []batchVector{
		describeBatch(t, "nothing", &Batch{}),
		describeBatch(t, "everything", b),
		describeBatch(t, "edges outside", &Batch{Commits: b.Commits[2:4], Attestations: []Attestation{{b.Commits[3].ID, sig(1)}}}),
	}
	for _, r := range rejects() {
		if raw := r.bytes(t); len(raw) < 2_000 { // longer ones are made by the unit tests of each language
			set.Reject.Envelopes = append(set.Reject.Envelopes, rejectVector{r.name, hex.EncodeToString(raw), r.rule})
		}
	}
	for _, r := range partRejects() {
		if raw, err := object.Encode(r.v); err == nil && len(raw) < 2_000 {
			set.Reject.Parts = append(set.Reject.Parts, rejectVector{r.name, hex.EncodeToString(raw), RulePart})
		}
	}
	set.Reject.Batches = batchRejects(t)
	return set
}

func orderedParts() func(func(string, *Part) bool) {
	return func(yield func(string, *Part) bool) {
		_ = yield("one payload", &Part{Salt: salt(1), Payloads: [][]byte{{0xa0}}}) &&
			yield("no payload", &Part{Salt: salt(2), Attached: sorted(id(1))}) &&
			yield("two payloads, two objects", &Part{Salt: salt(3), Payloads: [][]byte{{1}, bytes.Repeat([]byte{7}, 300)}, Attached: sorted(id(1), object.Sum(object.Raw, nil))})
	}
}

// batchRejects damages a small batch in each of the ways its form forbids.
func batchRejects(t testing.TB) []rejectVector {
	s := newStory(t)
	s.say(key(2), 3, s.all[0].ID)
	s.say(key(2), 3)
	wire, err := EncodeBatch(&Batch{Commits: s.all[1:], Attestations: []Attestation{{s.all[2].ID, sig(1)}}})
	if err != nil {
		t.Fatal(err)
	}
	authors, edges := 1, 1+1+identity.KeySize
	names := edges + 1 + 32
	objects := names + 1 + 1 + len("messages") + 1 + len("append")
	commits := objects + 1
	change := func(at int, with ...byte) []byte {
		return append(append(bytes.Clone(wire[:at]), with...), wire[at+1:]...)
	}
	cases := []struct {
		name string
		wire []byte
		rule string
	}{
		{"nothing", nil, RuleBatchForm},
		{"another format", change(0, 2), RuleBatchForm},
		{"a count not in its shortest form", change(authors, 0x81, 0x00), RuleBatchForm},
		{"more authors than bytes", change(authors, 0xff, 0x7f), RuleBatchForm},
		{"no author in the table", append(append([]byte{batchFormat, 0}, wire[edges:edges+1]...), wire[edges+1:]...), RuleBatchForm},
		{"an author that is no key", change(authors+1, 0xec), RuleAuthor},
		{"an object nobody attaches", change(objects, 1, 1, 0xa0), RuleBatch},
		{"more commits than bytes", change(commits, 0xff, 0x7f), RuleBatchForm},
		{"a flag not known", change(commits+1, wire[commits+1]|flagUnused), RuleBatchForm},
		{"parents of no kind", change(commits+1, wire[commits+1]|maskParents), RuleBatchForm},
		{"the same author as before the first", change(commits+1, wire[commits+1]|flagSameAuthor), RuleBatchForm},
		{"an author outside the table", change(commits+2, 1), RuleBatchForm},
		{"seq 0", change(commits+3, 0), RuleSeq},
		{"a trailing byte", append(bytes.Clone(wire), 0), RuleBatchForm},
		{"cut", wire[:len(wire)-1], RuleBatchForm},
	}
	var out []rejectVector
	for _, c := range cases {
		if _, err := DecodeBatch(c.wire, 0); !isRule(err, c.rule) {
			t.Errorf("batch %s: %v, want %s", c.name, err, c.rule)
		}
		out = append(out, rejectVector{c.name, hex.EncodeToString(c.wire), c.rule})
	}
	return out
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestVectors reads the file as any other implementation would, and checks that code still makes it.
func TestVectors(t *testing.T) {
	made, err := json.MarshalIndent(makeVectors(t), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	made = append(made, '\n')
	if *update {
		if err := os.WriteFile(vectorFile, made, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(file, made) {
		t.Errorf("%s is not what the code makes: formats changed?", vectorFile)
	}
	var v vectorSet
	if err := json.Unmarshal(file, &v); err != nil {
		t.Fatal(err)
	}
	for _, e := range v.Envelopes {
		c, err := DecodeCommit(unhex(t, e.Hex), nil)
		if err != nil {
			t.Errorf("%s: %v", e.Name, err)
			continue
		}
		got, _ := json.Marshal(describe(e.Name, c))
		if want, _ := json.Marshal(e); !bytes.Equal(got, want) {
			t.Errorf("%s:\n got %s\nwant %s", e.Name, got, want)
		}
	}
	for _, p := range v.Parts {
		got, err := DecodePart(unhex(t, p.Hex))
		if err != nil || len(got.Payloads) != len(p.Payloads) || len(got.Attached) != len(p.Attached) {
			t.Errorf("part %s: %v", p.Name, err)
		}
	}
	for _, b := range v.Batches {
		got, err := DecodeBatch(unhex(t, b.Hex), 0)
		if err != nil {
			t.Errorf("batch %s: %v", b.Name, err)
			continue
		}
		again, _ := json.Marshal(describeBatch(t, b.Name, got))
		if want, _ := json.Marshal(b); !bytes.Equal(again, want) {
			t.Errorf("batch %s differs", b.Name)
		}
	}
	refused(t, v.Reject.Envelopes, func(b []byte) error { _, err := DecodeEnvelope(b); return err })
	refused(t, v.Reject.Parts, func(b []byte) error { _, err := DecodePart(b); return err })
	refused(t, v.Reject.Batches, func(b []byte) error { _, err := DecodeBatch(b, 0); return err })
}

func refused(t *testing.T, list []rejectVector, decode func([]byte) error) {
	t.Helper()
	for _, r := range list {
		if err := decode(unhex(t, r.Hex)); !isRule(err, r.Rule) {
			t.Errorf("%s: %v, want %s", r.Name, err, r.Rule)
		}
	}
}
