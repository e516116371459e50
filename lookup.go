package hhs

import (
	"slices"
	"time"

	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/mesh"
	"github.com/hyperhyperspace/hhs-go/words"
)

// maxCandidates is how many spaces one look-up shows: more than a person reads.
const maxCandidates = 32

// maxRecord bounds a candidate record once decoded; peers send 64 KiB at most.
const maxRecord = 1 << 20

// candidate is the record this space shows to who asks for its words: its
// first commit with the attestation, as a batch.
func (s *AnySpace) candidate() []byte {
	b, err := s.rep.Attested()
	if err != nil {
		return nil
	}
	wire, err := history.EncodeBatch(b)
	if err != nil {
		return nil
	}
	return wire
}

// candidates keeps the records that prove what they claim: that their space
// answers to the words, and who created it.
func candidates(bits uint64, found []mesh.Candidate) []Candidate {
	var list []Candidate
	for _, f := range found {
		c, err := readCandidate(bits, f.Record)
		if err != nil {
			continue
		}
		c.Link.Servers = []string{f.Server}
		at := slices.IndexFunc(list, func(o Candidate) bool { return o.Link.Space == c.Link.Space })
		if at >= 0 {
			list[at].Link.merge(c.Link)
			continue
		}
		if len(list) < maxCandidates {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b Candidate) int { return a.Link.Space.Compare(b.Link.Space) })
	return list
}

func readCandidate(bits uint64, record []byte) (Candidate, error) {
	b, err := history.DecodeBatch(record, maxRecord)
	if err != nil {
		return Candidate{}, err
	}
	if len(b.Commits) != 1 || len(b.Attestations) != 1 || words.FromID(b.Commits[0].ID) != bits {
		return Candidate{}, identity.ErrSignature
	}
	c := b.Commits[0]
	f, err := authority.Genesis(c)
	if err != nil {
		return Candidate{}, err
	}
	if err := identity.Verify(b.Attestations[0].Check(c.ID, c.Env)); err != nil {
		return Candidate{}, err
	}
	return Candidate{Link: Link{Space: c.ID}, Kind: f.Manifest.Kind, Version: int(f.Manifest.Version),
		Creator: Identity(f.Creator.String()), Created: clampTime(f.Time)}, nil
}

// Creator is who made the space, and when by their clock. ErrPending before its
// first commit is here.
func (s *AnySpace) Creator() (Identity, time.Time, error) {
	f, err := s.rep.Founding()
	if err != nil {
		return "", time.Time{}, err
	}
	return Identity(f.Creator.String()), clampTime(f.Time), nil
}
