package history

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/hyperhyperspace/hhs-go/object"
)

// items returns an envelope as the list its bytes are, so that a test can break one thing.
func items(t testing.TB, raw []byte) []any {
	t.Helper()
	v, err := object.Decode(raw)
	if err != nil {
		t.Fatal(err)
	}
	return v.([]any)
}

// Positions in the list.
const (
	atVersion = iota
	atAuthor
	atSeq
	atPrev
	atParents
	atGrant
	atEpoch
	atTime
	atOps
	atParts
)

// full is a valid envelope that uses everything.
func full() *Envelope {
	parents := []object.ID{id(1), id(2), id(3)}
	sortIDs(parents)
	return &Envelope{
		Version: Version, Author: key(5), Seq: 300, Prev: id(4), Parents: parents,
		Grant: GrantRef{Op: OpRef{id(5), 2}}, Epoch: 7, Time: -1,
		Ops: []Op{
			{Field: "messages", Action: "append", Size: 300},
			{Field: "members", Action: "remove", Part: NoPart, Refs: []OpRef{{id(1), 0}, {id(9), 4095}}},
			{Action: "device", Part: NoPart, Body: []byte{0xa0}, Size: 1},
			{Field: "topic", Action: "set", Part: 1, Size: 1, Refs: []OpRef{{id(2), 1}, {Index: 0}}},
		},
		Parts: [][32]byte{{1}, {2}},
	}
}

type reject struct {
	name  string
	rule  string
	wreck func(l []any) []any
}

func set(at int, v any) func([]any) []any {
	return func(l []any) []any { l[at] = v; return l }
}

// setOp changes one item of one op.
func setOp(op int, v ...any) func([]any) []any {
	return func(l []any) []any { l[atOps].([]any)[op] = v; return l }
}

func many(n int, f func(i int) any) []any {
	out := make([]any, n)
	for i := range out {
		out[i] = f(i)
	}
	return out
}

func links(ids ...object.ID) []any { return many(len(ids), func(i int) any { return ids[i] }) }

func sortedLinks(n int) []any {
	ids := make([]object.ID, n)
	for i := range ids {
		ids[i] = id(uint64(100 + i))
	}
	sortIDs(ids)
	return links(ids...)
}

// rejects is at least one envelope for every way to break a rule; base is full().
func rejects() []reject {
	raw := object.Sum(object.Raw, []byte("chunk"))
	none := []any{}
	return []reject{
		{"nine items", RuleForm, func(l []any) []any { return l[:9] }},
		{"eleven items", RuleForm, func(l []any) []any { return append(l, int64(0)) }},
		{"an empty list", RuleForm, func([]any) []any { return none }},
		{"version 0", RuleVersion, set(atVersion, int64(0))},
		{"version 2", RuleVersion, set(atVersion, int64(2))},
		{"version is text", RuleVersion, set(atVersion, "1")},
		{"author of another suite", RuleAuthor, set(atAuthor, append([]byte{0xec, 0x01}, make([]byte, 32)...))},
		{"author of small order", RuleAuthor, set(atAuthor, append([]byte{0xed, 0x01, 1}, make([]byte, 31)...))},
		{"author too short", RuleAuthor, set(atAuthor, key(1).Bytes()[:33])},
		{"author is text", RuleAuthor, set(atAuthor, key(1).String())},
		{"seq 0", RuleSeq, set(atSeq, int64(0))},
		{"seq negative", RuleSeq, set(atSeq, int64(-1))},
		{"seq 1 with prev", RuleSeq, set(atSeq, int64(1))},
		{"no prev", RuleSeq, set(atPrev, nil)},
		{"prev is raw", RuleSeq, set(atPrev, raw)},
		{"prev is bytes", RuleSeq, set(atPrev, id(4).Bytes())},
		{"parents descending", RuleParents, func(l []any) []any { slices.Reverse(l[atParents].([]any)); return l }},
		{"a parent twice", RuleParents, set(atParents, links(id(1), id(1)))},
		{"prev as parent", RuleParents, set(atParents, links(id(4)))},
		{"a raw parent", RuleParents, set(atParents, []any{raw})},
		{"65 parents", RuleParents, set(atParents, sortedLinks(MaxParents+1))},
		{"100000 parents", RuleParents, set(atParents, many(100_000, func(int) any { return nil }))},
		{"no grant", RuleGrant, set(atGrant, nil)},
		{"grant negative", RuleGrant, set(atGrant, int64(-1))},
		{"grant too large", RuleGrant, set(atGrant, int64(maxGrants))},
		{"grant of one", RuleGrant, set(atGrant, links(id(5)))},
		{"grant is text", RuleGrant, set(atGrant, "anyone")},
		{"grant op index", RuleGrant, set(atGrant, []any{id(5), int64(MaxOps)})},
		{"epoch negative", RuleEpoch, set(atEpoch, int64(-1))},
		{"time is a float", RuleTime, set(atTime, 1.5)},
		{"ops is a map", RuleOps, set(atOps, map[string]any{})},
		{"4097 ops", RuleOps, set(atOps, many(MaxOps+1, func(int) any { return []any{"f", "a", none} }))},
		{"an op of two", RuleOps, setOp(0, "messages", "append")},
		{"an op of six", RuleOps, setOp(0, "messages", "append", none, int64(0), int64(1), nil)},
		{"an op that is text", RuleOps, func(l []any) []any { l[atOps] = []any{"op"}; return l }},
		{"field too long", RuleOps, setOp(0, strings.Repeat("f", MaxField+1), "append", none)},
		{"field is bytes", RuleOps, setOp(0, []byte("f"), "append", none)},
		{"no action", RuleOps, setOp(0, "messages", "", none)},
		{"action too long", RuleOps, setOp(0, "messages", strings.Repeat("a", MaxAction+1), none)},
		{"a body on a field", RuleOps, setOp(0, "messages", "append", none, map[string]any{})},
		{"no body", RuleOps, setOp(2, "", "device", none)},
		{"an authority op in a part", RuleOps, setOp(2, "", "device", none, int64(0), int64(1))},
		{"body too long", RuleOps, setOp(2, "", "device", none, strings.Repeat("x", MaxPayload))},
		{"refs is a number", RuleRefs, setOp(0, "messages", "append", int64(0))},
		{"a ref without index", RuleRefs, setOp(0, "messages", "append", []any{links(id(1))})},
		{"a ref of three", RuleRefs, setOp(0, "messages", "append", []any{[]any{id(1), int64(0), int64(0)}})},
		{"a ref to a raw block", RuleRefs, setOp(0, "messages", "append", []any{[]any{raw, int64(0)}})},
		{"a ref to the op itself", RuleRefs, setOp(0, "messages", "append", []any{int64(0)})},
		{"a ref to a later op", RuleRefs, setOp(0, "messages", "append", []any{int64(1)})},
		{"a ref's index", RuleRefs, setOp(0, "messages", "append", []any{[]any{id(1), int64(MaxOps)}})},
		{"1025 refs", RuleRefs, setOp(0, "messages", "append", many(MaxRefs+1, func(int) any { return []any{id(1), int64(0)} }))},
		{"a part that is not there", RuleParts, setOp(0, "messages", "append", none, int64(2), int64(1))},
		{"a payload of nothing", RuleParts, setOp(0, "messages", "append", none, int64(0), int64(0))},
		{"a payload too long", RuleParts, setOp(0, "messages", "append", none, int64(0), int64(MaxPayload+1))},
		{"part negative", RuleParts, setOp(0, "messages", "append", none, int64(-1), int64(1))},
		{"payloads over a part", RuleParts, set(atOps, many(17, func(int) any { return []any{"f", "a", none, int64(0), int64(MaxPayload)} }))},
		{"payloads over a commit", RuleSize, func(l []any) []any {
			l[atParts] = many(3, func(int) any { return make([]byte, 32) })
			return set(atOps, many(33, func(i int) any { return []any{"f", "a", none, int64(i % 3), int64(MaxPayload)} }))(l)
		}},
		{"17 parts", RuleParts, set(atParts, many(MaxParts+1, func(int) any { return make([]byte, 32) }))},
		{"a digest of 31", RuleParts, set(atParts, []any{make([]byte, 31), make([]byte, 32)})},
		{"a digest that is text", RuleParts, set(atParts, []any{strings.Repeat("x", 32), make([]byte, 32)})},
		{"over 256 KiB", RuleSize, set(atOps, many(7, func(i int) any {
			return []any{"f", "a", many(1000, func(int) any { return []any{id(1), int64(0)} })}
		}))},
	}
}

func (r reject) bytes(t testing.TB) []byte {
	t.Helper()
	raw, err := full().Encode()
	if err != nil {
		t.Fatal(err)
	}
	b, err := object.Encode(r.wreck(items(t, raw)))
	if err != nil {
		t.Fatalf("%s: %v", r.name, err)
	}
	return b
}

func TestEnvelopeRoundTrip(t *testing.T) {
	s := newStory(t)
	genesis := s.all[0].Env
	s.say(key(2), 100, s.all[0].ID)
	for i, e := range []*Envelope{full(), genesis, s.all[1].Env, {
		Version: 1, Author: key(1), Seq: 2, Prev: id(1), Time: 1 << 62, // an empty merge
	}} {
		raw, err := e.Encode()
		if err != nil {
			t.Fatalf("%d: %v", i, err)
		}
		got, err := DecodeEnvelope(raw)
		if err != nil {
			t.Fatalf("%d: %v", i, err)
		}
		again, err := got.Encode()
		if err != nil || !bytes.Equal(again, raw) {
			t.Fatalf("%d: encodes as %x, was %x: %v", i, again, raw, err)
		}
		if err := object.Check(raw); err != nil {
			t.Fatalf("%d: no IPLD tool can read it: %v", i, err)
		}
	}
}

func TestEnvelopeRejects(t *testing.T) {
	for _, r := range rejects() {
		if _, err := DecodeEnvelope(r.bytes(t)); !isRule(err, r.rule) {
			t.Errorf("%s: %v, want %s", r.name, err, r.rule)
		}
	}
	if _, err := DecodeEnvelope(nil); !isRule(err, RuleForm) {
		t.Errorf("nothing: %v", err)
	}
}

// TestEnvelopeEncodeRejects: what cannot be read is not written either.
func TestEnvelopeEncodeRejects(t *testing.T) {
	deep := bytes.Repeat([]byte{0x81}, object.MaxDepth-1)
	for name, change := range map[string]func(e *Envelope){
		RuleVersion: func(e *Envelope) { e.Version = 9 },
		RuleAuthor:  func(e *Envelope) { e.Author = [1]Envelope{}[0].Author },
		RuleSeq:     func(e *Envelope) { e.Seq = 1 << 63 },
		RuleParents: func(e *Envelope) { slices.Reverse(e.Parents) },
		RuleGrant:   func(e *Envelope) { e.Grant = GrantRef{Index: 1, Op: e.Grant.Op} },
		RuleEpoch:   func(e *Envelope) { e.Epoch = 1 << 63 },
		RuleForm:    func(e *Envelope) { e.Ops[0].Field = "\xff" },
		RuleOps:     func(e *Envelope) { e.Ops[2].Body = append(deep, 0x80) },
		RuleRefs:    func(e *Envelope) { e.Ops[1].Refs[0] = OpRef{Index: 1} }, // the op itself
		RuleParts:   func(e *Envelope) { e.Ops[1].Size = 4 },
	} {
		e := full()
		change(e)
		if _, err := e.Encode(); !isRule(err, name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestEnvelopeBytes is cases 1, 2 and 4: every prefix is refused, every flipped bit is refused or another
// commit.
func TestEnvelopeBytes(t *testing.T) {
	raw, err := full().Encode()
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		if _, err := DecodeEnvelope(raw[:i]); err == nil {
			t.Fatalf("accepted %d bytes", i)
		}
		for bit := range 8 {
			flipped := bytes.Clone(raw)
			flipped[i] ^= 1 << bit
			e, err := DecodeEnvelope(flipped)
			if err != nil {
				continue
			}
			if again, err := e.Encode(); err != nil || !bytes.Equal(again, flipped) {
				t.Fatalf("byte %d bit %d: accepted, but it is not the canonical form", i, bit)
			}
		}
	}
	if _, err := DecodeEnvelope(append(raw, 0xf6)); err == nil {
		t.Fatal("accepted a trailing byte")
	}
}

func TestEdges(t *testing.T) {
	e := full()
	want := []object.ID{id(1), id(2), id(3), id(4), id(5), id(9)}
	sortIDs(want)
	if got := e.Edges(); !slices.Equal(got, want) {
		t.Errorf("edges %v, want %v", got, want)
	}
}

func TestCommitParts(t *testing.T) {
	s := newStory(t)
	c := s.say(key(2), 100, s.all[0].ID)
	payloads, err := c.Payloads()
	if err != nil || len(payloads[0]) != 100 {
		t.Fatalf("%v %v", payloads, err)
	}
	if _, err := DecodeCommit(c.Raw, [][]byte{[]byte("another")}); !isRule(err, RuleDigest) {
		t.Errorf("a part that is another: %v", err)
	}
	if _, err := DecodeCommit(c.Raw, make([][]byte, 2)); !isRule(err, RuleDigest) {
		t.Errorf("a part too many: %v", err)
	}
	bare, err := DecodeCommit(c.Raw, nil)
	if err != nil || bare.ID != c.ID {
		t.Fatal(err)
	}
	if p, err := bare.Payloads(); err != ErrNoPart || p[0] != nil {
		t.Errorf("a part not loaded: %v", err)
	}
	// A part that lies about its sizes leaves the commit standing and its op without a payload.
	lie := encodePart(t, &Part{Payloads: [][]byte{{1}, {2}}})
	odd := s.commit(&Envelope{Author: key(2), Ops: []Op{{Field: "f", Action: "a", Size: 1}}}, [][]byte{lie})
	if p, err := odd.Payloads(); !isRule(err, RulePart) || p[0] != nil {
		t.Errorf("a part that does not fit: %v %v", p, err)
	}
}

func TestPartRejects(t *testing.T) {
	for _, r := range partRejects() {
		raw, err := object.Encode(r.v)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := DecodePart(raw); !isRule(err, RulePart) {
			t.Errorf("%s: %v", r.name, err)
		}
	}
}

type partReject struct {
	name string
	v    any
}

func partRejects() []partReject {
	salt, none := make([]byte, 16), []any{}
	return []partReject{
		{"not a list", map[string]any{}},
		{"two items", []any{salt, none}},
		{"salt of 15", []any{salt[1:], none, none}},
		{"a payload of nothing", []any{salt, []any{[]byte{}}, none}},
		{"a payload too long", []any{salt, []any{make([]byte, MaxPayload+1)}, none}},
		{"a payload that is text", []any{salt, []any{"x"}, none}},
		{"attached twice", []any{salt, none, links(id(1), id(1))}},
		{"attached bytes", []any{salt, none, []any{id(1).Bytes()}}},
		{"1025 attached", []any{salt, none, sortedLinks(MaxAttached + 1)}},
	}
}
