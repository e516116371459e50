//go:build !js

package hhs_test

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/mesh"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
	"github.com/hyperhyperspace/hhs-go/store"
	"github.com/hyperhyperspace/hhs-go/syncer"
	"github.com/hyperhyperspace/hhs-go/transport"
)

// "Held by k" counts distinct devices, each after its own durable write.
func TestHeldBy(t *testing.T) {
	ctx := within(t)
	var w wires
	device, mine, theirs := newDevice(t), store.NewMem(), store.NewMem()
	writer := func() *hhs.Node {
		return w.listen(t, "ws://a", hhs.WithStore(mine), hhs.WithDevice(device))
	}
	ana := writer()
	hers := must(hhs.Create(ctx, ana, Notebook))(t)
	link := hers.Link().String()
	bob, cy := w.open(t, hhs.WithStore(theirs)), w.open(t)
	his := must(hhs.Join(ctx, bob, Notebook, link))(t)
	cys := must(hhs.Join(ctx, cy, Notebook, link))(t)
	await(t, hers.AnySpace, "all synced", synced(hers.AnySpace, 2))
	await(t, his.AnySpace, "bob synced", func() bool { return his.Status().State == hhs.StateSynced })

	release := theirs.Block()
	defer release()
	first := write(t, hers, "first")
	ok(t, theirs.Blocked(ctx, 1)) // bob has it, and cannot write it
	await(t, hers.AnySpace, "cy holds it", func() bool { return held(t, first) == 1 })
	second := write(t, hers, "second")
	await(t, hers.AnySpace, "cy holds the second", func() bool { return held(t, second) == 1 })
	if n := held(t, first); n != 1 {
		t.Fatalf("held by %d while bob's store is blocked", n)
	}
	if st := hers.Status(); st.State == hhs.StateSynced {
		t.Errorf("status %+v while bob lacks commits", st)
	}
	release()
	await(t, hers.AnySpace, "bob holds both", func() bool { return held(t, first) == 2 && held(t, second) == 2 })
	if got := lines(t, his); !slices.Equal(got, []string{"first", "second"}) {
		t.Fatalf("bob reads %q", got)
	}

	// Connecting again makes nobody count twice.
	for range 3 {
		w.link.Cut()
		await(t, hers.AnySpace, "cut", func() bool { return hers.Status().Peers == 0 })
		await(t, hers.AnySpace, "synced again", synced(hers.AnySpace, 2))
	}
	third := write(t, hers, "third")
	await(t, hers.AnySpace, "all hold the third", func() bool { return held(t, third) == 2 })
	if a, b := held(t, first), held(t, second); a != 2 || b != 2 {
		t.Fatalf("held by %d and %d after reconnecting", a, b)
	}

	// The writer remembers over a restart, with nobody there.
	w.at("ws://a", nil)
	ok(t, ana.Close())
	w.link.Pause()
	defer w.link.Resume()
	ana = writer()
	again := must(hhs.As(must(ana.Space(hers.ID()))(t), Notebook))(t)
	for _, r := range []hhs.Receipt{first, second, third} {
		if by := must(again.HeldBy(r.Commit))(t); len(by) != 2 || !hasAll(by, bob.Device(), cy.Device()) {
			t.Errorf("held by %v after a restart", by)
		}
	}
	_ = cys
}

// replicaOf is a copy as package syncer wants it: what package hhs does itself,
// for peers of the tests that are not what they should be.
type replicaOf struct {
	*replica.Space
	ingest func(b *history.Batch)
}

func (r replicaOf) Chains(since []object.ID) []syncer.Chain {
	tips, err := r.Space.Chains(since)
	if err != nil {
		return nil
	}
	list := make([]syncer.Chain, len(tips))
	for i, tip := range tips {
		list[i] = syncer.Chain{Author: tip.Author, Seq: tip.Seq, Tip: tip.Tip}
	}
	return list
}

func (r replicaOf) Subscribe(changed func()) (cancel func()) { return r.OnChange(changed) }

func (r replicaOf) Ingest(ctx context.Context, b *history.Batch, from replica.Source) (replica.Result, error) {
	if r.ingest != nil {
		r.ingest(b)
	}
	return r.Space.Ingest(ctx, b, from)
}

// stranger is a peer put together from the parts, so that a test can look at
// what it is sent and change what it sends.
type stranger struct {
	device identity.Device
	store  *store.Mem
	node   *replica.Node
	mesh   *mesh.Mesh
	space  *replica.Space

	send    func(msg []byte) []byte // what goes out instead of a message
	receive func(msg []byte)
	ingest  func(b *history.Batch)
	blob    syncer.ServeBlob
	wants   syncer.Blobs
	report  func(peer mesh.PeerInfo, st syncer.Status)
	ended   chan error // how sessions ended
}

// newStranger has a node of its own.
func newStranger(t testing.TB, device identity.Device, dial transport.Dialer) *stranger {
	t.Helper()
	mem := store.NewMem()
	s := connecting(t, device, mesh.Config{Dialers: map[string]transport.Dialer{"ws": dial}})
	s.store = mem
	s.node = must(replica.Open(context.Background(), replica.Config{Store: mem, Device: device}))(t)
	return s
}

// connecting is a stranger that only connects.
func connecting(t testing.TB, device identity.Device, cfg mesh.Config) *stranger {
	t.Helper()
	cfg.Device, cfg.Limits = device, quick
	m := must(mesh.New(cfg))(t)
	return &stranger{device: device, mesh: m, ended: make(chan error, 64)}
}

func (s *stranger) close() {
	s.mesh.Close()
	if s.node != nil {
		s.node.Close()
	}
}

// join starts to sync a space with whoever answers at a URL.
func (s *stranger) join(t testing.TB, space object.ID, url string) {
	t.Helper()
	s.space = must(s.node.Join(context.Background(), space))(t)
	s.meet(t, mesh.Group{Endpoints: []string{url}})
}

// meet looks for peers of the stranger's copy.
func (s *stranger) meet(t testing.TB, g mesh.Group) {
	t.Helper()
	g.Space, g.Serve = s.space.ID(), s.serve
	must(s.mesh.Join(g))(t)
}

func (s *stranger) serve(ctx context.Context, st *mesh.Stream) {
	peer := st.Peer()
	err := syncer.Run(ctx, tapped{st, s}, replicaOf{s.space, s.ingest}, syncer.Options{
		Source:    replica.Source{Device: peer.Device, Transport: "ws"},
		ServeBlob: s.blob,
		Blobs:     &s.wants,
		Report: func(status syncer.Status) {
			if s.report != nil {
				s.report(peer, status)
			}
		},
	})
	select {
	case s.ended <- err:
	default:
	}
}

// tapped is a stream under a stranger's eyes.
type tapped struct {
	*mesh.Stream
	s *stranger
}

func (t tapped) Send(ctx context.Context, msg []byte) error {
	if t.s.send != nil {
		msg = t.s.send(msg)
	}
	return t.Stream.Send(ctx, msg)
}

func (t tapped) Receive(ctx context.Context) ([]byte, error) {
	msg, err := t.Stream.Receive(ctx)
	if err == nil && t.s.receive != nil {
		t.s.receive(msg)
	}
	return msg, err
}

func (t tapped) Close() error {
	t.Stream.Close(mesh.ReasonDone)
	return nil
}

// unpacked is the wire form of the batch in a message, nil in any other.
func unpacked(msg []byte) []byte {
	m, err := syncer.Decode(msg)
	b, isBatch := m.(*syncer.Batch)
	if err != nil || !isBatch || len(b.Data) == 0 {
		return nil
	}
	if b.Data[0] == 0 {
		return b.Data[1:]
	}
	_, n := binary.Uvarint(b.Data[1:])
	wire, err := io.ReadAll(flate.NewReader(bytes.NewReader(b.Data[1+n:])))
	if err != nil {
		return nil
	}
	return wire
}

// An attached object is there as soon as the space is synced; one that is only
// linked never travels, neither in the clear inside the channel nor on the wire.
func TestAttach(t *testing.T) {
	ctx := within(t)
	w := wires{tap: true}
	ana := w.listen(t, "ws://ana")
	hers := must(hhs.Create(ctx, ana, Notebook))(t)
	marker := func(what string) string {
		var b [16]byte
		for i, c := range newDevice(t).Certificate.Sig[:16] {
			b[i] = c
		}
		return what + "-" + hex.EncodeToString(b[:])
	}
	open, secret, private := marker("street"), marker("secret"), marker("private")
	street := must(ana.Put(ctx, map[string]any{"$type": "test/street", "name": open}))(t)
	person := must(ana.Put(ctx, map[string]any{"$type": "test/person", "name": "Ana", "street": street}))(t)
	linked := must(ana.Put(ctx, map[string]any{"$type": "test/person", "name": secret}))(t)
	must(ana.Put(ctx, private))(t)

	// A peer that looks at all that it is given, in the clear.
	var mu sync.Mutex
	var clear []byte
	spy := newStranger(t, newDevice(t), &w)
	defer spy.close()
	spy.receive = func(msg []byte) {
		mu.Lock()
		defer mu.Unlock()
		clear = append(append(clear, msg...), unpacked(msg)...)
	}
	spy.join(t, hers.ID(), "ws://ana")
	bob := w.open(t)
	his := must(hhs.Join(ctx, bob, Notebook, hers.Link().String()))(t)
	await(t, hers.AnySpace, "both there", synced(hers.AnySpace, 2))

	ok(t, hers.Update(ctx, func(tx *hhs.Tx, n Notes) error { return tx.Attach(person) }))
	ok(t, hers.Update(ctx, func(tx *hhs.Tx, n Notes) error { return n.Person.Set(tx, linked) }))
	want := hers.Replica().Heads()
	await(t, his.AnySpace, "synced", func() bool {
		return his.Status().State == hhs.StateSynced && slices.Equal(his.Replica().Heads(), want)
	})
	// A status of a moment ago may still say synced: what counts is that both hold it.
	await(t, hers.AnySpace, "held by both", func() bool { return len(must(hers.HeldBy(want[0]))(t)) == 2 })
	w.at("ws://ana", nil)
	w.link.Cut()

	got := must(his.Object(person))(t).(map[string]any)
	if got["name"] != "Ana" || got["street"] != street {
		t.Errorf("the person is %v", got)
	}
	if s := must(his.Object(street))(t).(map[string]any); s["name"] != open {
		t.Errorf("the street is %v", s)
	}
	if id, found, err := his.Root().Person.Get(); err != nil || !found || id != linked {
		t.Errorf("the link is %v, %v, %v", id, found, err)
	}
	for what, read := range map[string]func() (any, error){
		"in the space":        func() (any, error) { return his.Object(linked) },
		"on the node":         func() (any, error) { return bob.Get(linked) },
		"in the space, there": func() (any, error) { return hers.Object(linked) },
	} {
		if v, err := read(); err == nil || !strings.Contains(err.Error(), linked.String()) {
			t.Errorf("the linked object %s: %v, %v", what, v, err)
		}
	}
	for _, id := range []object.ID{person, street} {
		if _, err := spy.space.Object(id); err != nil {
			t.Errorf("the spy lacks %s: %v", id, err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.raw) == 0 || !bytes.Contains(clear, []byte(open)) {
		t.Fatal("the capture shows nothing")
	}
	for _, s := range []string{secret, private} {
		if bytes.Contains(clear, []byte(s)) {
			t.Errorf("%q travelled", s)
		}
	}
	for _, s := range []string{secret, private, open, "test/street", "test.example/notes", string(hers.ID().Bytes()[4:])} {
		if bytes.Contains(w.raw, []byte(s)) {
			t.Errorf("%q is readable on the wire", s)
		}
	}
	for what, mem := range map[string]*store.Mem{"the spy": spy.store} {
		if holds(t, mem, secret) || holds(t, mem, private) || !holds(t, mem, open) {
			t.Errorf("%s's store holds what it should not, or lacks what it should", what)
		}
	}
}

// holds searches a store's values.
func holds(t testing.TB, mem *store.Mem, text string) bool {
	t.Helper()
	snap := must(mem.Snapshot())(t)
	defer snap.Close()
	for kv, err := range snap.Scan(nil, nil, false) {
		ok(t, err)
		if bytes.Contains(kv.Value, []byte(text)) {
			return true
		}
	}
	return false
}

// A closure over the limits is refused by the name of the object, in the
// transaction that attaches it.
func TestAttachLimits(t *testing.T) {
	ctx := within(t)
	node := must(hhs.Open(ctx, "", hhs.Kinds(Notebook), hhs.Offline()))(t)
	defer node.Close()
	s := must(hhs.Create(ctx, node, Notebook))(t)
	put := func(v any) object.ID { return must(node.Put(ctx, v))(t) }
	var links []any
	for i := range replica.MaxAttachObjects {
		links = append(links, put(fmt.Sprint("leaf ", i)))
	}
	most, over := put(links[1:]), put(links)
	chain := put("end")
	for i := range replica.MaxAttachObjects {
		chain = put(map[string]any{"n": int64(i), "next": chain})
	}
	large := put([]any{put(bytes.Repeat([]byte{1}, 600_000)), put(bytes.Repeat([]byte{2}, 600_000))})
	nowhere := object.Sum(object.DagCBOR, []byte("x"))
	attach := func(id object.ID) error {
		return s.Update(ctx, func(tx *hhs.Tx, n Notes) error { return tx.Attach(id) })
	}
	for _, id := range []object.ID{over, chain, large, nowhere} {
		mentions(t, attach(id), id.String())
		if _, err := s.Object(id); err == nil {
			t.Error("attached all the same")
		}
	}
	ok(t, attach(most))
	if _, err := s.Object(links[5].(object.ID)); err != nil {
		t.Error(err)
	}
}

// quick are the limits of peers that a test makes by the hundred.
var quick = mesh.Limits{Handshakes: 1 << 16, HandshakesPerSecond: 1 << 16, HandshakesPerAddress: 1 << 16, Channels: 1 << 16,
	BackoffMin: time.Millisecond, BackoffMax: 50 * time.Millisecond, HandshakeTime: 2 * time.Second, DialTime: 2 * time.Second, Attempt: 500 * time.Millisecond}

// sourceOf is the node that has a space as a source of batches.
func sourceOf(s *hhs.Space[Notes]) replica.Source {
	return replica.Source{Device: s.Replica().Node().Device().Signer.Public(), Transport: "pipe"}
}
