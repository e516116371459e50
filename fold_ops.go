package hhs

import (
	"bytes"
	"crypto/sha256"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/replica"
)

// FoldQuery asks for ops of a fold, in the order in which its function is given
// them. The zero value asks for the first ones.
type FoldQuery struct {
	After []byte // only ops after this place, the Key of one; nil: from the first
	Mark  []byte // of the page that told After; nil: what stands before it is not asked about
	Limit int
}

// FoldPage is a stretch of the ops of a fold.
type FoldPage struct {
	Page
	// Mark is for the query of the next page, also for one that is read later.
	Mark []byte
	// Founder tells for each entry whether its writer founded the space.
	Founder []bool
	// Changed says that the ops up to After are not those that they were at the
	// mark: one came late, or one of them was taken back or given again. Then there
	// are no entries: what was made of the ops from From on, nil for all of them,
	// is to be made again, and those before it are as they were.
	Changed bool
	From    []byte
}

// touched tells that the ops up to After are others than at the mark.
func (p *FoldPage) touched(s *replica.Space, field string, env *crdt.Env, q FoldQuery) bool {
	var since replica.Mark
	if which := copy(since[:], q.Mark); !bytes.Equal(q.Mark[which:], p.Mark[len(since):]) {
		since = replica.Mark{} // of another value: nothing is known of it
	}
	place, known := s.Touched(field, env, since)
	if q.After == nil || q.Mark == nil || known && (place == "" || place > string(q.After)) {
		return false
	}
	if p.Changed = true; known {
		p.From = []byte(place)
	}
	return true
}

// FoldOps reads ops of a fold, whatever its function, which this does not run.
func (s *AnySpace) FoldOps(field string, q FoldQuery, path ...any) (p FoldPage, err error) {
	b, err := s.at(field, path, nil)
	if err != nil {
		return p, err
	}
	err = b.readMarked(func(env *crdt.Env, mark replica.Mark, _ bool) error {
		if err := isOf(field, env, "fold"); err != nil {
			return err
		}
		// A path may lead to another record than it did.
		sum := sha256.Sum256([]byte(env.Place()))
		p.Mark = append(mark[:], sum[:8]...)
		if s.past == nil && p.touched(s.rep, field, env, q) {
			return nil
		}
		if err := p.read(env, q.Limit, crdt.LogLen, crdt.LogScan(env, crdt.LogRange{After: q.After})); err != nil {
			return err
		}
		founded, err := s.rep.Founding()
		if err != nil {
			return err
		}
		founders := foundersOf(founded)
		for i := range p.Entries {
			p.Founder = append(p.Founder, founders[p.Entries[i].Identity])
		}
		return nil
	})
	return p, err
}
