package replica

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/store"
)

// This file reads single ops back from the records of their commits, for the
// state of sets and logs, which keeps where their values are and not the values.
// Most often they are asked for in the order in which they came.

// ops are the ops of one commit, as far as the state of a field needs them.
type ops struct {
	cut      cut
	who      author
	time     int64
	payloads [][]byte // by index; nil where there is none
	loaded   bool
}

func (o *ops) at(index uint32) (crdt.Op, error) {
	if int(index) >= len(o.payloads) || o.payloads[index] == nil {
		return crdt.Op{}, fmt.Errorf("it has no such op with a value: %w", store.ErrCorrupt)
	}
	return crdt.Op{Ref: history.OpRef{Commit: o.cut.id, Index: index}, Num: o.cut.num, Height: o.cut.height, Author: o.who.device,
		Identity: o.who.person, Time: o.time, Payload: o.payloads[index]}, nil
}

// At implements crdt.Ops, but for Find.
func (c *commits) At(num uint64, index uint32) (crdt.Op, error) {
	if !c.last.loaded || c.last.cut.num != num {
		v, err := c.ahead.get(c, num)
		if err != nil {
			return crdt.Op{}, err
		}
		c.last.loaded = false
		if err := c.readOps(num, v); err != nil {
			return crdt.Op{}, fmt.Errorf("ops of commit %d: %w", num, err)
		}
	}
	return c.last.at(index)
}

func (c *commits) readOps(num history.Num, v []byte) (err error) {
	o := &c.last
	if o.cut, err = cutRecord(num, v); err != nil {
		return err
	}
	if o.who, err = c.author(&o.cut); err != nil {
		return err
	}
	o.payloads = o.payloads[:0]
	o.loaded, err = o.parse()
	if err != nil || o.loaded {
		return err
	}
	rec, err := c.decode(num, v) // an unusual one
	if err != nil {
		return err
	}
	payloads, err := rec.commit.Payloads()
	o.payloads, o.time, o.loaded = append(o.payloads, payloads...), rec.commit.Env.Time, true
	return err
}

// parse finds the payloads without decoding all of the envelope. It gives up
// where a commit holds more than ops that carry values in one part.
func (o *ops) parse() (ok bool, err error) {
	w := cborWalk{b: o.cut.body}
	w.skip()             // seq
	w.skip()             // prev
	for range w.list() { // parents
		w.skip()
	}
	w.skip() // grant
	w.skip() // epoch
	o.time = w.int()
	n := w.list()
	for range n {
		if w.list() != plainItems+2 {
			return false, nil
		}
		w.skip() // field
		w.skip() // action
		w.skip() // refs
		if w.int() != 0 {
			return false, nil // another part
		}
		w.skip() // size
	}
	if major, parts := w.head(); major != cborList || parts != 1 || w.bad || len(w.b) > 0 { // their digests are cut off
		return false, nil
	}
	parts, err := o.cut.partList()
	if err != nil || len(parts) != 1 {
		return false, errors.Join(err, store.ErrCorrupt)
	}
	p := cborWalk{b: parts[0]}
	if p.list() != 3 {
		return false, nil
	}
	p.skip() // salt
	if p.list() != n {
		return false, nil
	}
	for range n {
		o.payloads = append(o.payloads, p.bytes())
	}
	return !p.bad, nil
}

// plainItems is how many items describe an op without a payload; one in a part
// has two more.
const plainItems = 3

// cborWalk goes through canonical CBOR that was checked before it was written.
type cborWalk struct {
	b   []byte
	bad bool
}

// head reads the first byte of an item and its number.
func (w *cborWalk) head() (major byte, n uint64) {
	if len(w.b) == 0 {
		w.bad = true
		return 0, 0
	}
	major, info := w.b[0]>>5, w.b[0]&0x1f
	if w.b = w.b[1:]; info < 24 {
		return major, uint64(info)
	}
	size := 1 << (info - 24)
	if info > 27 || len(w.b) < size {
		w.bad, w.b = true, nil
		return 0, 0
	}
	var digits [8]byte
	copy(digits[8-size:], w.b)
	w.b = w.b[size:]
	return major, binary.BigEndian.Uint64(digits[:])
}

// The major types of CBOR that are met here.
const (
	cborUint   = 0
	cborNegint = 1
	cborBytes  = 2
	cborText   = 3
	cborList   = 4
	cborTag    = 6
	cborSimple = 7
)

func (w *cborWalk) list() int {
	major, n := w.head()
	if major != cborList || n > uint64(len(w.b)) {
		w.bad, w.b = true, nil
		return 0
	}
	return int(n)
}

func (w *cborWalk) int() int64 {
	switch major, n := w.head(); major {
	case cborUint:
		return int64(n)
	case cborNegint:
		return -1 - int64(n)
	}
	w.bad, w.b = true, nil
	return 0
}

func (w *cborWalk) bytes() []byte { return w.content(cborBytes) }

func (w *cborWalk) text() []byte { return w.content(cborText) }

func (w *cborWalk) content(kind byte) []byte {
	major, n := w.head()
	if major != kind || n > uint64(len(w.b)) {
		w.bad, w.b = true, nil
		return nil
	}
	v := w.b[:n:n]
	w.b = w.b[n:]
	return v
}

// skip passes over an item. Lists in what it walks are of items without lists
// in them, or of pairs.
func (w *cborWalk) skip() {
	for left := 1; left > 0 && !w.bad; left-- {
		switch major, n := w.head(); major {
		case cborUint, cborNegint, cborSimple:
		case cborBytes, cborText:
			if n > uint64(len(w.b)) {
				w.bad, w.b = true, nil
				return
			}
			w.b = w.b[n:]
		case cborTag:
			left++
		case cborList:
			if n > uint64(len(w.b)) {
				w.bad, w.b = true, nil
				return
			}
			left += int(n)
		default:
			w.bad = true
		}
	}
}

// aheadRecords is a stretch of records read by one scan, because they are asked
// for one after another.
type aheadRecords struct {
	first   history.Num
	records [][]byte
	asked   history.Num // the latest number asked for
	way     int         // 1: the latest step was up, to a neighbour; -1: down; 0: neither
	size    int         // how many the latest scan read
}

// A scan costs as much as reading several records by their keys, so two steps in
// one direction come before the first. minAhead are read by that one, and twice
// as many by each after it.
const (
	minAhead      = 16
	maxAhead      = 512
	maxAheadBytes = 256 << 10
	// nearby is how far apart two numbers asked for are taken for neighbours:
	// commits about other fields may lie between.
	nearby = 8
)

func (a *aheadRecords) get(c *commits, n history.Num) ([]byte, error) {
	if at := n - a.first; n >= a.first && at < history.Num(len(a.records)) {
		a.asked = n
		return a.records[at], nil
	}
	before := a.way
	switch {
	case n > a.asked && n-a.asked <= nearby:
		a.way = 1
	case n < a.asked && a.asked-n <= nearby:
		a.way = -1
	default:
		a.way = 0
	}
	a.asked = n
	if a.way == 0 || a.way != before {
		a.size = 0
		return c.r.Get(c.keys.commit(n))
	}
	a.size = min(max(minAhead, 2*a.size), maxAhead)
	if a.way < 0 {
		return a.scan(c, n-min(n, history.Num(a.size)-1), n+1, n)
	}
	return a.scan(c, n, n+history.Num(a.size), n)
}

// scan reads the records from one number to another and returns that of n. Only
// forwards may it stop early.
func (a *aheadRecords) scan(c *commits, from, to, n history.Num) ([]byte, error) {
	a.first, a.records = from, a.records[:0]
	var kept []byte
	size := 0
	for kv, err := range c.r.Scan(c.keys.commit(from), c.keys.commit(to), false) {
		if err != nil {
			return nil, err
		}
		if string(kv.Key) != string(c.keys.commit(from+history.Num(len(a.records)))) {
			return nil, fmt.Errorf("commit %d: %w", from+history.Num(len(a.records)), store.ErrNotFound)
		}
		if cap(kept)-len(kept) < len(kv.Value) {
			left := int(to-from) - len(a.records) // as long as this one, or most of them are short
			kept = make([]byte, 0, max(min(keepChunk, left*len(kv.Value)), len(kv.Value)))
		}
		at := len(kept)
		kept = append(kept, kv.Value...)
		a.records = append(a.records, kept[at:len(kept):len(kept)])
		if size += len(kv.Value); size > maxAheadBytes && from == n {
			break
		}
	}
	if at := n - a.first; at < history.Num(len(a.records)) {
		return a.records[at], nil
	}
	return nil, fmt.Errorf("commit %d: %w", n, store.ErrNotFound)
}

// opsFrom reads ops through one reading of the store.
func (s *Space) opsFrom(r store.Reader) crdt.Ops {
	return viewOps{&commits{keys: s.keys, r: r}, s}
}

// viewOps reads ops of what is in the store.
type viewOps struct {
	*commits
	space *Space
}

// Find implements crdt.Ops.
func (o viewOps) Find(id object.ID) (num, height uint64, err error) {
	o.space.mu.Lock()
	defer o.space.mu.Unlock()
	n, ok, err := o.space.lookup(id)
	if err != nil || !ok {
		return 0, 0, errors.Join(err, missingRef(history.OpRef{Commit: id}, ok))
	}
	height, err = o.space.graph.Height(n)
	return n, height, err
}

// doorOps reads those of the batch, too.
type doorOps struct {
	*commits
	d *door
}

// At implements crdt.Ops.
func (o doorOps) At(num uint64, index uint32) (crdt.Op, error) {
	if num < o.d.base {
		return o.commits.At(num, index)
	}
	if num-o.d.base >= uint64(len(o.d.fresh)) {
		return crdt.Op{}, fmt.Errorf("commit %d: %w", num, ErrNotFound)
	}
	in := o.d.fresh[num-o.d.base]
	return opOf(in.commit, num, in.commit.Height, author{in.commit.Env.Author, in.known.Identity}, in.payloads, index)
}

// Find implements crdt.Ops.
func (o doorOps) Find(id object.ID) (num, height uint64, err error) {
	n, ok, err := o.d.find(id)
	if err != nil || !ok {
		return 0, 0, errors.Join(err, missingRef(history.OpRef{Commit: id}, ok))
	}
	height, err = o.d.space.graph.Height(n)
	return n, height, err
}

func opOf(c *history.Commit, num, height uint64, who author, payloads [][]byte, index uint32) (crdt.Op, error) {
	if int(index) >= len(payloads) {
		return crdt.Op{}, fmt.Errorf("op %d of commit %s: %w", index, c.ID, ErrNotFound)
	}
	return crdt.Op{Ref: history.OpRef{Commit: c.ID, Index: index}, Num: num, Height: height, Author: who.device, Identity: who.person,
		Time: c.Env.Time, Payload: payloads[index]}, nil
}

// doorPast answers for commits of the batch and those here before.
type doorPast struct{ d *door }

// Before implements crdt.Past.
func (p doorPast) Before(a, b history.OpRef) (bool, error) {
	an, aok, err := p.d.find(a.Commit)
	if err != nil || !aok {
		return false, errors.Join(err, missingRef(a, aok))
	}
	bn, bok, err := p.d.find(b.Commit)
	if err != nil || !bok {
		return false, errors.Join(err, missingRef(b, bok))
	}
	if an == bn {
		return false, nil
	}
	return p.d.space.graph.Contains([]history.Num{bn}, an)
}

// Diff implements crdt.Past.
func (p doorPast) Diff(a, b []uint64) (onlyA, onlyB []history.Span, err error) {
	return p.d.space.graph.Diff(a, b)
}
