package mesh_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/mesh"
	"github.com/hyperhyperspace/hhs-go/mesh/meshtest"
	"github.com/hyperhyperspace/hhs-go/object"
)

// node is a mesh whose streams all carry numbered messages and a record of
// what was sent and received.
type node struct {
	t      *testing.T
	name   string
	device identity.Device
	mesh   *mesh.Mesh
	ledger *ledger
	every  time.Duration // between messages; 0: none
}

// ledger counts, per direction of a stream, what was accepted by Send and what
// arrived, and how it ended.
type ledger struct {
	mu       sync.Mutex
	next     int
	sent     map[string]int
	received map[string]int
	ends     map[string]error // of the receiving side, by the sender's name for it
}

func newLedger() *ledger {
	return &ledger{sent: map[string]int{}, received: map[string]int{}, ends: map[string]error{}}
}

func (l *ledger) name() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next++
	return fmt.Sprint("stream-", l.next)
}

// check reports streams that ended in order and lost something.
func (l *ledger) check(t *testing.T, seed uint64) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, sent := range l.sent {
		got := l.received[name]
		if got > sent {
			t.Errorf("seed %d: %s: %d sent, %d received", seed, name, sent, got)
		}
		var closed *mesh.ClosedError
		orderly := errors.As(l.ends[name], &closed) && closed.Remote
		if orderly && got != sent {
			t.Errorf("seed %d: %s: %d sent, %d received, end %v", seed, name, sent, got, closed)
		}
	}
}

func device(t *testing.T, name string) identity.Device {
	t.Helper()
	_, d, err := identity.NewDevice(context.Background(), rand.Reader, name, 1)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// start makes a node on a network; it can be dialled at ws://name.
func start(t *testing.T, n *meshtest.Network, d identity.Device, l *ledger) *node {
	t.Helper()
	m, err := mesh.New(mesh.Config{Device: d, Dialers: n.Dialers(), RTC: n.RTC(), Signalling: n.Signalling})
	if err != nil {
		t.Fatal(err)
	}
	nd := &node{t: t, name: d.Certificate.Label, device: d, mesh: m, ledger: l, every: 7 * time.Millisecond}
	n.Open("ws://"+nd.name, m.Accept)
	return nd
}

func (n *node) key() identity.PublicKey { return n.device.Certificate.Device }

// serve sends and receives until the stream ends.
func (n *node) serve(ctx context.Context, s *mesh.Stream) {
	var wg sync.WaitGroup
	defer wg.Wait()
	sctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if n.every > 0 {
		wg.Go(func() { n.send(sctx, s) })
	}
	for name := ""; ; {
		msg, err := s.Receive(context.Background())
		n.ledger.mu.Lock()
		if err != nil {
			n.ledger.ends[name] = err
			n.ledger.mu.Unlock()
			return
		}
		var i int
		if _, err := fmt.Sscanf(string(msg), "%s %d", &name, &i); err != nil || i != n.ledger.received[name] {
			n.t.Errorf("%s: got %q after %d messages", n.name, msg, n.ledger.received[name])
		}
		n.ledger.received[name]++
		n.ledger.mu.Unlock()
	}
}

func (n *node) send(ctx context.Context, s *mesh.Stream) {
	name := n.ledger.name()
	for i := 0; ; i++ {
		n.ledger.mu.Lock()
		err := s.Send(ctx, fmt.Appendf(nil, "%s %d", name, i))
		if err == nil {
			n.ledger.sent[name]++
		}
		n.ledger.mu.Unlock()
		if err != nil {
			return
		}
		select {
		case <-time.After(n.every):
		case <-s.Done():
			return
		case <-ctx.Done():
			return
		}
	}
}

func (n *node) join(g mesh.Group) *mesh.Membership {
	n.t.Helper()
	if g.Serve == nil {
		g.Serve = n.serve
	}
	mb, err := n.mesh.Join(g)
	if err != nil {
		n.t.Fatal(err)
	}
	return mb
}

func space(name string) object.ID { return object.Sum(object.DagCBOR, []byte(name)) }

// until waits, in virtual time, for a condition.
func until(t *testing.T, within time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(within); ; time.Sleep(20 * time.Millisecond) {
		synctest.Wait()
		if ok() {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", within, what)
		}
	}
}

func peers(mb *mesh.Membership) int { return len(mb.Peers()) }

func closeAll(nodes ...*node) {
	for _, n := range nodes {
		_ = n.mesh.Close()
	}
}
