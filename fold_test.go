package hhs_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/object"
)

// tally is a fold: the texts that were done, each once, in their order; "boom" panics, "slow" takes long, "calls" gives
// another state each time. What begins with - is ignored.
type tally struct {
	Texts    []string
	Founders int64
	Calls    int64
}

var tallyCalls int64

var tallyWaits = make(chan struct{})

func (tally) FoldName() (string, int) { return "test.example/tally", 7 }

func (s tally) Step(op hhs.FoldOp[string]) (tally, error) {
	switch text := op.Value; {
	case strings.HasPrefix(text, "-"):
		return s, errors.New("it begins with -")
	case text == "boom":
		panic("boom")
	case text == "calls":
		tallyCalls++
		s.Calls = tallyCalls
	case text == "slow":
		<-tallyWaits
	}
	next := s
	next.Texts = append(append([]string(nil), s.Texts...), op.Value)
	if op.Founder {
		next.Founders++
	}
	return next, nil
}

type tallies struct {
	Title hhs.Register[string]
	Main  hhs.Fold[tally, string] `hhs:"max=20"`
	Other hhs.Fold[tally, string]
	Items hhs.Map[struct{ In hhs.Fold[tally, string] }]
}

var tallyKind = hhs.Define[tallies]("test.example/tallies", 1)

func openTallies(t *testing.T) *hhs.Node {
	t.Helper()
	node := must(hhs.Open(t.Context(), "", hhs.Kinds(tallyKind)))(t)
	t.Cleanup(func() { ok(t, node.Close()) })
	return node
}

func newTallies(t *testing.T) *hhs.Space[tallies] {
	t.Helper()
	return must(hhs.Create(t.Context(), openTallies(t), tallyKind))(t)
}

func do(t *testing.T, s *hhs.Space[tallies], texts ...string) hhs.Receipt {
	t.Helper()
	return must(s.Commit(t.Context(), func(tx *hhs.Tx, r tallies) error {
		for _, text := range texts {
			if err := r.Main.Do(tx, text); err != nil {
				return err
			}
		}
		return nil
	}))(t)
}

// folded is what a fold shows, as text.
func folded(t *testing.T, f hhs.Fold[tally, string]) string {
	t.Helper()
	s := must(f.Get())(t)
	out := strings.Join(s.Texts, " ")
	for _, i := range must(f.Ignored())(t) {
		out += fmt.Sprintf(" (%s: %s)", i.Value, i.Reason)
	}
	return out
}

func shows(t *testing.T, f hhs.Fold[tally, string], want string) {
	t.Helper()
	if got := folded(t, f); got != want {
		t.Errorf("the fold shows %q, not %q", got, want)
	}
}

// give brings a file of all that one has to another.
func give(t *testing.T, from *hhs.AnySpace, to *hhs.Node) *hhs.AnySpace {
	t.Helper()
	var file bytes.Buffer
	must(from.Export(t.Context(), &file))(t)
	must(to.Import(t.Context(), &file))(t)
	return must(to.Space(from.ID()))(t)
}

func TestFold(t *testing.T) {
	s := newTallies(t)
	r := s.Root()
	shows(t, r.Main, "")
	do(t, s, "a", "-b", "c")
	shows(t, r.Main, "a c (-b: it begins with -)")
	if got := must(r.Main.Get())(t); got.Founders != 2 {
		t.Errorf("%d of its ops are a founder's", got.Founders)
	}
	if n := must(r.Main.Len())(t); n != 3 {
		t.Errorf("%d ops", n)
	}
	var all []string
	for e, err := range r.Main.All() {
		ok(t, err)
		all = append(all, e.Value)
	}
	if strings.Join(all, " ") != "a -b c" {
		t.Errorf("the ops are %v", all)
	}
	ok(t, s.Update(t.Context(), func(tx *hhs.Tx, r tallies) error {
		shows(t, r.Main, "a c (-b: it begins with -)")
		if err := r.Main.Do(tx, "d"); err != nil {
			return err
		}
		shows(t, r.Main, "a c d (-b: it begins with -)")
		shows(t, s.Root().Main, "a c (-b: it begins with -)")
		return r.Main.Do(tx, "e")
	}))
	shows(t, r.Main, "a c d e (-b: it begins with -)")
	must(s.Undo(t.Context()))(t)
	shows(t, r.Main, "a c (-b: it begins with -)")
	must(s.Undo(t.Context()))(t)
	shows(t, r.Main, "")
	must(s.Redo(t.Context()))(t)
	must(s.Redo(t.Context()))(t)
	shows(t, r.Main, "a c d e (-b: it begins with -)")
	ok(t, s.Update(t.Context(), func(tx *hhs.Tx, r tallies) error {
		if err := r.Main.Do(tx, "f"); err != nil {
			return err
		}
		step, err := tx.NextUndo(0)
		if err != nil {
			return err
		}
		if err := tx.Undo(step.Commits...); err != nil {
			return err
		}
		shows(t, r.Main, "a c f (-b: it begins with -)")
		return nil
	}))
	shows(t, r.Main, "a c f (-b: it begins with -)")
	err := s.Update(t.Context(), func(tx *hhs.Tx, r tallies) error { return r.Main.Do(tx, strings.Repeat("x", 21)) })
	if hhs.Code(err) != "schema" || !strings.Contains(err.Error(), "main") {
		t.Errorf("an op that breaks the schema: %v", err)
	}
}

// TestFoldOfManyWriters: what comes late stands where it belongs, and everybody shows the same; so does a past version.
func TestFoldOfManyWriters(t *testing.T) {
	a := newTallies(t)
	do(t, a, "a1")
	nodeB := openTallies(t)
	b := must(hhs.As(give(t, a.AnySpace, nodeB), tallyKind))(t)
	shows(t, b.Root().Main, "a1")
	first := a.Replica().Heads()
	for i := range 40 {
		do(t, a, fmt.Sprint("a", i+2))
		if i%2 == 0 {
			do(t, b, fmt.Sprint("b", i))
			shows(t, b.Root().Main, folded(t, b.Root().Main))
		}
		if i%9 == 0 {
			give(t, b.AnySpace, a.Node())
		}
		if i%7 == 0 {
			must(a.Undo(t.Context()))(t)
		}
		folded(t, a.Root().Main)
	}
	give(t, b.AnySpace, a.Node())
	give(t, a.AnySpace, nodeB)
	want := folded(t, a.Root().Main)
	shows(t, b.Root().Main, want)
	fresh := must(hhs.As(give(t, b.AnySpace, openTallies(t)), tallyKind))(t)
	shows(t, fresh.Root().Main, want)
	if n := len(strings.Fields(want)); n != 41+20-6 {
		t.Errorf("%d texts: %s", n, want)
	}
	past := must(a.At(t.Context(), first...))(t)
	shows(t, past.Root().Main, "a1")
	now := must(a.At(t.Context(), a.Replica().Heads()...))(t)
	shows(t, now.Root().Main, want)
}

// TestFoldInARecord: a fold is a property of a record, and each record has its own.
func TestFoldInARecord(t *testing.T) {
	s := newTallies(t)
	ok(t, s.Update(t.Context(), func(tx *hhs.Tx, r tallies) error {
		for _, key := range []string{"x", "y"} {
			one, err := r.Items.Make(tx, key)
			if err == nil {
				err = one.In.Do(tx, key)
			}
			if err != nil {
				return err
			}
			shows(t, one.In, key)
		}
		return nil
	}))
	for _, key := range []string{"x", "y"} {
		one, _, err := s.Root().Items.Get(key)
		ok(t, err)
		shows(t, one.In, key)
	}
}

// TestFoldThatFails: whoever reads it is told, by name; everything else goes on, also in the same transaction.
func TestFoldThatFails(t *testing.T) {
	for _, c := range []struct{ text, why string }{{"boom", "throws"}, {"calls", "differs"}} {
		s := newTallies(t)
		r := s.Root()
		do(t, s, "a")
		shows(t, r.Main, "a")
		bad := do(t, s, c.text)
		_, err := r.Main.Get()
		var e *hhs.FoldError
		if !errors.As(err, &e) || e.Why != c.why || e.Fold != "test.example/tally" || e.Version != 7 || !strings.Contains(e.Op, bad.Commit.String()) || hhs.Code(err) != "fold" {
			t.Fatalf("%s: the error is %v", c.text, err)
		}
		if _, err := r.Main.Ignored(); !errors.As(err, &e) {
			t.Errorf("%s: what it ignored is read: %v", c.text, err)
		}
		ok(t, s.Update(t.Context(), func(tx *hhs.Tx, r tallies) error {
			return errors.Join(r.Title.Set(tx, "still here"), r.Main.Do(tx, "after"), r.Other.Do(tx, "fine"))
		}))
		shows(t, r.Other, "fine")
		if title, _, err := r.Title.Get(); err != nil || title != "still here" {
			t.Errorf("the title is %q, %v", title, err)
		}
		must(s.UndoCommits(t.Context(), bad.Commit))(t)
		if c.why == "throws" {
			shows(t, r.Main, "a after")
		} else if _, err := r.Main.Get(); !errors.As(err, &e) {
			t.Errorf("a fold that differs is run again: %v", err)
		}
	}
}

// TestRelayWithoutTheFold: a node that knows nothing of a fold stores its ops, passes them on, and has the same version.
func TestRelayWithoutTheFold(t *testing.T) {
	a := newTallies(t)
	do(t, a, "a")
	second := do(t, a, "-b")
	relay := must(hhs.Open(t.Context(), ""))(t)
	t.Cleanup(func() { ok(t, relay.Close()) })
	there := give(t, a.AnySpace, relay)
	c := must(hhs.As(give(t, there, openTallies(t)), tallyKind))(t)
	shows(t, c.Root().Main, "a (-b: it begins with -)")
	do(t, c, "c")
	give(t, c.AnySpace, relay)
	give(t, there, a.Node())
	shows(t, a.Root().Main, "a c (-b: it begins with -)")
	if x, y := fmt.Sprint(there.Replica().Heads()), fmt.Sprint(a.Replica().Heads()); x != y {
		t.Errorf("the relay is at %s, the others at %s", x, y)
	}
	page := must(there.FoldOps("main", hhs.FoldQuery{Limit: 2}))(t)
	if len(page.Entries) != 2 || !page.More || page.Size != 3 || !page.Founder[0] {
		t.Fatalf("the relay shows %+v", page)
	}
	q := hhs.FoldQuery{Limit: 2, After: page.Entries[1].Key, Mark: page.Mark}
	if page = must(there.FoldOps("main", q))(t); page.Changed || len(page.Entries) != 1 || page.Founder[0] || page.Entries[0].Value != "c" {
		t.Fatalf("the relay shows %+v", page)
	}
	q = hhs.FoldQuery{Limit: 2, After: page.Entries[0].Key, Mark: page.Mark}
	must(a.UndoCommits(t.Context(), second.Commit))(t)
	give(t, a.AnySpace, relay)
	if page = must(there.FoldOps("main", q))(t); !page.Changed || len(page.Entries) > 0 || page.From == nil || string(page.From) > string(q.After) {
		t.Fatalf("after an undo the relay shows %+v", page)
	}
	if page = must(there.FoldOps("main", hhs.FoldQuery{Limit: 9, Mark: page.Mark}))(t); page.Changed || page.Size != 2 || len(page.Entries) != 2 {
		t.Errorf("from the beginning it shows %+v", page)
	}
	if _, err := there.FoldOps("title", hhs.FoldQuery{}); err == nil || !strings.Contains(err.Error(), "is a register") {
		t.Errorf("ops of a register: %v", err)
	}
}

func TestDefineRefusesFolds(t *testing.T) {
	for says, k := range map[string]hhs.AnyKind{
		"a map holds no fold": hhs.Define[struct {
			A hhs.Map[hhs.Fold[tally, string]]
		}]("example.org/x", 1),
		"is not a fold's name":     hhs.Define[struct{ A hhs.Fold[badName, string] }]("example.org/x", 1),
		"versions begin at 1":      hhs.Define[struct{ A hhs.Fold[badVersion, string] }]("example.org/x", 1),
		"the state of a fold":      hhs.Define[struct{ A hhs.Fold[badState, string] }]("example.org/x", 1),
		"the state of a fold is a": hhs.Define[struct{ A hhs.Fold[*badPointer, string] }]("example.org/x", 1),
	} {
		if _, err := k.Manifest(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %s", err, says)
		}
	}
	m := must(tallyKind.Manifest())(t)
	f, _ := m.Field("main")
	if f.Type != authority.TypeFold || f.Fold != "test.example/tally" || f.Version != 7 || f.Schema == nil {
		t.Errorf("the field is %+v", f)
	}
	if _, err := object.Encode(m.Value()); err != nil {
		t.Error(err)
	}
}

type badName struct{}

func (badName) FoldName() (string, int)                    { return "tally", 1 }
func (s badName) Step(hhs.FoldOp[string]) (badName, error) { return s, nil }

type badVersion struct{}

func (badVersion) FoldName() (string, int)                       { return "example.org/x", 0 }
func (s badVersion) Step(hhs.FoldOp[string]) (badVersion, error) { return s, nil }

type badState struct{ C chan int }

func (badState) FoldName() (string, int)                     { return "example.org/x", 1 }
func (s badState) Step(hhs.FoldOp[string]) (badState, error) { return s, nil }

type badPointer struct{ N int64 }

func (*badPointer) FoldName() (string, int)                        { return "example.org/x", 1 }
func (s *badPointer) Step(hhs.FoldOp[string]) (*badPointer, error) { return s, nil }
