package replica

import (
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
		s.batches(missing, max)(yield)
	}
}

// batches is Batches of the commits with given numbers.
func (s *Space) batches(missing []history.Span, max int) iter.Seq2[*history.Batch, error] {
	return func(yield func(*history.Batch, error) bool) {
		snap, err := s.node.cfg.Store.Snapshot()
		if err != nil {
			yield(nil, fmt.Errorf("read history: %w", err))
			return
		}
		defer snap.Close()
		p := newPacker(s, snap, max)
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
// No scan stays open while a batch is sent.
func (p *packer) pack(span history.Span, yield func(*history.Batch, error) bool) bool {
	for span.Len() > 0 {
		read, err := p.window(span)
		for i := 0; i < len(read) && err == nil; i++ {
			err = p.add(read[i])
			for err == nil && p.full() {
				if !yield(p.flush()) {
					return false
				}
			}
		}
		if err != nil {
			yield(nil, fmt.Errorf("read commits of space %s from %d on: %w", p.space.id.Short(), span.Start, err))
			return false
		}
		span.Start += history.Num(len(read))
		p.space.node.cfg.Pace()
	}
	return true
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
	s.settled()
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
	mine, _, err := s.graph.Diff(s.graph.Heads(), version)
	return mine, err
}

// packer gathers stored commits into one batch. What entered here under one
// attestation stays together: a stretch joins the batch once all of it is
// covered, and begins another batch where it would make this one too large.
type packer struct {
	space   *Space
	r       store.Reader
	max     int
	batch   history.Batch
	records []record // of the batch's commits
	parts   []int    // where in records parts of the batch end
	size    int

	stretch stretch

	commits commits
	bytes   []byte // room for what is read; see keep
}

func newPacker(s *Space, r store.Reader, max int) *packer {
	return &packer{space: s, r: r, max: max, commits: commits{keys: s.keys, r: r}}
}

// stretch is what was read since everything was covered.
type stretch struct {
	records []record
	objects [][]byte
	size    int
	open    tips // commits nothing vouches for yet
}

// tips is a set of commits, most often one that the next one replaces.
type tips struct {
	last object.ID // zero: none
	rest map[object.ID]struct{}
}

func (t *tips) add(id object.ID) {
	if !t.last.IsZero() {
		if t.rest == nil {
			t.rest = map[object.ID]struct{}{}
		}
		t.rest[t.last] = struct{}{}
	}
	t.last = id
}

func (t *tips) remove(id object.ID) {
	if t.last == id {
		t.last = object.ID{}
	} else if len(t.rest) > 0 {
		delete(t.rest, id)
	}
}

func (t *tips) empty() bool { return t.last.IsZero() && len(t.rest) == 0 }

func (p *packer) add(rec record) error {
	c, s := rec.commit, &p.stretch
	for _, part := range c.Parts {
		s.size += len(part)
	}
	if err := p.attach(rec.num, c.Attached()); err != nil {
		return err
	}
	s.open.remove(c.Env.Prev)
	if !rec.attested {
		s.open.add(c.ID)
	}
	s.records = append(s.records, rec)
	s.size += len(c.Raw)
	if s.open.empty() && (p.size == 0 || p.size+s.size <= p.max) {
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

// join makes the stretch part of the batch. What it takes back may be much for one transaction of the store: then
// another replica's door ends one with it, for which it needs the attestations of all up to there.
func (p *packer) join() {
	s := &p.stretch
	p.records = append(p.records, s.records...)
	if slices.ContainsFunc(s.records, func(rec record) bool { return undoes(rec.commit) }) {
		p.parts = append(p.parts, len(p.records))
	}
	for _, rec := range s.records {
		p.batch.Commits = append(p.batch.Commits, rec.commit)
	}
	p.batch.Objects = append(p.batch.Objects, s.objects...)
	p.size += s.size
	*s = stretch{records: s.records[:0]}
}

// full tells whether the batch has to go: it has its size, or a covered stretch
// waits that does not fit.
func (p *packer) full() bool {
	return p.size >= p.max && len(p.batch.Commits) > 0 || len(p.stretch.records) > 0 && p.stretch.open.empty()
}

// flush returns the batch with the attestations of the ends of its parts and starts anew.
func (p *packer) flush() (*history.Batch, error) {
	b := p.batch
	from := 0
	for _, to := range append(p.parts, len(p.records)) {
		for _, rec := range ends(p.records[from:to]) {
			sig, err := p.r.Get(p.space.keys.attest(rec.num))
			if err != nil {
				return nil, fmt.Errorf("attestation of %s: %w", rec.commit.ID, err)
			}
			b.Attestations = append(b.Attestations, history.Attestation{Commit: rec.commit.ID, Sig: sig})
		}
		from = to
	}
	p.batch, p.size, p.records, p.parts = history.Batch{}, 0, p.records[:0], p.parts[:0]
	if p.stretch.open.empty() {
		p.join()
	}
	return &b, nil
}

// ends lists the last commit of each author branch in a part of a batch, in its order.
func ends(records []record) []record {
	var ends []record
	var followed map[object.ID]bool // by one that does not come right after it
	for i := len(records) - 1; i >= 0; i-- {
		rec := records[i]
		if i+1 == len(records) || records[i+1].commit.Env.Prev != rec.commit.ID {
			if !followed[rec.commit.ID] {
				ends = append(ends, rec)
			}
		}
		if prev := rec.commit.Env.Prev; !prev.IsZero() && (i == 0 || records[i-1].commit.ID != prev) {
			if followed == nil {
				followed = map[object.ID]bool{}
			}
			followed[prev] = true
		}
	}
	slices.Reverse(ends)
	return ends
}
