package replica

import (
	"bytes"
	"errors"
	"fmt"
	"iter"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/internal/order"
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
			if !p.pack(span, yield) {
				return
			}
		}
		if len(p.batch.Commits) > 0 {
			yield(p.flush())
		}
	}
}

// pack adds a span and yields the batches that fill up; false when it is over.
func (p *packer) pack(span history.Span, yield func(*history.Batch, error) bool) bool {
	for span.Len() > 0 {
		n, err := p.fill(span)
		if err != nil {
			yield(nil, fmt.Errorf("read commit %d of space %s: %w", n, p.space.id.Short(), err))
			return false
		}
		for p.full() {
			if !yield(p.flush()) {
				return false
			}
			p.space.node.cfg.Pace()
		}
		span.Start = n
	}
	return true
}

// fill adds commits until a batch is full or the span ends, and returns the
// first that it did not add. No scan stays open while a batch is sent.
func (p *packer) fill(span history.Span) (history.Num, error) {
	defer p.read(span)()
	for n := span.Start; n < span.End; n++ {
		if err := p.add(n); err != nil {
			return n, err
		}
		if p.full() {
			return n + 1, nil
		}
	}
	return span.End, nil
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

	// How the commits and parts at hand are read.
	commit func(n history.Num) ([]byte, error)
	part   func(n history.Num, i int) ([]byte, error)
}

// scanFrom is the number of commits from which on one scan beats reading them
// one by one.
const scanFrom = 8

// read prepares for the commits of a span, in order.
func (p *packer) read(span history.Span) (done func()) {
	k := p.space.keys
	if span.Len() < scanFrom {
		p.commit = func(n history.Num) ([]byte, error) { return p.r.Get(k.commit(n)) }
		p.part = func(n history.Num, i int) ([]byte, error) { return p.r.Get(k.part(n, i)) }
		return func() {}
	}
	commits := newCursor(p.r, k.commit(span.Start), k.commit(span.End))
	parts := newCursor(p.r, k.part(span.Start, 0), k.part(span.End, 0))
	p.commit = func(n history.Num) ([]byte, error) { return commits.get(k.commit(n)) }
	p.part = func(n history.Num, i int) ([]byte, error) { return parts.get(k.part(n, i)) }
	return func() { commits.stop(); parts.stop() }
}

// cursor is a scan that is asked for ascending keys.
type cursor struct {
	next func() (store.KV, error, bool)
	stop func()
	at   store.KV
	more bool
	err  error
}

func newCursor(r store.Reader, lo, hi []byte) *cursor {
	c := &cursor{}
	c.next, c.stop = iter.Pull2(r.Scan(lo, hi, false))
	c.step()
	return c
}

func (c *cursor) step() { c.at, c.err, c.more = c.next() }

// get returns a copy of the value at key, or store.ErrNotFound.
func (c *cursor) get(key []byte) ([]byte, error) {
	for c.more && c.err == nil && bytes.Compare(c.at.Key, key) < 0 {
		c.step()
	}
	switch {
	case c.err != nil:
		return nil, c.err
	case !c.more || !bytes.Equal(c.at.Key, key):
		return nil, store.ErrNotFound
	}
	return bytes.Clone(c.at.Value), nil
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
	v, err := p.commit(n)
	if err != nil {
		return err
	}
	rec, err := decodeCommitRecord(v)
	if err != nil {
		return err
	}
	c, s := rec.commit, &p.stretch
	for i := range c.Parts {
		part, err := p.part(n, i)
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
	order.By(ids, object.ID.Compare)
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
