package replica_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/crdt/crdttest"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
	"github.com/hyperhyperspace/hhs-go/store"
)

// pastPlay is a random history with undos, of all types and shapes, of which all copies end with all of it, and the
// heads they had on the way.
func pastPlay(t *testing.T, seed uint64, steps int, names ...string) (p *undoPlay, moments [][]object.ID) {
	p = newUndoPlay(t, seed)
	if names != nil {
		p.names = names
	}
	for range steps {
		p.step()
		moments = append(moments, p.spaces[p.r.IntN(len(p.spaces))].Heads())
	}
	for _, from := range p.spaces {
		for _, to := range p.spaces {
			pull(t, to, from, 2000)
		}
	}
	return p, moments
}

// version is the model of what some commits have in their past, and they.
func (m *undoModel) version(heads []object.ID) *undoModel {
	v := &undoModel{t: m.t, past: m.past, at: m.at, num: map[object.ID]uint64{}, people: m.people}
	for _, c := range m.commits {
		if slices.ContainsFunc(heads, func(h object.ID) bool { return h == c.ID || m.past[h][c.ID] }) {
			v.num[c.ID] = uint64(len(v.commits))
			v.commits = append(v.commits, c)
		}
	}
	return v
}

// shows is what can be read of all fields, of a version with the commits of m.
func (m *undoModel) shows(env func(name string) (*crdt.Env, error)) string {
	m.t.Helper()
	var out strings.Builder
	for _, name := range undoNames {
		e, err := env(name)
		if err != nil {
			m.t.Fatal(err)
		}
		gen := undoFields[name].gen
		var shown []crdttest.Shown
		if gen.ReadAll != nil {
			shown, err = gen.ReadAll(e, m.facts(name))
		} else {
			shown, err = gen.Read(e)
		}
		if err != nil {
			m.t.Fatalf("read %s: %v", name, err)
		}
		fmt.Fprintf(&out, "%s:\n", name)
		for _, s := range shown {
			fmt.Fprintf(&out, "  %s %x %v %v\n", undoFields[name].shape.PathText(s.Path), s.Value, s.Ref, s.Others)
		}
	}
	return out.String()
}

// facts are the ops on a field.
func (m *undoModel) facts(field string) (list []crdttest.Fact) {
	for num, c := range m.commits {
		for i, op := range c.Env.Ops {
			if op.Field != field {
				continue
			}
			whole, err := m.At(uint64(num), uint32(i))
			if err != nil {
				m.t.Fatal(err)
			}
			list = append(list, crdttest.Fact{Op: whole, Effective: true})
		}
	}
	return list
}

func pastOf(t testing.TB, s *replica.Space, version []object.ID) *replica.Past {
	t.Helper()
	past, err := s.At(context.Background(), version...)
	if err != nil {
		t.Fatal(err)
	}
	return past
}

// viewOf opens a past version until the test ends.
func viewOf(t testing.TB, past *replica.Past) *replica.View {
	t.Helper()
	v, err := past.View()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	return v
}

// TestAtShowsWhatWasShown: a version shows, on every copy and for ever, what the model says of its commits alone; judged
// now, what it says of them without those that are taken back by now.
func TestAtShowsWhatWasShown(t *testing.T) {
	seeds := uint64(4)
	if testing.Short() {
		seeds = 2
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			p, moments := pastPlay(t, 100+seed, 30)
			s := p.spaces[seed%3]
			all := modelOf(t, s, p.people)
			masked := all.masked()
			for i, heads := range moments {
				then, past := all.version(heads), pastOf(t, s, heads)
				if got, want := then.shows(viewOf(t, past).Env), then.shows(then.made(then.masked())); got != want {
					t.Fatalf("moment %d: it shows\n%sthe model says\n%s", i, got, want)
				}
				if past.Len() != uint64(len(then.commits)) || !slices.Equal(past.Heads(), heads) {
					t.Fatalf("%d commits of %d, heads %v", past.Len(), len(then.commits), past.Heads())
				}
				now, err := s.AtJudgedNow(context.Background(), heads...)
				if err != nil {
					t.Fatal(err)
				}
				if got, want := then.shows(viewOf(t, now).Env), then.shows(then.made(masked)); got != want {
					t.Fatalf("moment %d: judged now it shows\n%sthe model says\n%s", i, got, want)
				}
			}
		})
	}
}

// TestAtOfThePresent: what is made of a version's ops is what is kept of the present, byte by byte where the bytes
// follow from the ops.
func TestAtOfThePresent(t *testing.T) {
	p, _ := pastPlay(t, 7, 60)
	s := p.spaces[1]
	if got, want := dumpAll(t, viewOf(t, pastOf(t, s, s.Heads())).Env), dumpOf(t, s); got != want {
		t.Errorf("it is made to be\n%skept is\n%s", got, want)
	}
}

// placed are the values that a version shows of the fields whose changes are by place.
func (m *undoModel) placed(t testing.TB, past *replica.Past) map[string]string {
	t.Helper()
	v, all := viewOf(t, past), map[string]string{}
	for _, name := range undoNames {
		gen := undoFields[name].gen
		if gen.Read == nil || gen.Follow != nil {
			continue
		}
		env, err := v.Env(name)
		if err != nil {
			t.Fatal(err)
		}
		shown, err := gen.Read(env)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range shown {
			all[name+" "+string(s.Key)] = string(s.Value)
		}
	}
	return all
}

// TestDiff: the differences of two versions are those of what they show, whether one is in the past of the other or not.
func TestDiff(t *testing.T) {
	for seed := range uint64(3) {
		p, moments := pastPlay(t, 200+seed, 30)
		s := p.spaces[0]
		m := modelOf(t, s, p.people)
		for range 30 {
			from, to := moments[p.r.IntN(len(moments))], moments[p.r.IntN(len(moments))]
			list, err := s.Diff(context.Background(), from, to)
			if err != nil {
				t.Fatal(err)
			}
			before, after := m.placed(t, pastOf(t, s, from)), m.placed(t, pastOf(t, s, to))
			for _, c := range list {
				if gen := undoFields[c.Field].gen; gen.Read == nil || gen.Follow != nil {
					continue
				}
				name := c.Field + " " + string(c.Key)
				b, had := before[name]
				a, has := after[name]
				if b != string(c.Before) || a != string(c.After) || had != (c.Before != nil) || has != (c.After != nil) || b == a && had == has {
					t.Fatalf("seed %d: %q: told %q -> %q, shown %q -> %q", seed, name, c.Before, c.After, b, a)
				}
				delete(before, name)
				delete(after, name)
			}
			for name, v := range before {
				if after[name] != v {
					t.Fatalf("seed %d: %q: %q -> %q is not told", seed, name, v, after[name])
				}
			}
			for name, v := range after {
				if before[name] != v {
					t.Fatalf("seed %d: %q: %q -> %q is not told", seed, name, before[name], v)
				}
			}
			if slices.Equal(from, to) && len(list) > 0 {
				t.Fatalf("seed %d: a version differs from itself: %+v", seed, list[0])
			}
		}
	}
}

// logged reads the whole log in pages.
func logged(t testing.TB, s *replica.Space, q replica.LogQuery) (list []replica.Logged) {
	t.Helper()
	for {
		page, err := s.Log(context.Background(), q)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, page.Commits...)
		if q.Before = page.Next; q.Before.IsZero() {
			return list
		}
		if len(page.Commits) > q.Limit {
			t.Fatalf("%d commits in a page of %d", len(page.Commits), q.Limit)
		}
	}
}

func heightOf(t testing.TB, s *replica.Space, id object.ID) uint64 {
	t.Helper()
	c, err := s.Commit(id)
	if err != nil {
		t.Fatal(err)
	}
	return c.Height
}

// TestLog: pages together are all commits, each after all that have it in their past, with what the model says of them.
func TestLog(t *testing.T) {
	p, moments := pastPlay(t, 300, 60)
	s := p.spaces[2]
	m := modelOf(t, s, p.people)
	masked := m.masked()
	for _, version := range [][]object.ID{nil, moments[30]} {
		list := logged(t, s, replica.LogQuery{Limit: 7, Version: version})
		want := len(m.commits)
		if version != nil {
			want = int(pastOf(t, s, version).Len())
		}
		if len(list) != want {
			t.Fatalf("%d commits of %d", len(list), want)
		}
		for i, one := range list {
			c := m.at[one.Commit]
			for _, earlier := range list[:i] {
				if m.past[one.Commit][earlier.Commit] {
					t.Fatalf("commit %s comes before one that is after it", earlier.Commit)
				}
			}
			if one.Device != c.Env.Author || one.Identity != p.people[c.Env.Author] || one.Height != heightOf(t, s, c.ID) || one.Seq != c.Env.Seq || len(one.Ops) != len(c.Env.Ops) {
				t.Fatalf("%+v is not %+v", one, c.Env)
			}
			if (len(one.UndoneBy) > 0) != masked[c.ID] {
				t.Fatalf("commit %s is undone by %v; the model: %v", c.ID, one.UndoneBy, masked[c.ID])
			}
			for _, op := range one.Ops {
				if undone := op.Effect == replica.EffectUndone; op.Field != "" && op.Field[0] != '$' && undone != masked[c.ID] {
					t.Fatalf("op %d of commit %s: %s", op.Index, c.ID, op.Effect)
				}
			}
		}
	}
}

// TestLogOfAField: of a field only the commits about it are told.
func TestLogOfAField(t *testing.T) {
	p, _ := pastPlay(t, 301, 60)
	s := p.spaces[0]
	for _, name := range undoNames {
		list := logged(t, s, replica.LogQuery{Limit: 3, Field: name})
		n := 0
		for _, c := range modelOf(t, s, p.people).commits {
			if slices.ContainsFunc(c.Env.Ops, func(op history.Op) bool { return op.Field == name }) {
				n++
			}
		}
		if len(list) != n {
			t.Errorf("%d commits about %s, the model has %d", len(list), name, n)
		}
	}
}

// snapHook is a store that calls a function once, when a snapshot has been made.
type snapHook struct {
	store.Store
	then func()
}

func (h *snapHook) Snapshot() (store.Snapshot, error) {
	snap, err := h.Store.Snapshot()
	if then := h.then; then != nil {
		h.then = nil
		then()
	}
	return snap, err
}

// TestLogWhileCommitsEnter: what enters while the log is being opened is in the page or is not, but never half.
func TestLogWhileCommitsEnter(t *testing.T) {
	theirs := create(t, newNode(t, 2))
	disk := &snapHook{Store: store.NewMem()}
	s := join(t, newNode(t, 1, func(c *replica.Config) { c.Store = disk }), theirs)
	pull(t, s, theirs, 1<<20)
	line(t, theirs, "late")
	disk.then = func() { pull(t, s, theirs, 1<<20) }
	page, err := s.Log(t.Context(), replica.LogQuery{Limit: 10})
	if err != nil || len(page.Commits) == 0 || disk.then != nil {
		t.Fatalf("%d commits, %v", len(page.Commits), err)
	}
	if after := logged(t, s, replica.LogQuery{Limit: 10}); len(after) != theirs.Len() {
		t.Errorf("%d commits of %d", len(after), theirs.Len())
	}
}

// TestLogOfWhatIsIgnored: an op that its type does not know is told with the reason.
func TestLogOfWhatIsIgnored(t *testing.T) {
	s := create(t, newNode(t, 1))
	bad := enc(t, "text")
	if _, err := s.Update(context.Background(), func(tx *replica.Tx) error {
		tx.RawValue(history.Op{Field: "lines", Action: "prepend"}, bad)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	page, err := s.Log(context.Background(), replica.LogQuery{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	op := page.Commits[0].Ops[len(page.Commits[0].Ops)-1]
	if op.Effect != replica.EffectIgnored || op.Ignored == "" || !bytes.Equal(op.Value, bad) || page.Next.IsZero() {
		t.Errorf("%+v", op)
	}
}

// TestAtRefuses: versions that are not here are named, and reads end with their context.
func TestAtRefuses(t *testing.T) {
	s := create(t, newNode(t, 1))
	line(t, s, "one")
	nowhere := object.Sum(object.DagCBOR, []byte("nowhere"))
	if _, err := s.At(context.Background(), nowhere); !errors.Is(err, replica.ErrNotFound) {
		t.Error(err)
	}
	if now, err := s.At(context.Background()); err != nil || !slices.Equal(now.Heads(), s.Heads()) {
		t.Errorf("no commits are not the present: %v", err)
	}
	if _, err := s.Log(context.Background(), replica.LogQuery{Before: nowhere, Limit: 1}); !errors.Is(err, replica.ErrNotFound) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	past, err := s.At(ctx, s.Heads()...)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	v, err := past.View()
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if _, err := v.Env(manifest.Fields[0].Name); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestPastIsBounded: a version that takes too much memory is refused, and the present is as before.
func TestPastIsBounded(t *testing.T) {
	s := create(t, newNode(t, 1))
	for i := range 50 {
		line(t, s, fmt.Sprint(i))
	}
	past := pastOf(t, s, s.Heads())
	past.Leave(1000)
	v, err := past.View()
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if _, err := v.Env("lines"); !errors.Is(err, replica.ErrTooLarge) {
		t.Error(err)
	}
	if len(lines(t, s)) != 50 {
		t.Error("lines are missing")
	}
}

// TestPastOfWhatIsRewritten: a text that is edited everywhere again and again has a past, which takes the memory that
// the text does and not what was ever written of its pages.
func TestPastOfWhatIsRewritten(t *testing.T) {
	s, err := newNode(t, 1).Create(context.Background(), &authority.Manifest{Kind: "test/doc", Version: 1, Policy: authority.PolicyOpen,
		Fields: []authority.Field{{Name: "body", Type: "text"}, {Name: "lines", Type: "log"}}})
	if err != nil {
		t.Fatal(err)
	}
	line(t, s, "x")
	edit := func(edits []byte, text string) {
		t.Helper()
		if _, err := s.Update(context.Background(), func(tx *replica.Tx) error {
			tx.RawValue(history.Op{Field: "body", Action: crdt.ActionEdit}, enc(t, []any{edits, text}))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	edit(binary.AppendUvarint([]byte{0}, 60_000), strings.Repeat("x", 60_000))
	for range 200 {
		var edits []byte
		for range 15 {
			edits = append(binary.AppendUvarint(edits, 4*4000), 1)
		}
		edit(edits, strings.Repeat("y", 15))
	}
	read := func(bytes int) (*crdt.Env, error) {
		past := pastOf(t, s, s.Heads())
		past.Leave(bytes)
		v, err := past.View()
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		return v.Env("body")
	}
	env, err := read(2 << 20) // some 7 MB are written
	if err != nil {
		t.Fatal(err)
	}
	now, err := s.View()
	if err != nil {
		t.Fatal(err)
	}
	defer now.Close()
	here, err := now.Env("body")
	if err != nil {
		t.Fatal(err)
	}
	got, errGot := crdt.TextSlice(env, 0, 1<<20)
	want, errWant := crdt.TextSlice(here, 0, 1<<20)
	if errors.Join(errGot, errWant) != nil || got != want || len(got) != 63_000 {
		t.Errorf("%d bytes instead of %d: %v %v", len(got), len(want), errGot, errWant)
	}
	if _, err := read(100 << 10); !errors.Is(err, replica.ErrTooLarge) {
		t.Errorf("what is larger than the room: %v", err)
	}
}
