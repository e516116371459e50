package syncer

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
)

// queue is a test's doors: who comes gets its turn or waits, and tells when it has come.
type queue struct {
	t     *testing.T
	turns *Turns
	came  []string // who had a turn, in order
	mine  map[string]*turn
	all   sync.WaitGroup
	ctx   context.Context
}

func newQueue(t *testing.T, spaces ...object.ID) *queue {
	q := &queue{t: t, turns: &Turns{}, mine: map[string]*turn{}, ctx: t.Context()}
	for _, s := range spaces {
		q.turns.join(s, identity.PublicKey{}, time.Now())
	}
	return q
}

// comes waits for a turn until everybody else waits too.
func (q *queue) comes(name string, space object.ID, device identity.PublicKey, cost uint64) {
	q.all.Go(func() {
		w, err := q.turns.take(q.ctx, space, device, cost)
		if err == nil {
			q.turns.mu.Lock()
			defer q.turns.mu.Unlock()
			q.came, q.mine[name] = append(q.came, name), w
		}
	})
	synctest.Wait()
}

// goes gives a turn back.
func (q *queue) goes(name string) {
	q.t.Helper()
	w := q.mine[name]
	if w == nil {
		q.t.Fatalf("%s had no turn; %v had", name, q.came)
	}
	if r := q.turns.done(w, 0, time.Now()); r != nil {
		q.t.Fatalf("the door rests %v", r.most)
	}
	synctest.Wait()
}

func (q *queue) were(names ...string) {
	q.t.Helper()
	if len(q.came) != len(names) {
		q.t.Fatalf("%v had a turn, want %v", q.came, names)
	}
	for i := range names {
		if q.came[i] != names[i] {
			q.t.Fatalf("%v had a turn, want %v", q.came, names)
		}
	}
}

func devices(n int) (list []identity.PublicKey) {
	for i := range n {
		list = append(list, testKey(uint64(100+i)))
	}
	return list
}

// Four that flood one space wait for each other; an edit of a fifth passes all of them but the one that is at the door,
// also when each brings a second batch, and comes as another device.
func TestEditPassesFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		space, keys := someIDs(1)[0], devices(10)
		q := newQueue(t, space)
		const large = 1 << 20
		for i, name := range []string{"a", "b", "c", "d"} {
			q.comes(name, space, keys[i], large)
		}
		q.were("a")
		q.comes("edit", space, keys[9], 300)
		q.goes("a")
		q.were("a", "edit")
		for i, name := range []string{"a2", "e", "f"} { // a again, and devices that were never here
			q.comes(name, space, keys[[]int{0, 5, 6}[i]], large)
		}
		q.comes("edit2", space, keys[9], 300)
		q.goes("edit")
		q.were("a", "edit", "edit2")
		for i, name := range []string{"edit2", "b", "c", "d", "a2", "e", "f"} {
			q.goes(name)
			if len(q.came) != min(4+i, 9) {
				t.Fatalf("%v had a turn", q.came)
			}
		}
		q.all.Wait()
		if len(q.turns.due) > maxDoors || q.turns.busy != 0 {
			t.Errorf("%d devices are remembered, %d turns taken", len(q.turns.due), q.turns.busy)
		}
	})
}

// Who sends much does not wait for ever for those who send little all the time.
func TestLargeBatchHasItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		space, keys := someIDs(1)[0], devices(2)
		q := newQueue(t, space)
		const large, small = 100_000, 1000
		q.comes("first", space, keys[0], small)
		q.comes("large", space, keys[1], large)
		for n := 1; ; n++ {
			if n > 2*large/small {
				t.Fatalf("not after %d small ones", n)
			}
			q.comes("next", space, keys[0], small)
			q.goes(q.came[len(q.came)-1])
			if q.mine["large"] != nil {
				return
			}
		}
	})
}

// There are so many doors in all, and one of each space.
func TestDoors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spaces, keys := someIDs(maxDoors+1), devices(3)
		q := newQueue(t, spaces...)
		q.comes("a", spaces[0], keys[0], 1)
		q.comes("b", spaces[0], keys[1], 1)
		q.comes("c", spaces[1], keys[0], 1)
		q.comes("d", spaces[2], keys[2], 1)
		q.were("a", "c")
		q.goes("c")
		q.were("a", "c", "d")
		q.goes("a")
		q.were("a", "c", "d", "b")

		ctx, cancel := context.WithCancel(q.ctx)
		q.ctx = ctx
		q.comes("gone", spaces[0], keys[0], 1)
		cancel()
		synctest.Wait()
		q.goes("b")
		q.goes("d")
		if q.all.Wait(); q.turns.busy != 0 || len(q.turns.waiting) != 0 {
			t.Errorf("%d turns taken, %d wait", q.turns.busy, len(q.turns.waiting))
		}
	})
}

// After a large batch the door rests a little, and for who lags behind until it does not, for so long, or as it takes
// nothing at all. Small batches pass. With one peer it never rests.
func TestDoorRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		space, keys := someIDs(1)[0], devices(3)
		q := newQueue(t, space)
		rests := func(took time.Duration) *rest {
			q.came, q.mine = nil, map[string]*turn{}
			q.comes("large", space, keys[0], smallBatch+1)
			q.comes("more", space, keys[1], smallBatch+1)
			r := q.turns.done(q.mine["large"], took, time.Now())
			q.comes("edit", space, keys[2], smallBatch)
			return r
		}
		if r := rests(time.Second); r != nil {
			t.Fatal("it rests though nobody else is there")
		}
		q.were("large", "more")
		q.goes("more")
		q.goes("edit")

		slow, _ := q.turns.join(space, keys[2], time.Now())
		r := rests(100 * time.Millisecond)
		if r == nil || r.least != 100*time.Millisecond/leastRest {
			t.Fatalf("it rests %+v", r)
		}
		q.were("large", "edit")
		q.goes("edit")
		q.were("large", "edit")
		q.turns.rested(q.mine["large"], r, time.Now())
		synctest.Wait()
		q.were("large", "edit", "more")
		q.turns.wake(q.mine["large"], r) // it has ended
		q.goes("more")

		q.turns.tell(space, slow, time.Now(), time.Now())
		if r = rests(100 * time.Millisecond); r.most != mostRest*100*time.Millisecond {
			t.Fatalf("it rests %v", r.most)
		}
		q.goes("edit")
		q.turns.rested(q.mine["large"], r, time.Now())
		synctest.Wait()
		q.were("large", "edit") // somebody lags behind
		q.turns.wake(q.mine["large"], r)
		synctest.Wait()
		q.were("large", "edit", "more")
		q.goes("more")

		if r = rests(time.Minute); r.most != maxRest {
			t.Fatalf("it rests %v", r.most)
		}
		q.goes("edit")
		q.turns.rested(q.mine["large"], r, time.Now())
		q.turns.tell(space, slow, time.Time{}, time.Now()) // it has caught up
		<-r.over
		synctest.Wait()
		q.were("large", "edit", "more")
		q.goes("more")

		q.turns.tell(space, slow, time.Now(), time.Now())
		time.Sleep(lagPatience)
		r = rests(time.Second)
		q.goes("edit")
		q.turns.rested(q.mine["large"], r, time.Now())
		synctest.Wait()
		q.were("large", "edit", "more") // who takes nothing is not waited for
		q.goes("more")
		q.all.Wait()
	})
}

// What a device may have looked up holds for all its sessions in a space together: many that ask at once get no more, and
// those that are closed while they wait have used nothing.
func TestMeterOfManySessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const sessions, each, d = 8, 250, 20 * time.Second
		m := newBucket(lookRate, lookBurst, time.Now())
		ctx, cancel := context.WithTimeout(t.Context(), d)
		defer cancel()
		var taken atomic.Int64
		var all sync.WaitGroup
		for range sessions {
			all.Go(func() {
				for m.take(ctx, systemClock{}, each) {
					taken.Add(each)
				}
			})
		}
		all.Wait()
		const most = lookBurst + lookRate*int64(d/time.Second)
		if n := taken.Load(); n > most || n < most-each {
			t.Errorf("%d look-ups in %v, want %d", n, d, most)
		}
		time.Sleep(lookBurst*time.Second/lookRate + time.Second)
		if !m.full(time.Now()) {
			t.Error("what was waited for in vain is paid for")
		}
	})
}

// A device that comes again and again is let in at the rate of its messages, whatever it closes in between, and is
// forgotten when it stays away.
func TestComingAgainIsSlowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newFake(t, "b")
		common(t, 3, b)
		turns, who, space := &Turns{}, devices(1)[0], someIDs(1)[0]
		start := time.Now()
		const times = 20
		for range times {
			x, y := newWires(nil, 0)
			var wg sync.WaitGroup
			wg.Go(func() { _ = Run(t.Context(), y, b, Options{Turns: turns, Space: space, Source: Source{Device: who}}) })
			if err := x.Send(t.Context(), Encode(&Hello{Version, HeadsOf(nil)})); err != nil {
				t.Fatal(err)
			}
			for batch := false; !batch; {
				data, err := x.Receive(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				m, err := Decode(data)
				if err != nil {
					t.Fatal(err)
				}
				_, batch = m.(*Batch)
			}
			x.Close()
			wg.Wait()
		}
		if took, least := time.Since(start), time.Duration((times-lookBurst/helloLooks)*helloLooks)*time.Second/lookRate; took < least {
			t.Errorf("%d histories in %v, at least %v", times, took, least)
		}
		time.Sleep(time.Minute)
		f, _ := turns.join(space, devices(2)[1], time.Now())
		if n := len(turns.doors[space].meters); n != 1 {
			t.Errorf("%d devices are remembered", n)
		}
		time.Sleep(time.Second)
		if turns.leave(space, f, time.Now()); len(turns.doors) != 0 {
			t.Errorf("%d doors are remembered", len(turns.doors))
		}
	})
}

// Of heads that a peer made up few are looked up, each time anew; those that are here are found in the end.
func TestUnknownHeadsCostLittle(t *testing.T) {
	f := newFake(t, "a")
	common(t, 3, f)
	counted := &counting{View: f}
	s := NewSession(counted, nil)
	s.Step(t0, Start{})
	s.Step(t0, Received{&Hello{Version, HeadsOf(f.Heads())}})
	counted.asked = 0
	made := append(someIDs(maxMisses+50), f.Heads()...)
	s.Step(t0, Received{&Have{Heads: HeadsOf(sortedIDs(made))}})
	if counted.asked > maxMisses+len(f.Heads()) {
		t.Errorf("%d look-ups", counted.asked)
	}
	counted.asked = 0
	s.Step(t0, Changed{})
	if counted.asked > maxMisses+len(f.Heads()) || counted.asked == 0 {
		t.Errorf("%d look-ups after a change", counted.asked)
	}
}

// counting is a view that counts what it is asked.
type counting struct {
	View
	asked int
}

func (c *counting) Has(id object.ID) bool {
	c.asked++
	return c.View.Has(id)
}

func sortedIDs(ids []object.ID) []object.ID {
	var set idSet
	set.add(ids...)
	return set.sorted()
}

// A batch longer than what any replica signs at once is refused before the door; the longest one is not.
func TestBatchOfTooManyCommits(t *testing.T) {
	a := newAuthor(7)
	list := make([]*history.Commit, 0, maxBatchCommits+1)
	for range cap(list) {
		list = append(list, a.on(t, nil))
	}
	if _, err := unbatch(batchOf(t, list[:maxBatchCommits]...), func() {}); err != nil {
		t.Error(err)
	}
	if _, err := unbatch(batchOf(t, list...), func() {}); err == nil {
		t.Error("it was taken")
	}
	// A replica signs 512 KiB of commits at once: so many of the smallest there are.
	c, err := history.NewCommit(&history.Envelope{Version: history.Version, Author: a.key, Seq: a.seq + 1, Prev: a.prev, Time: 1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := (512 << 10) / len(c.Raw); n > maxBatchCommits {
		t.Errorf("%d commits of %d bytes are signed at once", n, len(c.Raw))
	}
}
