package syncer

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
)

// fake is a naive replica in memory: every commit in arrival order, the graph of
// package history for differences, and a door that asks for the past and no more.
type fake struct {
	t    testing.TB
	mu   sync.Mutex
	name string

	graph   *history.Graph
	commits []*history.Commit
	num     map[object.ID]history.Num
	acks    map[identity.PublicKey]map[object.ID]bool
	subs    map[int]func()
	nextSub int

	twice  int                                       // commits received that were here
	asked  int                                       // chains listed
	door   error                                     // refuse everything with it
	filter func([]*history.Commit) []*history.Commit // a lying replica
	slow   func()                                    // before the heads are said; may be nil
}

func newFake(t testing.TB, name string) *fake {
	return &fake{t: t, name: name, graph: history.NewGraph(nil), num: map[object.ID]history.Num{}, acks: map[identity.PublicKey]map[object.ID]bool{}, subs: map[int]func(){}}
}

func testKey(n uint64) identity.PublicKey {
	k, err := identity.NewKey(rand.NewChaCha8([32]byte{byte(n), byte(n >> 8), 1}))
	if err != nil {
		panic(err)
	}
	return k.Public()
}

// author writes commits of one device, wherever it is told to.
type author struct {
	key  identity.PublicKey
	seq  uint64
	prev object.ID
	n    int64
}

func newAuthor(n uint64) *author { return &author{key: testKey(n)} }

// write makes a commit on the replica's heads and puts it there.
func (a *author) write(f *fake) *history.Commit {
	f.t.Helper()
	f.mu.Lock()
	var parents []object.ID
	for _, id := range f.heads() {
		if id != a.prev && len(parents) < history.MaxParents {
			parents = append(parents, id)
		}
	}
	f.mu.Unlock()
	c := a.on(f.t, parents)
	f.put(c)
	return c
}

func (a *author) on(t testing.TB, parents []object.ID) *history.Commit {
	t.Helper()
	a.seq++
	a.n++
	grant := history.GrantRef{}
	if a.prev.IsZero() && len(parents) == 0 {
		grant.Index = history.NoGrant
	}
	c, err := history.NewCommit(&history.Envelope{
		Version: history.Version, Author: a.key, Seq: a.seq, Prev: a.prev, Parents: parents, Grant: grant, Time: a.n,
		Ops: []history.Op{{Field: "topic", Action: "set", Part: history.NoPart}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	a.prev = c.ID
	return c
}

// fork returns a second author with the same key and past.
func (a *author) fork() *author {
	b := *a
	b.n += 1000
	return &b
}

// put adds commits that were made here.
func (f *fake) put(list ...*history.Commit) {
	f.mu.Lock()
	for _, c := range list {
		if err := f.add(c); err != nil {
			f.t.Error(err)
		}
	}
	f.mu.Unlock()
	f.notify()
}

func (f *fake) add(c *history.Commit) error {
	if _, ok := f.num[c.ID]; ok {
		f.twice++
		return nil
	}
	var edges []history.Num
	for _, id := range c.Edges() {
		n, ok := f.num[id]
		if !ok {
			return fmt.Errorf("%w: %s needs %s", replica.ErrMissing, c.ID.Short(), id.Short())
		}
		edges = append(edges, n)
	}
	n, err := f.graph.Add(edges)
	if err != nil {
		return err
	}
	f.num[c.ID] = n
	f.commits = append(f.commits, c)
	return nil
}

func (f *fake) notify() {
	f.mu.Lock()
	var keys []int
	for k := range f.subs {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	var subs []func()
	for _, k := range keys {
		subs = append(subs, f.subs[k])
	}
	f.mu.Unlock()
	for _, s := range subs {
		s()
	}
}

func (f *fake) heads() []object.ID {
	var ids []object.ID
	for _, n := range f.graph.Heads() {
		ids = append(ids, f.commits[n].ID)
	}
	slices.SortFunc(ids, object.ID.Compare)
	return ids
}

func (f *fake) Heads() []object.ID {
	if f.slow != nil {
		f.slow()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.heads()
}

func (f *fake) Has(id object.ID) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, ok := f.num[id]
	return ok
}

// Chains lists the commits that are nobody's prev and not in the past of since.
func (f *fake) Chains(since []object.ID) []Chain {
	f.mu.Lock()
	defer f.mu.Unlock()
	inner := map[object.ID]bool{}
	for _, c := range f.commits {
		inner[c.Env.Prev] = true
	}
	var list []Chain
	for _, n := range f.lacking(since) {
		if c := f.commits[n]; !inner[c.ID] {
			list = append(list, Chain{c.Env.Author, c.Env.Seq, c.ID})
		}
	}
	f.asked += len(list)
	return list
}

// lacking are the numbers that are not in the past of a version.
func (f *fake) lacking(have []object.ID) (nums []history.Num) {
	_, spans, err := f.graph.Diff(f.nums(have), f.graph.Heads())
	if err != nil {
		f.t.Fatal(err)
	}
	for _, s := range spans {
		for n := s.Start; n < s.End; n++ {
			nums = append(nums, n)
		}
	}
	return nums
}

func (f *fake) nums(ids []object.ID) []history.Num {
	var nums []history.Num
	for _, id := range ids {
		if n, ok := f.num[id]; ok {
			nums = append(nums, n)
		}
	}
	return nums
}

func (f *fake) missing(have []object.ID) []*history.Commit {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []*history.Commit
	for _, n := range f.lacking(have) {
		list = append(list, f.commits[n])
	}
	if f.filter != nil {
		list = f.filter(list)
	}
	return list
}

func (f *fake) CountMissing(have []object.ID) (int, error) { return len(f.missing(have)), nil }

func (f *fake) Batches(have []object.ID, limit int) iter.Seq2[*history.Batch, error] {
	list := f.missing(have)
	return func(yield func(*history.Batch, error) bool) {
		var b history.Batch
		size := 0
		for _, c := range list {
			b.Commits = append(b.Commits, c)
			if size += len(c.Raw); size >= limit {
				next := b
				if !yield(&next, nil) {
					return
				}
				b, size = history.Batch{}, 0
			}
		}
		if len(b.Commits) > 0 {
			yield(&b, nil)
		}
	}
}

func (f *fake) Ingest(_ context.Context, b *history.Batch, _ Source) (replica.Result, error) {
	f.mu.Lock()
	if f.door != nil {
		defer f.mu.Unlock()
		return replica.Result{}, f.door
	}
	before := len(f.commits)
	known := map[object.ID]bool{}
	for _, c := range b.Commits { // all or nothing
		for _, id := range c.Edges() {
			if _, ok := f.num[id]; !ok && !known[id] {
				f.mu.Unlock()
				return replica.Result{}, fmt.Errorf("%w: %s needs %s", replica.ErrMissing, c.ID.Short(), id.Short())
			}
		}
		known[c.ID] = true
	}
	for _, c := range b.Commits {
		if err := f.add(c); err != nil {
			f.t.Error(err)
		}
	}
	grown := len(f.commits) - before
	f.mu.Unlock()
	if grown > 0 {
		f.notify()
	}
	return replica.Result{New: grown}, nil
}

func (f *fake) Acked(_ context.Context, device identity.PublicKey, heads []object.ID) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.acks[device] == nil {
		f.acks[device] = map[object.ID]bool{}
	}
	for _, id := range heads {
		if _, ok := f.num[id]; !ok {
			return errors.New("an acknowledgement of what is not here")
		}
		f.acks[device][id] = true
	}
	return nil
}

func (f *fake) Subscribe(changed func()) func() {
	f.mu.Lock()
	defer f.mu.Unlock()
	k := f.nextSub
	f.nextSub++
	f.subs[k] = changed
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.subs, k)
	}
}

// heldBy reports whether device acknowledged a commit.
func (f *fake) heldBy(device identity.PublicKey, id object.ID) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	var heads []object.ID
	for h := range f.acks[device] {
		heads = append(heads, h)
	}
	n, ok := f.num[id]
	in, err := f.graph.Contains(f.nums(heads), n)
	return ok && in && err == nil
}

func (f *fake) ids() []object.ID {
	f.mu.Lock()
	defer f.mu.Unlock()
	var ids []object.ID
	for id := range f.num {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, object.ID.Compare)
	return ids
}

func equal(fakes ...*fake) bool {
	for _, f := range fakes[1:] {
		if !slices.Equal(f.ids(), fakes[0].ids()) {
			return false
		}
	}
	return true
}
