package syncer_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
	"github.com/hyperhyperspace/hhs-go/store"
	"github.com/hyperhyperspace/hhs-go/syncer"
	"github.com/hyperhyperspace/hhs-go/transport"
)

// space is a real replica as a session wants it, with the device that keeps it.
type space struct {
	*replica.Space
	device identity.PublicKey
}

func (s space) Chains(since []object.ID) []syncer.Chain {
	tips, err := s.Space.Chains(since)
	if err != nil {
		return nil
	}
	var list []syncer.Chain
	for _, t := range tips {
		list = append(list, syncer.Chain(t))
	}
	return list
}

func (s space) Subscribe(changed func()) func() { return s.OnChange(changed) }

func openNode(t testing.TB, seed byte) *replica.Node {
	t.Helper()
	_, device, err := identity.NewDevice(context.Background(), rand.NewChaCha8([32]byte{seed}), "test", 1)
	if err != nil {
		t.Fatal(err)
	}
	n, err := replica.Open(context.Background(), replica.Config{Store: store.NewMem(), Device: device, Rand: rand.NewChaCha8([32]byte{seed, 1}),
		Now: func() time.Time { return time.UnixMilli(1_700_000_000_000) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// members are replicas of one space on nodes of their own.
func members(t testing.TB, n int) []space {
	t.Helper()
	var list []space
	for i := range n {
		node := openNode(t, byte(i+1))
		var s *replica.Space
		var err error
		if i == 0 {
			s, err = node.Create(context.Background(), &authority.Manifest{Kind: "test/notes", Version: 1, Policy: authority.PolicyOpen, Fields: []authority.Field{{Name: "lines", Type: "log"}}})
		} else {
			s, err = node.Join(context.Background(), list[0].ID())
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, space{s, node.Device().Signer.Public()})
	}
	return list
}

func (s space) say(t testing.TB, text string) object.ID {
	t.Helper()
	b, err := object.Encode(text)
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Update(context.Background(), func(tx *replica.Tx) error { return tx.Do("lines", crdt.LogAppend(b)) })
	if err != nil {
		t.Fatal(err)
	}
	return r.Commit
}

// session syncs two members over a pipe until stop.
func session(t testing.TB, a, b space, conns ...transport.Conn) (synced func(), stop func()) {
	t.Helper()
	if conns == nil {
		x, y := transport.Pipe()
		conns = []transport.Conn{x, y}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	states := make(chan [2]any, 1000)
	run := func(me, peer space, c transport.Conn) {
		_ = syncer.Run(ctx, c, me, syncer.Options{
			Source: syncer.Source{Device: peer.device, Transport: "pipe"}, Base: me.Acks(peer.device), Batch: 16 << 10,
			Report: func(s syncer.Status) { states <- [2]any{me.device, s} },
		})
	}
	wg.Go(func() { run(a, b, conns[0]) })
	wg.Go(func() { run(b, a, conns[1]) })
	now := map[identity.PublicKey]syncer.Status{}
	synced = func() {
		t.Helper()
		deadline := time.After(30 * time.Second)
		for !slices.Equal(a.Heads(), b.Heads()) || !now[a.device].Synced || !now[b.device].Synced {
			select {
			case st := <-states:
				now[st[0].(identity.PublicKey)] = st[1].(syncer.Status)
			case <-deadline:
				t.Fatalf("not synced: %+v, %d and %d commits", now, a.Len(), b.Len())
			}
		}
	}
	return synced, func() { cancel(); wg.Wait() }
}

func TestRealReplicas(t *testing.T) {
	m := members(t, 2)
	a, b := m[0], m[1]
	for range 50 {
		a.say(t, "before")
	}
	synced, stop := session(t, a, b)
	synced()
	mine := b.say(t, "from b")
	for range 20 {
		a.say(t, "while connected")
	}
	synced()
	if held, err := b.HeldBy(mine); err != nil || len(held) != 1 || held[0] != a.device {
		t.Errorf("held by %v, %v", held, err)
	}
	stop()
	for range 30 { // both move while apart
		a.say(t, "apart")
		b.say(t, "apart too")
	}
	synced, stop = session(t, a, b)
	synced()
	stop()
	if a.Len() != b.Len() || a.Len() < 130 {
		t.Errorf("%d and %d commits", a.Len(), b.Len())
	}
}

// flipper is a stream that flips one bit of one message.
type flipper struct {
	transport.Conn
	at, bit int
	seen    int
}

func (f *flipper) Receive(ctx context.Context) ([]byte, error) {
	m, err := f.Conn.Receive(ctx)
	if err != nil {
		return m, err
	}
	if f.seen++; f.seen == f.at {
		m = bytes.Clone(m)
		m[f.bit/8%len(m)] ^= 1 << (f.bit % 8)
	}
	return m, nil
}

// Whatever bit of what is received changes, nothing that was not written by a
// member is ever admitted, and an honest session afterwards makes all equal.
func TestTampering(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 9))
	m := members(t, 2)
	a, b := m[0], m[1]
	written := map[object.ID]bool{}
	for range 60 {
		written[a.say(t, "a")] = true
		x, y := transport.Pipe()
		bad := &flipper{Conn: y, at: 1 + random.IntN(3), bit: random.IntN(4000)}
		ctx, cancel := context.WithTimeout(context.Background(), 40*time.Millisecond)
		var wg sync.WaitGroup
		wg.Go(func() { _ = syncer.Run(ctx, x, a, syncer.Options{Source: syncer.Source{Device: b.device}}) })
		wg.Go(func() { _ = syncer.Run(ctx, bad, b, syncer.Options{Source: syncer.Source{Device: a.device}}) })
		wg.Wait()
		cancel()
		for _, h := range b.Heads() {
			if !a.Has(h) {
				t.Fatalf("b has a head that was never written: %s", h)
			}
		}
	}
	synced, stop := session(t, a, b)
	synced()
	stop()
}

// What one commit of many costs from end to end: sign, load, pack, unpack, verify,
// store in memory.
func BenchmarkInitial(b *testing.B) {
	const commits = 5000
	m := members(b, 1)
	for i := range commits {
		m[0].say(b, string(binary.AppendUvarint([]byte("line "), uint64(i%100))))
	}
	for b.Loop() {
		node := openNode(b, byte(100+rand.IntN(100)))
		s, err := node.Join(context.Background(), m[0].ID())
		if err != nil {
			b.Fatal(err)
		}
		fresh := space{s, node.Device().Signer.Public()}
		x, y := transport.Pipe()
		synced, stop := session(b, m[0], fresh, x, y)
		synced()
		stop()
	}
	b.ReportMetric(float64(commits)*float64(b.N)/b.Elapsed().Seconds(), "commits/s")
}
