package crdt

import (
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"
)

// elem is the address of an element: number of its commit, index of the op, and which of those that the op inserted.
type elem struct {
	num   uint64
	index uint32
	off   uint32
}

// noElem is the address of nothing: what is before the first element, and behind the last.
var noElem = elem{num: 1<<64 - 1}

// tally counts elements.
type tally struct {
	raw   uint64 // all
	shown uint64
	units uint64 // UTF-16 units of the shown ones; of a list, elements
}

func (t *tally) add(o tally) {
	t.raw, t.shown, t.units = t.raw+o.raw, t.shown+o.shown, t.units+o.units
}

func (t *tally) sub(o tally) {
	t.raw, t.shown, t.units = t.raw-o.raw, t.shown-o.shown, t.units-o.units
}

// piece is elements that one op inserted in one point, next to each other, and of which everything is alike.
type piece struct {
	elem          // of the first
	n      uint32 // how many
	covers uint32 // effective deletions that cover them
	flags  uint8
	units  uint32 // UTF-16 units; of a list, n
	left   elem   // of a head: its left origin
	right  elem   // of a head that is a left child: its right origin
	open   uint32 // subtrees that begin with it (seqnest.go)
	close  uint32 // and that end with it
	text   string // of a text
}

// Flags of a piece.
const (
	runVoid  = 1 << iota // its op is void
	runHead              // the first element is the first of an insertion; others are right children of the one before
	runLeft              // of a head: it is a left child of its right origin, not a right child of its left origin
	runSet               // of a list: it is one element, and some op has set it
	runCover             // in a page: covers follows
	runWide              // in a page: the text is not ASCII, its length in bytes follows
	runOpen              // in a page: open follows; without it is 1 of a head, 0 of others
	runClose             // in a page: close follows
)

func (r *piece) shown() bool { return r.flags&runVoid == 0 && r.covers == 0 }

func (r *piece) tally() tally {
	t := tally{raw: uint64(r.n)}
	if r.shown() {
		t.shown, t.units = uint64(r.n), uint64(r.units)
	}
	return t
}

// at is the address of an element of the run.
func (r *piece) at(off uint32) elem { return elem{r.num, r.index, r.off + off} }

// leftOf is the left origin of an element of the run.
func (r *piece) leftOf(off uint32) elem {
	if off == 0 && r.flags&runHead != 0 {
		return r.left
	}
	return elem{r.num, r.index, r.off + off - 1}
}

// size is about how many bytes the run takes in a page.
func (r *piece) size() int { return 24 + len(r.text) }

// cut splits the run before its element off, 0 < off < n.
func (r *piece) cut(off uint32) (a, b piece) {
	a, b = *r, *r
	a.n, b.n, b.off = off, r.n-off, r.off+off
	b.flags &^= runHead | runLeft
	b.left, b.right = elem{}, elem{}
	a.close, b.open = 0, 0
	if r.text == "" {
		a.units, b.units = a.n, b.n
		return a, b
	}
	at := int(off)
	if len(r.text) != int(r.n) {
		at, _ = prefixOf(r.text, uint64(off))
	}
	a.text, b.text = r.text[:at], r.text[at:]
	a.units = unitsOf(a.text, a.n)
	b.units = r.units - a.units
	return a, b
}

// joins tells whether b goes on where a ends, and nothing tells them apart.
func (r *piece) joins(b *piece) bool {
	return r.elem.num == b.num && r.index == b.index && r.off+r.n == b.off && b.flags&(runHead|runSet) == 0 &&
		r.flags&runSet == 0 && (r.flags^b.flags)&runVoid == 0 && r.covers == b.covers &&
		len(r.text)+len(b.text) <= maxPiece && r.n+b.n <= maxPiece
}

func (r *piece) join(b *piece) {
	r.n, r.units, r.text, r.close = r.n+b.n, r.units+b.units, r.text+b.text, b.close
}

// opens is what open is unless it is said.
func (r *piece) opens() uint32 {
	if r.flags&runHead != 0 {
		return 1
	}
	return 0
}

// unitsOf counts UTF-16 units of a text of n code points.
func unitsOf(s string, n uint32) uint32 {
	if len(s) == int(n) {
		return n
	}
	units := 0
	for _, r := range s {
		units += utf16.RuneLen(r)
	}
	return uint32(units)
}

// codePointAt is which code point a UTF-16 offset is in, and where that begins.
func codePointAt(s string, units uint64) (n, start uint64) {
	for _, r := range s {
		next := start + uint64(utf16.RuneLen(r))
		if next > units {
			break
		}
		n, start = n+1, next
	}
	return n, start
}

// page is a node of the sequence's tree: a leaf has runs, others kids.
type page struct {
	id     uint64
	parent uint64 // 0: it is the root
	kids   []kid
	runs   []piece
	dirty  bool
}

type kid struct {
	id uint64
	tally
	nest nesting
}

func (p *page) leaf() bool { return len(p.kids) == 0 }

func (p *page) tally() tally {
	var t tally
	for i := range p.kids {
		t.add(p.kids[i].tally)
	}
	for i := range p.runs {
		t.add(p.runs[i].tally())
	}
	return t
}

// large tells whether the page must be split.
func (p *page) large(maxPage, maxKids int) bool {
	if !p.leaf() {
		return len(p.kids) > maxKids
	}
	size := 0
	for i := range p.runs {
		size += p.runs[i].size()
	}
	return size > maxPage && len(p.runs) > 1
}

// half is where a leaf is split.
func (p *page) half() int {
	if !p.leaf() {
		return len(p.kids) / 2
	}
	size := 0
	for i := range p.runs {
		size += p.runs[i].size()
	}
	at := 0
	for i := range p.runs {
		if at += p.runs[i].size(); 2*at >= size {
			return min(max(i, 1), len(p.runs)-1)
		}
	}
	return len(p.runs) - 1
}

const (
	pageLeaf  = 0x00
	pageInner = 0x01
)

// encode is the page's value: kind, parent, and for each kid its id and counts, or for each run its flags, address, number of
// elements, what its flags say is there, and its text.
func (p *page) encode(text bool) []byte {
	if !p.leaf() {
		b := make([]byte, 0, 16+16*len(p.kids))
		b = binary.AppendUvarint(append(b, pageInner), p.parent)
		for _, k := range p.kids {
			b = binary.AppendUvarint(binary.AppendUvarint(b, k.id), k.raw)
			b = binary.AppendUvarint(binary.AppendUvarint(b, k.shown), k.units)
			b = binary.AppendVarint(binary.AppendVarint(binary.AppendVarint(b, k.nest.sum), k.nest.low), k.nest.flat)
		}
		return b
	}
	size := 16
	for i := range p.runs {
		size += p.runs[i].size()
	}
	b := binary.AppendUvarint(append(make([]byte, 0, size), pageLeaf), p.parent)
	for i := range p.runs {
		b = p.runs[i].append(b, text)
	}
	return b
}

func (e elem) append(b []byte) []byte {
	b = binary.AppendUvarint(b, e.num+1) // noElem is short then
	if e != noElem {
		b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(e.index)), uint64(e.off))
	}
	return b
}

func (r *piece) append(b []byte, text bool) []byte {
	flags := r.flags
	if r.covers > 0 {
		flags |= runCover
	}
	if len(r.text) != int(r.n) && text {
		flags |= runWide
	}
	if r.open != r.opens() {
		flags |= runOpen
	}
	if r.close > 0 {
		flags |= runClose
	}
	b = binary.AppendUvarint(r.elem.append(append(b, flags)), uint64(r.n))
	if flags&runOpen != 0 {
		b = binary.AppendUvarint(b, uint64(r.open))
	}
	if flags&runClose != 0 {
		b = binary.AppendUvarint(b, uint64(r.close))
	}
	if flags&runCover != 0 {
		b = binary.AppendUvarint(b, uint64(r.covers))
	}
	if flags&runHead != 0 {
		b = r.left.append(b)
	}
	if flags&runLeft != 0 {
		b = r.right.append(b)
	}
	if flags&runWide != 0 {
		b = binary.AppendUvarint(b, uint64(len(r.text)))
	}
	return append(b, r.text...)
}

// walk reads a page.
type walk struct {
	b    []byte
	text string // the same bytes: texts are pieces of it
	bad  bool
}

func (w *walk) number() uint64 {
	n, size := binary.Uvarint(w.b)
	if size <= 0 {
		w.bad, w.b = true, nil
		return 0
	}
	w.b = w.b[size:]
	return n
}

func (w *walk) signed() int64 {
	n := w.number()
	return int64(n>>1) ^ -int64(n&1)
}

func (w *walk) elem() elem {
	num := w.number() - 1
	if num == noElem.num {
		return noElem
	}
	return elem{num, uint32(w.number()), uint32(w.number())}
}

func (w *walk) piece(text bool) piece {
	flags := w.b[0]
	w.b = w.b[1:]
	r := piece{elem: w.elem(), n: uint32(w.number()), flags: flags &^ (runCover | runWide | runOpen | runClose)}
	if r.units, r.open = r.n, r.opens(); flags&runOpen != 0 {
		r.open = uint32(w.number())
	}
	if flags&runClose != 0 {
		r.close = uint32(w.number())
	}
	if flags&runCover != 0 {
		r.covers = uint32(w.number())
	}
	if flags&runHead != 0 {
		r.left = w.elem()
	}
	if flags&runLeft != 0 {
		r.right = w.elem()
	}
	if !text {
		return r
	}
	size := uint64(r.n)
	if flags&runWide != 0 {
		size = w.number()
	}
	if size > uint64(len(w.b)) || r.n == 0 {
		w.bad, w.b = true, nil
		return r
	}
	at := len(w.text) - len(w.b)
	r.text, w.b = w.text[at:at+int(size)], w.b[size:]
	if flags&runWide != 0 {
		w.bad = w.bad || utf8.RuneCountInString(r.text) != int(r.n)
		r.units = unitsOf(r.text, r.n)
	}
	return r
}

// decodePage reads a page.
func decodePage(id uint64, v []byte, text bool) (*page, bool) {
	if len(v) == 0 || v[0] > pageInner {
		return nil, false
	}
	p := &page{id: id}
	w := walk{b: v[1:]}
	if v[0] == pageLeaf {
		p.runs = make([]piece, 0, 8+len(v)/24)
		if text {
			w.text = string(w.b)
		}
	}
	for p.parent = w.number(); len(w.b) > 0; {
		if v[0] == pageLeaf {
			p.runs = append(p.runs, w.piece(text))
		} else {
			p.kids = append(p.kids, kid{w.number(), tally{w.number(), w.number(), w.number()}, nesting{w.signed(), w.signed(), w.signed()}})
		}
	}
	return p, !w.bad && (v[0] == pageLeaf || len(p.kids) > 0)
}
