package authority

import (
	"fmt"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
)

// Side is one branch of an equivocation: envelopes from an attested commit down by prev to the first
// commit after the fork, which is the last of them; and the attestation's signature.
type Side struct {
	Path [][]byte // canonical envelopes, 1 to MaxProofPath
	Sig  []byte
}

// Equivocation proves that a device key wrote two commits with the same seq after the same prev. It
// needs nothing but its own bytes and the space's id to be checked, so any peer can pass it on.
type Equivocation struct {
	Space object.ID
	Sides [2]Side // the one whose commit after the fork has the smaller id first
}

// Proven is what a verified equivocation says.
type Proven struct {
	Author   identity.PublicKey
	Seq      uint64       // of the two commits
	Branches [2]object.ID // the two commits; they name the branches
}

// ProofError says why bytes or sides are no proof of an equivocation.
type ProofError struct {
	Reason string
	Cause  error
}

// Error gives the reason.
func (e *ProofError) Error() string {
	s := "authority: not a proof of equivocation: " + e.Reason
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Unwrap returns what a codec or a signature check said.
func (e *ProofError) Unwrap() error { return e.Cause }

// Verify checks the proof. *ProofError when it is none.
func (q *Equivocation) Verify() (Proven, error) {
	var tips, forks [2]*history.Commit
	for i := range q.Sides {
		var err error
		if tips[i], forks[i], err = q.Sides[i].walk(); err != nil {
			return Proven{}, err
		}
	}
	a, b := forks[0], forks[1]
	switch {
	case a.Env.Author != b.Env.Author:
		return Proven{}, &ProofError{Reason: "its sides are of different authors"}
	case a.Env.Seq != b.Env.Seq || a.Env.Prev != b.Env.Prev:
		return Proven{}, &ProofError{Reason: "its sides do not part from one commit"}
	case a.ID.Compare(b.ID) >= 0:
		return Proven{}, &ProofError{Reason: "its sides are one commit, or not in order"}
	}
	for i, tip := range tips {
		check := history.Attestation{Commit: tip.ID, Sig: q.Sides[i].Sig}.Check(q.Space, tip.Env)
		if err := identity.Verify(check); err != nil {
			return Proven{}, &ProofError{"an attestation is bad", err}
		}
	}
	return Proven{a.Env.Author, a.Env.Seq, [2]object.ID{a.ID, b.ID}}, nil
}

// walk follows the path and returns its first and its last commit.
func (s *Side) walk() (tip, fork *history.Commit, err error) {
	if len(s.Path) == 0 || len(s.Path) > MaxProofPath {
		return nil, nil, &ProofError{Reason: fmt.Sprintf("a path has 1 to %d commits", MaxProofPath)}
	}
	for i, raw := range s.Path {
		c, err := history.DecodeCommit(raw, nil)
		if err != nil {
			return nil, nil, &ProofError{"a commit is malformed", err}
		}
		if i == 0 {
			tip = c
		} else if fork.Env.Prev != c.ID || fork.Env.Seq != c.Env.Seq+1 || fork.Env.Author != c.Env.Author {
			return nil, nil, &ProofError{Reason: "a path leaves its author's chain"}
		}
		fork = c
	}
	return tip, fork, nil
}

// Encode returns the canonical bytes: the list [space, [[envelope ...], sig], [[envelope ...], sig]].
func (q *Equivocation) Encode() ([]byte, error) {
	var w object.Writer
	w.List(3)
	w.Link(q.Space)
	for _, s := range q.Sides {
		w.List(2)
		w.List(len(s.Path))
		for _, raw := range s.Path {
			w.Bytes(raw)
		}
		w.Bytes(s.Sig)
	}
	if err := w.Err(); err != nil {
		return nil, &ProofError{"it cannot be encoded", err}
	}
	if len(w.Buf) > MaxProof {
		return nil, &ProofError{Reason: fmt.Sprintf("it has more than %d bytes", MaxProof)}
	}
	return w.Buf, nil
}

// DecodeEquivocation reads the canonical bytes; whether they prove anything is for Verify. Paths and
// signatures alias raw.
func DecodeEquivocation(raw []byte) (*Equivocation, error) {
	if len(raw) > MaxProof {
		return nil, &ProofError{Reason: fmt.Sprintf("it has more than %d bytes", MaxProof)}
	}
	q := new(Equivocation)
	r := object.NewReader(raw)
	n, _ := r.List()
	q.Space, _ = r.Link()
	if r.Err() == nil && n != 3 {
		return nil, &ProofError{Reason: "it is not a list of 3"}
	}
	for i := range q.Sides {
		if n, _ := r.List(); r.Err() == nil && n != 2 {
			return nil, &ProofError{Reason: "a side is not a list of 2"}
		}
		n, _ := r.List()
		if n > MaxProofPath {
			return nil, &ProofError{Reason: fmt.Sprintf("a path has 1 to %d commits", MaxProofPath)}
		}
		for ; n > 0 && r.Err() == nil; n-- {
			b, _ := r.Bytes()
			q.Sides[i].Path = append(q.Sides[i].Path, b)
		}
		q.Sides[i].Sig, _ = r.Bytes()
	}
	if err := r.End(); err != nil {
		return nil, &ProofError{"it is malformed", err}
	}
	return q, nil
}
