package replica

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/store"
)

// Query asks for what a space shows of a type, or with a link, or with both.
type Query struct {
	// Type is the $type of values and attached objects, or with a # before it the
	// place of records in the shape of the space (RecordType).
	Type string
	// Link is an id that is linked to: an object's, a blob's root, or another
	// space's, of which a reference with any path is found too.
	Link object.ID
	// Ref is a reference into another space, with exactly its path.
	Ref *object.Ref

	From   []byte // go on there (FindPage.Next, Found.Next); nil: from the first
	Newest bool   // what came here last comes first
	Limit  int    // at most so many
}

// ErrQuery is wrapped with what is wrong with a Query.
var ErrQuery = errors.New("no such query")

// Found is one value that a query asks for.
type Found struct {
	Field  string      // "": it is an attached object
	Path   []crdt.Step // of the value inside the field that it is in
	Object object.ID   // an attached object; Value of the entry is its block
	// Entry says who brought it and when. Value is canonical: of a record its id,
	// of which Record reads the contents. Key is a cursor to the element of a list.
	crdt.Entry
	Record *crdt.Env // of a record; while the View is open
	Next   []byte    // where a page goes on behind it
}

// Keys are the texts of the path, as Change.Keys.
func (f *Found) Keys() []string { return keysOf(f.Path) }

// FindPage is a stretch of what a query asks for, in the order in which it came
// here, which is another one on other copies.
type FindPage struct {
	Found []Found
	Next  []byte // where the next page goes on (Query.From); nil: this is the last
}

// Find reads a page of what a query asks for. It reads what it returns and passes over
// what is not shown any more: at most maxFindLooks ops, so that a page may have fewer than Limit and
// not be the last, nor does it read much more than maxFindRead for it; nor does it have more than one value beyond maxFindBytes.
func (v *View) Find(ctx context.Context, q Query) (FindPage, error) {
	page, err := v.find(ctx, q)
	if err != nil && !errors.Is(err, ErrQuery) {
		err = v.space.Damaged(fmt.Errorf("query of space %s: %w", v.space.id.Short(), err))
	}
	return page, err
}

// wanted is a query as it is looked up and compared.
type wanted struct {
	Query
	tag    factTag
	record bool
}

// check finds the tag by which a query is looked up: that of a link, where there are fewer.
func (q Query) check() (w wanted, err error) {
	w = wanted{Query: q, record: len(q.Type) > 0 && q.Type[0] == '#'}
	switch {
	case q.Limit < 1:
		return w, fmt.Errorf("%w: a page of %d", ErrQuery, q.Limit)
	case q.From != nil && len(q.From) != boundarySize:
		return w, fmt.Errorf("%w: it goes on where no page ended", ErrQuery)
	case q.Ref != nil && !q.Link.IsZero():
		return w, fmt.Errorf("%w: it asks for a link and for a reference", ErrQuery)
	case w.record && (q.Ref != nil || !q.Link.IsZero()):
		return w, fmt.Errorf("%w: it asks for records with a link; ask for the link, and see at each where it is", ErrQuery)
	case q.Ref != nil:
		if _, err := object.RefFromValue(q.Ref.Value()); err != nil {
			return w, fmt.Errorf("%w: %w", ErrQuery, err)
		}
		w.tag, err = refTag(*q.Ref)
	case !q.Link.IsZero():
		w.tag = linkTag(q.Link)
	case w.record:
		w.tag = tagOf(tagRecord, []byte(q.Type))
	case q.Type != "":
		w.tag = tagOf(tagType, []byte(q.Type))
	default:
		return w, fmt.Errorf("%w: it asks for neither a type nor a link", ErrQuery)
	}
	return w, err
}

// may tells without decoding what a value links to whether it may be what is asked for.
func (w *wanted) may(value []byte) bool {
	link := w.Link
	if w.Ref != nil {
		link = w.Ref.Space
	}
	return (w.Type == "" || typeOf(value) == w.Type) && bytes.Contains(value, link.Append(nil))
}

// fits tells whether a value is what is asked for: two may have one tag, and not
// all of the values of an op are of the type that one of them has.
func (w *wanted) fits(value []byte) bool {
	if w.Type != "" && typeOf(value) != w.Type {
		return false
	}
	if w.Ref != nil {
		return slices.ContainsFunc(refsOf(value), func(r object.Ref) bool { return r.Space == w.Ref.Space && slices.Equal(r.Path, w.Ref.Path) })
	}
	return w.Link.IsZero() || slices.Contains(linksOf(value), w.Link)
}

// boundary is a place before a value among all that were ever brought: which commit, op and value of it.
type boundary struct {
	num   history.Num
	index uint32
	value uint32
}

const boundarySize = 16

func (b boundary) encode() []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(appendNum(nil, b.num), b.index), b.value)
}

// finder reads a page.
type finder struct {
	*View
	want  wanted
	from  boundary // as the query says
	read  commits
	last  whole // the commit at hand
	envs  map[string]*crdt.Env
	page  FindPage
	looks int
	bytes int // that were read to look at them
	size  int // of what is on the page
}

func (v *View) find(ctx context.Context, q Query) (FindPage, error) {
	want, err := q.check()
	if err != nil {
		return FindPage{}, err
	}
	s := v.space
	if s.kind.Load() == nil {
		return FindPage{}, ErrPending
	}
	prefix := append(s.keys.field(factFieldNumber), want.tag[:]...)
	lo, hi := prefix, end(prefix)
	f := &finder{View: v, want: want, read: commits{keys: s.keys, r: v.snap}, envs: map[string]*crdt.Env{}}
	if q.From != nil {
		f.from = boundary{binary.BigEndian.Uint64(q.From), binary.BigEndian.Uint32(q.From[8:]), binary.BigEndian.Uint32(q.From[12:])}
		at := append(bytes.Clone(prefix), q.From[:12]...)
		if q.Newest {
			hi = append(at, 0)
		} else {
			lo = at
		}
	}
	for kv, err := range v.snap.Scan(lo, hi, q.Newest) {
		if err == nil && len(kv.Key) != len(prefix)+12 {
			err = fmt.Errorf("a fact: %w", store.ErrCorrupt)
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return f.page, err
		}
		at := kv.Key[len(prefix):]
		more, err := f.look(boundary{num: binary.BigEndian.Uint64(at), index: binary.BigEndian.Uint32(at[8:])})
		if err != nil || !more {
			return f.page, err
		}
		s.node.cfg.Pace()
	}
	return f.page, nil
}

// over ends the page before an op or value when it has looked at enough of them.
func (f *finder) over(at boundary) bool {
	if f.looks++; f.looks <= maxFindLooks && f.bytes <= maxFindRead {
		return false
	}
	if f.want.Newest {
		at.value++
	}
	f.page.Next = at.encode()
	return true
}

// look reads what an op or object brings; more is false when the page ends.
func (f *finder) look(at boundary) (more bool, err error) {
	if f.want.Newest {
		at.value = 1<<32 - 2
	}
	if f.over(at) {
		return false, nil
	}
	if f.last.commit == nil || f.last.num != at.num {
		if f.last, err = f.read.whole(at.num); err != nil {
			return false, err
		}
		f.bytes += len(f.last.commit.Raw)
		for _, part := range f.last.commit.Parts {
			f.bytes += len(part)
		}
	}
	if at.index&attachedBit != 0 {
		at.value = 0
		return f.attached(at)
	}
	if int(at.index) >= len(f.last.commit.Env.Ops) {
		return false, fmt.Errorf("a fact of op %d of commit %d: %w", at.index, at.num, store.ErrCorrupt)
	}
	name, op := f.last.commit.Env.Ops[at.index].Field, f.last.op(int(at.index))
	b, err := f.bring(name, &op)
	if err != nil || b == nil {
		return err == nil, err
	}
	for n := range b.Values {
		if f.want.Newest {
			n = len(b.Values) - 1 - n
		}
		at.value = uint32(n)
		if more, err := f.value(name, b, at); err != nil || !more {
			return false, err
		}
	}
	return true, nil
}

// bring reads what an op brings to a field that the space has now; nil when that cannot be reached.
func (f *finder) bring(name string, op *crdt.Op) (*crdt.Brought, error) {
	s := f.space
	k, err := s.kindAt(f.snap, op.Num)
	if err != nil {
		return nil, err
	}
	then, err := k.field(name)
	if err != nil {
		return nil, err
	}
	now, err := s.field(name)
	if err != nil || now.slot != then.slot {
		return nil, nil // the space has another field of the name
	}
	b, err := then.shape.Bring(op)
	if errors.As(err, new(*crdt.Ignored)) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	env := f.envs[name]
	if env == nil {
		env = now.env(s, now.reading(f.snap), viewPast{s}, s.opsFrom(f.snap))
		f.envs[name] = env
	}
	if reached, err := b.In(env); err != nil || !reached {
		return nil, err
	}
	return b, nil
}

// value takes one value in if it is asked for and shown.
func (f *finder) value(name string, b *crdt.Brought, at boundary) (more bool, err error) {
	if f.passed(at) {
		return true, nil
	}
	if f.over(at) {
		return false, nil
	}
	if b.Record != f.want.record || b.Record && RecordType(name, b.Names) != f.want.Type || !b.Record && !f.want.may(b.Values[at.value]) {
		return true, nil
	}
	e, shown, err := b.Shown(int(at.value))
	if err != nil || !shown || !b.Record && !f.want.fits(b.Values[at.value]) {
		return err == nil, err
	}
	one := Found{Field: name, Path: b.Path, Entry: e}
	if b.Record {
		if one.Record, err = b.Value(); err != nil {
			return false, err
		}
	}
	return f.take(at, one), nil
}

// passed tells whether a value was on a page before.
func (f *finder) passed(at boundary) bool {
	if f.want.From == nil || at.num != f.from.num || at.index != f.from.index {
		return false
	}
	if f.want.Newest {
		return at.value >= f.from.value
	}
	return at.value < f.from.value
}

// take puts what was found on the page, or ends that: it has been seen then that there is more.
func (f *finder) take(at boundary, one Found) (more bool) {
	if n := len(f.page.Found); n >= f.want.Limit || f.size >= maxFindBytes {
		f.page.Next = f.page.Found[n-1].Next
		return false
	}
	if !f.want.Newest {
		at.value++
	}
	one.Next = at.encode()
	f.page.Found = append(f.page.Found, one)
	f.size += len(one.Value)
	return true
}

// attached takes an attached object in. It is in the space for good: undo is about ops.
func (f *finder) attached(at boundary) (more bool, err error) {
	ids := f.last.commit.Attached()
	place := at.index &^ attachedBit
	if uint64(place) >= uint64(len(ids)) {
		return false, fmt.Errorf("a fact of object %d of commit %d: %w", place, at.num, store.ErrCorrupt)
	}
	if f.passed(at) || f.want.record {
		return true, nil
	}
	block, err := f.space.block(f.snap, ids[place])
	f.bytes += len(block)
	if err != nil || !f.want.may(block) || !f.want.fits(block) {
		return err == nil, err
	}
	w := &f.last
	return f.take(at, Found{Object: ids[place], Entry: crdt.Entry{Value: block, Ref: history.OpRef{Commit: w.commit.ID},
		Height: w.height, Author: w.who.device, Identity: w.who.person, Time: w.commit.Env.Time}}), nil
}
