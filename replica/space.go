package replica

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/schema"
	"github.com/hyperhyperspace/hhs-go/store"
)

// Space is one node's copy of a space. Its methods may be called from any
// goroutine.
type Space struct {
	node *Node
	id   object.ID
	keys keyspace
	subs subscribers
	lane lane

	journal journal
	kept    kept

	// What readers ask for is kept apart from mu, so that reading never waits
	// for a batch at the door: it is of durable batches only.
	kind  atomic.Pointer[kind]        // with all changes of its schema
	last  atomic.Pointer[kindFrom]    // where it changed last
	heads atomic.Pointer[[]object.ID] // ids of graph.Heads(), sorted
	kinds kinds                       // what held for commits before, a cache

	// mu guards all below and is held while a batch goes through the door.
	mu       sync.Mutex
	graph    *history.Graph
	headList headList // the heads by number
	chains   chainCache
	acks     map[identity.PublicKey][]history.Num // nil until asked for, see acknowledged
	owed     owed
	rejects  rejects
	totals   totals
	acked    chan struct{} // closed at the next acknowledgement
	trouble  atomic.Pointer[Trouble]
	careMu   sync.Mutex   // held while trouble is changed
	verbatim bool         // it is being rebuilt: attestations are kept that others make needless
	unlisted func(putter) // lists the space in the registry with its first batch
	closed   bool

	ctx context.Context // ends with closed
	end context.CancelFunc
}

// field is one replicated value of the space: its place in the store, what it
// is made of, and the type that takes its ops.
type field struct {
	name   string
	slot   string // which of those that ever have the name
	prefix []byte
	shape  *crdt.Shape
	typ    crdt.Type
}

// env is what the field's type works on.
func (f *field) env(s *Space, state crdt.State, past crdt.Past, ops crdt.Ops) *crdt.Env {
	return &crdt.Env{State: state, Past: past, Ops: ops, Shape: f.shape, Schema: f.shape.Schema, Space: s.id}
}

// ProfileField is the field every space has besides those of its kind: the
// display name that each identity gives itself there.
const ProfileField = authority.ProfileField

func newSpace(n *Node, id object.ID, num uint32) *Space {
	ctx, cancel := context.WithCancel(context.Background())
	s := &Space{ctx: ctx, end: cancel, node: n, id: id, keys: newKeyspace(num), acked: make(chan struct{}), lane: lane{turn: make(chan struct{}, 1)}}
	s.graph = history.NewGraph(s.runs)
	return s
}

// ID is the space's id: the id of its first commit.
func (s *Space) ID() object.ID { return s.id }

// Node is the node that keeps this copy.
func (s *Space) Node() *Node { return s.node }

// Founding is what the first commit says, or ErrPending before it is here.
func (s *Space) Founding() (*authority.Founding, error) {
	k := s.kind.Load()
	if k == nil {
		return nil, ErrPending
	}
	return k.holds.Founding, nil
}

// Heads are the ids of the commits that no other commit has in its past,
// sorted. Everything they name is durable here.
func (s *Space) Heads() []object.ID {
	s.settled()
	return slices.Clone(s.headIDs())
}

// headIDs is Heads without the copy.
func (s *Space) headIDs() []object.ID {
	if h := s.heads.Load(); h != nil {
		return *h
	}
	return nil
}

// Len is the number of commits.
func (s *Space) Len() int {
	s.settled()
	s.mu.Lock()
	defer s.mu.Unlock()
	return int(s.graph.Len())
}

// Has tells whether a commit is here. A store that cannot be read has nothing. It does not wait for what is at the door.
func (s *Space) Has(id object.ID) bool {
	s.settled()
	_, ok, err := s.lookup(id)
	return err == nil && ok
}

func (s *Space) field(name string) (*field, error) {
	k := s.kind.Load()
	if k == nil {
		return nil, ErrPending
	}
	return k.field(name)
}

// checkField refuses a manifest with a type or schema this software does not
// know. Every replica checks the same.
func checkField(f authority.Field) error {
	_, err := shapeOf(f)
	return err
}

// shapeOf makes the shape of what a manifest says.
func shapeOf(f authority.Field) (s *crdt.Shape, err error) {
	s = &crdt.Shape{}
	switch f.Type {
	case authority.TypeMap:
		s.Of, err = shapeOf(*f.Of)
		return s, err
	case authority.TypeRecord:
		for _, p := range f.Fields {
			in, err := shapeOf(p)
			if err != nil {
				return nil, err
			}
			s.Fields = append(s.Fields, crdt.Property{Name: p.Name, Slot: p.Slot(), Shape: in})
		}
		return s, nil
	}
	t, ok := crdt.ByName(f.Type)
	if !ok {
		return nil, fmt.Errorf("unknown type %q", f.Type)
	}
	if s.Type = t; f.Schema != nil {
		s.Schema, err = f.Parsed()
	}
	return s, err
}

// profileShape is that of the names people give themselves.
var profileShape = func() *crdt.Shape {
	t, ok := crdt.ByName("profile")
	s, err := schema.Parse(map[string]any{"type": "string", "max": int64(80)})
	if err != nil || !ok {
		panic(fmt.Sprintf("replica: the profile's type is known: %v; its schema: %v", ok, err)) // constants
	}
	return &crdt.Shape{Type: t, Schema: s}
}()

// state is the field's part of a transaction or snapshot.
func (f *field) state(tx *store.Tx) crdt.State { return &fieldState{prefix: f.prefix, r: tx, tx: tx} }

// reading is the field's part of a snapshot; writing to it is an error.
func (f *field) reading(r store.Reader) crdt.State { return &fieldState{prefix: f.prefix, r: r} }

// fieldState scopes a reader, and maybe a transaction, to one field.
type fieldState struct {
	prefix []byte
	r      store.Reader
	tx     *store.Tx
	room   []byte // for the key of one access
}

func (f *fieldState) key(k []byte) []byte {
	return append(append(make([]byte, 0, len(f.prefix)+len(k)), f.prefix...), k...)
}

// once is key until it is called again: stores copy the keys they are given.
func (f *fieldState) once(k []byte) []byte {
	f.room = append(append(f.room[:0], f.prefix...), k...)
	return f.room
}

func (f *fieldState) Get(key []byte) ([]byte, error) {
	v, err := f.r.Get(f.once(key))
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return v, err
}

func (f *fieldState) Put(key, value []byte) error {
	if f.tx == nil {
		return store.ErrReadOnly
	}
	f.tx.Put(f.once(key), value)
	return nil
}

func (f *fieldState) Delete(key []byte) error {
	if f.tx == nil {
		return store.ErrReadOnly
	}
	f.tx.Delete(f.once(key))
	return nil
}

func (f *fieldState) Scan(lo, hi []byte, reverse bool) iter.Seq2[store.KV, error] {
	to := end(f.prefix)
	if hi != nil {
		to = f.key(hi)
	}
	return func(yield func(store.KV, error) bool) {
		for kv, err := range f.r.Scan(f.key(lo), to, reverse) {
			if err == nil {
				kv.Key = kv.Key[len(f.prefix):]
			}
			if !yield(kv, err) {
				return
			}
		}
	}
}

// View reads the fields of one version of a space. Close it.
type View struct {
	space *Space
	snap  store.Snapshot
	past  *Past // of that version; nil: the present
	mark  Mark
}

// View opens a read of the present version. While it is open, later commits
// do not show in it.
func (s *Space) View() (*View, error) {
	s.caughtUp()
	return s.view()
}

// caughtUp has what was acknowledged in memory admitted, so that reads show it.
func (s *Space) caughtUp() {
	if s.ctx.Err() == nil {
		s.settled()
	}
}

func (s *Space) view() (*View, error) {
	if s.ctx.Err() != nil {
		return nil, fmt.Errorf("read space %s: %w", s.id.Short(), ErrClosed)
	}
	snap, err := s.node.cfg.Store.Snapshot()
	if err != nil {
		return nil, fmt.Errorf("read space %s: %w", s.id.Short(), closedError(err))
	}
	return &View{space: s, snap: snap}, nil
}

// Env gives the readers of package crdt access to a field. Of authority.UndoField
// only crdt.IgnoredOps reads.
func (v *View) Env(name string) (*crdt.Env, error) {
	if v.past != nil {
		return v.past.env(v.snap, name, nil)
	}
	if name == authority.UndoField {
		return &crdt.Env{State: v.space.undoState(v.snap, nil), Space: v.space.id}, nil
	}
	f, err := v.space.field(name)
	if err != nil {
		return nil, err
	}
	return f.env(v.space, f.reading(v.snap), viewPast{v.space}, v.space.opsFrom(v.snap)), nil
}

// Close releases the version.
func (v *View) Close() error { return v.snap.Close() }

// viewPast answers for commits that are in the space.
type viewPast struct{ space *Space }

// Before implements crdt.Past.
func (p viewPast) Before(a, b history.OpRef) (bool, error) {
	p.space.mu.Lock()
	defer p.space.mu.Unlock()
	return p.space.before(a, b)
}

// Diff implements crdt.Past.
func (p viewPast) Diff(a, b []uint64) (onlyA, onlyB []history.Span, err error) {
	p.space.mu.Lock()
	defer p.space.mu.Unlock()
	return p.space.graph.Diff(a, b)
}

// before needs mu.
func (s *Space) before(a, b history.OpRef) (bool, error) {
	an, ok, err := s.lookup(a.Commit)
	if err != nil || !ok {
		return false, errors.Join(err, missingRef(a, ok))
	}
	bn, ok, err := s.lookup(b.Commit)
	if err != nil || !ok {
		return false, errors.Join(err, missingRef(b, ok))
	}
	if an == bn {
		return false, nil
	}
	return s.graph.Contains([]history.Num{bn}, an)
}

func missingRef(r history.OpRef, ok bool) error {
	if ok {
		return nil
	}
	return fmt.Errorf("commit %s: %w", r.Commit, ErrMissing)
}

// lookup finds a commit's number; it needs mu.
func (s *Space) lookup(id object.ID) (n history.Num, ok bool, err error) {
	if id.IsZero() {
		return 0, false, nil
	}
	if n, ok := s.node.recent.get(s.keys, id); ok {
		return n, true, nil
	}
	err = s.node.view(func(r store.Reader) error {
		n, ok, err = s.lookupFrom(r, id)
		return err
	})
	return n, ok, err
}

// lookupFrom is lookup in a given reading of the store, which must not be older
// than what memory says.
func (s *Space) lookupFrom(r store.Reader, id object.ID) (history.Num, bool, error) {
	if id.IsZero() {
		return 0, false, nil
	}
	if n, ok := s.node.recent.get(s.keys, id); ok {
		return n, true, nil
	}
	v, err := r.Get(s.keys.index(id))
	if errors.Is(err, store.ErrNotFound) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	nums, err := indexed(v)
	if err != nil {
		return 0, false, fmt.Errorf("index of commit %s: %w", id, err)
	}
	for _, n := range nums {
		if v, err = r.Get(s.keys.commit(n)); err != nil {
			return 0, false, fmt.Errorf("look up commit %s as number %d: %w", id, n, err)
		}
		if isCommit(v, id) {
			return n, true, nil
		}
	}
	return 0, false, nil
}

func appendNum(b []byte, n history.Num) []byte { return binary.BigEndian.AppendUint64(b, n) }

// recent maps the ids of the commits that entered lately, of all spaces of a
// node, to their numbers, so that most look-ups do not touch the store. It holds
// two generations. A space's local number is never given to another one, so that
// what is known of one that was left does no harm.
type recent struct {
	mu         sync.Mutex
	young, old map[recentID]history.Num
}

type recentID struct {
	space keyspace
	id    object.ID
}

func (r *recent) get(space keyspace, id object.ID) (history.Num, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, ok := r.young[recentID{space, id}]
	if !ok {
		n, ok = r.old[recentID{space, id}]
	}
	return n, ok
}

func (r *recent) put(space keyspace, id object.ID, n history.Num) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.young == nil || len(r.young) >= maxRecent {
		r.old, r.young = r.young, map[recentID]history.Num{}
	}
	r.young[recentID{space, id}] = n
}

// Done is closed when the space was left or its node closed.
func (s *Space) Done() <-chan struct{} { return s.ctx.Done() }

func (s *Space) close() {
	s.lane.close()
	s.settled()
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.ended()
}

// ended tells all who wait that the space is closed; it is called once.
func (s *Space) ended() {
	s.end()
	s.lane.close()
	s.subs.close()
}

// Wrote tells whether this device has written to the space.
func (s *Space) Wrote() (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.chainOf(s.node.device())
	return c != nil, err
}
