package replica_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
	"github.com/hyperhyperspace/hhs-go/store"
)

// flip changes a bit of a stored value.
func flip(t testing.TB, mem store.Store, kv store.KV, at int) {
	t.Helper()
	value := slices.Clone(kv.Value)
	value[at] ^= 1 << (at % 8)
	put(t, mem, kv.Key, value)
}

// erase takes a record away.
func erase(t testing.TB, mem store.Store, key []byte) {
	t.Helper()
	var b store.Batch
	b.Delete(key)
	if err := mem.Apply(context.Background(), &b, store.Synced); err != nil {
		t.Fatal(err)
	}
}

// ofSpace lists the records of a space of one kind.
func ofSpace(t testing.TB, mem store.Store, kinds string) (list []store.KV) {
	t.Helper()
	for _, kv := range dump(t, mem) {
		if kv.Key[0] == 's' && slices.Contains([]byte(kinds), kv.Key[5]) || kv.Key[0] == 'o' && slices.Contains([]byte(kinds), 'o') {
			list = append(list, kv)
		}
	}
	return list
}

// Whatever record of a space rots, a check finds it, a rebuild leaves a complete
// prefix, a peer gives back what is missing, and what this device wrote
// after it and nobody else has comes back with it.
func TestRot(t *testing.T) {
	for _, c := range []struct {
		name, kinds string
		lost        bool // commits are
	}{{"commits", "cptv", true}, {"objects", "o", true}, {"what follows from them", "igahqfyzk", false}} {
		t.Run(c.name, func(t *testing.T) {
			damaged := 0
			for seed := range uint64(12) {
				mem := store.NewMem()
				a := scripted(t, mem, seed, 24)
				b := join(t, newNode(t, 9), a)
				pull(t, b, a, 1<<12)
				line(t, a, "only here")
				id, heads, want := a.ID(), a.Heads(), lines(t, a)
				a.Node().Close()
				list := ofSpace(t, mem, c.kinds)
				if c.lost { // what only this device has cannot come back from others
					list = slices.DeleteFunc(list, func(kv store.KV) bool { return kv.Key[0] == 's' && kv.Key[5] == 'v' })
					list = slices.DeleteFunc(list, func(kv store.KV) bool { return last(a, kv) })
				}
				if len(list) == 0 {
					continue // no object in this script
				}
				damaged++
				kv := list[int(seed*7)%len(list)]
				what := fmt.Sprintf("seed %d, record %q", seed, kv.Key)
				if seed%4 == 3 {
					erase(t, mem, kv.Key)
				} else {
					flip(t, mem, kv, int(seed*31)%len(kv.Value))
				}
				rotten(t, what, mem, b, id, heads, want, c.lost)
			}
			if damaged < 8 {
				t.Errorf("only %d scripts had something to damage", damaged)
			}
		})
	}
}

// last tells whether a record is of the space's last commit.
func last(s *replica.Space, kv store.KV) bool {
	return kv.Key[0] == 's' && len(kv.Key) >= 14 && kv.Key[13] == byte(s.Len()-1)
}

func rotten(t *testing.T, what string, mem *store.Mem, b *replica.Space, id object.ID, heads []object.ID, want []string, lost bool) {
	t.Helper()
	n := at(t, mem, 1)
	defer n.Close()
	if _, err := n.Space(id); err != nil {
		t.Fatalf("%s: open: %v", what, err)
	}
	if r, err := n.Check(context.Background(), id, nil); err != nil {
		t.Fatalf("%s: check: %v", what, err)
	} else if opened := ofSpace(t, mem, "c"); r.Sound() && mustSpace(t, n, id).Len() == b.Len()+1 && lost && opened[0].Key[4] == 0 { // not rebuilt on opening
		t.Errorf("%s: the check found nothing", what)
	}
	r, err := n.Rebuild(context.Background(), id, nil)
	if err != nil {
		t.Fatalf("%s: rebuild: %v", what, err)
	}
	for _, d := range r.Damaged {
		var typed *replica.Damage
		if !errors.As(error(d), &typed) || !errors.Is(d, store.ErrCorrupt) || d.Space != id {
			t.Errorf("%s: reported as %v", what, d)
		}
	}
	s := mustSpace(t, n, id)
	trouble, known := s.Trouble()
	if !lost && (known || s.Len() != b.Len()+1) {
		t.Errorf("%s: %d commits of %d, %+v", what, s.Len(), b.Len()+1, trouble)
	}
	if missing := s.Len() < b.Len()+1; missing != known {
		t.Errorf("%s: %d commits of %d, trouble known: %v %+v", what, s.Len(), b.Len()+1, known, trouble)
	}
	if known { // what is here is complete: another copy takes it
		copied := join(t, newNode(t, 8), s)
		pull(t, copied, s, 1<<12)
		if copied.Len() != s.Len() {
			t.Errorf("%s: %d of %d commits can be given on", what, copied.Len(), s.Len())
		}
	}
	pull(t, s, b, 1<<12)
	if !slices.Equal(s.Heads(), heads) || !slices.Equal(lines(t, s), want) {
		t.Errorf("%s: after the sync it has %d commits and %q, not %q; %+v", what, s.Len(), lines(t, s), want, r)
	}
	if trouble, known := s.Trouble(); known {
		t.Errorf("%s: still %+v", what, trouble)
	}
	if r, err := n.Check(context.Background(), id, nil); err != nil || !r.Sound() {
		t.Errorf("%s: afterwards: %+v, %v", what, r, err)
	}
	line(t, s, "and on")
	if got := len(s.Forks()); got > 1 {
		t.Errorf("%s: %d keys forked", what, got)
	}
	records(t, mem) // in one keyspace
}

// While the end of the own chain is missing nothing is written: it would make
// two histories of one key.
func TestRotAtOwnEnd(t *testing.T) {
	mem := store.NewMem()
	n := at(t, mem, 1)
	a := create(t, n)
	line(t, a, "one")
	b := join(t, newNode(t, 2), a)
	line(t, a, "two")
	line(t, a, "three")
	pull(t, b, a, 1<<12)
	id := a.ID()
	list := ofSpace(t, mem, "c")
	flip(t, mem, list[2], len(list[2].Value)-1)
	if _, err := n.Rebuild(context.Background(), id, nil); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s := mustSpace(t, n, id)
		if got := lines(t, s); len(got) != 1 {
			t.Errorf("lines %q", got)
		}
		if _, err := s.Update(context.Background(), say("four")); !errors.Is(err, replica.ErrPending) {
			t.Errorf("written: %v", err)
		}
		n.Close()
		n = at(t, mem, 1) // as after a restart
	}
	s := mustSpace(t, n, id)
	pull(t, s, b, 1<<12)
	line(t, s, "four")
	if got := lines(t, s); len(got) != 4 || len(s.Forks()) != 0 {
		t.Errorf("lines %q, forked %v", got, s.Forks())
	}
}

// What a read finds damaged is a typed error, is told once, and is repaired at
// the next opening.
func TestRotIsTold(t *testing.T) {
	for _, kind := range []string{"o", "c"} {
		mem, told := store.NewMem(), make(chan object.ID, 10)
		n := newNode(t, 1, func(c *replica.Config) {
			c.Store, c.OnDamage = mem, func(id object.ID) { told <- id }
		})
		a := create(t, n)
		object, err := n.Put(context.Background(), "an object")
		if err != nil {
			t.Fatal(err)
		}
		receipt, err := a.Update(context.Background(), func(tx *replica.Tx) error { return tx.Attach(object) })
		if err != nil {
			t.Fatal(err)
		}
		list := ofSpace(t, mem, kind)
		flip(t, mem, list[len(list)-1], len(list[len(list)-1].Value)-1)
		for range 2 {
			if kind == "o" {
				_, err = a.Object(object)
			} else {
				_, err = a.Commit(receipt.Commit)
			}
			if !errors.Is(err, store.ErrCorrupt) {
				t.Errorf("%s: read: %v", kind, err)
			}
		}
		if id := <-told; id != a.ID() || len(told) != 0 {
			t.Errorf("%s: told of %s and %d more", kind, id, len(told))
		}
		if trouble, known := a.Trouble(); !known || trouble.What == "" {
			t.Errorf("%s: trouble %+v", kind, trouble)
		}
		n.Close()
		s := mustSpace(t, at(t, mem, 1), a.ID())
		if trouble, known := s.Trouble(); s.Len() != 1 || !known || trouble.Damaged != 1 {
			t.Errorf("%s: reopened with %d commits, %+v", kind, s.Len(), trouble)
		}
	}
}

// What a salvaged store lost of its registry is found again, and what it lost of
// its counter mixes no spaces.
func TestRecover(t *testing.T) {
	mem := store.NewMem()
	n := at(t, mem, 1)
	a, b := create(t, n), create(t, n)
	line(t, a, "of a")
	line(t, b, "of b")
	flip(t, mem, ofSpace(t, mem, "c")[1], 5)
	if _, err := n.Rebuild(context.Background(), a.ID(), nil); err != nil { // leaves a copy aside
		t.Fatal(err)
	}
	n.Close()
	for _, kv := range dump(t, mem) {
		if kv.Key[0] == 'N' || kv.Key[0] == 'n' {
			erase(t, mem, kv.Key)
		}
	}
	n = at(t, mem, 5)
	c := create(t, n)
	line(t, c, "of c")
	found, err := n.Recover(context.Background())
	if err != nil || len(found) != 2 {
		t.Fatalf("found %v, %v", found, err)
	}
	for s, want := range map[*replica.Space]string{b: "of b", c: "of c"} {
		if got := lines(t, mustSpace(t, n, s.ID())); len(got) != 1 || got[0] != want {
			t.Errorf("lines %q, not %q", got, want)
		}
	}
	if found, err := n.Recover(context.Background()); err != nil || len(found) != 0 {
		t.Errorf("again: %v, %v", found, err)
	}
}

// The repair of damage, and taking back what was set aside, may be cut short at
// any write.
func TestRepairCutShort(t *testing.T) {
	cuts := 0
	for cut := 1; ; cut++ {
		mem := store.NewMem()
		a := scripted(t, mem, 4, 24)
		b := join(t, newNode(t, 9), a)
		pull(t, b, a, 1<<12)
		line(t, a, "only here")
		id, heads, want := a.ID(), a.Heads(), lines(t, a)
		list := ofSpace(t, mem, "c")
		flip(t, mem, list[len(list)/2], 40)
		if err := a.Damaged(&replica.Damage{Space: id, Cause: errors.New("found by the test")}); !errors.Is(err, store.ErrCorrupt) {
			t.Fatal(err)
		}
		a.Node().Close()
		failed := errors.New("the plug was pulled")
		mem.FailAt(cut, failed)
		cfg := replica.Config{Store: mem, Device: newDevice(t, 1)}
		was := false
		for pass := 0; ; pass++ {
			n, err := replica.Open(context.Background(), cfg)
			if err == nil {
				var s *replica.Space
				if s, err = n.Space(id); err == nil {
					err = tryPull(s, b)
				}
				if trouble, known := s.Trouble(); err == nil && !known {
					if !slices.Equal(s.Heads(), heads) || !slices.Equal(lines(t, s), want) {
						t.Fatalf("cut short at write %d: %q, not %q", cut, lines(t, s), want)
					}
					n.Close()
					break
				} else if err == nil && pass > 0 {
					t.Fatalf("cut short at write %d: %+v", cut, trouble)
				}
				n.Close()
			}
			if err != nil && (pass > 0 || !errors.Is(err, failed)) {
				t.Fatalf("cut short at write %d: %v", cut, err)
			}
			was = true
		}
		records(t, mem)
		if !was {
			break
		}
		cuts++
	}
	if cuts < 6 {
		t.Errorf("only %d writes", cuts)
	}
}

// tryPull is pull that may fail.
func tryPull(dst, src *replica.Space) error {
	for b, err := range src.Batches(dst.Heads(), 1<<12) {
		if err != nil {
			return err
		}
		if _, err := dst.Ingest(context.Background(), b, replica.Source{Device: src.Node().Device().Signer.Public()}); err != nil {
			return err
		}
	}
	return nil
}

// Leaving a space takes what was set aside with it.
func TestLeaveWithDamage(t *testing.T) {
	mem := store.NewMem()
	n := at(t, mem, 1)
	a := create(t, n)
	line(t, a, "one")
	list := ofSpace(t, mem, "c")
	flip(t, mem, list[1], len(list[1].Value)-1)
	if _, err := n.Rebuild(context.Background(), a.ID(), nil); err != nil {
		t.Fatal(err)
	}
	if _, known := mustSpace(t, n, a.ID()).Trouble(); !known {
		t.Fatal("nothing was set aside")
	}
	if err := n.Leave(context.Background(), a.ID()); err != nil {
		t.Fatal(err)
	}
	for _, kv := range dump(t, mem) {
		if slices.Contains([]byte("sdrn"), kv.Key[0]) {
			t.Errorf("%q is left", kv.Key)
		}
	}
}

// Damaged notes about damage and rebuilds keep no node from opening, and a
// damaged registry makes no space lose another one's data.
func TestRotOfNotes(t *testing.T) {
	mem := store.NewMem()
	n := at(t, mem, 1)
	a, b := create(t, n), create(t, n)
	line(t, a, "one")
	line(t, b, "two")
	n.Close()
	da, db := a.ID().Digest(), b.ID().Digest()
	put(t, mem, append([]byte{'d'}, da[:]...), []byte{0xff})
	put(t, mem, append([]byte{'r'}, da[:]...), []byte{1})
	put(t, mem, []byte("dx"), nil)
	n = at(t, mem, 1)
	if _, known := mustSpace(t, n, a.ID()).Trouble(); known || len(lines(t, mustSpace(t, n, a.ID()))) != 1 {
		t.Error("the damaged note was not dealt with")
	}
	n.Close()
	for _, kv := range dump(t, mem) {
		if string(kv.Key) == string(append([]byte{'n'}, da[:]...)) {
			put(t, mem, append([]byte{'n'}, db[:]...), kv.Value) // b's data is at a's place now
		}
	}
	n = at(t, mem, 1)
	if _, err := n.Space(b.ID()); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("opened: %v", err)
	}
	if got := lines(t, mustSpace(t, n, a.ID())); len(got) != 1 {
		t.Errorf("lines %q", got)
	}
}
