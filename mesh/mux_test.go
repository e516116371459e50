package mesh

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hyperhyperspace/hhs-go/transport"
)

// fakeOwner accepts every stream and hands it out.
type fakeOwner struct {
	mu       sync.Mutex
	streams  chan *Stream
	larges   int
	maxLarge int
	refuse   bool
	dead     []*ClosedError
}

func (o *fakeOwner) opened(s *Stream, _ purpose, t tag) {
	if o.refuse {
		s.refuse(ReasonRefused)
		return
	}
	s.accept(t)
	o.streams <- s
}
func (o *fakeOwner) over(*Stream)  {}
func (o *fakeOwner) retired(*link) {}
func (o *fakeOwner) ended(l *link) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.dead = append(o.dead, l.err)
}
func (o *fakeOwner) reserve() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.larges >= o.maxLarge {
		return false
	}
	o.larges++
	return true
}
func (o *fakeOwner) release() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.larges--
}

// pair is two links over a pipe.
type pair struct {
	a, b     *link
	oa, ob   *fakeOwner
	ca, cb   transport.Conn
	channels [2]*channel
	tasks    tracker
}

func newPair(t *testing.T, lim Limits, opts ...transport.PipeOption) *pair {
	t.Helper()
	p := &pair{}
	p.tasks.init()
	lim = lim.withDefaults()
	p.ca, p.cb = transport.Pipe(opts...)
	x, y := shake(t.Context(), newHands(t), newHands(t), p.ca, p.cb)
	if x.err != nil || y.err != nil {
		t.Fatal(x.err, y.err)
	}
	p.oa = &fakeOwner{streams: make(chan *Stream, 10_000), maxLarge: 24}
	p.ob = &fakeOwner{streams: make(chan *Stream, 10_000), maxLarge: 24}
	p.channels = [2]*channel{x.ch, y.ch}
	p.a = newLink(x.ch, &lim, SystemClock{}, p.oa, p.tasks.run)
	p.b = newLink(y.ch, &lim, SystemClock{}, p.ob, p.tasks.run)
	return p
}

func (p *pair) start() *pair {
	p.a.start()
	p.b.start()
	return p
}

func (p *pair) close() {
	p.a.end(&ClosedError{Reason: ReasonShutdown})
	p.b.end(&ClosedError{Reason: ReasonShutdown})
	p.tasks.wait()
}

// stream opens a stream from a to b.
func (p *pair) stream(t *testing.T) (*Stream, *Stream) {
	t.Helper()
	s, err := p.a.open(purposeSpace, tag{1})
	if err != nil {
		t.Fatal(err)
	}
	if reply, err := s.await(t.Context()); err != nil || reply != (tag{1}) {
		t.Fatal(reply, err)
	}
	s.confirm()
	return s, <-p.ob.streams
}

func pattern(n int, seed byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7) + seed
	}
	return b
}

func TestStreamSizes(t *testing.T) {
	p := newPair(t, Limits{}).start()
	defer p.close()
	s, r := p.stream(t)
	sizes := []int{0, 1, 31, 511, 512, 513, 4063, 4064, 4065, 16000, maxRecord - 9, maxRecord, maxRecord + 1, 65503, 65504, 65536, 1 << 20, MaxMessage - 1, MaxMessage, 0, 5}
	var wg sync.WaitGroup
	wg.Go(func() {
		for i, n := range sizes {
			if err := s.Send(t.Context(), pattern(n, byte(i))); err != nil {
				t.Error(err)
			}
		}
	})
	for i, n := range sizes {
		got, err := r.Receive(t.Context())
		if err != nil || !bytes.Equal(got, pattern(n, byte(i))) {
			t.Fatalf("message of %d bytes: got %d, %v", n, len(got), err)
		}
	}
	wg.Wait()
	if err := s.Send(t.Context(), make([]byte, MaxMessage+1)); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
}

// Many streams in both directions at once, with messages of all sizes, slow
// readers, and more large messages than may be received at a time: all arrive,
// and the budget holds (invariant 3).
func TestStreamsTogether(t *testing.T) {
	p := newPair(t, Limits{}).start()
	defer p.close()
	p.ob.maxLarge, p.oa.maxLarge = 1, 1
	const streams, messages = 40, 6
	var wg sync.WaitGroup
	var ended []*Stream
	for i := range streams {
		s, r := p.stream(t)
		ended = append(ended, s, r)
		if i%2 == 1 {
			s, r = r, s
		}
		size := func(k int) int {
			return rand.New(rand.NewPCG(uint64(i), uint64(k))).IntN(map[bool]int{true: 300_000, false: 3000}[(i+k)%3 == 0])
		}
		wg.Go(func() {
			for k := range messages {
				if err := s.Send(t.Context(), pattern(size(k), byte(k))); err != nil {
					t.Error(err)
				}
			}
			s.Close(ReasonDone)
		})
		wg.Go(func() {
			for k := range messages {
				got, err := r.Receive(t.Context())
				if err != nil || !bytes.Equal(got, pattern(size(k), byte(k))) {
					t.Errorf("stream %d message %d: %d bytes, %v", i, k, len(got), err)
					return
				}
				p.b.mu.Lock()
				held := 0
				for _, s := range p.b.streams {
					held += s.held + s.granted
				}
				p.b.mu.Unlock()
				if held > p.b.lim.PeerBuffer {
					t.Errorf("%d bytes held or granted", held)
				}
			}
			if _, err := r.Receive(t.Context()); !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, s := range ended {
		<-s.Done() // the answer to its end is sent by the link's writer
	}
	if p.oa.larges != 0 || p.ob.larges != 0 {
		t.Errorf("large messages still reserved: %d, %d", p.oa.larges, p.ob.larges)
	}
}

// Small messages that wait together travel together.
func TestSmallMessagesShareRecords(t *testing.T) {
	var mu sync.Mutex
	records := 0
	p := newPair(t, Limits{}, transport.WithFault(func(pk transport.Packet) ([][]byte, error) {
		mu.Lock()
		defer mu.Unlock()
		if pk.FromFirst {
			records++
		}
		return [][]byte{pk.Message}, nil
	})).start()
	defer p.close()
	s, r := p.stream(t)
	mu.Lock()
	records = 0
	mu.Unlock()
	p.a.mu.Lock() // the writer waits while we queue
	for range 500 {
		s.out = append(s.out, pattern(40, 0))
		s.outBytes += 40 + messageCost
	}
	s.markReady()
	p.a.mu.Unlock()
	for range 500 {
		if _, err := r.Receive(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if records > 12 {
		t.Errorf("500 messages of 40 bytes took %d records", records)
	}
}

func TestCloseDeliversEverything(t *testing.T) {
	p := newPair(t, Limits{}).start()
	defer p.close()
	s, r := p.stream(t)
	for i := range 3 {
		if err := s.Send(t.Context(), []byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
	}
	s.CloseText(ReasonSession+3, "enough")
	if err := s.Send(t.Context(), nil); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if err := r.Send(t.Context(), []byte("answer")); err != nil && !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	for i := range 3 {
		if got, err := r.Receive(t.Context()); err != nil || got[0] != byte(i) {
			t.Fatal(got, err)
		}
	}
	_, err := r.Receive(t.Context())
	var closed *ClosedError
	if !errors.As(err, &closed) || closed.Reason != ReasonSession+3 || closed.Text != "enough" || !closed.Remote {
		t.Errorf("got %v", err)
	}
	<-r.Done()
	<-s.Done()
}

func TestRefusedOpening(t *testing.T) {
	p := newPair(t, Limits{}).start()
	defer p.close()
	p.ob.refuse = true
	s, err := p.a.open(purposeSpace, tag{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.await(t.Context())
	var closed *ClosedError
	if !errors.As(err, &closed) || closed.Reason != ReasonRefused {
		t.Errorf("got %v", err)
	}
}

// Frames that arrive before anybody reads are kept, and no more than was granted.
func TestEarlyFramesAreKept(t *testing.T) {
	p := newPair(t, Limits{}).start()
	defer p.close()
	s, r := p.stream(t)
	for i := range 50 {
		if err := s.Send(t.Context(), pattern(1000, byte(i))); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 50 {
		if got, err := r.Receive(t.Context()); err != nil || !bytes.Equal(got, pattern(1000, byte(i))) {
			t.Fatal(i, err)
		}
	}
}

// A peer that does not read makes the sender wait, not the receiver grow.
func TestBackpressure(t *testing.T) {
	p := newPair(t, Limits{}).start()
	defer p.close()
	s, r := p.stream(t)
	ctx, cancel := context.WithCancel(t.Context())
	sent := 0
	done := make(chan struct{})
	go func() {
		defer close(done)
		for s.Send(ctx, pattern(10_000, 0)) == nil {
			sent++
		}
	}()
	for { // until the receiver's window is used up
		runtime.Gosched() // one thread in a browser
		p.b.mu.Lock()
		full := r.granted < 10_000
		p.b.mu.Unlock()
		p.a.mu.Lock()
		full = full && s.outBytes >= p.a.lim.SendQueue
		p.a.mu.Unlock()
		if full {
			break
		}
	}
	cancel()
	<-done
	if most := (p.b.lim.Window+p.a.lim.SendQueue)/10_000 + 2; sent > most {
		t.Errorf("%d messages accepted, at most %d fit", sent, most)
	}
}

// Invariant 4.
func TestDeadPeerIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cable := &transport.Link{}
		p := newPair(t, Limits{}, transport.WithLink(cable)).start()
		defer p.close()
		s, _ := p.stream(t)
		time.Sleep(time.Minute - time.Second)
		if !p.a.alive() || !p.b.alive() {
			t.Fatal("a healthy channel ended")
		}
		if p.a.peerInfo().RTT != 0 { // virtual time: no delay
			t.Error("round trip measured as", p.a.peerInfo().RTT)
		}
		cable.Pause()
		began := time.Now()
		_, err := s.Receive(t.Context())
		var closed *ClosedError
		if !errors.As(err, &closed) || closed.Reason != ReasonDead {
			t.Errorf("got %v", err)
		}
		if d := time.Since(began); d > 8*time.Second {
			t.Errorf("noticed after %v", d)
		}
	})
}

// A peer that is said to be gone is given up sooner, unless it answers.
func TestDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cable := &transport.Link{}
		p := newPair(t, Limits{}, transport.WithLink(cable)).start()
		defer p.close()
		s, _ := p.stream(t)
		p.a.doubt()
		time.Sleep(time.Minute)
		if !p.a.alive() {
			t.Fatal("a healthy channel ended")
		}
		cable.Pause()
		began := time.Now()
		p.a.doubt()
		_, err := s.Receive(t.Context())
		var closed *ClosedError
		if !errors.As(err, &closed) || closed.Reason != ReasonDead {
			t.Errorf("got %v", err)
		}
		if d := time.Since(began); d > 3*time.Second {
			t.Errorf("noticed after %v", d)
		}
	})
}

// A process that stood still does not take its peers for dead when it goes on.
func TestOwnStandstillIsForgiven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Limits{})
		defer p.close()
		p.b.start()
		p.a.run(p.a.read)
		p.a.run(p.a.write)
		// a's watch does not run for a while, as if the process were stopped.
		time.Sleep(5 * time.Second)
		p.a.mu.Lock()
		p.a.times.heard = time.Now().Add(-time.Hour)
		p.a.look(time.Now())
		p.a.unlock()
		if !p.a.alive() {
			t.Error("gave up after its own standstill")
		}
	})
}

func TestIdleChannelEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Limits{}).start()
		time.Sleep(62 * time.Second)
		if p.a.alive() || p.b.alive() {
			t.Error("an unused channel stays")
		}
		p.close()
		if len(p.oa.dead) != 1 || p.oa.dead[0].Reason != ReasonIdle {
			t.Error(p.oa.dead)
		}
	})
}

// Invariant 2, on an established channel, at every byte of a record.
func TestRecordTampering(t *testing.T) {
	for _, fault := range []struct {
		name string
		do   func(m []byte, at int) [][]byte
	}{
		{"flip", func(m []byte, at int) [][]byte { m[at] ^= 1 << (at % 8); return [][]byte{m} }},
		{"cut", func(m []byte, at int) [][]byte { return [][]byte{m[:at]} }},
		{"repeat", func(m []byte, at int) [][]byte { return [][]byte{m, m} }},
		{"lose", func(m []byte, at int) [][]byte { return nil }},
	} {
		for at := range 60 {
			tamper(t, fault.name, at, fault.do)
		}
	}
}

func tamper(t *testing.T, name string, at int, do func([]byte, int) [][]byte) {
	t.Helper()
	const victim = 5
	p := newPair(t, Limits{}, transport.WithFault(func(pk transport.Packet) ([][]byte, error) {
		if pk.FromFirst && pk.Number == victim {
			m := append([]byte(nil), pk.Message...)
			return do(m, min(at, len(m)-1)), nil
		}
		return [][]byte{pk.Message}, nil
	}))
	defer p.tasks.wait()
	p.b.start()
	for i := range 6 { // handshake messages 0 to 2, then these
		rec := appendFrame(nil, frame{framePing, 0, []byte(fmt.Sprintf("number %d", i))})
		if err := p.channels[0].send(t.Context(), append(rec, rec...)); err != nil {
			break
		}
	}
	<-p.b.done
	if !errors.Is(p.b.err, ErrTampered) {
		t.Fatalf("%s at %d: %v", name, at, p.b.err)
	}
	p.a.end(&ClosedError{})
}

// What a peer inside the channel does wrong is a violation with a rule
// (invariant 3), and it is told so.
func TestViolations(t *testing.T) {
	open := frame{frameOpen, 1, append([]byte{1}, make([]byte, tagSize)...)}
	message := func(n int) frame { return frame{frameMessage, 1, make([]byte, n)} }
	begin := func(total uint64, n int) frame {
		return frame{frameBegin, 1, append(appendUvarint(total), make([]byte, n)...)}
	}
	cases := []struct {
		rule   string
		frames []frame
	}{
		{"empty record", nil},
		{"stream number out of order", []frame{{frameOpen, 2, open.payload}}},
		{"stream number out of order", []frame{open, open}},
		{"frame for a stream that was never opened", []frame{message(1)}},
		{"frame for a stream that was never opened", []frame{{frameCredit, 2, []byte{1}}}},
		{"more sent than was granted", []frame{open, message(initialCredit)}},
		{"answer to nothing", []frame{open, {frameAccept, 1, make([]byte, tagSize)}}},
		{"bad credit", []frame{open, {frameCredit, 1, []byte{0}}}},
		{"bad credit", []frame{open, {frameCredit, 1, appendUvarint(maxCredit)}}},
		{"fragment out of place", []frame{open, {frameMore, 1, []byte{1}}}},
		{"fragment out of place", []frame{open, begin(100, 5), message(3)}},
		{"bad length of a message", []frame{open, begin(MaxMessage+1, 5)}},
		{"bad length of a message", []frame{open, begin(5, 5)}},
		{"message longer than announced", []frame{open, begin(10, 5), {frameMore, 1, make([]byte, 6)}}},
		{"closed twice or within a message", []frame{open, begin(10, 5), {frameClose, 1, []byte{0}}}},
		{"closed twice or within a message", []frame{open, message(1), {frameClose, 1, []byte{0}}, {frameClose, 1, []byte{0}}}},
		{"data after close", []frame{open, {frameClose, 1, []byte{0}}, message(1)}},
		{"stream opened on a retired channel", []frame{{frameRetire, 0, nil}, open}},
		{"number not in shortest form", []frame{{frameGoodbye, 0, []byte{0x80, 0}}}},
		{"unknown frame kind", []frame{{frameKinds, 1, nil}}},
	}
	for _, c := range cases {
		p := newPair(t, Limits{})
		p.a.nextID = 3 // a opened stream 1, as far as it knows
		p.b.start()
		var rec []byte
		for i, f := range c.frames {
			rec = appendFrame(rec, f)
			if i == 0 && f.kind == frameOpen && f.stream == 1 && c.rule != "more sent than was granted" {
				if err := p.channels[0].send(t.Context(), rec); err != nil {
					t.Fatal(err)
				}
				<-p.ob.streams
				rec = nil
			}
		}
		if err := p.channels[0].send(t.Context(), rec); err != nil {
			t.Fatal(err)
		}
		<-p.b.done
		var broke *ProtocolError
		if !errors.As(p.b.err, &broke) || broke.Rule != c.rule || broke.Peer != p.channels[1].peer.device() {
			t.Errorf("%s: got %v", c.rule, p.b.err)
		}
		p.a.read() // what b said last
		if p.a.err == nil || p.a.err.Reason != ReasonViolation || !p.a.err.Remote {
			t.Errorf("%s: the peer was told %v", c.rule, p.a.err)
		}
		p.a.end(&ClosedError{})
		p.tasks.wait()
	}
}

func appendUvarint(v uint64) []byte {
	var b []byte
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

// Floods of frames that cost nothing to send.
func TestFloods(t *testing.T) {
	open := func(i uint32) frame { return frame{frameOpen, i*2 + 1, append([]byte{1}, make([]byte, tagSize)...)} }
	cases := []struct {
		name  string
		frame func(i uint32) frame
	}{
		{"streams", open},
		{"pings", func(uint32) frame { return frame{framePing, 0, make([]byte, 8)} }},
		{"credit", func(i uint32) frame {
			if i == 0 {
				return open(0)
			}
			return frame{frameCredit, 1, []byte{1}}
		}},
	}
	for _, c := range cases {
		synctest.Test(t, func(t *testing.T) {
			p := newPair(t, Limits{})
			p.b.start()
			most := 0
			for i := range uint32(5000) {
				if p.channels[0].send(t.Context(), appendFrame(nil, c.frame(i))) != nil {
					break
				}
				synctest.Wait()
				p.b.mu.Lock()
				most = max(most, len(p.b.streams))
				if len(p.b.control) > p.b.lim.ControlBurst {
					t.Errorf("%s: %d answers queued", c.name, len(p.b.control))
				}
				p.b.mu.Unlock()
			}
			var broke *ProtocolError
			if p.b.alive() || !errors.As(p.b.err, &broke) {
				t.Errorf("%s: 5,000 are borne", c.name)
			}
			if most > p.b.lim.Streams {
				t.Errorf("%s: %d held", c.name, most)
			}
			p.a.end(&ClosedError{})
			p.tasks.wait()
		})
	}
}

// A closed stream whose other end does nothing is gone after a while.
func TestLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Limits{}).start()
		defer p.close()
		s, r := p.stream(t)
		for range 20 { // more than the window; nobody reads
			go func() { _ = s.Send(context.Background(), make([]byte, 8000)) }()
		}
		synctest.Wait()
		s.Close(ReasonDone)
		time.Sleep(6 * time.Second)
		<-s.Done()
		<-r.Done()
		if !p.a.alive() {
			t.Error("the channel ended with the stream")
		}
	})
}
