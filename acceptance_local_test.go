//go:build !js

package hhs_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/transport"
)

// forbidden is a network that may not be used.
func forbidden(t *testing.T) []hhs.Option {
	dial := transport.DialerFunc(func(_ context.Context, url string) (transport.Conn, error) {
		t.Errorf("dialled %s", url)
		return nil, errors.New("no network")
	})
	rtc := func(context.Context, hhs.Exchange) (transport.Conn, error) {
		t.Error("WebRTC was used")
		return nil, errors.New("no network")
	}
	return []hhs.Option{hhs.Kinds(Notebook), hhs.WithDialer("ws", dial), hhs.WithDialer("wss", dial), hhs.WithRTC(&hhs.RTC{Dial: rtc, Answer: rtc})}
}

// Everything works with no network at all, in a directory, over a restart.
func TestOfflineFirst(t *testing.T) {
	ctx := within(t)
	dir := t.TempDir()
	node := must(hhs.Open(ctx, dir, forbidden(t)...))(t)
	defer node.Close()
	me := node.Identity()
	ok(t, node.SetName(ctx, "Ana"))
	s := must(hhs.Create(ctx, node, Notebook))(t)
	watching, stop := context.WithCancel(ctx)
	defer stop()
	changes := s.Watch(watching)
	ok(t, s.Update(ctx, func(tx *hhs.Tx, n Notes) error {
		return errors.Join(n.Title.Set(tx, "first"), n.Copy.Set(tx, "first"), n.Tags.Add(tx, "a"), n.Tags.Add(tx, "b"))
	}))
	ok(t, s.Update(ctx, func(tx *hhs.Tx, n Notes) error { return n.Tags.Remove(tx, "a") }))
	r := write(t, s, "line")
	if held(t, r) != 0 {
		t.Error("held by somebody else")
	}
	seen := map[string]int{}
	for c, err := range changes {
		ok(t, err)
		if seen[c.Field]++; c.Field == "lines" {
			break
		}
	}
	if seen["title"] == 0 || seen["tags"] == 0 {
		t.Errorf("changes %v", seen)
	}
	person := must(node.Put(ctx, map[string]any{"name": "Ana"}))(t)
	ok(t, s.Update(ctx, func(tx *hhs.Tx, n Notes) error { return errors.Join(tx.Attach(person), n.Person.Set(tx, person)) }))
	dropped := must(hhs.Create(ctx, node, Notebook))(t)
	ok(t, node.Leave(ctx, dropped.ID()))
	if st := s.Status(); st.State != hhs.StateOffline || st.Peers != 0 {
		t.Errorf("status %+v", st)
	}
	ok(t, node.Close())

	if _, err := s.Commit(ctx, func(tx *hhs.Tx, n Notes) error { return n.Lines.Append(tx, "x") }); !errors.Is(err, hhs.ErrClosed) {
		t.Errorf("write after Close: %v", err)
	}
	if _, _, err := s.Root().Title.Get(); !errors.Is(err, hhs.ErrClosed) {
		t.Errorf("read after Close: %v", err)
	}
	if _, err := node.Space(s.ID()); !errors.Is(err, hhs.ErrClosed) {
		t.Errorf("Space after Close: %v", err)
	}

	node = must(hhs.Open(ctx, dir, forbidden(t)...))(t)
	defer node.Close()
	if node.Identity() != me || node.Fresh() {
		t.Error("reopened as somebody else")
	}
	spaces := must(node.Spaces())(t)
	if len(spaces) != 1 || spaces[0].ID() != s.ID() {
		t.Fatalf("%d spaces after reopening", len(spaces))
	}
	again := must(hhs.As(spaces[0], Notebook))(t)
	if title(t, again) != "first" || !slices.Equal(lines(t, again), []string{"line"}) {
		t.Errorf("reads %q and %q", title(t, again), lines(t, again))
	}
	var tags []string
	for e, err := range again.Root().Tags.All() {
		ok(t, err)
		tags = append(tags, e.Value)
	}
	if !slices.Equal(tags, []string{"b"}) {
		t.Errorf("tags %q", tags)
	}
	if name := must(again.NameOf(me))(t); name != "Ana" {
		t.Errorf("name %q", name)
	}
	if v := must(again.Object(person))(t); v.(map[string]any)["name"] != "Ana" {
		t.Errorf("object %v", v)
	}
	write(t, again, "next")
}

// A reader never sees one of two fields that are written together without the
// other, whoever writes.
func TestUpdatesAreAtomic(t *testing.T) {
	ctx := within(t)
	node := must(hhs.Open(ctx, "", hhs.Kinds(Notebook), hhs.Offline()))(t)
	defer node.Close()
	s := must(hhs.Create(ctx, node, Notebook))(t)
	var writers, readers sync.WaitGroup
	var done atomic.Bool
	for w := range 8 {
		writers.Go(func() {
			for i := range 40 {
				text := fmt.Sprint(w, " ", i)
				err := s.Update(ctx, func(tx *hhs.Tx, n Notes) error {
					a, _, errA := n.Title.Get()
					b, _, errB := n.Copy.Get()
					if a != b {
						t.Errorf("a transaction reads %q and %q", a, b)
					}
					return errors.Join(errA, errB, n.Title.Set(tx, text), n.Copy.Set(tx, text), n.Lines.Append(tx, text))
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 2 {
		readers.Go(func() {
			for !done.Load() {
				view, err := s.Replica().View()
				if err != nil {
					t.Error(err)
					return
				}
				a, b := registerIn(t, view, "title"), registerIn(t, view, "copy")
				view.Close()
				if a != b {
					t.Errorf("a reader sees %q and %q", a, b)
					return
				}
			}
		})
	}
	// A watcher, too, hears of both before it hears of the next write of either.
	readers.Go(func() {
		watching, stop := context.WithCancel(ctx)
		defer stop()
		for c, err := range s.Watch(watching) {
			if err != nil {
				t.Error(err)
			}
			if c.Field == "tags" {
				return
			}
		}
	})
	writers.Wait()
	done.Store(true)
	ok(t, s.Update(ctx, func(tx *hhs.Tx, n Notes) error { return n.Tags.Add(tx, "end") }))
	readers.Wait()
	if n := len(lines(t, s)); n != 320 {
		t.Errorf("%d of 320 lines", n)
	}
}

// A transaction whose function fails, or whose context has ended, writes nothing.
func TestUpdateThatFails(t *testing.T) {
	ctx := within(t)
	node := must(hhs.Open(ctx, "", hhs.Kinds(Notebook), hhs.Offline()))(t)
	defer node.Close()
	s := must(hhs.Create(ctx, node, Notebook))(t)
	mine := errors.New("mine")
	commits := s.Replica().Len()
	half := func(tx *hhs.Tx, n Notes) error { return n.Title.Set(tx, "half") }
	if err := s.Update(ctx, func(tx *hhs.Tx, n Notes) error { return errors.Join(half(tx, n), mine) }); !errors.Is(err, mine) {
		t.Errorf("error %v", err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if err := s.Update(ended, half); !errors.Is(err, context.Canceled) {
		t.Errorf("ended: %v", err)
	}
	func() {
		defer func() {
			if p := recover(); p != mine {
				t.Errorf("recovered %v", p)
			}
		}()
		err := s.Update(ctx, func(tx *hhs.Tx, n Notes) error { panic(mine) })
		t.Errorf("returned %v", err)
	}()
	r, err := s.Commit(ctx, func(tx *hhs.Tx, n Notes) error { return nil })
	if err != nil || !r.Commit.IsZero() {
		t.Errorf("an empty transaction: %v, %v", r.Commit, err)
	}
	if title(t, s) != "" || s.Replica().Len() != commits {
		t.Errorf("title %q, %d commits", title(t, s), s.Replica().Len())
	}
	write(t, s, "works")
}

// A slow subscriber makes nobody wait; what it missed is coalesced to the first
// Before and the last After.
func TestWatchCoalesces(t *testing.T) {
	ctx := within(t)
	node := must(hhs.Open(ctx, "", hhs.Kinds(Notebook), hhs.Offline()))(t)
	defer node.Close()
	s := must(hhs.Create(ctx, node, Notebook))(t)
	set := func(text string) {
		ok(t, s.Update(ctx, func(tx *hhs.Tx, n Notes) error { return n.Title.Set(tx, text) }))
	}
	set("zero")
	watching, stop := context.WithCancel(ctx)
	defer stop()
	slow := s.Watch(watching)
	for i := range 100 {
		set(fmt.Sprint(i))
	}
	n := 0
	for c, err := range slow {
		ok(t, err)
		before, after := text(t, c.Before), text(t, c.After)
		switch n++; n {
		case 1:
			if before != "zero" || after != "99" {
				t.Errorf("coalesced to %q -> %q", before, after)
			}
			set("next") // inside the loop, of the same space
		case 2:
			if before != "99" || after != "next" {
				t.Errorf("then %q -> %q", before, after)
			}
			stop() // ends the sequence without an error
		default:
			t.Errorf("change %d: %q -> %q", n, before, after)
		}
	}
	if n != 2 {
		t.Errorf("%d changes", n)
	}
}

// One that falls behind by more than is kept for it is told to read again.
func TestWatchThatFallsBehind(t *testing.T) {
	ctx := within(t)
	node := must(hhs.Open(ctx, "", hhs.Kinds(Notebook), hhs.Offline()))(t)
	defer node.Close()
	s := must(hhs.Create(ctx, node, Notebook))(t)
	watching, stop := context.WithCancel(ctx)
	defer stop()
	slow := s.Watch(watching)
	for range 5 {
		ok(t, s.Update(ctx, func(tx *hhs.Tx, n Notes) error {
			for range 1000 {
				if err := n.Lines.Append(tx, "x"); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	n := 0
	for c, err := range slow {
		ok(t, err)
		if n++; n == 1 && !c.Resync {
			t.Fatalf("not told to read again: %+v", c)
		}
		if n == 1 {
			write(t, s, "after")
		} else if c.Resync || text(t, c.After) != "after" {
			t.Errorf("change %+v", c)
		} else {
			break
		}
	}
}

// Updates from inside a Watch loop of the same space, in response to changes.
func TestUpdateInsideWatch(t *testing.T) {
	ctx := within(t)
	node := must(hhs.Open(ctx, "", hhs.Kinds(Notebook), hhs.Offline()))(t)
	defer node.Close()
	s := must(hhs.Create(ctx, node, Notebook))(t)
	changes := s.Watch(ctx)
	ok(t, s.Update(ctx, func(tx *hhs.Tx, n Notes) error { return n.Title.Set(tx, "0") }))
	i := 0
	for c, err := range changes {
		ok(t, err)
		if c.Field != "title" {
			continue
		}
		if i++; i == 50 {
			break
		}
		ok(t, s.Update(ctx, func(tx *hhs.Tx, n Notes) error { return n.Title.Set(tx, fmt.Sprint(i)) }))
	}
	if title(t, s) != "49" {
		t.Errorf("title %q", title(t, s))
	}
}

// Who waits for a space that never comes is told when the node closes.
func TestWaitEndsWithTheNode(t *testing.T) {
	ctx := within(t)
	node := must(hhs.Open(ctx, "", hhs.Kinds(Notebook), hhs.Offline()))(t)
	s := must(node.JoinSpace(ctx, object.Sum(object.DagCBOR, []byte("nowhere")).String()))(t)
	waited := make(chan error)
	go func() { waited <- s.Wait(ctx) }()
	ok(t, node.Close())
	if err := <-waited; !errors.Is(err, hhs.ErrClosed) {
		t.Fatal(err)
	}
	node = must(hhs.Open(ctx, "", hhs.Kinds(Notebook), hhs.Offline()))(t)
	defer node.Close()
	s = must(node.JoinSpace(ctx, s.ID().String()))(t)
	go func() { waited <- s.Wait(ctx) }()
	ok(t, node.Leave(ctx, s.ID()))
	if err := <-waited; !errors.Is(err, hhs.ErrClosed) {
		t.Fatal(err)
	}
	if _, err := node.Space(s.ID()); !errors.Is(err, hhs.ErrUnknownSpace) {
		t.Fatal(err)
	}
}
