package authority

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
)

func (w *tale) attest(name string) []byte {
	w.t.Helper()
	c := w.commits[name]
	for _, d := range w.devices {
		if d.Signer.Public() == c.Env.Author {
			sig, err := d.Signer.Sign(context.Background(), history.AttestationStatement(w.founded.Space, c.Env.Seq, c.ID))
			if err != nil {
				w.t.Fatal(err)
			}
			return sig
		}
	}
	w.t.Fatalf("nobody wrote %s", name)
	return nil
}

// side is the path from the first of the commits down to the last, attested.
func (w *tale) side(names ...string) Side {
	s := Side{Sig: w.attest(names[0])}
	for _, n := range names {
		s.Path = append(s.Path, w.commits[n].Raw)
	}
	return s
}

// inOrder puts the side with the smaller id first.
func (w *tale) inOrder(a, b string, sa, sb Side) *Equivocation {
	q := &Equivocation{Space: w.founded.Space, Sides: [2]Side{sa, sb}}
	if w.commits[a].ID.Compare(w.commits[b].ID) > 0 {
		q.Sides[0], q.Sides[1] = sb, sa
	}
	return q
}

func TestEquivocation(t *testing.T) {
	w := newTale(t)
	w.tell(`
		G -> A1 -> A2 -> A3 -> A4
		A1 -> A2'
		G -> B1 -> B2
		B1 -> B2'`)
	q := w.inOrder("A2", "A2'", w.side("A4", "A3", "A2"), w.side("A2'"))
	proven, err := q.Verify()
	if err != nil {
		t.Fatal(err)
	}
	if proven.Author != w.device("A").Signer.Public() || proven.Seq != 2 {
		t.Errorf("proven %+v", proven)
	}
	raw, err := q.Encode()
	if err != nil {
		t.Fatal(err)
	}
	again, err := DecodeEquivocation(raw)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.Verify(); err != nil {
		t.Errorf("after a round trip: %v", err)
	}
	other := w.commits["B1"].ID
	for name, bad := range map[string]*Equivocation{
		"one commit twice":      {Space: q.Space, Sides: [2]Side{w.side("A2"), w.side("A3", "A2")}},
		"in the other order":    {Space: q.Space, Sides: [2]Side{q.Sides[1], q.Sides[0]}},
		"one chain":             {Space: q.Space, Sides: [2]Side{w.side("A2"), w.side("A4", "A3")}},
		"two authors":           w.inOrder("A2", "B2", w.side("A2"), w.side("B2")),
		"a path with a gap":     w.inOrder("A2", "A2'", w.side("A4", "A2"), w.side("A2'")),
		"a path to another's":   w.inOrder("B1", "A2'", w.side("A2", "B1"), w.side("A2'")),
		"no path":               {Space: q.Space, Sides: [2]Side{{Sig: q.Sides[0].Sig}, q.Sides[1]}},
		"of another space":      {Space: other, Sides: q.Sides},
		"an attestation of A3":  w.inOrder("A2", "A2'", Side{w.side("A4", "A3", "A2").Path, w.attest("A3")}, w.side("A2'")),
		"garbage for a commit":  w.inOrder("A2", "A2'", Side{[][]byte{{0x80}}, q.Sides[0].Sig}, w.side("A2'")),
		"after different prevs": w.inOrder("A3", "A2'", w.side("A3"), w.side("A2'")),
	} {
		var proof *ProofError
		if _, err := bad.Verify(); !errors.As(err, &proof) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// R11: every bit of the encoded proof counts.
	for i := range raw {
		flipped := bytes.Clone(raw)
		flipped[i] ^= 1
		if d, err := DecodeEquivocation(flipped); err == nil {
			if _, err := d.Verify(); err == nil {
				t.Fatalf("byte %d can be changed", i)
			}
		}
	}
}

func TestEquivocationLimits(t *testing.T) {
	long := Side{Path: make([][]byte, MaxProofPath+1)}
	q := &Equivocation{Sides: [2]Side{long, long}}
	var proof *ProofError
	if _, err := q.Verify(); !errors.As(err, &proof) {
		t.Errorf("a long path: %v", err)
	}
	if _, err := q.Encode(); !errors.As(err, &proof) {
		t.Errorf("no space: %v", err)
	}
	if _, err := DecodeEquivocation(make([]byte, MaxProof+1)); !errors.As(err, &proof) {
		t.Errorf("a long proof: %v", err)
	}
}

func FuzzDecodeEquivocation(f *testing.F) {
	q := &Equivocation{Sides: [2]Side{{Path: [][]byte{{1}, {2}}, Sig: make([]byte, identity.SignatureSize)}, {Sig: []byte{3}}}}
	q.Space = spaceOf(f)
	raw, err := q.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		q, err := DecodeEquivocation(raw)
		if err != nil {
			return
		}
		if again, err := q.Encode(); err != nil || !bytes.Equal(again, raw) {
			t.Fatalf("%x is read as %x: %v", raw, again, err)
		}
		q.Verify()
	})
}

func spaceOf(testing.TB) object.ID { return object.Sum(object.DagCBOR, []byte{0xa0}) }
