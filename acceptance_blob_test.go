//go:build !js

package hhs_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/blob"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
	"github.com/hyperhyperspace/hhs-go/store"
	"github.com/hyperhyperspace/hhs-go/syncer"
)

// noise is n bytes that repeat nowhere.
func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(n), byte(n >> 8)}).Read(b)
	return b
}

// shown waits for the cover of an album.
func shown(t testing.TB, s *hhs.Space[album]) hhs.Blob {
	t.Helper()
	await(t, s.AnySpace, "the cover", func() bool {
		_, here, err := s.Root().Cover.Get()
		ok(t, err)
		return here
	})
	b, _, err := s.Root().Cover.Get()
	ok(t, err)
	return b
}

// cover puts a blob and names it.
func cover(t testing.TB, s *hhs.Space[album], data []byte) hhs.Blob {
	t.Helper()
	b := must(s.Node().PutBlob(within(t), bytes.NewReader(data), hhs.BlobName("cover.png")))(t)
	ok(t, s.Update(within(t), func(tx *hhs.Tx, r album) error { return r.Cover.Set(tx, b) }))
	return b
}

func openBlob(t testing.TB, s *hhs.Space[album], b hhs.Blob) *hhs.BlobReader {
	t.Helper()
	r := must(s.OpenBlob(within(t), b))(t)
	t.Cleanup(func() { r.Close() })
	return r
}

// A blob is fetched when it is read and no sooner, by range before it is complete, and what was fetched stays over a
// restart and is served to others.
func TestBlobTravels(t *testing.T) {
	ctx := within(t)
	var w wires
	data := noise(20*blob.ChunkSize + 77)
	ana := w.listen(t, "ws://ana", hhs.Kinds(albumKind))
	hers := must(hhs.Create(ctx, ana, albumKind))(t)
	cover(t, hers, data)

	kept, device := store.NewMem(), newDevice(t)
	bobs := func() *hhs.Node {
		return w.listen(t, "ws://bob", hhs.Kinds(albumKind), hhs.WithStore(kept), hhs.WithDevice(device))
	}
	bob := bobs()
	his := must(hhs.Join(ctx, bob, albumKind, hers.Link().String()))(t)
	b := shown(t, his)
	r := openBlob(t, his, b)
	if here := must(r.Here())(t); here != 0 {
		t.Fatalf("%d bytes came before they were read", here)
	}
	part := make([]byte, 1000)
	at := int64(17*blob.ChunkSize - 500)
	if n, err := r.ReadAt(part, at); n != 1000 || err != nil || !bytes.Equal(part, data[at:at+1000]) {
		t.Fatalf("a range: %d, %v", n, err)
	}
	if here := must(r.Here())(t); here >= b.Size/2 {
		t.Errorf("%d of %d bytes came for a range of 1,000", here, b.Size)
	}
	ok(t, iotest.TestReader(openBlob(t, his, b), data))

	// Again from the store, with nobody there; and from bob when ana is gone.
	ok(t, bob.Close())
	w.at("ws://ana", nil)
	ok(t, ana.Close())
	bob = bobs()
	his = must(hhs.As(must(bob.Space(his.ID()))(t), albumKind))(t)
	if got, err := io.ReadAll(openBlob(t, his, b)); err != nil || !bytes.Equal(got, data) {
		t.Fatalf("after a restart: %d bytes, %v", len(got), err)
	}
	cy := w.open(t, hhs.Kinds(albumKind))
	link := his.Link()
	link.Endpoints = []string{"ws://bob"}
	cys := must(hhs.Join(ctx, cy, albumKind, link.String()))(t)
	var told int64
	kr := openBlob(t, cys, shown(t, cys))
	ok(t, kr.Keep(ctx, func(here int64) { told = here }))
	if told != b.Size {
		t.Errorf("told of %d bytes of %d", told, b.Size)
	}
	if got, err := io.ReadAll(kr); err != nil || !bytes.Equal(got, data) {
		t.Fatalf("from the second: %d bytes, %v", len(got), err)
	}
}

// Who opens a blob that is here through another space reads it, and has it served in this one when a peer has shown that it
// has it too: not to a member who knows nothing but its hash.
func TestOpenedBlobIsServedToWhoHasIt(t *testing.T) {
	ctx := within(t)
	var w wires
	data := noise(3*blob.ChunkSize + 5)
	ben := w.open(t, hhs.Kinds(albumKind))
	b := cover(t, must(hhs.Create(ctx, ben, albumKind))(t), data)
	for _, has := range []bool{false, true} {
		eve := w.listen(t, "ws://eve", hhs.Kinds(albumKind))
		room := must(hhs.Create(ctx, eve, albumKind))(t)
		if has {
			cover(t, room, data)
		} else {
			ok(t, room.Update(ctx, func(tx *hhs.Tx, r album) error { return r.Cover.Set(tx, b) }))
		}
		bens := must(hhs.Join(ctx, ben, albumKind, room.Link().String()))(t)
		shown(t, bens)
		ok(t, bens.WaitSynced(ctx))
		r := openBlob(t, bens, b)
		ok(t, iotest.TestReader(r, data))
		for has {
			came := bens.BlobsChanged()
			if _, err := bens.Replica().ServeBlob(b.Root, 1, 3); err == nil {
				break
			}
			select {
			case <-came:
			case <-ctx.Done():
				t.Fatal("whose peer has it is not served")
			}
		}
		if got, err := bens.Replica().ServeBlob(b.Root, 1, 3); has != (err == nil) {
			t.Errorf("the peer has it: %v; it is given %d bytes, %v", has, len(got), err)
		}
		ok(t, eve.Close())
	}
}

// A node that ends in the middle goes on where it was; what one peer lacks another gives.
func TestBlobResumesFromOthers(t *testing.T) {
	ctx := within(t)
	var w wires
	data := noise(12 * blob.ChunkSize)
	ana := w.listen(t, "ws://ana", hhs.Kinds(albumKind))
	hers := must(hhs.Create(ctx, ana, albumKind))(t)
	b := cover(t, hers, data)
	bob := w.listen(t, "ws://bob", hhs.Kinds(albumKind))
	his := must(hhs.Join(ctx, bob, albumKind, hers.Link().String()))(t)
	shown(t, his)
	kept, device := store.NewMem(), newDevice(t)
	cys := func() (*hhs.Node, *hhs.Space[album]) {
		cy := w.open(t, hhs.Kinds(albumKind), hhs.WithStore(kept), hhs.WithDevice(device))
		link := hers.Link()
		link.Endpoints = append(link.Endpoints, "ws://bob")
		return cy, must(hhs.Join(ctx, cy, albumKind, link.String()))(t)
	}
	cy, theirs := cys()
	shown(t, theirs)
	chunk := make([]byte, blob.ChunkSize)
	must(openBlob(t, theirs, b).ReadAt(chunk, 0))(t)
	before := must(openBlob(t, theirs, b).Here())(t)
	if before == 0 || before == b.Size {
		t.Fatalf("%d bytes are here after a chunk", before)
	}
	// Bob has only the end, and cy, restarted, only the beginning.
	must(openBlob(t, his, b).ReadAt(chunk, 11*blob.ChunkSize))(t)
	ok(t, cy.Close())
	w.at("ws://ana", nil)
	ok(t, ana.Close())
	_, theirs = cys()
	r := openBlob(t, theirs, b)
	if here := must(r.Here())(t); here < before {
		t.Errorf("%d bytes are here, %d were", here, before)
	}
	if n, err := r.ReadAt(chunk, 11*blob.ChunkSize); n != len(chunk) || err != nil || !bytes.Equal(chunk, data[11*blob.ChunkSize:]) {
		t.Fatalf("what bob has: %d, %v", n, err)
	}
	// The rest is nowhere: reading ends with its context.
	short, cancel := context.WithCancel(ctx)
	waits := must(theirs.OpenBlob(short, b))(t)
	defer waits.Close()
	cancel()
	if _, err := waits.ReadAt(chunk, 10*blob.ChunkSize); !errors.Is(err, context.Canceled) {
		t.Errorf("what nobody has: %v", err)
	}
}

// Whom the application turns away gets no more blocks, on the stream that is open.
func TestBlobTurnedAway(t *testing.T) {
	ctx := within(t)
	var w wires
	var away atomic.Bool
	ana := w.listen(t, "ws://ana", hhs.Kinds(albumKind), hhs.WithDefaultPeers(hhs.Peers{Admit: func(hhs.PeerDevice) bool { return !away.Load() }}))
	hers := must(hhs.Create(ctx, ana, albumKind))(t)
	b := cover(t, hers, noise(3*blob.ChunkSize))
	eve := newStranger(t, newDevice(t), &w)
	defer eve.close()
	absent := make(chan struct{}, 1)
	eve.receive = func(msg []byte) {
		if m, err := syncer.Decode(msg); err == nil {
			if b, isBlock := m.(*syncer.Block); isBlock && b.Status == syncer.BlobAbsent {
				select {
				case absent <- struct{}{}:
				default:
				}
			}
		}
	}
	eve.join(t, hers.ID(), "ws://ana")
	var links []object.ID
	root := eve.wants.Want(syncer.BlockAt{Root: b.Root}, b.Root, b.Size, func(data []byte) (err error) {
		links, err = b.Tree().Check(b.Tree().Root(), b.Root, data)
		return err
	})
	<-root.Done()
	ok(t, root.Err())
	away.Store(true)
	next := eve.wants.Want(syncer.BlockAt{Root: b.Root, Depth: 1}, links[0], b.Size, func([]byte) error { return nil })
	select {
	case <-absent:
	case <-next.Done():
		t.Error("a block was given to one who was turned away")
	case <-ctx.Done():
		t.Error("no answer")
	}
	next.Drop()
}

// A peer that sends wrong bytes is caught at the first block, and named; nothing of it is kept.
func TestBlobLiar(t *testing.T) {
	ctx := within(t)
	var w wires
	data := noise(6 * blob.ChunkSize)
	ana := w.listen(t, "ws://ana", hhs.Kinds(albumKind))
	hers := must(hhs.Create(ctx, ana, albumKind))(t)
	b := cover(t, hers, data)

	bob := w.listen(t, "ws://bob", hhs.Kinds(albumKind))
	his := must(hhs.Join(ctx, bob, albumKind, hers.Link().String()))(t)
	shown(t, his)
	w.at("ws://ana", nil)
	ok(t, ana.Close())

	liar := newStranger(t, newDevice(t), &w)
	defer liar.close()
	liar.blob = func(syncer.BlockAt) ([]byte, syncer.BlockStatus) { return []byte("anything"), syncer.BlockHere }
	liar.join(t, his.ID(), "ws://bob")
	r := openBlob(t, his, b)
	done := make(chan error, 1)
	go func() {
		_, err := r.ReadAt(make([]byte, 10), 0)
		done <- err
	}()
	await(t, his.AnySpace, "the liar is named", func() bool {
		_, last := his.Replica().Refused()
		return slices.ContainsFunc(last, func(x replica.Refusal) bool {
			return x.Reject.Rule == syncer.CodeBadBlock.String() && x.Reject.From.Device == liar.device.Signer.Public()
		})
	})
	if here := must(r.Here())(t); here != 0 {
		t.Errorf("%d bytes of a liar were kept", here)
	}
	r.Close()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("reading ended with %v", err)
	}
}
