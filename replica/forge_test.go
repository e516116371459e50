package replica_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"testing"

	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
	"github.com/hyperhyperspace/hhs-go/store"
)

// forger is a device whose owner changed the software: it signs whatever it
// likes.
type forger struct {
	t   testing.TB
	dev identity.Device
}

func newForger(t testing.TB, seed uint64) forger { return forger{t, newDevice(t, seed)} }

func (f forger) key() identity.PublicKey { return f.dev.Signer.Public() }

// draft is a commit in the making.
type draft struct {
	env      history.Envelope
	payloads [][]byte
	attached []object.ID
	parts    [][]byte // instead of those made of payloads
}

func device(t testing.TB, c identity.Certificate) history.Op {
	t.Helper()
	op, err := authority.DeviceOp(c)
	if err != nil {
		t.Fatal(err)
	}
	return op
}

// sorted are the heads as parents.
func sorted(ids ...object.ID) []object.ID {
	ids = slices.Clone(ids)
	slices.SortFunc(ids, object.ID.Compare)
	return slices.Compact(ids)
}

// first is a proper first commit of the device: its certificate and a line.
func (f forger) first(text string, parents ...object.ID) *draft {
	d := f.next(text, object.ID{}, 1, parents...)
	d.env.Ops = append([]history.Op{device(f.t, f.dev.Certificate)}, d.env.Ops...)
	return d
}

// next is a proper further commit.
func (f forger) next(text string, prev object.ID, seq uint64, parents ...object.ID) *draft {
	d := &draft{env: history.Envelope{Version: history.Version, Author: f.key(), Seq: seq, Prev: prev, Parents: sorted(parents...), Time: 1}}
	d.line(f.t, text)
	return d
}

// line appends to the log.
func (d *draft) line(t testing.TB, text string) {
	b := enc(t, text)
	d.op(history.Op{Field: "lines", Action: "append"}, b)
}

func (d *draft) op(op history.Op, payload []byte) {
	op.Part = history.NoPart
	if payload != nil {
		op.Part, op.Size = 0, len(payload)
		d.payloads = append(d.payloads, payload)
	}
	d.env.Ops = append(d.env.Ops, op)
}

// commit makes the commit.
func (d *draft) commit(t testing.TB) *history.Commit {
	t.Helper()
	parts := d.parts
	if parts == nil && (d.payloads != nil || d.attached != nil) {
		p := history.Part{Payloads: d.payloads, Attached: sorted(d.attached...)}
		raw, err := p.Encode()
		if err != nil {
			t.Fatal(err)
		}
		parts = [][]byte{raw}
	}
	env := d.env
	env.Parts = nil
	for _, p := range parts {
		env.Parts = append(env.Parts, history.PartDigest(p))
	}
	c, err := history.NewCommit(&env, parts)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// attest signs for a commit in a space.
func (f forger) attest(space object.ID, c *history.Commit) history.Attestation {
	f.t.Helper()
	sig, err := f.dev.Signer.Sign(context.Background(), history.AttestationStatement(space, c.Env.Seq, c.ID))
	if err != nil {
		f.t.Fatal(err)
	}
	return history.Attestation{Commit: c.ID, Sig: sig}
}

func batch(commits []*history.Commit, atts ...history.Attestation) *history.Batch {
	return &history.Batch{Commits: commits, Attestations: atts}
}

// signed is a batch of one commit.
func (f forger) signed(space object.ID, c *history.Commit, objects ...[]byte) *history.Batch {
	b := batch([]*history.Commit{c}, f.attest(space, c))
	b.Objects = objects
	return b
}

// genesis is a first commit of a space, as Create makes it, of any manifest.
func (f forger) genesis(m *authority.Manifest, salt byte) *history.Commit {
	f.t.Helper()
	ops, err := authority.FoundingOps(m, [authority.SaltSize]byte{salt}, []identity.PublicKey{f.dev.Certificate.Identity}, f.dev.Certificate)
	if err != nil {
		f.t.Fatal(err)
	}
	c, err := history.NewCommit(&history.Envelope{Version: history.Version, Author: f.key(), Seq: 1,
		Grant: history.GrantRef{Index: history.NoGrant}, Time: 1, Ops: ops}, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	return c
}

// digest hashes all that a store holds.
func digest(t testing.TB, s store.Store) string {
	t.Helper()
	snap, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	h := sha256.New()
	for kv, err := range snap.Scan(nil, nil, false) {
		if err != nil {
			t.Fatal(err)
		}
		k, v := sha256.Sum256(kv.Key), sha256.Sum256(kv.Value)
		h.Write(k[:])
		h.Write(v[:])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// peer is where the hostile batches come from.
var peer = func() replica.Source {
	_, d, err := identity.NewDevice(context.Background(), seeded(999), "peer", 1)
	if err != nil {
		panic(err)
	}
	return replica.Source{Device: d.Signer.Public(), Transport: "pipe"}
}()

// mayNot sends a batch that must be refused, and checks what is said and that
// nothing is kept.
func mayNot(t *testing.T, s *replica.Space, mem *store.Mem, b *history.Batch, rule string, commit object.ID) error {
	t.Helper()
	before, heads, n := digest(t, mem), s.Heads(), s.Len()
	counts, _ := s.Refused()
	_, err := s.Ingest(context.Background(), b, peer)
	r := asReject(t, err)
	if r.Rule != rule || r.Commit != commit || r.From != peer || r.Space != s.ID() {
		t.Fatalf("refused with rule %q, commit %s, from %v: %v; want rule %q, commit %s", r.Rule, r.Commit, r.From, err, rule, commit)
	}
	if digest(t, mem) != before || !slices.Equal(s.Heads(), heads) || s.Len() != n {
		t.Fatal("a refused batch changed the store or what is in memory")
	}
	after, last := s.Refused()
	if after[rule] != counts[rule]+1 || len(last) == 0 || last[len(last)-1].Reject != r {
		t.Fatalf("the refusal is not counted: %v, then %v", counts, after)
	}
	return err
}

// reopened tells whether a fresh node over the same store says what s says.
func reopened(t *testing.T, s *replica.Space, mem *store.Mem) *replica.Space {
	t.Helper()
	n := newNode(t, 77, func(c *replica.Config) { c.Store, c.Device = mem, s.Node().Device() })
	again, err := n.Space(s.ID())
	if err != nil {
		t.Fatalf("reopen: %v", err)
	}
	same(t, s, again)
	return again
}

// same compares all that two copies say, whatever order they heard it in.
func same(t *testing.T, a, b *replica.Space) {
	t.Helper()
	if !slices.Equal(a.Heads(), b.Heads()) || a.Len() != b.Len() {
		t.Fatalf("heads differ: %v and %v (%d and %d commits)", a.Heads(), b.Heads(), a.Len(), b.Len())
	}
	if x, y := lines(t, a), lines(t, b); !slices.Equal(x, y) {
		t.Fatalf("lines differ: %q and %q", x, y)
	}
	ca, errA := a.Chains(nil)
	cb, errB := b.Chains(nil)
	if errA != nil || errB != nil || !slices.Equal(ca, cb) {
		t.Fatalf("chains differ: %v %v, %v %v", ca, errA, cb, errB)
	}
	fa, fb := a.Forks(), b.Forks()
	slices.SortFunc(fa, identity.PublicKey.Compare)
	slices.SortFunc(fb, identity.PublicKey.Compare)
	if !slices.Equal(fa, fb) {
		t.Fatalf("forks differ: %v and %v", fa, fb)
	}
}
