package replica

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/store"
)

// kind is what holds for a commit: what the first commit declares, with the
// changes of the schema in the commit's past. In nearly every space there is
// one, and nothing here is read or written.
//
// Else a record at the number of a commit (subKind) names the changes that count
// for it and for those that come after it until the next such record, by their
// own numbers; the one at presentKind names those that count in all of the space.
type kind struct {
	founding *authority.Founding
	holds    *authority.Kind
	nums     []history.Num // of the changes, ascending
	fields   []*field
	base     *kind // without any change; nil: this is it
}

// kindFrom is what holds from a commit on, the last one where it changed.
type kindFrom struct {
	kind *kind
	num  history.Num
}

// presentKind is no number of a commit.
const presentKind = math.MaxUint64

// kinds remembers those that were asked for lately, by the record that names
// their changes. All are of durable commits.
type kinds struct {
	mu      sync.Mutex
	known   built
	changes map[history.Num]*authority.Change
}

// built are kinds by the record that names their changes, some of those that were put together.
type built map[string]*kind

// maxKinds and maxChangesKept bound what is remembered.
const (
	maxKinds       = 16
	maxChangesKept = 4096
)

// changed tells that the schema of the space was ever changed.
func (k *kind) changed() bool { return k != nil && len(k.holds.Changes) > 0 }

func (k *kind) same(other *kind) bool { return k == other || slices.Equal(k.nums, other.nums) }

func (k *kind) unchanged() *kind {
	if k.base != nil {
		return k.base
	}
	return k
}

func (k *kind) encode() []byte {
	b := []byte{}
	last := history.Num(0)
	for _, n := range k.nums {
		b = binary.AppendUvarint(b, n-last)
		last = n
	}
	return b
}

func decodeKind(b []byte) (nums []history.Num, err error) {
	last := history.Num(0)
	for len(b) > 0 {
		n, size := binary.Uvarint(b)
		if size <= 0 {
			return nil, fmt.Errorf("changes of the schema: %w", store.ErrCorrupt)
		}
		last += n
		nums, b = append(nums, last), b[size:]
	}
	return nums, nil
}

// newKind takes the kind of the space from its first commit and changes.
func (s *Space) newKind(f *authority.Founding, holds *authority.Kind, base *kind) (*kind, error) {
	k := &kind{founding: f, holds: holds, base: base}
	k.fields = []*field{{name: ProfileField, slot: ProfileField, prefix: s.keys.field(0), shape: profileShape, typ: profileShape.Type}}
	for i := range holds.Manifest.Fields {
		mf := &holds.Manifest.Fields[i]
		shape, err := shapeOf(*mf)
		if err != nil {
			return nil, err
		}
		prefix := s.keys.field(i + 1) // those of the first commit stand first
		if mf.Added {
			prefix = crdt.Slot(s.keys.field(addedFields), mf.Slot())
		}
		k.fields = append(k.fields, &field{name: mf.Name, slot: mf.Slot(), prefix: prefix, shape: shape, typ: shape.Field()})
	}
	return k, nil
}

// with is the kind with changes that count among its own and others. find gives
// their numbers, known is where it is looked for and kept.
func (s *Space) with(k *kind, find func(object.ID) (history.Num, bool, error), known *built, others ...[]*authority.Change) (*kind, error) {
	changes := authority.Counted(append(others, k.holds.Changes)...)
	if len(changes) == 0 {
		return k.unchanged(), nil
	}
	next := &kind{founding: k.founding, holds: &authority.Kind{Changes: changes}, base: k.unchanged()}
	if find == nil {
		return s.newKind(k.founding, authority.Merge(k.founding, changes), next.base)
	}
	for _, c := range changes {
		n, ok, err := find(c.Op.Commit)
		if err != nil || !ok {
			return nil, errors.Join(err, missingRef(c.Op, ok))
		}
		next.nums = append(next.nums, n)
	}
	slices.Sort(next.nums)
	return s.whole(next, known)
}

// bare is the kind without what can be put together anew: a batch may have as
// many as commits.
func (k *kind) bare() *kind {
	if k.base == nil {
		return k
	}
	return &kind{founding: k.founding, holds: &authority.Kind{Changes: k.holds.Changes}, nums: k.nums, base: k.base}
}

// whole is a kind that may be bare.
func (s *Space) whole(k *kind, known *built) (*kind, error) {
	if k.fields != nil {
		return k, nil
	}
	record := string(k.encode())
	if have := (*known)[record]; have != nil {
		return have, nil
	}
	next, err := s.newKind(k.founding, authority.Merge(k.founding, k.holds.Changes), k.base)
	if err != nil {
		return nil, err
	}
	next.nums = k.nums
	known.keep(record, next)
	return next, nil
}

// kindAt is what holds at a durable commit.
func (s *Space) kindAt(r store.Reader, n history.Num) (*kind, error) {
	k, err := s.bareAt(r, n)
	if err != nil {
		return nil, err
	}
	s.kinds.mu.Lock()
	defer s.kinds.mu.Unlock()
	return s.whole(k, &s.kinds.known)
}

// bareAt is kindAt for who asks for its changes alone.
func (s *Space) bareAt(r store.Reader, n history.Num) (*kind, error) {
	present := s.kind.Load()
	if !present.changed() {
		return present, nil
	}
	if last := s.last.Load(); n >= last.num {
		return last.kind, nil
	}
	v, err := s.kindRecord(r, n)
	if err != nil || v == nil {
		return present.unchanged(), err
	}
	s.kinds.mu.Lock()
	defer s.kinds.mu.Unlock()
	return s.bareOf(r, present.unchanged(), v)
}

// kindRecord finds the record that says what holds at a commit; nil: no change does.
func (s *Space) kindRecord(r store.Reader, n history.Num) ([]byte, error) {
	for kv, err := range r.Scan(s.keys.key(subKind, 0), s.keys.num(subKind, n+1), true) {
		if err != nil {
			return nil, fmt.Errorf("schema at commit %d: %w", n, err)
		}
		return append([]byte{}, kv.Value...), nil
	}
	return nil, nil
}

// kindOf is the kind with the changes that a record names.
func (s *Space) kindOf(r store.Reader, base *kind, record []byte) (*kind, error) {
	s.kinds.mu.Lock()
	defer s.kinds.mu.Unlock()
	k, err := s.bareOf(r, base, record)
	if err != nil {
		return nil, err
	}
	return s.whole(k, &s.kinds.known)
}

// bareOf is kindOf for who asks for its changes alone. It needs the mutex of kinds.
func (s *Space) bareOf(r store.Reader, base *kind, record []byte) (*kind, error) {
	if len(record) == 0 {
		return base, nil
	}
	if k := s.kinds.known[string(record)]; k != nil {
		return k, nil
	}
	nums, err := decodeKind(record)
	if err != nil {
		return nil, err
	}
	changes := make([]*authority.Change, len(nums))
	for i, n := range nums {
		if changes[i], err = s.change(r, n); err != nil {
			return nil, fmt.Errorf("change %d of the schema: %w", n, err)
		}
	}
	return &kind{founding: base.founding, holds: &authority.Kind{Changes: authority.Counted(changes)}, nums: nums, base: base}, nil
}

func (t *built) keep(record string, k *kind) {
	if *t == nil || len(*t) >= maxKinds {
		*t = built{}
	}
	(*t)[record] = k
}

// change reads a change of the schema. It needs the mutex of kinds.
func (s *Space) change(r store.Reader, n history.Num) (*authority.Change, error) {
	if c := s.kinds.changes[n]; c != nil {
		return c, nil
	}
	read := &commits{keys: s.keys, r: r}
	w, err := read.whole(n)
	if err != nil {
		return nil, err
	}
	v, err := r.Get(s.keys.num(subKind, n))
	if err != nil {
		return nil, err
	}
	nums, err := decodeKind(v)
	if err != nil {
		return nil, err
	}
	var after []*authority.Change
	for _, m := range nums {
		if m == n {
			continue
		}
		before, err := read.get(m) // its place among them is all that is asked of it
		if err != nil {
			return nil, err
		}
		after = append(after, &authority.Change{Op: history.OpRef{Commit: before.id}, Height: before.height})
	}
	c := *w.commit
	c.Height = w.height
	change, err := authority.ReadChange(&c, w.who.person, authority.InOrder(after))
	if err == nil && change == nil {
		err = fmt.Errorf("the commit has none: %w", store.ErrCorrupt)
	}
	if err != nil {
		return nil, err
	}
	if s.kinds.changes == nil || len(s.kinds.changes) >= maxChangesKept {
		s.kinds.changes = map[history.Num]*authority.Change{}
	}
	s.kinds.changes[n] = change
	return change, nil
}

// loadKind reads what holds in all of the space and at its last commit.
func (s *Space) loadKind(r store.Reader, base *kind) error {
	s.kind.Store(base)
	s.last.Store(&kindFrom{base, 0})
	record, err := r.Get(s.keys.num(subKind, presentKind))
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("load schema: %w", err)
	}
	present, err := s.kindOf(r, base, record)
	if err != nil {
		return fmt.Errorf("load schema: %w", err)
	}
	s.kind.Store(present)
	for kv, err := range r.Scan(s.keys.key(subKind, 0), s.keys.num(subKind, presentKind), true) {
		if err == nil && len(kv.Key) != len(s.keys)+9 {
			err = store.ErrCorrupt
		}
		if err != nil {
			return fmt.Errorf("load schema: %w", err)
		}
		last, err := s.kindOf(r, base, bytes.Clone(kv.Value))
		if err != nil {
			return fmt.Errorf("load schema: %w", err)
		}
		s.last.Store(&kindFrom{last, binary.BigEndian.Uint64(kv.Key[len(s.keys)+1:])})
		break
	}
	return nil
}

// kindAt is what holds at a commit that is here or earlier in the batch.
func (d *door) kindAt(n history.Num) (*kind, error) {
	k, err := d.bareAt(n)
	if err != nil {
		return nil, err
	}
	return d.space.whole(k, &d.known)
}

// bareAt is kindAt for who asks for its changes alone.
func (d *door) bareAt(n history.Num) (*kind, error) {
	switch {
	case n >= d.base:
		return d.fresh[n-d.base].kind, nil
	case !d.before.changed():
		return d.kind.unchanged(), nil
	}
	return d.space.bareAt(d.snap, n)
}

// Kind implements authority.Past: what holds in the past of a commit.
func (p judgePast) Kind(c *history.Commit) (*authority.Kind, error) {
	k, err := p.d.kindBefore(c)
	if err != nil {
		return nil, err
	}
	p.d.pending[c.ID].kind = k
	return k.holds, nil
}

func (d *door) kindBefore(c *history.Commit) (*kind, error) {
	if !d.kind.changed() {
		return d.kind, nil
	}
	var found []*kind
	for _, e := range c.Edges() { // there are some
		n, ok, err := d.find(e)
		if err != nil || !ok {
			return nil, errors.Join(err, missingRef(history.OpRef{Commit: e}, ok))
		}
		k, err := d.bareAt(n)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(found, k.same) {
			found = append(found, k)
		}
	}
	return d.space.merged(found, d.find, &d.known)
}

// merged is what holds where several versions come together.
func (s *Space) merged(list []*kind, find func(object.ID) (history.Num, bool, error), known *built) (*kind, error) {
	if len(list) == 1 {
		return s.whole(list[0], known)
	}
	lists := make([][]*authority.Change, len(list))
	for i, k := range list {
		lists[i] = k.holds.Changes
	}
	return s.with(list[0], find, known, lists...)
}

// mergedHere is merged of what is durable.
func (s *Space) mergedHere(list []*kind) (*kind, error) {
	s.kinds.mu.Lock()
	defer s.kinds.mu.Unlock()
	return s.merged(list, s.lookup, &s.kinds.known)
}

// takeKind takes in what a commit that was given its number does to what holds. It
// returns the change of the schema, nil when it is none.
func (d *door) takeKind(in *entering) (*authority.Change, error) {
	s, c := d.space, in.commit
	if in.kind == nil { // the first commit
		in.kind = d.kind
	}
	change, err := authority.ReadChange(c, in.known.Identity, in.kind.holds.Changes)
	if err != nil {
		return nil, err
	}
	if change == nil && !d.kind.changed() {
		return nil, nil
	}
	if change != nil {
		one := []*authority.Change{change}
		present, past := d.kind, in.kind
		if in.kind, err = s.with(past, d.find, &d.known, one); err != nil {
			return nil, err
		}
		d.kind = in.kind
		if !present.same(past) {
			if d.kind, err = s.with(present, d.find, &d.known, one); err != nil {
				return nil, err
			}
		}
		d.tx.Put(s.keys.num(subKind, presentKind), d.kind.encode())
	}
	if d.last.kind == nil || !in.kind.same(d.last.kind) {
		d.tx.Put(s.keys.num(subKind, in.num), in.kind.encode())
		d.last = kindFrom{in.kind, in.num}
	}
	return change, nil
}

// kindOfVersion is what holds for a commit that has some commits in its past; it needs mu.
func (s *Space) kindOfVersion(r store.Reader, nums []history.Num) (*kind, error) {
	present := s.kind.Load()
	if !present.changed() {
		return present, nil
	}
	var found []*kind
	for _, n := range nums {
		k, err := s.kindAt(r, n)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(found, k.same) {
			found = append(found, k)
		}
	}
	return s.mergedHere(found)
}
