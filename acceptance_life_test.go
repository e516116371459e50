//go:build !js

package hhs_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
)

// Leaving, joining and closing while everybody writes and syncs: nothing hangs,
// nothing is half done, and in the end all have the same.
func TestLeaveWhileSyncing(t *testing.T) {
	ctx := within(t)
	var w wires
	ana := w.listen(t, "ws://ana")
	hers := must(hhs.Create(ctx, ana, Notebook))(t)
	link := hers.Link().String()
	bob := w.open(t)
	stop := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				write(t, hers, fmt.Sprint("ana ", i))
			}
		}
	})
	for round := range 15 {
		his, err := hhs.Join(ctx, bob, Notebook, link)
		if errors.Is(err, hhs.ErrClosed) {
			t.Fatalf("round %d: %v", round, err)
		}
		ok(t, err)
		var writers sync.WaitGroup
		for range 3 {
			writers.Go(func() {
				for {
					err := his.Update(ctx, func(tx *hhs.Tx, n Notes) error { return n.Tags.Add(tx, fmt.Sprint(round)) })
					if errors.Is(err, hhs.ErrClosed) || errors.Is(err, hhs.ErrForked) {
						return // it has left: its copy is gone, and what it wrote elsewhere with this key comes back
					}
					if err != nil && !errors.Is(err, hhs.ErrPending) { // what it wrote before is on its way
						t.Error(err)
						return
					}
				}
			})
		}
		watched := make(chan struct{})
		go func() {
			defer close(watched)
			for _, err := range his.Watch(ctx) {
				if err != nil && !errors.Is(err, hhs.ErrClosed) {
					t.Error(err)
				}
			}
		}()
		await(t, his.AnySpace, "some of hers", func() bool { return len(lines(t, his)) > 0 })
		ok(t, bob.Leave(ctx, his.ID()))
		writers.Wait()
		<-watched
		if _, err := bob.Space(his.ID()); !errors.Is(err, hhs.ErrUnknownSpace) {
			t.Fatalf("round %d: after leaving: %v", round, err)
		}
	}
	close(stop)
	all.Wait()
	his := must(hhs.Join(ctx, bob, Notebook, link))(t)
	await(t, his.AnySpace, "all of it", func() bool {
		return slices.Equal(his.Replica().Heads(), hers.Replica().Heads()) && his.Status().State == hhs.StateSynced
	})
	if !slices.Equal(lines(t, his), lines(t, hers)) {
		t.Error("the copies differ")
	}
}

// Closing both ends at any moment of a sync ends everything they do.
func TestCloseWhileSyncing(t *testing.T) {
	for round := range 10 {
		ctx := within(t)
		var w wires
		ana := w.listen(t, "ws://ana")
		hers := must(hhs.Create(ctx, ana, Notebook))(t)
		for i := range 50 {
			write(t, hers, fmt.Sprint(i))
		}
		bob := w.open(t)
		his := must(bob.JoinSpace(ctx, hers.Link().String()))(t)
		var all sync.WaitGroup
		all.Go(func() {
			if err := his.Wait(ctx); err != nil && !errors.Is(err, hhs.ErrClosed) {
				t.Error(err)
			}
		})
		all.Go(func() {
			for {
				if _, err := hers.Commit(ctx, func(tx *hhs.Tx, n Notes) error { return n.Lines.Append(tx, "x") }); err != nil {
					if !errors.Is(err, hhs.ErrClosed) {
						t.Error(err)
					}
					return
				}
			}
		})
		if round%2 == 0 {
			<-his.StatusChanged()
		}
		all.Go(func() { ok(t, bob.Close()) })
		ok(t, ana.Close())
		all.Wait()
	}
}

// mute is a device whose key answers only when it is let to.
type mute struct {
	identity.Signer
	gate chan struct{}
}

func (m mute) Sign(ctx context.Context, s identity.Statement) ([]byte, error) {
	<-m.gate // whatever ctx says
	return m.Signer.Sign(ctx, s)
}

// A signer that never answers stops nothing but what has to be signed, and that
// only until its caller gives up.
func TestMuteSigner(t *testing.T) {
	var w wires
	ana := w.listen(t, "ws://ana")
	bg := within(t)
	hers := must(hhs.Create(bg, ana, Notebook))(t)
	write(t, hers, "hers")
	device := newDevice(t)
	gate := make(chan struct{})
	defer close(gate)
	device.Signer = mute{device.Signer, gate}
	node := w.open(t, hhs.WithDevice(device))
	given := func(what string, call func(ctx context.Context) error) {
		t.Helper()
		ctx, cancel := context.WithCancel(bg)
		ended := make(chan error)
		go func() { ended <- call(ctx) }()
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) && err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	given("create", func(ctx context.Context) error { _, err := hhs.Create(ctx, node, Notebook); return err })
	s := must(node.JoinSpace(bg, hers.Link().String()))(t)
	// It cannot prove who it is, so nothing comes; what comes another way is taken.
	for b, err := range hers.Replica().Batches(nil, 1<<20) {
		ok(t, err)
		must(s.Replica().Ingest(bg, b, sourceOf(hers)))(t)
	}
	his := must(hhs.As(s, Notebook))(t)
	given("update", func(ctx context.Context) error {
		return his.Update(ctx, func(tx *hhs.Tx, n Notes) error { return n.Title.Set(tx, "x") })
	})
	given("set name", func(ctx context.Context) error { return s.SetName(ctx, "Bob") })
	given("look up", func(ctx context.Context) error {
		_, err := node.Lookup(ctx, s.Words(), "ws://ana")
		return ignoreOffline(err)
	})
	if got := lines(t, his); !slices.Equal(got, []string{"hers"}) {
		t.Errorf("lines %q", got)
	}
	must(node.Put(bg, "x"))(t)
	must(node.Spaces())(t)
	_, _, _, _ = s.Status(), s.Peers(), s.Link(), s.Words()
	ok(t, node.SetName(bg, "Bob"))
	ok(t, node.Leave(bg, s.ID()))
	ok(t, node.Close())
}

func ignoreOffline(err error) error {
	if errors.Is(err, hhs.ErrOffline) {
		return nil
	}
	return err
}

// Who opens a directory that is open, or of a later version, is told so, and
// changes nothing.
func TestOpenRefuses(t *testing.T) {
	ctx := within(t)
	dir := t.TempDir()
	node := must(hhs.Open(ctx, dir, hhs.Kinds(Notebook), hhs.Offline()))(t)
	s := must(hhs.Create(ctx, node, Notebook))(t)
	write(t, s, "one")
	if _, err := hhs.Open(ctx, dir); !errors.Is(err, hhs.ErrLocked) {
		t.Errorf("opened twice: %v", err)
	}
	write(t, s, "two")
	ok(t, node.Close())

	format := filepath.Join(dir, "store", "HHS-FORMAT")
	known := must(os.ReadFile(format))(t)
	ok(t, os.WriteFile(format, []byte("999\n"), 0o600))
	before := files(t, dir)
	_, err := hhs.Open(ctx, dir)
	if !errors.Is(err, hhs.ErrNewer) {
		t.Errorf("opened a later version: %v", err)
	}
	mentions(t, err, dir)
	if after := files(t, dir); !slices.Equal(before, after) {
		t.Errorf("touched: %v, then %v", before, after)
	}
	ok(t, os.WriteFile(format, known, 0o600))
	node = must(hhs.Open(ctx, dir, hhs.Kinds(Notebook), hhs.Offline()))(t)
	defer node.Close()
	s = must(hhs.As(must(node.Space(s.ID()))(t), Notebook))(t)
	if got := lines(t, s); !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("lines %q", got)
	}
}

// files lists what is in a directory, with sizes and times.
func files(t testing.TB, dir string) (list []string) {
	t.Helper()
	ok(t, filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			list = append(list, fmt.Sprint(path, " ", info.Size(), " ", info.ModTime().UnixNano()))
		}
		return err
	}))
	return list
}

// Another kind under the same link is refused by both names.
func TestOtherKind(t *testing.T) {
	ctx := within(t)
	type Other struct{ Title hhs.Register[string] }
	other := hhs.Define[Other]("test.example/other", 2)
	node := must(hhs.Open(ctx, "", hhs.Kinds(Notebook, other), hhs.Offline()))(t)
	defer node.Close()
	s := must(hhs.Create(ctx, node, Notebook))(t)
	_, err := hhs.As(s.AnySpace, other)
	if !errors.Is(err, hhs.ErrKind) {
		t.Error(err)
	}
	mentions(t, err, "test.example/notes", "test.example/other")
	pending := must(node.JoinSpace(ctx, object.Sum(object.DagCBOR, []byte("x")).String()))(t)
	if _, err := hhs.As(pending, Notebook); !errors.Is(err, hhs.ErrPending) {
		t.Error(err)
	}
}
