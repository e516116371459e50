package syncer

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hyperhyperspace/hhs-go/object"
)

// side is a session with a naive driver: it keeps a queue of messages to the other
// side and does its own work at once or, if slow, when asked.
type side struct {
	*fake
	s      *Session
	out    [][]byte
	log    []string
	status Status
	closed *CloseError
	loads  *transfer
	work   []Event // results not handed in yet
	doors  []Ingest
	atDoor *Ingested
	size   int
}

func newSide(f *fake, base []object.ID) *side {
	return &side{fake: f, s: NewSession(f, base), size: 2000}
}

var t0 = time.Unix(1_700_000_000, 0)

func (x *side) step(now time.Time, ev Event) {
	for _, e := range x.s.Step(now, ev) {
		switch e := e.(type) {
		case Send:
			x.log = append(x.log, strings.TrimPrefix(fmt.Sprintf("%T", e.Message), "*syncer."))
			x.out = append(x.out, Encode(e.Message))
		case Open:
			for _, id := range e.Have { // invariant 3
				if !x.Has(id) && !slices.Contains(x.s.recv.door.Tips, id) {
					x.t.Errorf("%s assumes %s, which it does not have", x.name, id.Short())
				}
			}
			x.loads.closeIfOpen()
			x.loads = openTransfer(x, e, Options{Batch: x.size, Pace: func() {}})
		case Load:
			l, err := x.loads.load()
			if err != nil {
				x.t.Fatal(err)
			}
			x.work = append(x.work, l)
		case Cancel:
			x.loads.close()
			x.loads = nil
		case Ingest:
			x.doors = append(x.doors, e)
		case Acked:
			if err := x.Acked(x.t.Context(), testKey(7), e.Heads); err != nil {
				x.t.Error(err)
			}
		case Report:
			x.status = e.Status
		case Close:
			x.closed = e.Err
			if !e.Err.Remote {
				x.out = append(x.out, Encode(&Bye{e.Err.Code}))
			}
		}
	}
}

// door lets the next batch in, or says that it is in: as the driver does it.
func (x *side) door(now time.Time) {
	if x.atDoor != nil {
		ev := *x.atDoor
		x.atDoor = nil
		x.step(now, ev)
		return
	}
	e := x.doors[0]
	x.doors = x.doors[1:]
	d := driver{replica: x, opts: Options{Pace: func() {}}}
	ev := d.admit(x.t.Context(), e, func(ev Event) { x.step(now, ev) })
	x.atDoor = &ev
	x.step(now, Changed{Relayed: true})
}

func (t *transfer) closeIfOpen() {
	if t != nil {
		t.close()
	}
}

// Ingest and the rest of *fake are a Replica; Batches is limited by the test.
var _ Replica = (*side)(nil)

// pair is two sides and the clock between them.
type pair struct {
	a, b *side
	now  time.Time
	r    *rand.Rand // nil: in order
}

func newPair(a, b *fake) *pair {
	return &pair{a: newSide(a, nil), b: newSide(b, nil), now: t0}
}

func (p *pair) start() *pair {
	p.a.step(p.now, Start{})
	p.b.step(p.now, Start{})
	return p
}

// move does one thing that can be done; false if there is none.
func (p *pair) move() bool {
	var can []func()
	for _, x := range []struct{ from, to *side }{{p.a, p.b}, {p.b, p.a}} {
		if len(x.from.work) > 0 {
			can = append(can, func() {
				ev := x.from.work[0]
				x.from.work = x.from.work[1:]
				x.from.step(p.now, ev)
			})
		}
		if len(x.from.doors) > 0 || x.from.atDoor != nil {
			can = append(can, func() { x.from.door(p.now) })
		}
		if len(x.from.out) > 0 {
			can = append(can, func() {
				data := x.from.out[0]
				x.from.out = x.from.out[1:]
				m, err := Decode(data)
				if err != nil {
					x.to.step(p.now, Malformed{err})
					return
				}
				x.to.step(p.now, Received{m})
			})
		}
	}
	if len(can) == 0 {
		return false
	}
	if p.r != nil {
		can[p.r.IntN(len(can))]()
	} else {
		can[0]()
	}
	return true
}

// settle moves until nothing moves any more, letting time pass where only a timer
// is awaited (but not so much that anything times out).
func (p *pair) settle() {
	for {
		for p.move() {
		}
		next := time.Time{}
		for _, x := range []*side{p.a, p.b} {
			if d := x.s.Deadline(); !d.IsZero() && d.Sub(p.now) <= RelayDelay && (next.IsZero() || d.Before(next)) {
				next = d
			}
		}
		if next.IsZero() {
			return
		}
		p.now = next
		p.a.step(p.now, Tick{})
		p.b.step(p.now, Tick{})
	}
}

func (p *pair) synced(t *testing.T) {
	t.Helper()
	if !equal(p.a.fake, p.b.fake) {
		t.Fatalf("not equal: %s has %d, %s has %d; closed %v, %v\n%v\n%v", p.a.name, len(p.a.commits), p.b.name, len(p.b.commits), p.a.closed, p.b.closed, p.a.log, p.b.log)
	}
	for _, x := range []*side{p.a, p.b} {
		if x.closed != nil {
			t.Fatalf("%s closed: %v", x.name, x.closed)
		}
		if want := (Status{Connected: true, Synced: true}); x.status != want {
			t.Errorf("%s: status %+v\n%v\n%v", x.name, x.status, p.a.log, p.b.log)
		}
		if d := x.s.Deadline(); !d.IsZero() {
			t.Errorf("%s still waits for something until %v", x.name, d.Sub(p.now))
		}
	}
}

// common gives both replicas a history of n commits by one author.
func common(t *testing.T, n int, fakes ...*fake) *author {
	t.Helper()
	a := newAuthor(1)
	for range n {
		c := a.write(fakes[0])
		for _, f := range fakes[1:] {
			f.put(c)
		}
	}
	return a
}

func TestEqualReplicasSayHelloOnly(t *testing.T) {
	a, b := newFake(t, "a"), newFake(t, "b")
	common(t, 5, a, b)
	p := newPair(a, b).start()
	p.settle()
	p.synced(t)
	if want := []string{"Hello"}; !slices.Equal(p.a.log, want) || !slices.Equal(p.b.log, want) {
		t.Errorf("sent %v and %v", p.a.log, p.b.log)
	}
	if a.heldBy(testKey(7), a.Heads()[0]) != true {
		t.Error("the peer's hello is not taken as a receipt")
	}
}

func TestBothEmpty(t *testing.T) {
	p := newPair(newFake(t, "a"), newFake(t, "b")).start()
	p.settle()
	p.synced(t)
	newAuthor(1).write(p.a.fake)
	p.a.step(p.now, Changed{})
	p.settle()
	p.synced(t)
}

func TestFirstJoin(t *testing.T) {
	a, b := newFake(t, "a"), newFake(t, "b")
	common(t, 200, a)
	p := newPair(a, b).start()
	p.settle()
	p.synced(t)
	if b.twice != 0 || a.twice != 0 {
		t.Errorf("%d and %d commits were sent in vain", a.twice, b.twice)
	}
}

// The replica that knows the other's heads sends exactly what is missing.
func TestOneSideAhead(t *testing.T) {
	a, b := newFake(t, "a"), newFake(t, "b")
	w := common(t, 50, a, b)
	for range 30 {
		w.write(a)
	}
	p := newPair(a, b).start()
	p.settle()
	p.synced(t)
	if b.twice+a.twice != 0 {
		t.Errorf("%d commits were sent in vain", b.twice+a.twice)
	}
}

// Both have moved: chains decide, and nothing is sent twice (invariant 4).
func TestBothMoved(t *testing.T) {
	for _, base := range []bool{false, true} {
		a, b := newFake(t, "a"), newFake(t, "b")
		shared := common(t, 20, a, b)
		var others []*author
		for i := range 40 { // many authors that do not move
			o := newAuthor(uint64(100 + i))
			b.put(o.write(a))
			others = append(others, o)
		}
		remembered := a.Heads()
		two := newAuthor(2)
		for range 30 {
			shared.write(a)
			two.write(b)
			others[1].write(b)
		}
		p := newPair(a, b)
		if base {
			p.a, p.b = newSide(a, remembered), newSide(b, remembered)
		}
		p.start().settle()
		p.synced(t)
		if a.twice+b.twice != 0 {
			t.Errorf("base %v: %d commits were sent in vain", base, a.twice+b.twice)
		}
		if base && a.asked > 3+42 { // what moved, and once all of ours to infer from theirs
			t.Errorf("%d chains were listed though 3 have moved", a.asked)
		}
	}
}

func TestNewCommitsFollow(t *testing.T) {
	a, b := newFake(t, "a"), newFake(t, "b")
	common(t, 3, a, b)
	p := newPair(a, b).start()
	p.settle()
	one, two := newAuthor(2), newAuthor(3)
	for range 20 {
		one.write(a)
		p.a.step(p.now, Changed{})
		p.move()
		two.write(b)
		p.b.step(p.now, Changed{})
		p.settle()
		p.synced(t)
	}
	if a.twice+b.twice != 0 {
		t.Errorf("%d commits were sent in vain", a.twice+b.twice)
	}
	if last := a.Heads()[0]; !a.heldBy(testKey(7), last) || !b.heldBy(testKey(7), last) {
		t.Error("not acknowledged")
	}
}

// One local commit costs one message and one receipt.
func TestCostOfACommit(t *testing.T) {
	a, b := newFake(t, "a"), newFake(t, "b")
	w := common(t, 3, a, b)
	p := newPair(a, b).start()
	p.settle()
	p.a.log, p.b.log = nil, nil
	w.write(a)
	p.a.step(p.now, Changed{})
	p.settle()
	p.synced(t)
	if !slices.Equal(p.a.log, []string{"Batch"}) || !slices.Equal(p.b.log, []string{"Have"}) {
		t.Errorf("sent %v and %v", p.a.log, p.b.log)
	}
}

// A relayed commit is announced and waits; if the peer gets it elsewhere, it is
// never sent.
func TestRelayWaits(t *testing.T) {
	for _, elsewhere := range []bool{true, false} {
		a, b := newFake(t, "a"), newFake(t, "b")
		w := common(t, 3, a, b)
		p := newPair(a, b).start()
		p.settle()
		p.a.log = nil
		c := w.write(a)
		p.a.step(p.now, Changed{Relayed: true})
		for p.move() {
		}
		if p.b.status.Synced {
			t.Error("synced though the peer told a commit that is not here") // invariant 7
		}
		if slices.Contains(p.a.log, "Batch") {
			t.Error("a relayed commit did not wait")
		}
		if elsewhere {
			b.put(c)
			p.b.step(p.now, Changed{Relayed: true})
		}
		p.settle()
		p.synced(t)
		if slices.Contains(p.a.log, "Batch") == elsewhere || b.twice != 0 {
			t.Errorf("elsewhere %v: sent %v", elsewhere, p.a.log)
		}
	}
}

// An author that forked breaks what chains let one infer: the retry helps.
func TestForkedAuthor(t *testing.T) {
	for seed := range uint64(50) {
		a, b := newFake(t, "a"), newFake(t, "b")
		w := common(t, 5, a, b)
		v := w.fork()
		r := rand.New(rand.NewPCG(seed, 1))
		for range 1 + r.IntN(6) {
			w.write(a)
		}
		for range 1 + r.IntN(6) {
			v.write(b)
		}
		p := newPair(a, b)
		p.r = r
		p.start().settle()
		p.synced(t)
	}
}

// More heads than a message lists.
func TestVeryManyHeads(t *testing.T) {
	a, b := newFake(t, "a"), newFake(t, "b")
	common(t, 1, a, b)
	root := a.Heads()
	for i := range MaxHeads + 50 {
		a.put(newAuthor(uint64(10+i)).on(t, root))
	}
	for i := range 30 {
		b.put(newAuthor(uint64(5000+i)).on(t, root))
	}
	p := newPair(a, b).start()
	p.a.size, p.b.size = 20000, 20000
	p.settle()
	p.synced(t)
}

// Status counts what is still to come, and is synced only when it is true, at
// every step (invariant 7).
func TestStatusIsTrue(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 2))
		a, b := newFake(t, "a"), newFake(t, "b")
		shared := common(t, 1+r.IntN(10), a, b)
		one, two := shared, newAuthor(2)
		for range r.IntN(40) {
			one.write(a)
		}
		for range r.IntN(40) {
			two.write(b)
		}
		p := newPair(a, b)
		p.r = r
		p.a.size, p.b.size = 200, 300
		p.start()
		for p.move() {
			for _, x := range []*side{p.a, p.b} {
				if x.status.Synced && x.s.peer.hash != hashOf(x.Heads()) {
					t.Fatalf("seed %d: %s says synced", seed, x.name)
				}
			}
			if r.IntN(10) == 0 && one.n < 60 {
				one.write(a)
				p.a.step(p.now, Changed{})
			}
		}
		p.settle()
		p.synced(t)
		if a.twice+b.twice != 0 {
			t.Errorf("seed %d: %d commits were sent in vain", seed, a.twice+b.twice)
		}
	}
}

func TestProgressCountsDown(t *testing.T) {
	a, b := newFake(t, "a"), newFake(t, "b")
	common(t, 100, a)
	p := newPair(a, b)
	p.a.size = 10 * len(a.commits[50].Raw)
	p.start()
	var seen []int
	for p.move() {
		if r := p.b.status.Receiving; len(seen) == 0 && r > 0 || len(seen) > 0 && r != seen[len(seen)-1] {
			seen = append(seen, r)
		}
	}
	p.synced(t)
	if len(seen) < 8 || !slices.IsSortedFunc(seen[1:], func(x, y int) int { return y - x }) || seen[1] < 80 {
		t.Errorf("to go: %v", seen)
	}
}
