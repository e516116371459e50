package syncer

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hyperhyperspace/hhs-go/object"
)

// shelf is what one replica has of a blob, and what it does when it is asked.
type shelf struct {
	mu     sync.Mutex
	blocks map[uint64][]byte
	asked  int
	lie    bool
	mute   bool
	none   bool
}

func block(i uint64) []byte { return bytes.Repeat([]byte{byte(i), byte(i >> 8), 7}, 100) }

func blockID(i uint64) object.ID { return object.Sum(object.Raw, block(i)) }

var blobRoot = object.Sum(object.DagCBOR, []byte("root"))

// holding has some blocks.
func holding(list ...uint64) *shelf {
	s := &shelf{blocks: map[uint64][]byte{}}
	for _, i := range list {
		s.blocks[i] = block(i)
	}
	return s
}

func upTo(n uint64) (list []uint64) {
	for i := range n {
		list = append(list, i)
	}
	return list
}

func (s *shelf) serve(at BlockAt) ([]byte, BlockStatus) {
	s.mu.Lock()
	mute := s.mute
	s.asked++
	defer s.mu.Unlock()
	if mute {
		s.mu.Unlock()
		time.Sleep(time.Hour) // of the bubble
		s.mu.Lock()
	}
	data, here := s.blocks[at.Index]
	switch {
	case s.none:
		return nil, BlobAbsent
	case at.Root != blobRoot || !here:
		return nil, BlockAbsent
	case s.lie:
		return []byte("something else"), BlockHere
	}
	return data, BlockHere
}

func (s *shelf) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// reader wants blocks from peers that have shelves.
type reader struct {
	t     *testing.T
	ctx   context.Context
	blobs Blobs
	self  *fake
	wg    sync.WaitGroup
	ended map[int]error
	mu    sync.Mutex
	took  map[uint64]int
}

func newReader(t *testing.T, ctx context.Context) *reader {
	return &reader{t: t, ctx: ctx, self: newFake(t, "reader"), ended: map[int]error{}, took: map[uint64]int{}}
}

// meet connects a peer; the returned function cuts the connection.
func (r *reader) meet(n int, s *shelf) (cut func()) {
	x, y := newWires(func() time.Duration { return 20 * time.Millisecond }, 0)
	key := testKey(uint64(700 + n))
	r.wg.Go(func() {
		err := Run(r.ctx, x, r.self, Options{Source: Source{Device: key}, Blobs: &r.blobs})
		r.mu.Lock()
		r.ended[n] = err
		r.mu.Unlock()
	})
	r.wg.Go(func() { _ = Run(r.ctx, y, newFake(r.t, "peer"), Options{ServeBlob: s.serve}) })
	return func() { x.Close() }
}

func (r *reader) want(i uint64) *Want {
	return r.blobs.Want(BlockAt{blobRoot, 1, i}, blockID(i), 1, func(data []byte) error {
		if !bytes.Equal(data, block(i)) {
			return errors.New("other bytes")
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.took[i]++
		return nil
	})
}

// wait returns how many of the blocks came within some time.
func (r *reader) wait(d time.Duration, list ...*Want) (came int) {
	timeout := time.After(d)
	for _, w := range list {
		select {
		case <-w.Done():
			if w.Err() != nil {
				r.t.Error(w.Err())
			}
			came++
		case <-timeout:
			return came
		}
	}
	return came
}

func (r *reader) wantAll(n uint64) (list []*Want) {
	for i := range n {
		list = append(list, r.want(i))
	}
	return list
}

// bubble runs a test with a reader under a virtual clock.
func bubble(t *testing.T, f func(t *testing.T, r *reader)) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		r := newReader(t, ctx)
		f(t, r)
		cancel()
		r.wg.Wait()
	})
}

// All peers give, each what it has.
func TestBlocksFromSeveral(t *testing.T) {
	bubble(t, func(t *testing.T, r *reader) {
		a, b, c := holding(upTo(40)...), holding(upTo(100)[30:]...), holding()
		c.none = true
		for i, s := range []*shelf{a, b, c} {
			r.meet(i, s)
		}
		if came := r.wait(time.Minute, r.wantAll(100)...); came != 100 {
			t.Fatalf("%d of 100 came", came)
		}
		if a.count() < 20 || b.count() < 60 {
			t.Errorf("%d and %d were asked for", a.count(), b.count())
		}
		if c.count() > 3*blockWindow {
			t.Errorf("who has nothing was asked %d times", c.count())
		}
		for i, n := range r.took {
			if n != 1 {
				t.Errorf("block %d was taken %d times", i, n)
			}
		}
	})
}

// A block is wanted already and the peer's hello is here when a session has not said its own: it must not ask before that,
// which the peer would hold against its device.
func TestHelloBeforeAsks(t *testing.T) {
	bubble(t, func(t *testing.T, r *reader) {
		release := make(chan struct{})
		var asked atomic.Int32
		r.self.slow = func() {
			if asked.Add(1) == 2 { // the first time is the driver's own
				<-release
			}
		}
		w := r.want(0)
		r.meet(1, holding(0))
		if r.wait(time.Second, w) != 0 {
			t.Fatal("it came before the session began")
		}
		close(release)
		if r.wait(time.Second, w) != 1 {
			r.mu.Lock()
			defer r.mu.Unlock()
			t.Errorf("it did not come; the session: %v", r.ended[1])
		}
	})
}

// What nobody has comes when somebody does.
func TestBlockComesLater(t *testing.T) {
	bubble(t, func(t *testing.T, r *reader) {
		a := holding(1)
		r.meet(1, a)
		w := r.want(2)
		if r.wait(time.Minute, w) != 0 {
			t.Fatal("it came from nowhere")
		}
		if n := a.count(); n < 20 || n > 40 {
			t.Errorf("asked %d times in a minute", n)
		}
		a.mu.Lock()
		a.blocks[2] = block(2)
		a.mu.Unlock()
		if r.wait(3*time.Second, w) != 1 {
			t.Error("it is there and does not come")
		}
	})
}

// A peer that sends wrong bytes is caught at the block, named, and asked no more, also when it comes again.
func TestLyingPeer(t *testing.T) {
	bubble(t, func(t *testing.T, r *reader) {
		liar := holding(upTo(50)...)
		liar.lie = true
		r.meet(1, liar)
		list := r.wantAll(50)
		if came := r.wait(10*time.Second, list...); came != 0 {
			t.Fatalf("%d came of a liar", came)
		}
		r.mu.Lock()
		err := r.ended[1]
		r.mu.Unlock()
		var closed *CloseError
		if !errors.As(err, &closed) || closed.Code != CodeBadBlock || !closed.Code.PeerFault() || closed.Remote || !strings.Contains(err.Error(), blobRoot.String()) {
			t.Errorf("its session ended with %v", err)
		}
		before := liar.count()
		r.meet(1, liar)
		if came := r.wait(10*time.Second, list...); came != 0 || liar.count() != before {
			t.Errorf("the liar was asked again, %d times", liar.count()-before)
		}
		r.meet(2, holding(upTo(50)...))
		if came := r.wait(10*time.Second, list...); came != 50 {
			t.Errorf("%d of 50 came", came)
		}
	})
}

// What a peer is asked for and does not give goes to the others; when it answers after all it is asked again.
func TestStalledPeer(t *testing.T) {
	bubble(t, func(t *testing.T, r *reader) {
		mute, good := holding(upTo(30)...), holding(upTo(30)...)
		mute.mute = true
		r.meet(1, mute)
		list := r.wantAll(30)
		if r.wait(time.Second, list...) != 0 {
			t.Fatal("somebody spoke")
		}
		r.meet(2, good)
		if came := r.wait(5*time.Second, list[blockWindow:]...); came != 30-blockWindow {
			t.Errorf("%d came while one is silent", came)
		}
		if came := r.wait(BlockTimeout, list...); came != 30 {
			t.Errorf("%d came", came)
		}
		if mute.count() != 1 { // it reads one at a time
			t.Errorf("%d", mute.count())
		}
	})
}

// A connection that is cut loses nothing but what was on the way.
func TestBlocksAfterCut(t *testing.T) {
	bubble(t, func(t *testing.T, r *reader) {
		s := holding(upTo(60)...)
		cut := r.meet(1, s)
		list := r.wantAll(60)
		if r.wait(time.Minute, list[:10]...) != 10 {
			t.Fatal("nothing comes")
		}
		cut()
		r.meet(1, s)
		if came := r.wait(time.Minute, list...); came != 60 {
			t.Errorf("%d came", came)
		}
		if n := s.count(); n > 60+2*blockWindow {
			t.Errorf("%d were asked for", n)
		}
	})
}

// What nobody waits for any more is not asked for.
func TestDropped(t *testing.T) {
	var x Blobs
	p := x.join(testKey(1), func() {})
	a := x.Want(BlockAt{blobRoot, 1, 1}, blockID(1), 1, nil)
	b := x.Want(BlockAt{blobRoot, 1, 1}, blockID(1), 1, nil)
	a.Drop()
	a.Drop()
	asks, _ := x.next(p, time.Unix(1, 0))
	if len(asks) != 1 {
		t.Fatalf("%d asks", len(asks))
	}
	b.Drop()
	if asks, _ := x.next(p, time.Unix(2, 0)); len(asks) != 0 || len(x.wanted) != 0 {
		t.Errorf("%d asks", len(asks))
	}
	if err := x.answer(p, &Block{Number: 1, Data: block(1)}, time.Unix(3, 0)); err != nil {
		t.Errorf("an answer that came too late: %v", err)
	}
	for _, m := range []*Block{{Number: 1, Data: block(1)}, {Number: 9}, {Status: BlobAbsent}} {
		if err := x.answer(p, m, time.Unix(3, 0)); !errors.Is(err, err.(*MessageError)) || err.(*MessageError).Code != CodeProtocol {
			t.Errorf("an answer to nothing: %v", err)
		}
	}
}

// A descriptor with a wrong size does not harm who reads the right one at the same time.
func TestWantsOfTwoSizes(t *testing.T) {
	var x Blobs
	p := x.join(testKey(1), func() {})
	at, wrong := BlockAt{blobRoot, 1, 1}, errors.New("another size")
	lie := x.Want(at, blockID(1), 7, func([]byte) error { return wrong })
	honest := x.Want(at, blockID(1), 5, func([]byte) error { return nil })
	asks, _ := x.next(p, time.Unix(1, 0))
	for _, a := range asks {
		if err := x.answer(p, &Block{Number: a.Number, Data: block(1)}, time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
	}
	for want, told := range map[*Want]error{lie: wrong, honest: nil} {
		select {
		case <-want.Done():
		default:
			t.Fatal("not answered")
		}
		if err := want.Err(); !errors.Is(err, told) {
			t.Errorf("%v, want %v", err, told)
		}
	}
}

// asker is a peer that breaks the rules of asking.
func TestAskersThatBreakRules(t *testing.T) {
	at := BlockAt{blobRoot, 1, 1}
	for name, list := range map[string][]Message{
		"before hello":    {&Ask{1, at}},
		"out of order":    {&Hello{Version, HeadsOf(nil)}, &Ask{1, at}, &Ask{3, at}},
		"a block unasked": {&Hello{Version, HeadsOf(nil)}, &Block{1, BlockHere, block(1)}},
		"too many": append([]Message{&Hello{Version, HeadsOf(nil)}}, func() (list []Message) {
			for i := range uint64(maxAsked + 4) {
				list = append(list, &Ask{i + 1, at})
			}
			return list
		}()...),
	} {
		bubble(t, func(t *testing.T, r *reader) {
			x, y := newWires(nil, 0)
			silent := holding(1)
			silent.mute = true
			ended := make(chan error, 1)
			r.wg.Go(func() { ended <- Run(r.ctx, x, r.self, Options{ServeBlob: silent.serve}) })
			for _, m := range list {
				_ = y.Send(r.ctx, Encode(m))
			}
			synctest.Wait()
			select {
			case <-x.closed:
			case <-time.After(2 * time.Second):
				t.Errorf("%s: the session goes on", name)
				x.Close()
			}
			err := <-ended
			var closed *CloseError
			if !errors.As(err, &closed) || closed.Code != CodeProtocol || closed.Remote {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}

// Blobs give way to what is synced: a batch does not wait behind more than one block.
func TestSyncGoesFirst(t *testing.T) {
	bubble(t, func(t *testing.T, r *reader) {
		x, y := newWires(nil, 0)
		s := holding(upTo(maxAsked)...)
		r.wg.Go(func() { _ = Run(r.ctx, x, r.self, Options{ServeBlob: s.serve}) })
		_ = y.Send(r.ctx, Encode(&Hello{Version, HeadsOf(nil)}))
		for i := range uint64(maxAsked) {
			_ = y.Send(r.ctx, Encode(&Ask{i + 1, BlockAt{blobRoot, 1, i}}))
		}
		synctest.Wait() // the wire is full of blocks
		c := newAuthor(1).write(r.self)
		synctest.Wait()
		blocks := 0
		for {
			data, err := y.Receive(r.ctx)
			if err != nil {
				t.Fatal(err)
			}
			m, err := Decode(data)
			if err != nil {
				t.Fatal(err)
			}
			switch m.(type) {
			case *Block:
				blocks++
			case *Batch:
				if blocks > cap(y.in)+2 {
					t.Errorf("commit %s came after %d blocks", c.ID.Short(), blocks)
				}
				y.Close()
				return
			}
		}
	})
}

// opens tells whether a peer was asked for a block.
func opens(p *blobPeer, w *wanted) bool {
	for _, o := range p.open {
		if o == w {
			return true
		}
	}
	return false
}

func FuzzBlobAnswers(f *testing.F) {
	f.Add([]byte{1, 0, 1, 2, 2, 0, 9, 1})
	f.Fuzz(func(t *testing.T, script []byte) {
		var x Blobs
		p, q := x.join(testKey(1), func() {}), x.join(testKey(2), func() {})
		now := time.Unix(1, 0)
		var list []*Want
		for len(script) >= 2 {
			op, arg := script[0], script[1]
			script = script[2:]
			peer := p
			if op&1 == 1 {
				peer = q
			}
			switch op >> 1 & 3 {
			case 0:
				list = append(list, x.Want(BlockAt{blobRoot, 1, uint64(arg)}, blockID(uint64(arg)), 1, func([]byte) error { return nil }))
			case 1:
				data := block(uint64(arg))
				_ = x.answer(peer, &Block{uint64(arg % 16), BlockStatus(arg % 3), data}, now)
			case 2:
				now = now.Add(time.Duration(arg) * time.Second)
			case 3:
				if len(list) > 0 {
					list[int(arg)%len(list)].Drop()
				}
			}
			for _, peer := range []*blobPeer{p, q} {
				x.next(peer, now)
				if len(peer.open) > blockWindow {
					t.Fatalf("%d are open", len(peer.open))
				}
			}
			for _, w := range x.wanted {
				if w.by != nil && !opens(w.by, w) {
					t.Fatal("asked of somebody who was not")
				}
			}
		}
	})
}
