package replica_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
	"github.com/hyperhyperspace/hhs-go/store"
)

// at is a node on a given store.
func at(t testing.TB, mem store.Store, seed uint64) *replica.Node {
	t.Helper()
	return newNode(t, seed, func(c *replica.Config) { c.Store = mem })
}

// scripted is a space on a store, written by three devices at random, of which
// the third used its key in two places.
func scripted(t testing.TB, mem store.Store, seed uint64, steps int) *replica.Space {
	t.Helper()
	rnd := rand.New(rand.NewPCG(seed, 1))
	a := create(t, at(t, mem, 1))
	line(t, a, "first")
	copies := []*replica.Space{a}
	for _, device := range []uint64{2, 3, 3} {
		s := join(t, newNode(t, device), a)
		pull(t, s, a, 1<<10)
		copies = append(copies, s)
	}
	for range steps {
		i, j := rnd.IntN(4), rnd.IntN(4)
		if rnd.IntN(4) == 0 && i != j {
			pull(t, copies[i], copies[j], 1<<(6+rnd.IntN(10)))
			if err := copies[i].Acked(context.Background(), copies[j].Node().Device().Signer.Public(), copies[j].Heads()); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := scribble(t, copies[i], rnd); err != nil && !errors.Is(err, replica.ErrForked) {
			t.Fatal(err)
		}
	}
	for _, s := range copies[1:] {
		pull(t, a, s, 1<<12)
	}
	return a
}

// scribble makes one random transaction.
func scribble(t testing.TB, s *replica.Space, rnd *rand.Rand) error {
	value := func() []byte { return enc(t, fmt.Sprint(rnd.IntN(9))) }
	var attached object.ID
	if rnd.IntN(4) == 0 {
		var err error
		if attached, err = s.Node().Put(context.Background(), map[string]any{"n": int64(rnd.IntN(20))}); err != nil {
			t.Fatal(err)
		}
	}
	_, err := s.Update(context.Background(), func(tx *replica.Tx) error {
		env, err := tx.Env("tags")
		if err != nil {
			return err
		}
		gone, err := crdt.SetRemove(env, value())
		if err != nil {
			return err
		}
		title, err := tx.Env("title")
		if err != nil {
			return err
		}
		set, err := crdt.RegisterSet(title, value())
		if err != nil {
			return err
		}
		for _, d := range gone {
			err = errors.Join(err, tx.Do("tags", d))
		}
		err = errors.Join(err, tx.Do("tags", crdt.SetAdd(value())), tx.Do("lines", crdt.LogAppend(value())))
		if rnd.IntN(3) == 0 {
			err = errors.Join(err, tx.Do("title", set))
		}
		if !attached.IsZero() {
			err = errors.Join(err, tx.Attach(attached))
		}
		return err
	})
	return err
}

// records are what a store holds of its one space, by key without the
// keyspace; but for when it was last active, which Bytes and Active are for.
func records(t testing.TB, s store.Store) map[string]string {
	t.Helper()
	list := map[string]string{}
	spaces := map[string]bool{}
	for _, kv := range dump(t, s) {
		if kv.Key[0] == 's' {
			spaces[string(kv.Key[:5])] = true
			list[string(kv.Key[5:])] = string(kv.Value)
		} else if kv.Key[0] != 'n' && kv.Key[0] != 'N' {
			list[string(kv.Key)] = string(kv.Value)
		}
	}
	if len(spaces) > 1 {
		t.Fatalf("the store holds %d keyspaces", len(spaces))
	}
	return list
}

func mustSpace(t testing.TB, n *replica.Node, id object.ID) *replica.Space {
	t.Helper()
	s, err := n.Space(id)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What a full replay makes is what was on disk, record by record.
func TestRebuildIsWhatWasThere(t *testing.T) {
	for seed := range uint64(8) {
		mem := store.NewMem()
		a := scripted(t, mem, seed, 60)
		n := a.Node()
		before := records(t, mem)
		var last replica.Progress
		tell := func(p replica.Progress) { last = p }
		checked, err := n.Check(context.Background(), a.ID(), tell)
		if err != nil || !checked.Sound() || checked.Commits != a.Len() {
			t.Fatalf("seed %d: checked: %+v, %v", seed, checked, err)
		}
		if last.Items != uint64(a.Len()) || last.Total != last.Items || last.Bytes == 0 {
			t.Errorf("seed %d: progress %+v of %d commits", seed, last, a.Len())
		}
		r, err := n.Rebuild(context.Background(), a.ID(), nil)
		if err != nil || !r.Sound() {
			t.Fatalf("seed %d: rebuilt: %+v, %v", seed, r, err)
		}
		if _, err := a.View(); !errors.Is(err, replica.ErrClosed) {
			t.Errorf("seed %d: the old copy can be read: %v", seed, err)
		}
		b := mustSpace(t, n, a.ID())
		line(t, b, "after")
		n.Close()
		b = mustSpace(t, at(t, mem, 1), a.ID())
		if b.Len() != a.Len()+1 {
			t.Errorf("seed %d: %d commits, %d before", seed, b.Len(), a.Len())
		}
		after := records(t, mem)
		for k, v := range before {
			if _, kept := after[k]; !kept && k[0] != 'y' {
				t.Errorf("seed %d: record %q is gone", seed, k)
			} else if after[k] != v && bytes.ContainsAny([]byte(k[:1]), "itpvko") {
				t.Errorf("seed %d: record %q is another", seed, k)
			}
		}
	}
}

// A state on disk that disagrees with the commits is found and replaced.
func TestRebuildState(t *testing.T) {
	mem := store.NewMem()
	a := scripted(t, mem, 1, 40)
	n := a.Node()
	before := records(t, mem)
	id, want := a.ID(), lines(t, a)
	for _, kv := range dump(t, mem) {
		if kv.Key[0] == 's' && kv.Key[5] == 'f' {
			put(t, mem, kv.Key, append(kv.Value, 1))
			break
		}
	}
	r, err := n.Check(context.Background(), id, nil)
	if err != nil || r.Sound() || r.Disagree != 1 || len(r.Derived) != 1 {
		t.Fatalf("checked: %+v, %v", r, err)
	}
	if r, err = n.Rebuild(context.Background(), id, nil); err != nil || r.Disagree != 1 {
		t.Fatalf("rebuilt: %+v, %v", r, err)
	}
	if got := lines(t, mustSpace(t, n, id)); !slices.Equal(got, want) {
		t.Errorf("lines %q, not %q", got, want)
	}
	if after := records(t, mem); len(after) != len(before) {
		t.Errorf("%d records, %d before", len(after), len(before))
	} else {
		for k, v := range before {
			if after[k] != v {
				t.Errorf("record %q is another", k)
			}
		}
	}
}

// older makes a store one of an older version.
func older(t testing.TB, mem store.Store) {
	t.Helper()
	old := []byte{2, 1} // data version 2, a state of before
	put(t, mem, []byte{'V'}, old)
	for _, kv := range dump(t, mem) {
		if kv.Key[0] == 's' && kv.Key[5] == 'y' {
			put(t, mem, kv.Key, old)
		}
		if kv.Key[0] == 's' && kv.Key[5] == 'f' { // nothing of it can be read
			put(t, mem, kv.Key, []byte("a state of before"))
		}
	}
}

// A store of an older version is brought up to date when it is opened; cut short
// at any write, the next opening does it.
func TestMigrationCutShort(t *testing.T) {
	make2 := func() (mem *store.Mem, ids []object.ID, want map[object.ID][]string) {
		mem, want = store.NewMem(), map[object.ID][]string{}
		a := scripted(t, mem, 3, 30)
		b := create(t, a.Node())
		line(t, b, "of b")
		for _, s := range []*replica.Space{a, b} {
			want[s.ID()] = append(lines(t, s), fmt.Sprint(s.Heads(), s.Len(), s.Bytes(), s.Active(), s.Forks()))
		}
		a.Node().Close()
		older(t, mem)
		return mem, []object.ID{a.ID(), b.ID()}, want
	}
	cuts := 0
	for at := 1; ; at++ {
		mem, ids, want := make2()
		mem.FailAt(at, errors.New("the plug was pulled"))
		cfg := replica.Config{Store: mem, Device: newDevice(t, 1)}
		n, err := replica.Open(context.Background(), cfg)
		cut := err != nil
		if cut {
			cuts++
			if n, err = replica.Open(context.Background(), cfg); err != nil {
				t.Fatalf("cut short at write %d: %v", at, err)
			}
		}
		for _, id := range ids {
			s := mustSpace(t, n, id)
			got := append(lines(t, s), fmt.Sprint(s.Heads(), s.Len(), s.Bytes(), s.Active(), s.Forks()))
			if !slices.Equal(got, want[id]) {
				t.Fatalf("cut short at write %d: %q, not %q", at, got, want[id])
			}
		}
		spaces := map[string]bool{}
		for _, kv := range dump(t, mem) {
			switch kv.Key[0] {
			case 's':
				spaces[string(kv.Key[:5])] = true
			case 'r', 'M', 'd':
				t.Errorf("cut short at write %d: the note %q is left", at, kv.Key)
			}
		}
		if len(spaces) != 2 {
			t.Errorf("cut short at write %d: %d keyspaces are left", at, len(spaces))
		}
		n.Close()
		if !cut {
			break
		}
	}
	if cuts < 8 {
		t.Errorf("only %d writes", cuts)
	}
}

// A rebuild that ends with its context leaves the space in use.
func TestRebuildGivenUp(t *testing.T) {
	mem := store.NewMem()
	a := scripted(t, mem, 2, 20)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	before := records(t, mem)
	for _, f := range []func(context.Context, object.ID, func(replica.Progress)) (replica.Report, error){a.Node().Check, a.Node().Rebuild} {
		if _, err := f(ctx, a.ID(), nil); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	if after := records(t, mem); len(after) != len(before) {
		t.Errorf("%d records, %d before", len(after), len(before))
	}
	line(t, a, "goes on")
}

// BenchmarkRebuild puts 4,000 commits of one op through the door again.
func BenchmarkRebuild(b *testing.B) {
	mem := store.NewMem()
	n := at(b, mem, 1)
	a := create(b, n)
	for i := range 4000 {
		line(b, a, fmt.Sprint(i))
	}
	id := a.ID()
	b.ResetTimer()
	for range b.N {
		n.Close()
		n = at(b, mem, 1) // no signature is remembered
		if r, err := n.Rebuild(context.Background(), id, nil); err != nil || !r.Sound() {
			b.Fatal(r, err)
		}
	}
	b.ReportMetric(float64(4001*b.N)/b.Elapsed().Seconds(), "commits/s")
}

// A space can be written while it is checked and rebuilt: what was acknowledged
// is there afterwards, and who comes later is told to open it again.
func TestRebuildWhileWriting(t *testing.T) {
	mem := store.NewMem()
	a := scripted(t, mem, 5, 30)
	n := a.Node()
	type written struct {
		count int
		err   error
	}
	started, done := make(chan struct{}), make(chan written)
	before := a.Len()
	go func() {
		for i := 0; ; i++ {
			if i == 20 {
				close(started)
			}
			if _, err := a.Update(context.Background(), say("w")); err != nil {
				done <- written{i, err}
				return
			}
		}
	}()
	<-started
	if r, err := n.Check(context.Background(), a.ID(), nil); err != nil || !r.Sound() {
		t.Errorf("checked: %+v, %v", r, err)
	}
	if r, err := n.Rebuild(context.Background(), a.ID(), nil); err != nil || !r.Sound() {
		t.Errorf("rebuilt: %+v, %v", r, err)
	}
	w := <-done
	if !errors.Is(w.err, replica.ErrClosed) {
		t.Errorf("the last write: %v", w.err)
	}
	s := mustSpace(t, n, a.ID())
	count := 0
	for _, l := range lines(t, s) {
		if l == "w" {
			count++
		}
	}
	if count != w.count || s.Len() <= before {
		t.Errorf("%d writes are there, %d were acknowledged", count, w.count)
	}
	records(t, mem)
}
