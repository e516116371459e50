package replica

import (
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/store"
)

// Batches yields everything that is not in the past of have, in the order it
// arrived here, which is a causal order, in batches of about max bytes. Every
// batch can pass another replica's door by itself once the earlier ones have:
// it ends where each author branch in it ends with an attested commit. Ids in
// have that this copy does not know are ignored.
func (s *Space) Batches(have []object.ID, max int) iter.Seq2[*history.Batch, error] {
	return func(yield func(*history.Batch, error) bool) {
		missing, err := s.missing(have)
		if err != nil {
			yield(nil, err)
			return
		}
		snap, err := s.node.cfg.Store.Snapshot()
		if err != nil {
			yield(nil, fmt.Errorf("read history: %w", err))
			return
		}
		defer snap.Close()
		p := packer{space: s, r: snap, ends: map[object.ID]openEnd{}}
		for _, span := range missing {
			for n := span.Start; n < span.End; n++ {
				if err := p.add(n); err != nil {
					yield(nil, fmt.Errorf("read commit %d of space %s: %w", n, s.id.Short(), err))
					return
				}
				if p.size < max || p.open > 0 {
					continue
				}
				if !yield(p.flush()) {
					return
				}
				s.node.cfg.Pace()
			}
		}
		if len(p.batch.Commits) > 0 {
			yield(p.flush())
		}
	}
}

// CountMissing says how many commits Batches(have) would yield.
func (s *Space) CountMissing(have []object.ID) (int, error) {
	missing, err := s.missing(have)
	total := 0
	for _, span := range missing {
		total += int(span.End - span.Start)
	}
	return total, err
}

func (s *Space) missing(have []object.ID) ([]history.Span, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	var version []history.Num
	for _, id := range have {
		n, ok, err := s.lookup(id)
		if err != nil {
			return nil, err
		}
		if ok {
			version = append(version, n)
		}
	}
	mine, _ := s.graph.Diff(s.graph.Heads(), version)
	return mine, nil
}

// openEnd is the last commit of an author branch in the batch being packed.
type openEnd struct {
	num      history.Num
	attested bool
}

// packer gathers stored commits into one batch.
type packer struct {
	space *Space
	r     store.Reader
	batch history.Batch
	size  int
	open  int // ends without an attestation of their own
	ends  map[object.ID]openEnd
}

func (p *packer) add(n history.Num) error {
	rec, err := p.space.readCommit(p.r, n)
	if err != nil {
		return err
	}
	c := rec.commit
	for i := range c.Parts {
		part, err := p.r.Get(p.space.keys.part(n, i))
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		c.Parts[i] = part
		p.size += len(part)
	}
	if err := p.attach(c.Attached()); err != nil {
		return err
	}
	if e, ok := p.ends[c.Env.Prev]; ok {
		delete(p.ends, c.Env.Prev)
		if !e.attested {
			p.open--
		}
	}
	p.ends[c.ID] = openEnd{n, rec.attested}
	if !rec.attested {
		p.open++
	}
	p.batch.Commits = append(p.batch.Commits, c)
	p.size += len(c.Raw)
	return nil
}

func (p *packer) attach(ids []object.ID) error {
	for _, id := range ids {
		block, err := p.r.Get(objectKey(id))
		if err != nil {
			return fmt.Errorf("attached object %s: %w", id, err)
		}
		p.batch.Objects = append(p.batch.Objects, block)
		p.size += len(block)
	}
	return nil
}

// flush returns the batch with the attestations of its ends and starts anew.
func (p *packer) flush() (*history.Batch, error) {
	b := p.batch
	ids := make([]object.ID, 0, len(p.ends))
	for id := range p.ends {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, object.ID.Compare)
	for _, id := range ids {
		sig, err := p.r.Get(p.space.keys.attest(p.ends[id].num))
		if err != nil {
			return nil, fmt.Errorf("attestation of %s: %w", id, err)
		}
		b.Attestations = append(b.Attestations, history.Attestation{Commit: id, Sig: sig})
	}
	p.batch, p.size, p.open = history.Batch{}, 0, 0
	clear(p.ends)
	return &b, nil
}
