package replica_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
	"github.com/hyperhyperspace/hhs-go/store"
)

func undoLast(tx *replica.Tx, within time.Duration) error {
	step, err := tx.NextUndo(within)
	if err != nil || len(step.Commits) == 0 {
		return err
	}
	return tx.Undo(step.Commits...)
}

func redoLast(tx *replica.Tx) error {
	step, err := tx.NextRedo()
	if err != nil || len(step.Commits) == 0 {
		return err
	}
	return tx.Redo(step.Undo)
}

// undoTest is one device's edits of a log, and what it shows after each.
type undoTest struct {
	t     *testing.T
	space *replica.Space
	now   *int64
}

func newUndoTest(t *testing.T) (*undoTest, *replica.Node) {
	now := int64(1_700_000_000_000)
	n := newNode(t, 1, func(c *replica.Config) { c.Now = func() time.Time { return time.UnixMilli(now) } })
	return &undoTest{t, create(t, n), &now}, n
}

func (u *undoTest) update(f func(tx *replica.Tx) error) replica.Receipt {
	u.t.Helper()
	r, err := u.space.Update(context.Background(), f)
	if err != nil {
		u.t.Fatal(err)
	}
	return r
}

func (u *undoTest) line(text string) replica.Receipt {
	u.t.Helper()
	return line(u.t, u.space, text)
}

func (u *undoTest) undo() {
	u.t.Helper()
	u.update(func(tx *replica.Tx) error { return undoLast(tx, 0) })
}
func (u *undoTest) redo() { u.t.Helper(); u.update(redoLast) }

func (u *undoTest) shows(want string) {
	u.t.Helper()
	if got := strings.Join(lines(u.t, u.space), " "); got != want {
		u.t.Fatalf("the log shows %q, not %q", got, want)
	}
}

// TestUndoSteps: undo goes back edit by edit, redo forward, and an edit ends
// what could be redone; all of it goes on after the node is opened again.
func TestUndoSteps(t *testing.T) {
	mem := store.NewMem()
	device := newDevice(t, 1)
	open := func() *replica.Node {
		return newNode(t, 1, func(c *replica.Config) { c.Store, c.Device = mem, device })
	}
	n := open()
	u := &undoTest{t: t, space: create(t, n)}
	u.undo()
	u.shows("")
	for _, text := range []string{"a", "b", "c"} {
		u.line(text)
	}
	u.undo()
	u.undo()
	u.shows("a")

	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := open().Space(u.space.ID())
	if err != nil {
		t.Fatal(err)
	}
	u.space = again
	u.redo()
	u.shows("a b")
	u.undo()
	u.shows("a")
	u.redo()
	u.redo()
	u.shows("a b c")
	u.redo()
	u.shows("a b c")
	u.undo()
	u.line("d")
	u.redo()
	u.shows("a b d")
	u.undo()
	u.undo()
	u.undo()
	u.undo()
	u.shows("")
	u.redo()
	u.redo()
	u.redo()
	u.redo()
	u.shows("a b d")
}

// TestUndoGroups: commits that join one are taken back with it, also when
// another edit lies between; so are those within a time of each other.
func TestUndoGroups(t *testing.T) {
	u, _ := newUndoTest(t)
	first := u.line("a1")
	u.line("x")
	join := func(text string) {
		u.update(func(tx *replica.Tx) error {
			if err := tx.Join(first.Commit); err != nil {
				return err
			}
			return tx.Do("lines", crdt.LogAppend(enc(t, text)))
		})
	}
	join("a2")
	join("a3")
	u.undo()
	u.shows("x")
	u.redo()
	u.shows("a1 x a2 a3")
	u.undo()
	u.undo()
	u.shows("")
	u.redo()
	u.shows("x")
	u.redo()
	u.shows("a1 x a2 a3")

	for i, pause := range []int64{1000, 300, 300, 301, 300} {
		*u.now += pause
		u.line(fmt.Sprint(i))
	}
	undo := func() { u.update(func(tx *replica.Tx) error { return undoLast(tx, 300*time.Millisecond) }) }
	undo()
	u.shows("a1 x a2 a3 0 1 2")
	undo()
	u.shows("a1 x a2 a3")
	u.redo()
	u.shows("a1 x a2 a3 0 1 2")
	if step, err := u.space.NextUndo(0); err != nil || len(step.Commits) != 1 {
		t.Fatalf("without a time the next step is %v %v", step, err)
	}
	if step, err := u.space.NextRedo(); err != nil || len(step.Commits) != 2 {
		t.Fatalf("the next to redo is %v %v", step, err)
	}
}

// TestUndoNeverOthers: what somebody else wrote meanwhile stays, and nobody can
// take back what is not theirs.
func TestUndoNeverOthers(t *testing.T) {
	u, _ := newUndoTest(t)
	bob := newNode(t, 2)
	theirs, err := bob.Join(context.Background(), u.space.ID())
	if err != nil {
		t.Fatal(err)
	}
	set := func(s *replica.Space, text string) replica.Receipt {
		r, err := s.Update(context.Background(), func(tx *replica.Tx) error {
			env, err := tx.Env("title")
			if err != nil {
				return err
			}
			d, err := crdt.RegisterSet(env, enc(t, text))
			if err != nil {
				return err
			}
			return tx.Do("title", d)
		})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	set(u.space, "first")
	mine := set(u.space, "mine")
	pull(t, theirs, u.space, 1<<20)
	set(theirs, "bob's")
	line(t, theirs, "bob's")
	pull(t, u.space, theirs, 1<<20)
	u.undo()
	if got := title(t, u.space); got != "bob's" {
		t.Fatalf("after an undo of an earlier value: %s", got)
	}
	u.shows("bob's")
	_, err = theirs.Update(context.Background(), func(tx *replica.Tx) error { return tx.Undo(mine.Commit) })
	if !errors.Is(err, replica.ErrUndo) || !strings.Contains(err.Error(), "somebody else") {
		t.Fatalf("bob takes back what is not his: %v", err)
	}
	_, err = theirs.Update(context.Background(), func(tx *replica.Tx) error { return tx.Undo(theirs.ID()) })
	if !errors.Is(err, replica.ErrUndo) {
		t.Fatalf("bob takes back the space: %v", err)
	}
	pull(t, theirs, u.space, 1<<20)
	undo, err := u.space.NextRedo()
	if err != nil {
		t.Fatal(err)
	}
	_, err = theirs.Update(context.Background(), func(tx *replica.Tx) error { return tx.Redo(undo.Undo) })
	if !errors.Is(err, replica.ErrUndo) {
		t.Fatalf("bob redoes what is not his: %v", err)
	}
	u.undo()
	if got := title(t, u.space); got != "bob's" {
		t.Fatalf("after both are taken back: %s", got)
	}
}

func title(t *testing.T, s *replica.Space) any {
	t.Helper()
	v, err := s.View()
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	env, err := v.Env("title")
	if err != nil {
		t.Fatal(err)
	}
	e, _, err := crdt.RegisterValue(env)
	if err != nil {
		t.Fatal(err)
	}
	got, err := object.Decode(e.Value)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// TestUndoOfAFirstCommit: the certificate in a device's first commit stands, and
// the value beside it goes.
func TestUndoOfAFirstCommit(t *testing.T) {
	u, _ := newUndoTest(t)
	bob := newNode(t, 2)
	theirs, err := bob.Join(context.Background(), u.space.ID())
	if err != nil {
		t.Fatal(err)
	}
	pull(t, theirs, u.space, 1<<20)
	v := &undoTest{t: t, space: theirs}
	v.line("hello")
	v.undo()
	v.shows("")
	v.line("again")
	pull(t, u.space, theirs, 1<<20)
	u.shows("again")
}

// TestUndoWatch: subscribers hear what came and went, and by whose undo.
func TestUndoWatch(t *testing.T) {
	u, n := newUndoTest(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	a := u.line("a")
	changes := u.space.Watch(ctx)
	undo := u.update(func(tx *replica.Tx) error { return tx.Undo(a.Commit) })
	next := func() (c replica.Change) {
		for c, err := range changes {
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		t.Fatal("no change")
		return c
	}
	c := next()
	if c.Field != "lines" || c.Before == nil || c.After != nil || c.Effective || c.Op.Ref.Commit != a.Commit ||
		c.Cause().Action != replica.ActionUndo || c.Cause().Ref.Commit != undo.Commit || c.Cause().Identity != n.Device().Identity() {
		t.Fatalf("the undo came as %+v caused by %+v", c, c.Cause())
	}
	changes = u.space.Watch(ctx)
	redo := u.update(redoLast)
	if c = next(); c.After == nil || !c.Effective || c.Cause().Action != replica.ActionRedo || c.Cause().Ref.Commit != redo.Commit {
		t.Fatalf("the redo came as %+v caused by %+v", c, c.Cause())
	}
	changes = u.space.Watch(ctx)
	b := u.line("b")
	if c = next(); c.Undo != nil || c.Cause().Ref.Commit != b.Commit {
		t.Fatalf("an edit came as %+v", c)
	}
}

// TestUndoOfManyInOneOrder: in whatever order commits are named, they are told as taken back from the earliest on, and as
// given again from the latest back: of writes to one place no more than one is then ever to be seen.
func TestUndoOfManyInOneOrder(t *testing.T) {
	u, _ := newUndoTest(t)
	a, b, c := u.line("a").Commit, u.line("b").Commit, u.line("c").Commit
	for _, named := range [][]object.ID{{c, b, a}, {a, b, c}, {b, c, a}} {
		for _, step := range []struct {
			do   func(tx *replica.Tx) error
			want []object.ID
		}{{func(tx *replica.Tx) error { return tx.Undo(named...) }, []object.ID{a, b, c}}, {redoLast, []object.ID{c, b, a}}} {
			ctx, cancel := context.WithCancel(context.Background())
			changes := u.space.Watch(ctx)
			u.update(step.do)
			var got []object.ID
			for ch, err := range changes {
				if err != nil {
					t.Fatal(err)
				}
				if got = append(got, ch.Op.Ref.Commit); len(got) == 3 {
					break
				}
			}
			if cancel(); !slices.Equal(got, step.want) {
				t.Errorf("named %v: told of %v, not %v", named, got, step.want)
			}
		}
	}
}

// TestUndoWithinUpdate: a transaction reads what it takes back, and edits that
// wait for the store together build on each other's undos.
func TestUndoWithinUpdate(t *testing.T) {
	u, _ := newUndoTest(t)
	a := u.line("a")
	count := func(tx *replica.Tx) uint64 {
		env, err := tx.Env("lines")
		if err != nil {
			t.Fatal(err)
		}
		n, err := crdt.LogLen(env)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	u.update(func(tx *replica.Tx) error {
		if n := count(tx); n != 1 {
			t.Errorf("before: %d lines", n)
		}
		if err := tx.Undo(a.Commit); err != nil {
			return err
		}
		if n := count(tx); n != 0 {
			t.Errorf("after: %d lines", n)
		}
		if err := tx.Undo(a.Commit); !errors.Is(err, replica.ErrUndo) {
			t.Errorf("a second undo: %v", err)
		}
		return nil
	})
	now := func(f func(tx *replica.Tx) error) {
		t.Helper()
		if _, err := u.space.Update(context.Background(), f, store.Memory); err != nil {
			t.Fatal(err)
		}
	}
	for _, text := range []string{"b", "c"} {
		now(func(tx *replica.Tx) error { return tx.Do("lines", crdt.LogAppend(enc(t, text))) })
	}
	now(func(tx *replica.Tx) error { return undoLast(tx, 0) })
	now(func(tx *replica.Tx) error { return undoLast(tx, 0) })
	now(redoLast)
	now(func(tx *replica.Tx) error {
		if n := count(tx); n != 1 {
			t.Errorf("in a group: %d lines", n)
		}
		return nil
	})
	u.shows("b")
}

// TestUndoIgnored: what an undo may not name is kept with the reason and changes nothing.
func TestUndoIgnored(t *testing.T) {
	u, _ := newUndoTest(t)
	f := newForger(t, 7)
	many := u.update(func(tx *replica.Tx) error {
		for i := range 3000 {
			if err := tx.Do("lines", crdt.LogAppend(enc(t, fmt.Sprint(i)))); err != nil {
				return err
			}
		}
		return nil
	})
	more := u.update(func(tx *replica.Tx) error {
		for i := range 3000 {
			if err := tx.Do("lines", crdt.LogAppend(enc(t, fmt.Sprint(i)))); err != nil {
				return err
			}
		}
		return nil
	})
	first := f.first("mine", u.space.ID())
	commit := first.commit(t)
	if _, err := u.space.Ingest(context.Background(), f.signed(u.space.ID(), commit), replica.Source{}); err != nil {
		t.Fatal(err)
	}
	own := history.OpRef{Commit: commit.ID, Index: 1}
	cases := []struct {
		why     string
		action  string
		payload []byte
		refs    []history.OpRef
	}{
		{"has a value", "undo", enc(t, "x"), []history.OpRef{own}},
		{"no action", "drop", nil, []history.OpRef{own}},
		{"names no commit", "undo", nil, nil},
		{"first op of a commit", "undo", nil, []history.OpRef{{Commit: commit.ID}}}, // its certificate
		{"somebody else", "undo", nil, []history.OpRef{{Commit: many.Commit}}},
		{"first commit of the space", "undo", nil, []history.OpRef{{Commit: u.space.ID()}}},
		{"twice", "undo", nil, []history.OpRef{own, own}},
		{"own commit", "undo", nil, []history.OpRef{{Index: 0}}},
		{"no undo that counts", "redo", nil, []history.OpRef{own}},
		{"names one undo", "redo", nil, nil},
	}
	prev := commit.ID
	for i, c := range cases {
		d := f.next("then", prev, uint64(2+i))
		d.op(history.Op{Field: authority.UndoField, Action: c.action, Refs: c.refs}, c.payload)
		made := d.commit(t)
		if _, err := u.space.Ingest(context.Background(), f.signed(u.space.ID(), made), replica.Source{}); err != nil {
			t.Fatalf("%s: %v", c.why, err)
		}
		prev = made.ID
		if why := ignoredUndo(t, u.space, history.OpRef{Commit: made.ID, Index: 1}); !strings.Contains(why, c.why) {
			t.Errorf("%s: ignored because %q", c.why, why)
		}
	}
	if n := len(lines(t, u.space)); n != 6001+len(cases) {
		t.Errorf("%d lines are shown", n)
	}
	_, err := u.space.Update(context.Background(), func(tx *replica.Tx) error { return tx.Undo(many.Commit, more.Commit) })
	if !errors.Is(err, replica.ErrUndo) || !strings.Contains(err.Error(), "4096 ops") {
		t.Errorf("6,000 ops: %v", err)
	}
	u.undo()
	u.undo()
	if n := len(lines(t, u.space)); n != 1+len(cases) {
		t.Errorf("%d lines are left", n)
	}
}

func ignoredUndo(t *testing.T, s *replica.Space, ref history.OpRef) string {
	t.Helper()
	v, err := s.View()
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	env, err := v.Env(authority.UndoField)
	if err != nil {
		t.Fatal(err)
	}
	for skipped, err := range crdt.IgnoredOps(env) {
		if err != nil {
			t.Fatal(err)
		}
		if skipped.Ref == ref {
			return skipped.Reason
		}
	}
	return ""
}

// TestUndoTogether: past what people take back, a batch in which one commit is
// taken back and given again a hundred times costs its ops one change at most.
func TestUndoTogether(t *testing.T) {
	replica.UndosTogether(t)
	u, _ := newUndoTest(t)
	there := newNode(t, 2)
	copied, err := there.Join(context.Background(), u.space.ID())
	if err != nil {
		t.Fatal(err)
	}
	u.line("a")
	pull(t, copied, u.space, 1<<20)
	for range 50 {
		u.undo()
		u.redo()
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	changes := copied.Watch(ctx)
	pull(t, copied, u.space, 1<<20)
	u.line("b")
	pull(t, copied, u.space, 1<<20)
	for c, err := range changes {
		if err != nil {
			t.Fatal(err)
		}
		if v := enc(t, "b"); !slices.Equal(c.After, v) {
			t.Fatalf("a change nobody sees: %+v", c)
		}
		break
	}
}

// TestUndoOfValuesSetOnce: of values of which the earliest write is shown what is taken back is told from the latest on, in a commit
// and over several, so that none is ever shown that goes in the same moment.
func TestUndoOfValuesSetOnce(t *testing.T) {
	s, err := newNode(t, 1).Create(context.Background(), &authority.Manifest{Kind: "hhs.test/once", Version: 1, Policy: authority.PolicyOpen,
		Fields: []authority.Field{{Name: "owner", Type: "once"}}})
	if err != nil {
		t.Fatal(err)
	}
	update := func(f func(tx *replica.Tx) error) object.ID {
		t.Helper()
		r, err := s.Update(context.Background(), f)
		if err != nil {
			t.Fatal(err)
		}
		return r.Commit
	}
	var commits []object.ID
	for range 2 {
		commits = append(commits, update(func(tx *replica.Tx) error {
			for _, name := range []string{"ana", "bob", "cyd"} {
				if err := tx.Do("owner", crdt.Draft{Action: crdt.ActionSet, Payload: enc(t, name)}); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	for _, step := range []struct {
		do            func(tx *replica.Tx) error
		before, after []byte
	}{
		{func(tx *replica.Tx) error { return tx.Undo(commits...) }, enc(t, "ana"), nil}, {redoLast, nil, enc(t, "ana")},
	} {
		ctx, cancel := context.WithCancel(context.Background())
		changes := s.Watch(ctx)
		update(step.do)
		cancel()
		var got []replica.Change
		for ch, err := range changes {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, ch)
		}
		first := history.OpRef{Commit: commits[0]}
		if len(got) != 1 || got[0].Op.Ref != first || !bytes.Equal(got[0].Before, step.before) || !bytes.Equal(got[0].After, step.after) {
			t.Errorf("told are %+v", got)
		}
	}
}
