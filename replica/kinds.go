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
	holds *authority.Kind
	nums  []history.Num // of the commits of its changes, one for each
	base  *kind         // without any change; nil: this is it
	keys  keyspace

	mu     sync.Mutex
	fields map[string]*field // those that were asked for
}

// kindFrom is what holds from a commit on, the last one where it changed.
type kindFrom struct {
	kind *kind
	num  history.Num
}

// presentKind is no number of a commit.
const presentKind = math.MaxUint64

// kinds remembers what was asked for lately. All is of durable commits.
type kinds struct {
	mu      sync.Mutex
	known   built
	changes map[history.Num]*authority.Change
	bytes   int // what these take, before their bodies are read
}

// built are kinds of which something was put together, by the record that names their changes.
type built map[string]*kind

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
	nums := slices.Clone(k.nums)
	slices.Sort(nums)
	b := []byte{}
	last := history.Num(0)
	for _, n := range nums {
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

// newKind makes a kind without changes.
func (s *Space) newKind(f *authority.Founding) *kind {
	return &kind{holds: authority.Merge(f, nil), keys: s.keys}
}

// field is a field of the kind, which is put together when it is first asked for.
func (k *kind) field(name string) (*field, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f := k.fields[name]
	if f != nil {
		return f, nil
	}
	if name == ProfileField {
		f = &field{name: name, slot: name, prefix: k.keys.field(0), shape: profileShape, typ: profileShape.Type}
	} else {
		is, ok := k.holds.Field(name)
		if !ok {
			return nil, fmt.Errorf("field %q: %w", name, ErrNoField)
		}
		shape, err := shapeOf(is)
		if err != nil {
			return nil, fmt.Errorf("field %q: %w", name, err)
		}
		f = &field{name: name, slot: is.Slot(), shape: shape, typ: shape.Field()}
		if is.Added {
			f.prefix = crdt.Slot(k.keys.field(addedFields), is.Slot())
		} else {
			f.prefix = k.keys.field(1 + slices.IndexFunc(k.holds.Founding.Manifest.Fields, func(f authority.Field) bool { return f.Name == name }))
		}
	}
	if k.fields == nil {
		k.fields = map[string]*field{}
	}
	k.fields[name] = f
	return f, nil
}

// numbered are the changes of some kinds by the numbers of their commits.
func numbered(list ...*kind) map[history.Num]*authority.Change {
	changes := map[history.Num]*authority.Change{}
	for _, k := range list {
		for i, n := range k.nums {
			changes[n] = k.holds.Changes[i]
		}
	}
	return changes
}

// with is the kind that has some changes, as far as they count, and no others.
func (k *kind) with(changes map[history.Num]*authority.Change) *kind {
	if len(changes) == 0 {
		return k.unchanged()
	}
	nums := make(map[*authority.Change]history.Num, len(changes))
	all := make([]*authority.Change, 0, len(changes))
	for n, c := range changes {
		nums[c], all = n, append(all, c)
	}
	next := &kind{holds: authority.Merge(k.holds.Founding, authority.Counted(all)), base: k.unchanged(), keys: k.keys}
	for _, c := range next.holds.Changes {
		next.nums = append(next.nums, nums[c])
	}
	return next
}

// and is the kind with a change more, of which it is the number.
func (k *kind) and(c *authority.Change, n history.Num) *kind {
	changes := numbered(k)
	changes[n] = c
	return k.with(changes)
}

// merged is what holds where several versions come together.
func merged(list []*kind) *kind {
	if len(list) == 1 {
		return list[0]
	}
	return list[0].with(numbered(list...))
}

// bare is the kind with nothing put together: a batch may have as many as commits.
func (k *kind) bare() *kind {
	if k.base == nil {
		return k
	}
	return &kind{holds: authority.Merge(k.holds.Founding, k.holds.Changes), nums: k.nums, base: k.base, keys: k.keys}
}

// keep is the one of its changes among those that are kept, for what is put together of a kind to be so once.
func (t *built) keep(k *kind) *kind {
	if k.base == nil {
		return k
	}
	record := string(k.encode())
	if have := (*t)[record]; have != nil {
		return have
	}
	if *t == nil || len(*t) >= maxKinds {
		*t = built{}
	}
	k = k.bare()
	(*t)[record] = k
	return k
}

// keepKind is keep for kinds of what is durable.
func (s *Space) keepKind(k *kind) *kind {
	s.kinds.mu.Lock()
	defer s.kinds.mu.Unlock()
	return s.kinds.known.keep(k)
}

// kindAt is what holds at a durable commit.
func (s *Space) kindAt(r store.Reader, n history.Num) (*kind, error) {
	k, err := s.bareAt(r, n)
	if err != nil {
		return nil, err
	}
	return s.keepKind(k), nil
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
	return s.kindOf(r, present.unchanged(), v)
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
	if k := s.kinds.known[string(record)]; k != nil {
		return k, nil
	}
	nums, err := decodeKind(record)
	if err != nil {
		return nil, err
	}
	changes := map[history.Num]*authority.Change{}
	for _, n := range nums {
		if changes[n], err = s.change(r, n); err != nil {
			return nil, fmt.Errorf("change %d of the schema: %w", n, err)
		}
	}
	return base.with(changes), nil
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
		before := s.kinds.changes[m]
		if before == nil { // its place among them is all that is asked of it
			c, err := read.get(m)
			if err != nil {
				return nil, err
			}
			before = &authority.Change{Op: history.OpRef{Commit: c.id}, Height: c.height}
		}
		after = append(after, before)
	}
	c := *w.commit
	c.Height = w.height
	change := authority.ReadChange(&c, w.who.person, authority.InOrder(after))
	if change == nil {
		return nil, fmt.Errorf("the commit has none: %w", store.ErrCorrupt)
	}
	size := change.Size + changeSize + 8*len(after)
	if s.kinds.changes == nil || s.kinds.bytes+size > maxChangesKept {
		s.kinds.changes, s.kinds.bytes = map[history.Num]*authority.Change{}, 0
	}
	s.kinds.changes[n], s.kinds.bytes = change, s.kinds.bytes+size
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

// keep is the kind that stands for those with its changes while the batch is taken in: what was put together of the space's
// own is not put together anew for each batch.
func (d *door) keep(k *kind) *kind {
	if d.known == nil {
		d.known = built{}
		for _, own := range []*kind{d.before, d.last.kind} {
			if own.changed() {
				d.known[string(own.encode())] = own
			}
		}
	}
	return d.known.keep(k)
}

// kindAt is what holds at a commit that is here or earlier in the batch.
func (d *door) kindAt(n history.Num) (*kind, error) {
	k, err := d.bareAt(n)
	if err != nil {
		return nil, err
	}
	return d.keep(k), nil
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
	return d.keep(merged(found)), nil
}

// takeKind takes in what a commit that was given its number does to what holds. It
// returns the change of the schema, nil when it is none.
func (d *door) takeKind(in *entering) *authority.Change {
	s, c := d.space, in.commit
	if in.kind == nil { // the first commit
		in.kind = d.kind
	}
	change := authority.ReadChange(c, in.known.Identity, in.kind.holds.Changes)
	if change == nil && !d.kind.changed() {
		return nil
	}
	if change != nil {
		present, past := d.kind, in.kind
		in.kind = d.keep(past.and(change, in.num))
		d.kind = in.kind
		if !present.same(past) {
			d.kind = d.keep(present.and(change, in.num))
		}
		d.tx.Put(s.keys.num(subKind, presentKind), d.kind.encode())
	}
	if d.last.kind == nil || !in.kind.same(d.last.kind) {
		d.tx.Put(s.keys.num(subKind, in.num), in.kind.encode())
		d.last = kindFrom{in.kind, in.num}
	}
	return change
}

// kindOfVersion is what holds for a commit that has some commits in its past; it needs mu.
func (s *Space) kindOfVersion(r store.Reader, nums []history.Num) (*kind, error) {
	present := s.kind.Load()
	if !present.changed() {
		return present, nil
	}
	var found []*kind
	for _, n := range nums {
		k, err := s.bareAt(r, n)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(found, k.same) {
			found = append(found, k)
		}
	}
	return s.keepKind(merged(found)), nil
}
