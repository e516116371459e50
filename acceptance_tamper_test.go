//go:build !js

package hhs_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/mesh"
	"github.com/hyperhyperspace/hhs-go/mesh/meshtest"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
	"github.com/hyperhyperspace/hhs-go/signalling"
	"github.com/hyperhyperspace/hhs-go/store"
	"github.com/hyperhyperspace/hhs-go/syncer"
	"github.com/hyperhyperspace/hhs-go/transport"
	"github.com/hyperhyperspace/hhs-go/transport/ws"
)

// victim is a node behind a real socket, which as many as like may connect to.
type victim struct {
	node  *hhs.Node
	mem   *store.Mem
	space *hhs.Space[Notes]
	host  string // of its WebSocket
}

func newVictim(t *testing.T, opts ...hhs.Option) *victim {
	t.Helper()
	v := &victim{mem: store.NewMem()}
	opts = append([]hhs.Option{hhs.Kinds(Notebook), hhs.WithStore(v.mem), hhs.WithDevice(newDevice(t)), hhs.WithLimits(quick)}, opts...)
	v.node = must(hhs.Open(within(t), "", opts...))(t)
	t.Cleanup(func() { v.node.Close() })
	many := 1 << 20
	h := ws.NewHandler(ws.Config{MaxConns: many, PerAddress: many, Handshakes: many, HandshakesPerAddress: many, Rate: many})
	v.host = listen(t, h)
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error)
	go func() { served <- v.node.Serve(ctx, h) }()
	t.Cleanup(func() { stop(); <-served; h.Close() })
	v.space = must(hhs.Create(within(t), v.node, Notebook))(t)
	return v
}

// listen serves a handler on a port of this machine.
func listen(t testing.TB, h http.Handler) (host string) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.CloseClientConnections)
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

// author has a copy of a space with a commit that the victim has not.
func author(t testing.TB, of *hhs.Space[Notes], line string) *replica.Space {
	t.Helper()
	ctx := within(t)
	n := must(replica.Open(ctx, replica.Config{Store: store.NewMem(), Device: newDevice(t)}))(t)
	t.Cleanup(func() { n.Close() })
	s := must(n.Join(ctx, of.ID()))(t)
	for b, err := range of.Replica().Batches(nil, 1<<20) {
		ok(t, err)
		must(s.Ingest(ctx, b, replica.Source{}))(t)
	}
	must(s.Update(ctx, func(tx *replica.Tx) error {
		b, err := object.Encode(line)
		return errors.Join(err, tx.Do("lines", crdt.LogAppend(b)))
	}))(t)
	return s
}

func (v *victim) refusals() (n int) {
	counts, _ := v.space.Replica().Refused()
	for _, c := range counts {
		n += c
	}
	return n
}

// each runs f for 0 to n-1, several at once. Short tests skip most of them.
func each(t *testing.T, n, workers int, f func(worker, i int)) (done int) {
	t.Helper()
	step := 1
	if testing.Short() {
		step = 16
	}
	next := make(chan int)
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			for i := range next {
				f(w, i)
			}
		})
	}
	for i := 0; i < n && !t.Failed(); i += step {
		next <- i
		done++
	}
	close(next)
	all.Wait()
	return done
}

// Every byte of a signed commit, changed by the peer who passes it on, inside
// its own good channel over a real socket.
func TestTamperedCommit(t *testing.T) {
	v := newVictim(t)
	author := author(t, v.space, "signed")
	var wire []byte
	for b, err := range author.Batches(v.space.Replica().Heads(), 1<<20) {
		ok(t, err)
		wire = must(history.EncodeBatch(b))(t)
	}
	heads := v.space.Replica().Heads()
	devices := make([]identity.PublicKey, len(wire))
	flipped := each(t, len(wire), 16, func(_, i int) {
		s := connecting(t, newDevice(t), mesh.Config{Dialers: map[string]transport.Dialer{"ws": &ws.Dialer{}}})
		defer s.close()
		s.space, devices[i] = author, s.device.Signer.Public()
		s.send = func(msg []byte) []byte {
			data := slices.Clone(unpacked(msg))
			if data == nil {
				return msg
			}
			data[i] ^= 1 << (i % 8)
			m, err := syncer.Decode(msg)
			if err != nil {
				t.Error(err)
				return msg
			}
			m.(*syncer.Batch).Data = append([]byte{0}, data...)
			return syncer.Encode(m)
		}
		s.meet(t, mesh.Group{Endpoints: []string{"ws://" + v.host}})
		select {
		case err := <-s.ended:
			var closed *syncer.CloseError
			if !errors.As(err, &closed) || !closed.Remote {
				t.Errorf("byte %d: the session ended with %v", i, err)
			}
		case <-time.After(patience):
			t.Errorf("byte %d: the session does not end", i)
		}
	})
	await(t, v.space.AnySpace, "all refused", func() bool { return v.refusals() >= flipped && v.space.Status().Peers == 0 })
	counts, last := v.space.Replica().Refused()
	for _, r := range last {
		if r.Reject.Rule == "" || !slices.Contains(devices, r.Reject.From.Device) || r.Reject.Space != v.space.ID() {
			t.Errorf("a refusal without rule or peer: %v", r.Reject)
		}
		switch r.Reject.Rule {
		case syncer.CodeMalformed.String(), syncer.CodeMissing.String():
		default:
			if r.Reject.Commit.IsZero() {
				t.Errorf("a refusal without the commit: %v", r.Reject)
			}
		}
	}
	if !slices.Equal(v.space.Replica().Heads(), heads) || v.space.Replica().Len() != 1 || holds(t, v.mem, "signed") {
		t.Fatal("something of a changed commit was kept")
	}
	t.Logf("%d of %d bytes changed, all refused: %v", flipped, len(wire), counts)

	// The honest are not affected.
	s := connecting(t, newDevice(t), mesh.Config{Dialers: map[string]transport.Dialer{"ws": &ws.Dialer{}}})
	defer s.close()
	s.space = author
	s.meet(t, mesh.Group{Endpoints: []string{"ws://" + v.host}})
	await(t, v.space.AnySpace, "the honest peer's commit", func() bool { return hasAll(lines(t, v.space), "signed") })
	if n := v.refusals(); n < flipped {
		t.Errorf("%d refusals", n)
	}
}

// flipper is a TCP proxy that changes one byte of one connection.
type flipper struct {
	listener net.Listener
	to       string
	all      sync.WaitGroup

	mu    sync.Mutex
	next  *flip
	conns map[net.Conn]bool
}

// flip is the byte to change: up (to the server) or down, at an offset. An
// offset below 0 changes nothing.
type flip struct {
	up   bool
	at   int
	seen [2]int // bytes so far: down, up
	done bool
}

func newFlipper(t testing.TB, to string) *flipper {
	t.Helper()
	f := &flipper{listener: must(net.Listen("tcp", "127.0.0.1:0"))(t), to: to, conns: map[net.Conn]bool{}}
	f.all.Go(func() {
		for {
			c, err := f.listener.Accept()
			if err != nil {
				return
			}
			f.all.Go(func() { f.serve(c) })
		}
	})
	return f
}

func (f *flipper) close() {
	f.listener.Close()
	f.all.Wait()
}

func (f *flipper) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, network, f.listener.Addr().String())
}

// cut ends all connections.
func (f *flipper) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.conns {
		c.Close()
	}
}

// arm makes the next connection the one that is changed.
func (f *flipper) arm(fl *flip) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next = fl
}

func (f *flipper) look(fl *flip) (seen [2]int, done bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return fl.seen, fl.done
}

func (f *flipper) serve(c net.Conn) {
	defer c.Close()
	s, err := net.Dial("tcp", f.to)
	if err != nil {
		return
	}
	defer s.Close()
	f.mu.Lock()
	fl := f.next
	f.next, f.conns[c] = nil, true
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		delete(f.conns, c)
		f.mu.Unlock()
	}()
	var both sync.WaitGroup
	for _, way := range []struct {
		from, to net.Conn
		up       int
	}{{c, s, 1}, {s, c, 0}} {
		both.Go(func() {
			f.copy(fl, way.from, way.to, way.up)
			c.Close()
			s.Close()
		})
	}
	both.Wait()
}

// stuck is how long a connection may be silent once it was changed: one that
// waits for bytes that never come need not be waited for.
const stuck = 300 * time.Millisecond

func (f *flipper) copy(fl *flip, from, to net.Conn, up int) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		if fl != nil {
			f.mu.Lock()
			if at := fl.at - fl.seen[up]; fl.up == (up == 1) && at >= 0 && at < n {
				buf[at] ^= 1 << (fl.at % 8)
				fl.done = true
			}
			fl.seen[up] += n
			if fl.done {
				end := time.Now().Add(stuck)
				from.SetReadDeadline(end)
				to.SetReadDeadline(end)
			}
			f.mu.Unlock()
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// proxied makes a client, whose first connection is changed, sync with the
// victim, and tells what the proxy saw until it did.
func proxied(t *testing.T, v *victim, f *flipper, cfg mesh.Config, g mesh.Group, copied *replica.Space, fl *flip) (seen [2]int, done bool) {
	f.arm(fl)
	cfg.Dialers = map[string]transport.Dialer{"ws": &ws.Dialer{NetDial: f.dial}}
	s := connecting(t, newDevice(t), cfg)
	defer s.close()
	s.space = copied
	reached := make(chan struct{}, 1)
	s.report = func(peer mesh.PeerInfo, st syncer.Status) {
		if peer.Device.String() != v.node.Device() {
			t.Errorf("flip %+v: connected to %s", fl, peer.Device)
		}
		if st.Synced {
			select {
			case reached <- struct{}{}:
			default:
			}
		}
	}
	s.meet(t, g)
	end, again := time.After(patience), time.NewTicker(2*time.Second)
	defer again.Stop()
	for {
		select {
		case <-reached:
			return f.look(fl)
		case <-again.C:
			// A changed introduction may have been taken for another one: who was
			// there before tries by itself after 10 to 20 s. A lost connection
			// makes the client begin anew now.
			f.cut()
		case <-end:
			t.Errorf("flip %+v: never synced; %+v", fl, s.mesh.Counters())
			return f.look(fl)
		}
	}
}

// flips changes every byte that a connection to a host needs until the client is
// synced with the victim, each in a connection of its own. Each worker has a
// victim of its own: a signalling server takes only so many messages from one
// connection.
func flips(t *testing.T, prepare func() (v *victim, host string, cfg mesh.Config, g mesh.Group)) {
	type lane struct {
		*victim
		copied  *replica.Space
		proxy   *flipper
		cfg     mesh.Config
		g       mesh.Group
		before  string
		changed int
	}
	var lanes []*lane
	var seen [2]int
	for range 16 {
		l := &lane{}
		var host string
		l.victim, host, l.cfg, l.g = prepare()
		l.copied, l.proxy = author(t, l.space, "mine"), newFlipper(t, host)
		defer l.proxy.close()
		proxied(t, l.victim, l.proxy, l.cfg, l.g, l.copied, &flip{at: -1}) // they are equal from now on
		// Where the network was slow something was said twice: the shortest of all is what each of them has.
		if n, _ := proxied(t, l.victim, l.proxy, l.cfg, l.g, l.copied, &flip{at: -1}); seen == [2]int{} || n[0]+n[1] < seen[0]+seen[1] {
			seen = n
		}
		l.before = digestButAcks(t, l.victim)
		lanes = append(lanes, l)
	}
	tried := each(t, seen[0]+seen[1], len(lanes), func(w, i int) {
		fl := &flip{up: i < seen[1], at: i}
		if !fl.up {
			fl.at -= seen[1]
		}
		l := lanes[w]
		if _, done := proxied(t, l.victim, l.proxy, l.cfg, l.g, l.copied, fl); done {
			l.changed++
		}
	})
	changed := 0
	for _, l := range lanes {
		changed += l.changed
		if counts, last := l.space.Replica().Refused(); len(counts) != 0 {
			t.Errorf("what the network did is counted as a peer's fault: %v, %v", counts, last)
		}
		if digestButAcks(t, l.victim) != l.before {
			t.Error("something of a changed connection was kept")
		}
	}
	t.Logf("%d of %d bytes up and %d down changed; every client synced all the same", changed, seen[1], seen[0])
	if changed < tried*9/10 {
		t.Errorf("only %d of %d bytes were there to be changed", changed, tried)
	}
	// What is written now still reaches everyone.
	v := lanes[0]
	write(t, v.space, "after")
	s := newStranger(t, newDevice(t), &ws.Dialer{})
	defer s.close()
	s.join(t, v.space.ID(), "ws://"+v.host)
	await(t, v.space.AnySpace, "the honest peer", func() bool {
		return slices.Equal(s.space.Heads(), v.space.Replica().Heads())
	})
}

// digestButAcks is all that the victim keeps but who acknowledged what.
func digestButAcks(t testing.TB, v *victim) string {
	t.Helper()
	snap := must(v.mem.Snapshot())(t)
	defer snap.Close()
	var all strings.Builder
	for kv, err := range snap.Scan(nil, nil, false) {
		ok(t, err)
		if kv.Key[0] == 's' && kv.Key[5] == 'k' {
			continue
		}
		all.Write(kv.Key)
		all.Write(kv.Value)
	}
	return all.String()
}

// Every byte of a handshake, from the first of the request to the first sign
// that the copies are equal.
func TestTamperedHandshake(t *testing.T) {
	flips(t, func() (*victim, string, mesh.Config, mesh.Group) {
		v := newVictim(t)
		return v, v.host, mesh.Config{}, mesh.Group{Endpoints: []string{"ws://" + v.host}}
	})
}

// Every byte that a client and its signalling server exchange until the client
// has met the victim there.
func TestTamperedSignalling(t *testing.T) {
	// Everyone is from elsewhere: limits per address are for another test.
	elsewhere := func(r *http.Request) string {
		from := netip.MustParseAddrPort(r.RemoteAddr)
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(from.Port() >> 8), byte(from.Port()), 1}), 1).String()
	}
	server := must(signalling.NewServer(signalling.ServerOptions{Address: elsewhere}))(t)
	defer server.Close()
	host := listen(t, server)
	url := "ws://" + host
	flips(t, func() (*victim, string, mesh.Config, mesh.Group) {
		rtc := meshtest.New(1).RTC() // a pipe in the place of WebRTC: the introduction is what counts
		v := newVictim(t, hhs.WithServers(url), hhs.WithRTC(rtc))
		await(t, v.space.AnySpace, "the victim at the server", func() bool { return v.space.Status().Servers == 1 })
		return v, host, mesh.Config{RTC: rtc}, mesh.Group{Servers: []string{url}}
	})
}
