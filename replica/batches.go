package replica

import (
	"bytes"
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
		p := packer{space: s, r: snap, max: max, ends: map[object.ID]openEnd{}}
		for _, span := range missing {
			for n := span.Start; n < span.End; n++ {
				if err := p.add(n); err != nil {
					yield(nil, fmt.Errorf("read commit %d of space %s: %w", n, s.id.Short(), err))
					return
				}
				for p.full() {
					if !yield(p.flush()) {
						return
					}
					s.node.cfg.Pace()
				}
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

// packer gathers stored commits into one batch. What entered here under one
// attestation stays together: a stretch joins the batch once all of it is
// covered, and begins another batch where it would make this one too large.
type packer struct {
	space *Space
	r     store.Reader
	max   int
	batch history.Batch
	size  int
	ends  map[object.ID]openEnd

	stretch stretch
}

// stretch is what was read since everything was covered.
type stretch struct {
	commits []*history.Commit
	ends    []openEnd // of each commit, should it be one
	objects [][]byte
	size    int
	open    map[object.ID]bool // commits nothing vouches for yet
}

func (p *packer) add(n history.Num) error {
	rec, err := p.space.readCommit(p.r, n)
	if err != nil {
		return err
	}
	c, s := rec.commit, &p.stretch
	for i := range c.Parts {
		part, err := p.r.Get(p.space.keys.part(n, i))
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		c.Parts[i] = part
		s.size += len(part)
	}
	if err := p.attach(n, c.Attached()); err != nil {
		return err
	}
	delete(s.open, c.Env.Prev)
	if !rec.attested {
		if s.open == nil {
			s.open = map[object.ID]bool{}
		}
		s.open[c.ID] = true
	}
	s.commits, s.ends = append(s.commits, c), append(s.ends, openEnd{n, rec.attested})
	s.size += len(c.Raw)
	if len(s.open) == 0 && (p.size == 0 || p.size+s.size <= p.max) {
		p.join()
	}
	return nil
}

// attach takes along the objects that came with this commit. Those that an
// earlier commit brought are where that one is.
func (p *packer) attach(n history.Num, ids []object.ID) error {
	for _, id := range ids {
		first, err := p.r.Get(p.space.keys.attached(id))
		if err != nil {
			return fmt.Errorf("attached object %s: %w", id, err)
		}
		if string(first) != string(appendNum(nil, n)) {
			continue
		}
		block, err := p.r.Get(objectKey(id))
		if err != nil {
			return fmt.Errorf("attached object %s: %w", id, err)
		}
		p.stretch.objects = append(p.stretch.objects, block)
		p.stretch.size += len(block)
	}
	return nil
}

// join makes the stretch part of the batch.
func (p *packer) join() {
	s := &p.stretch
	for i, c := range s.commits {
		delete(p.ends, c.Env.Prev)
		p.ends[c.ID] = s.ends[i]
	}
	p.batch.Commits = append(p.batch.Commits, s.commits...)
	p.batch.Objects = append(p.batch.Objects, s.objects...)
	p.size += s.size
	p.stretch = stretch{}
}

// full tells whether the batch has to go: it has its size, or a covered stretch
// waits that does not fit.
func (p *packer) full() bool {
	return p.size >= p.max && len(p.batch.Commits) > 0 || len(p.stretch.commits) > 0 && len(p.stretch.open) == 0
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
	p.batch, p.size = history.Batch{}, 0
	clear(p.ends)
	if len(p.stretch.open) == 0 {
		p.join()
	}
	return &b, nil
}
