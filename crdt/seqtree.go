package crdt

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// seq is a sequence while ops are taken in or it is read: its pages, as far as they were needed. It stays with the Env from
// one op to the next, as long as the state's version tells that nobody else wrote.
type seq struct {
	*field
	list  bool
	draft bool // a writer's: nothing goes to the state
	seqHead
	tips    []tip
	known   bool // tips are read
	pages   map[uint64]*page
	dirty   []*page
	views   []*view // of concurrent ops, the latest used first
	news    Edits   // of the op at hand, for who watches
	tooMuch bool    // they are more than is told
	writers writers
	stands  map[uint64]stand // of commits, by number
}

// seqHead is what is known of a sequence as a whole.
type seqHead struct {
	version uint64 // grows with each write
	root    uint64 // 0: there is nothing
	next    uint64 // id of the latest page
	slots   uint64 // how many tips there are
	total   tally
}

// Keys of a sequence. Ids and numbers are ordered numbers.
const (
	spaceSeqHead = 0x10 // head
	spacePage    = 0x11 // id: page
	spaceElem    = 0x12 // number, index, offset of the first element of a piece: id of the leaf it is in
	spaceSeqOp   = 0x13 // number, index: an op that was applied: verdict, and addresses of what it deletes or sets
	spaceTip     = 0x14 // slot: number, height and digest of a tip
)

// ByArrival tells of a key of a field's state that its value depends on the way its ops and verdicts came, though what is
// shown does not: the pages of a list or a text, as a field of its own or inside maps and records.
func ByArrival(key []byte) bool {
	key = leafKey(key)
	return len(key) > 0 && key[0] >= spaceSeqHead && key[0] <= spaceTip
}

// seq opens the sequence of a field.
func (f *field) seq(list bool) (*seq, error) {
	v, err := f.get([]byte{spaceSeqHead})
	if err != nil {
		return nil, err
	}
	var h seqHead
	if w := (walk{b: v}); v != nil {
		h = seqHead{w.number(), w.number(), w.number(), w.number(), tally{w.number(), w.number(), w.number()}}
		if w.bad || len(w.b) > 0 {
			return nil, &Corrupt{Key: []byte{spaceSeqHead}, Reason: "not a sequence"}
		}
	}
	if s := f.kept; s != nil && s.seqHead == h && s.list == list && v != nil {
		s.field = f
		return s, nil
	}
	s := &seq{field: f, list: list, seqHead: h, pages: map[uint64]*page{}}
	f.kept = s
	return s, nil
}

// flush writes pages and the head at the end of an op.
func (s *seq) flush() error {
	for i := 0; i < len(s.dirty); i++ { // what is split makes more of them
		if err := s.tidy(s.dirty[i]); err != nil {
			return err
		}
		if err := s.fit(s.dirty[i]); err != nil {
			return err
		}
	}
	for _, p := range s.dirty {
		p.dirty = false
		if err := s.put(join(spacePage, nil, appendOrdered(nil, p.id)), p.encode(!s.list)); err != nil {
			return err
		}
	}
	s.dirty = s.dirty[:0]
	s.release()
	s.version++
	b := make([]byte, 0, 32)
	for _, n := range []uint64{s.version, s.root, s.next, s.slots, s.total.raw, s.total.shown, s.total.units} {
		b = binary.AppendUvarint(b, n)
	}
	return s.put([]byte{spaceSeqHead}, b)
}

// tidy joins pieces that nothing tells apart any more.
func (s *seq) tidy(p *page) error {
	kept := p.runs[:0]
	for _, r := range p.runs {
		if last := len(kept) - 1; last >= 0 && kept[last].joins(&r) {
			kept[last].join(&r)
			if err := s.remove(elemKey(r.elem)); err != nil {
				return err
			}
			continue
		}
		kept = append(kept, r)
	}
	clear(p.runs[len(kept):])
	p.runs = kept
	return nil
}

// page reads a page.
func (s *seq) page(id uint64) (*page, error) {
	if p, ok := s.pages[id]; ok {
		return p, nil
	}
	key := join(spacePage, nil, appendOrdered(nil, id))
	v, err := s.get(key)
	if err != nil {
		return nil, err
	}
	p, ok := decodePage(id, v, !s.list)
	if !ok {
		return nil, &Corrupt{Key: key, Reason: "not a page of a sequence"}
	}
	s.pages[id] = p
	return p, nil
}

func (s *seq) newPage() *page {
	s.next++
	p := &page{id: s.next}
	s.pages[p.id] = p
	s.mark(p)
	return p
}

// mark says that a page must be written.
func (s *seq) mark(p *page) {
	if !p.dirty {
		p.dirty = true
		s.dirty = append(s.dirty, p)
	}
}

// measure is how positions are counted.
type measure struct {
	by   byte
	view *view // byRaw: without what it hides; nil: all
}

const (
	byRaw = iota
	byShown
	byUnits
)

func (m measure) kid(k *kid) uint64 {
	switch {
	case m.by == byShown:
		return k.shown
	case m.by == byUnits:
		return k.units
	case m.view != nil:
		return k.raw - m.view.hidden[k.id]
	}
	return k.raw
}

func (m measure) piece(r *piece) uint64 {
	switch {
	case m.by == byUnits && r.shown():
		return uint64(r.units)
	case m.by == byShown && r.shown(), m.by == byRaw && !m.view.hides(r.num):
		return uint64(r.n)
	}
	return 0
}

// point is an element: runs[i] of a leaf, element off. i behind the last piece is the end of the leaf, off 0.
type point struct {
	leaf *page
	i    int
	off  uint32
}

func (p point) piece() *piece { return &p.leaf.runs[p.i] }
func (p point) end() bool     { return p.leaf == nil || p.i == len(p.leaf.runs) }
func (p point) elem() elem    { return p.piece().at(p.off) }

// seek finds the element at a position; behind the last one it is the end. start tells, by UTF-16 units, where it begins.
func (s *seq) seek(pos uint64, m measure) (at point, start uint64, err error) {
	if s.root == 0 {
		return point{}, 0, nil
	}
	p, err := s.page(s.root)
	for err == nil && !p.leaf() {
		i := 0
		for ; i < len(p.kids)-1; i++ {
			n := m.kid(&p.kids[i])
			if pos < n {
				break
			}
			pos, start = pos-n, start+n
		}
		p, err = s.page(p.kids[i].id)
	}
	if err != nil {
		return point{}, 0, err
	}
	for i := range p.runs {
		n := m.piece(&p.runs[i])
		if pos >= n {
			pos, start = pos-n, start+n
			continue
		}
		if m.by == byUnits && len(p.runs[i].text) != int(p.runs[i].n) && !s.list {
			off, begin := codePointAt(p.runs[i].text, pos)
			return point{p, i, uint32(off)}, start + begin, nil
		}
		return point{p, i, uint32(pos)}, start + pos, nil
	}
	return point{p, len(p.runs), 0}, start, nil
}

// nextLeaf is the leaf behind one, nil behind the last.
func (s *seq) nextLeaf(p *page) (*page, error) {
	for p.parent != 0 {
		up, err := s.page(p.parent)
		if err != nil {
			return nil, err
		}
		i, err := s.kidOf(up, p)
		if err != nil {
			return nil, err
		}
		if i+1 == len(up.kids) {
			p = up
			continue
		}
		for !up.leaf() {
			if up, err = s.page(up.kids[i+1].id); err != nil {
				return nil, err
			}
			i = -1
		}
		return up, nil
	}
	return nil, nil
}

func (s *seq) kidOf(up, p *page) (int, error) {
	for i := range up.kids {
		if up.kids[i].id == p.id {
			return i, nil
		}
	}
	return 0, &Corrupt{Key: join(spacePage, nil, appendOrdered(nil, p.id)), Reason: "a page of a sequence without a parent"}
}

// onward is the first element of the next piece, in another leaf too; ok is false behind the last.
func (s *seq) onward(at point) (next point, ok bool, err error) {
	if at.leaf == nil {
		return at, false, nil
	}
	if at.i+1 < len(at.leaf.runs) {
		return point{at.leaf, at.i + 1, 0}, true, nil
	}
	leaf, err := s.nextLeaf(at.leaf)
	if err != nil || leaf == nil {
		return at, false, err
	}
	return point{leaf, 0, 0}, true, nil
}

// climb calls f with each ancestor of a page and which of its kids leads to it.
func (s *seq) climb(p *page, f func(up *page, i int)) error {
	for p.parent != 0 {
		up, err := s.page(p.parent)
		if err != nil {
			return err
		}
		i, err := s.kidOf(up, p)
		if err != nil {
			return err
		}
		f(up, i)
		p = up
	}
	return nil
}

// count makes the ancestors of a leaf count what changed in it.
func (s *seq) count(leaf *page, was, now tally) error {
	s.mark(leaf)
	s.total.sub(was)
	s.total.add(now)
	return s.climb(leaf, func(up *page, i int) {
		up.kids[i].sub(was)
		up.kids[i].add(now)
		s.mark(up)
	})
}

// rank counts the elements before one.
func (s *seq) rank(at point) (t tally, err error) {
	if at.leaf == nil {
		return t, nil
	}
	for i := range at.leaf.runs[:at.i] {
		t.add(at.leaf.runs[i].tally())
	}
	if !at.end() && at.off > 0 {
		a, _ := at.piece().cut(at.off)
		t.add(a.tally())
	}
	return t, s.climb(at.leaf, func(up *page, i int) {
		for k := range up.kids[:i] {
			t.add(up.kids[k].tally)
		}
	})
}

func elemKey(e elem) []byte {
	b := make([]byte, 1, 24)
	b[0] = spaceElem
	return appendOrdered(appendOrdered(appendOrdered(b, e.num), uint64(e.index)), uint64(e.off))
}

// lives keeps which leaf a piece is in.
func (s *seq) lives(r *piece, leaf *page) error {
	if s.draft {
		return nil
	}
	return s.put(elemKey(r.elem), binary.AppendUvarint(nil, leaf.id))
}

// split makes two pieces of one, so that an element is the first of its piece, and returns where it is.
func (s *seq) split(at point) (point, error) {
	if at.end() || at.off == 0 {
		return at, nil
	}
	a, b := at.piece().cut(at.off)
	at.leaf.runs[at.i] = a
	at = point{at.leaf, at.i + 1, 0}
	at.leaf.runs = slices.Insert(at.leaf.runs, at.i, b)
	s.mark(at.leaf)
	return at, s.lives(&b, at.leaf)
}

// insert puts a piece into a gap.
func (s *seq) insert(g gap, r piece) error {
	at := g.at
	if at.leaf == nil {
		at.leaf = s.newPage()
		s.root = at.leaf.id
	}
	at, err := s.split(at)
	if err != nil {
		return err
	}
	more := false
	if !s.draft {
		if more, err = s.nest(&g, at, &r); err != nil {
			return err
		}
	}
	whole := r.tally()
	leaf := at.leaf
	for r.n > maxPiece || len(r.text) > maxPiece {
		var a piece
		a, r = r.cut(pieceOf(&r))
		leaf.runs = slices.Insert(leaf.runs, at.i, a)
		if at.i++; err == nil {
			err = s.lives(&a, leaf)
		}
	}
	leaf.runs = slices.Insert(leaf.runs, at.i, r)
	if err == nil {
		err = s.lives(&r, leaf)
	}
	if err == nil {
		err = s.count(leaf, tally{}, whole)
	}
	if err == nil && more {
		err = s.renest(leaf)
	}
	for _, v := range s.views {
		if err == nil && v.hides(r.num) {
			err = v.hide(s, leaf, whole.raw)
		}
	}
	if err == nil {
		err = s.fit(leaf)
	}
	return err
}

// pieceOf is how many elements of a long piece fit into one.
func pieceOf(r *piece) uint32 {
	if len(r.text) == int(r.n) || r.text == "" {
		return min(maxPiece, r.n-1)
	}
	return min(maxPiece/4, r.n-1) // a code point has four bytes at most
}

// fit splits a page that is too large.
func (s *seq) fit(p *page) error {
	if s.bundleLimit > 0 && !p.large(int(s.bundleLimit), 3) || s.bundleLimit == 0 && !p.large(maxPage, maxKids) {
		return nil
	}
	q, at := s.newPage(), p.half()
	s.mark(p)
	if p.leaf() {
		q.runs, p.runs = slices.Clone(p.runs[at:]), slices.Clip(p.runs[:at])
		for i := range q.runs {
			if err := s.lives(&q.runs[i], q); err != nil {
				return err
			}
		}
	} else {
		q.kids, p.kids = slices.Clone(p.kids[at:]), slices.Clip(p.kids[:at])
		for _, k := range q.kids {
			low, err := s.page(k.id)
			if err != nil {
				return err
			}
			low.parent = q.id
			s.mark(low)
		}
	}
	for _, v := range s.views {
		v.divide(p, q)
	}
	if err := s.adopt(p, q); err != nil {
		return err
	}
	if err := s.fit(p); err != nil {
		return err
	}
	return s.fit(q)
}

// adopt makes a new page q the one behind p.
func (s *seq) adopt(p, q *page) error {
	if p.parent == 0 {
		root := s.newPage()
		s.root, p.parent = root.id, root.id
		root.kids = []kid{{id: p.id}}
		for _, v := range s.views {
			v.hidden[root.id] = v.hidden[p.id] + v.hidden[q.id]
		}
	}
	up, err := s.page(p.parent)
	if err != nil {
		return err
	}
	i, err := s.kidOf(up, p)
	if err != nil {
		return err
	}
	q.parent = up.id
	up.kids[i].tally, up.kids[i].nest = p.tally(), p.nesting()
	up.kids = slices.Insert(up.kids, i+1, kid{q.id, q.tally(), q.nesting()})
	s.mark(up)
	return s.fit(up)
}

// locate finds an element by its address.
func (s *seq) locate(e elem) (point, error) {
	hi := append(elemKey(e), 0)
	lo := join(spaceElem, nil, appendOrdered(appendOrdered(nil, e.num), uint64(e.index)))
	for kv, err := range s.State.Scan(lo, hi, true) {
		if err != nil {
			return point{}, fmt.Errorf("read state: %w", err)
		}
		id, _ := binary.Uvarint(kv.Value)
		leaf, err := s.page(id)
		if err != nil {
			return point{}, err
		}
		for i := range leaf.runs {
			if r := &leaf.runs[i]; r.num == e.num && r.index == e.index && e.off-r.off < r.n {
				return point{leaf, i, e.off - r.off}, nil
			}
		}
		break
	}
	return point{}, &Corrupt{Key: elemKey(e), Reason: "an element of a sequence that is in no page"}
}

// leaves calls f with each leaf that holds elements whose addresses are between two keys, once.
func (s *seq) leaves(lo, hi []byte, f func(leaf *page) error) error {
	var ids []uint64
	for kv, err := range s.State.Scan(lo, hi, false) {
		if err != nil {
			return fmt.Errorf("read state: %w", err)
		}
		id, _ := binary.Uvarint(kv.Value)
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		leaf, err := s.page(id)
		if err != nil {
			return err
		}
		if err := f(leaf); err != nil {
			return err
		}
	}
	return nil
}
