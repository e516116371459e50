package hhs

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/internal/address"
	"github.com/hyperhyperspace/hhs-go/internal/order"
	"github.com/hyperhyperspace/hhs-go/mesh"
	"github.com/hyperhyperspace/hhs-go/words"
)

// IsWords tells whether typed text has the shape of three words, with or
// without a server as in "one two three @ host:port", rather than of a link.
func IsWords(typed string) bool {
	phrase, _, _ := strings.Cut(typed, "@")
	return words.Look(phrase) && !strings.ContainsAny(phrase, "0123456789") // an end of an id has digits between its letters
}

// Words are the three words of the link's space with the server where they
// work, as in "one two three @ host:port"; Node.Lookup reads that. Without a
// server the words alone: they find nothing until somebody announces them.
func (l Link) Words() string {
	text := words.ForID(l.Space)
	if len(l.Servers) == 0 {
		return text
	}
	if u, err := address.ParseURL(l.Servers[0]); err == nil {
		if again, err := serverURL(u.Host); err == nil && again == l.Servers[0] {
			return text + " @ " + u.Host
		}
	}
	return text + " @ " + l.Servers[0]
}

// serverURL reads the server that is named beside three words: a URL, or the
// host where the signalling server is at its usual place, /signal. A host name
// is reached by wss, an address or localhost, which can have no certificate, by
// ws.
func serverURL(text string) (string, error) {
	text = strings.TrimSpace(text)
	if !strings.Contains(text, "://") {
		u, err := address.ParseURL("ws://" + text)
		if err != nil {
			return "", &LinkError{"server", fmt.Sprintf("%q is not a host", clip(text))}
		}
		scheme := "wss://"
		if _, _, isIP := address.ParseIP(u.Hostname()); isIP || privateHost(u.Hostname()) {
			scheme = "ws://"
		}
		text = scheme + text + "/signal"
	}
	if err := checkAddr(text); err != nil {
		return "", &LinkError{"server", fmt.Sprintf("%q %v", clip(text), err)}
	}
	return text, nil
}

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
	order.By(list, func(a, b Candidate) int { return a.Link.Space.Compare(b.Link.Space) })
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
		Creator: Identity(f.Creator.String()), Created: WallTime(f.Time)}, nil
}

// Creator is who made the space, and when by their clock. ErrPending before its
// first commit is here.
func (s *AnySpace) Creator() (Identity, time.Time, error) {
	f, err := s.rep.Founding()
	if err != nil {
		return "", time.Time{}, err
	}
	return Identity(f.Creator.String()), WallTime(f.Time), nil
}
