package syncer

import (
	"bytes"
	"compress/flate"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
)

var errCut = errors.New("cut")

// wire is one end of a stream in memory. Each message takes a random time; the
// order stays. A cut by limit loses everything that is on the way, a close nothing.
type wire struct {
	in, out chan []byte
	once    *sync.Once
	closed  chan struct{}
	delay   func() time.Duration
	limit   int // messages until it is cut; 0: none
	sent    *int
	mu      *sync.Mutex
}

func newWires(delay func() time.Duration, limit int) (*wire, *wire) {
	x, y := make(chan []byte, 4), make(chan []byte, 4)
	closed, once, mu := make(chan struct{}), &sync.Once{}, &sync.Mutex{}
	sent := 0
	a := &wire{x, y, once, closed, delay, limit, &sent, mu}
	b := &wire{y, x, once, closed, delay, limit, &sent, mu}
	return a, b
}

func (w *wire) Send(ctx context.Context, msg []byte) error {
	if len(msg) > MaxMessage {
		return errors.New("too long")
	}
	w.mu.Lock()
	*w.sent++
	over := w.limit > 0 && *w.sent > w.limit
	w.mu.Unlock()
	if over {
		w.Close()
	}
	select {
	case <-w.closed:
		return errCut
	default:
	}
	select {
	case w.out <- msg:
		return nil
	case <-w.closed:
		return errCut
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *wire) Receive(ctx context.Context) ([]byte, error) {
	select {
	case <-w.closed:
		if w.limit == 0 {
			select {
			case m := <-w.in:
				return m, nil
			default:
			}
		}
		return nil, errCut
	case <-ctx.Done():
		return nil, ctx.Err()
	case m := <-w.in:
		if w.delay != nil {
			select {
			case <-time.After(w.delay()):
			case <-w.closed:
				return nil, errCut
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		return m, nil
	}
}

func (w *wire) Close() error {
	w.once.Do(func() { close(w.closed) })
	return nil
}

// node is a fake replica with the relay its sessions share and their statuses.
type node struct {
	*fake
	key   identity.PublicKey
	relay *Relay

	mu     sync.Mutex
	status map[int]Status
}

func newNode(t testing.TB, n int) *node {
	return &node{fake: newFake(t, string(rune('A'+n))), key: testKey(uint64(500 + n)), relay: &Relay{}, status: map[int]Status{}}
}

func (n *node) run(ctx context.Context, id int, w *wire, peer *node) error {
	return Run(ctx, w, n.fake, Options{
		Source: Source{Device: peer.key}, Relay: n.relay, Batch: 600,
		Report: func(s Status) {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.status[id] = s
		},
	})
}

// network runs sessions between nodes and joins them again when they end.
type network struct {
	t     *testing.T
	ctx   context.Context
	r     *rand.Rand
	wg    sync.WaitGroup
	calm  bool // no more cuts
	mu    sync.Mutex
	next  int
	nodes []*node
	bad   []error
}

func (w *network) intN(n int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.r.IntN(n)
}

// link keeps two nodes connected until the context ends.
func (w *network) link(a, b *node) {
	w.wg.Go(func() {
		for w.ctx.Err() == nil {
			w.mu.Lock()
			limit := 0
			if !w.calm {
				limit = 1 + w.r.IntN(30)
			}
			w.next++
			id := w.next
			w.mu.Unlock()
			x, y := newWires(func() time.Duration { return time.Duration(w.intN(40)) * time.Millisecond }, limit)
			var pair sync.WaitGroup
			pair.Go(func() { w.ended(a.run(w.ctx, id, x, b)) })
			pair.Go(func() { w.ended(b.run(w.ctx, id, y, a)) })
			pair.Wait()
			a.mu.Lock()
			delete(a.status, id)
			a.mu.Unlock()
			b.mu.Lock()
			delete(b.status, id)
			b.mu.Unlock()
			select {
			case <-time.After(time.Duration(w.intN(100)) * time.Millisecond):
			case <-w.ctx.Done():
			}
		}
	})
}

// ended notes sessions that ended for another reason than a cut.
func (w *network) ended(err error) {
	var c *CloseError
	if errors.As(err, &c) && c.Code != CodeDone {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.bad = append(w.bad, err)
	}
}

// Five replicas, links that are cut and come again, some of them double, messages
// that overtake each other across links: all become equal, and say so.
func TestFiveReplicas(t *testing.T) {
	for seed := range uint64(25) {
		synctest.Test(t, func(t *testing.T) { fiveReplicas(t, seed) })
	}
}

func fiveReplicas(t *testing.T, seed uint64) {
	ctx, cancel := context.WithCancel(t.Context())
	w := &network{t: t, ctx: ctx, r: rand.New(rand.NewPCG(seed, 3))}
	first := newAuthor(1)
	var authors []*author
	for i := range 5 {
		n := newNode(t, i)
		w.nodes = append(w.nodes, n)
		authors = append(authors, newAuthor(uint64(20+i)))
	}
	root := first.write(w.nodes[0].fake)
	for _, n := range w.nodes[1:] {
		n.put(root)
	}
	for i := range 5 {
		w.link(w.nodes[i], w.nodes[(i+1)%5])
	}
	w.link(w.nodes[0], w.nodes[2])
	w.link(w.nodes[0], w.nodes[2]) // double: everything may come twice
	w.link(w.nodes[1], w.nodes[4])
	for range 120 {
		i := w.intN(5)
		authors[i].write(w.nodes[i].fake)
		time.Sleep(time.Duration(w.intN(60)) * time.Millisecond)
	}
	w.mu.Lock()
	w.calm = true
	w.mu.Unlock()
	time.Sleep(30 * time.Second)
	synctest.Wait()

	var fakes []*fake
	twice := 0
	for _, n := range w.nodes {
		fakes = append(fakes, n.fake)
		twice += n.twice
	}
	if !equal(fakes...) {
		t.Errorf("seed %d: not equal", seed)
	}
	for i, n := range w.nodes {
		n.mu.Lock()
		for id, s := range n.status {
			if s != (Status{Connected: true, Synced: true}) {
				t.Errorf("seed %d: %s, session %d: %+v", seed, n.name, id, s)
			}
		}
		if len(n.status) < 2 {
			t.Errorf("seed %d: %s has %d sessions", seed, n.name, len(n.status))
		}
		n.mu.Unlock()
		if neighbour := w.nodes[(i+1)%5]; !n.heldBy(neighbour.key, n.Heads()[0]) {
			t.Errorf("seed %d: %s does not know that %s holds its head", seed, n.name, neighbour.name)
		}
	}
	for _, err := range w.bad {
		t.Errorf("seed %d: %v", seed, err)
	}
	if total := 121 * 4; twice > total {
		t.Errorf("seed %d: %d commits came twice, %d were needed", seed, twice, total)
	}
	cancel()
	w.wg.Wait()
}

// In a full mesh every commit goes to each replica about once: the author pushes
// it to all, and those that relay it hear in time that it is there (invariant 4).
func TestFullMeshSendsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var nodes []*node
		var wg sync.WaitGroup
		root := newAuthor(1).on(t, nil)
		for i := range 4 {
			n := newNode(t, i)
			n.put(root)
			nodes = append(nodes, n)
			for j, m := range nodes[:i] {
				x, y := newWires(func() time.Duration { return 5 * time.Millisecond }, 0)
				wg.Go(func() { _ = n.run(ctx, j, x, m) })
				wg.Go(func() { _ = m.run(ctx, i, y, n) })
			}
		}
		time.Sleep(time.Second)
		for i := range 40 {
			newAuthor(uint64(30 + i)).write(nodes[i%4].fake)
			time.Sleep(time.Duration(i%3) * 20 * time.Millisecond)
		}
		time.Sleep(time.Second)
		twice := 0
		for _, n := range nodes {
			twice += n.twice
			if !equal(n.fake, nodes[0].fake) {
				t.Errorf("%s is not equal", n.name)
			}
		}
		if twice > 24 {
			t.Errorf("%d of 120 commits came twice", twice)
		}
		cancel()
		wg.Wait()
	})
}

// runPair runs two sessions and returns how they end.
func runPair(ctx context.Context, a, b *fake, options Options) (errA, errB error) {
	x, y := newWires(nil, 0)
	var wg sync.WaitGroup
	wg.Go(func() { errA = Run(ctx, x, a, options) })
	wg.Go(func() { errB = Run(ctx, y, b, options) })
	wg.Wait()
	return errA, errB
}

func TestRunEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newFake(t, "a"), newFake(t, "b")
		common(t, 300, a)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			time.Sleep(time.Minute)
			cancel()
		}()
		errA, errB := runPair(ctx, a, b, Options{})
		if !errors.Is(errA, context.Canceled) || !errors.Is(errB, context.Canceled) || !equal(a, b) {
			t.Errorf("%v, %v", errA, errB)
		}
	})
}

// A cut loses nothing: what came before it stays, and the next session goes on
// from there.
func TestCutAndResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newFake(t, "a"), newFake(t, "b")
		common(t, 200, a)
		sessions, last := 0, -1
		for len(b.commits) < 200 {
			if sessions++; sessions > 100 || len(b.commits) == last && sessions > 60 {
				t.Fatalf("stuck at %d", len(b.commits))
			}
			last = len(b.commits)
			x, y := newWires(nil, 8)
			var wg sync.WaitGroup
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			wg.Go(func() { _ = Run(ctx, x, a, Options{Batch: 1000}) })
			wg.Go(func() { _ = Run(ctx, y, b, Options{Batch: 1000}) })
			wg.Wait()
			cancel()
		}
		if b.twice > 0 {
			t.Errorf("%d commits came twice", b.twice)
		}
		if sessions < 3 {
			t.Errorf("%d sessions: the test cut nothing", sessions)
		}
	})
}

// The last batch before the end of the stream is still stored.
func TestWhatCameIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newFake(t, "b")
		c := newAuthor(1).on(t, nil)
		x, y := newWires(nil, 0)
		var err error
		var wg sync.WaitGroup
		wg.Go(func() { err = Run(t.Context(), y, b, Options{}) })
		for _, m := range []Message{&Hello{Version, HeadsOf(nil)}, &Batch{Data: batchOf(t, c)}, &Bye{CodeDone}} {
			if err := x.Send(t.Context(), Encode(m)); err != nil {
				t.Fatal(err)
			}
		}
		wg.Wait()
		var closed *CloseError
		if !errors.As(err, &closed) || !closed.Remote || closed.Code != CodeDone || !b.Has(c.ID) {
			t.Errorf("%v; stored: %v", err, b.Has(c.ID))
		}
	})
}

// A peer that sends receipts without end is slowed down, not served.
func TestReceiptFloodIsSlowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newFake(t, "b")
		common(t, 1, b)
		x, y := newWires(nil, 0)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = Run(ctx, y, b, Options{}) })
		wg.Go(func() {
			for {
				if _, err := x.Receive(ctx); err != nil {
					return
				}
			}
		})
		start := time.Now()
		if err := x.Send(ctx, Encode(&Hello{Version, HeadsOf(b.Heads())})); err != nil {
			t.Fatal(err)
		}
		for range lookBurst + 5*lookRate {
			if err := x.Send(ctx, Encode(&Have{Heads: HeadsOf(b.Heads())})); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(start); took < 4*time.Second {
			t.Errorf("took only %v", took)
		}
		cancel()
		wg.Wait()
	})
}

// A replica that cannot read or count ends the session as its own fault.
func TestOwnFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newFake(t, "a"), newFake(t, "b")
		common(t, 5, a)
		b.door = errors.New("disk full")
		errA, errB := runPair(t.Context(), a, b, Options{})
		var ca, cb *CloseError
		if !errors.As(errB, &cb) || cb.Code != CodeLocal || cb.Remote || cb.Code.PeerFault() {
			t.Errorf("b: %v", errB)
		}
		if !errors.As(errA, &ca) || ca.Code != CodeLocal || !ca.Remote {
			t.Errorf("a: %v", errA)
		}
	})
}

func TestRelayForgets(t *testing.T) {
	var r Relay
	ids := someIDs(maxRelayed + 10)
	r.add(ids)
	r.add(ids[maxRelayed:])
	if len(r.known) != maxRelayed || r.has(ids[0]) || !r.has(ids[len(ids)-1]) || !r.has(ids[10]) {
		t.Errorf("%d are known", len(r.known))
	}
	var none *Relay
	none.add(ids)
	if none.has(ids[0]) {
		t.Error("a session without relay knows something")
	}
}

// chat makes the wire form of a batch like those of a chat room.
func chat(tb testing.TB, commits int) []byte {
	f := newFake(tb, "chat")
	r := rand.New(rand.NewPCG(1, 1))
	var authors []*author
	for i := range 4 {
		authors = append(authors, newAuthor(uint64(i)))
	}
	words := []string{"hello", "and", "the", "room", "we", "meet", "at", "noon", "tomorrow", "yes", "no", "there", "is", "a", "photo", "of", "it", "thanks"}
	var b history.Batch
	for range commits {
		a := authors[r.IntN(4)]
		var payload []byte
		for range 3 + r.IntN(15) {
			payload = append(append(payload, words[r.IntN(len(words))]...), ' ')
		}
		payload = append([]byte{0xa1, 0x64, 't', 'e', 'x', 't', 0x78, byte(len(payload))}, payload...)
		p := history.Part{Payloads: [][]byte{payload}}
		for i := range p.Salt {
			p.Salt[i] = byte(r.Uint32())
		}
		raw, err := p.Encode()
		if err != nil {
			tb.Fatal(err)
		}
		a.seq++
		a.n += int64(r.IntN(60_000))
		parents := slices.DeleteFunc(f.Heads(), func(id object.ID) bool { return id == a.prev })
		c, err := history.NewCommit(&history.Envelope{
			Version: history.Version, Author: a.key, Seq: a.seq, Prev: a.prev, Parents: parents, Grant: history.GrantRef{Index: grantOf(f)}, Time: 1_700_000_000_000 + a.n,
			Ops: []history.Op{{Field: "messages", Action: "append", Part: 0, Size: len(payload)}}, Parts: [][32]byte{history.PartDigest(raw)},
		}, [][]byte{raw})
		if err != nil {
			tb.Fatal(err)
		}
		a.prev = c.ID
		f.put(c)
		b.Commits = append(b.Commits, c)
	}
	wire, err := history.EncodeBatch(&b)
	if err != nil {
		tb.Fatal(err)
	}
	return wire
}

func grantOf(f *fake) int {
	if len(f.commits) == 0 {
		return history.NoGrant
	}
	return 0
}

// The measurement behind level.
func BenchmarkPack(b *testing.B) {
	wire := chat(b, 2000)
	for _, level := range []int{1, 3, 6, 9} {
		b.Run(strconv.Itoa(level), func(b *testing.B) {
			w, err := flate.NewWriter(nil, level)
			if err != nil {
				b.Fatal(err)
			}
			var out bytes.Buffer
			b.SetBytes(int64(len(wire)))
			for b.Loop() {
				out.Reset()
				w.Reset(&out)
				if _, err := w.Write(wire); err != nil {
					b.Fatal(err)
				}
				if err := w.Close(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(out.Len())/float64(len(wire)), "ratio")
			b.ReportMetric(float64(out.Len())/2000, "bytes/commit")
		})
	}
}

// Stopping says bye and takes no time.
func TestStopSaysBye(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, y := newWires(nil, 0)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = Run(ctx, x, newFake(t, "a"), Options{}) })
		synctest.Wait()
		start := time.Now()
		cancel()
		wg.Wait()
		if took := time.Since(start); took > 0 {
			t.Errorf("took %v", took)
		}
		var kinds []byte
		for len(y.in) > 0 {
			kinds = append(kinds, (<-y.in)[0])
		}
		if !bytes.Equal(kinds, []byte{kindHello, kindBye}) {
			t.Errorf("sent %v", kinds)
		}
	})
}
