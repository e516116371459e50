package crdt_test

import (
	"bytes"
	"errors"
	"iter"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/crdt/crdttest"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/schema"
	"github.com/hyperhyperspace/hhs-go/store"
)

func TestTypesByName(t *testing.T) {
	var names []string
	for _, typ := range crdt.Types() {
		names = append(names, typ.Name())
		if got, ok := crdt.ByName(typ.Name()); !ok || got != typ {
			t.Errorf("ByName(%q) = %v, %v", typ.Name(), got, ok)
		}
	}
	if want := []string{"counter", "fold", "growset", "list", "log", "once", "profile", "register", "set", "text"}; !slices.Equal(names, want) {
		t.Errorf("types are %v, want %v", names, want)
	}
	if _, ok := crdt.ByName("tree"); ok {
		t.Error("there is a tree")
	}
}

func TestCheckSaysWhy(t *testing.T) {
	short, err := schema.Parse(map[string]any{"type": "string", "max": int64(3)})
	if err != nil {
		t.Fatal(err)
	}
	a := encode(t, "a")
	many := slices.Repeat([]history.OpRef{{Commit: idOf("x")}}, crdt.MaxRefs+1)
	for _, c := range []struct {
		typ  string
		op   crdt.Op
		want string // in the reason; "" for a good op
	}{
		{"register", crdt.Op{Action: "set", Payload: a}, ""},
		{"register", crdt.Op{Action: "add", Payload: a}, "no action"},
		{"register", crdt.Op{Action: "set"}, "no value"},
		{"register", crdt.Op{Action: "set", Payload: encode(t, "long")}, "schema"},
		{"register", crdt.Op{Action: "set", Payload: encode(t, 7)}, "schema"},
		{"register", crdt.Op{Action: "set", Payload: []byte{0x78, 0x01, 'a'}}, "canonical"},
		{"register", crdt.Op{Action: "set", Payload: append(a, 0)}, "canonical"},
		{"register", crdt.Op{Action: "set", Payload: a, Refs: many}, "names"},
		{"register", crdt.Op{Action: "set", Payload: encode(t, strings.Repeat("x", crdt.MaxValue))}, "blob"},
		{"once", crdt.Op{Action: "set", Payload: a}, ""},
		{"once", crdt.Op{Action: "set", Payload: a, Refs: many[:1]}, "names"},
		{"once", crdt.Op{Action: "remove"}, "no action"},
		{"once", crdt.Op{Action: "set", Payload: encode(t, "long")}, "schema"},
		{"profile", crdt.Op{Action: "set", Payload: a, Identity: keyOf("alice")}, ""},
		{"profile", crdt.Op{Action: "set", Payload: a}, "identity"},
		{"log", crdt.Op{Action: "append", Payload: a}, ""},
		{"log", crdt.Op{Action: "append", Payload: a, Refs: many[:1]}, "names"},
		{"fold", crdt.Op{Action: "do", Payload: a}, ""},
		{"fold", crdt.Op{Action: "append", Payload: a}, "a fold has no action"},
		{"fold", crdt.Op{Action: "do", Payload: a, Refs: many[:1]}, "names"},
		{"fold", crdt.Op{Action: "do", Payload: encode(t, "long")}, "schema"},
		{"set", crdt.Op{Action: "add", Payload: a}, ""},
		{"set", crdt.Op{Action: "add", Payload: a, Refs: many[:1]}, "names"},
		{"set", crdt.Op{Action: "remove", Payload: encode(t, crdt.SetKey(a)), Refs: many[:1]}, ""},
		{"set", crdt.Op{Action: "remove", Payload: a, Refs: many[:1]}, "element's key"},
		{"set", crdt.Op{Action: "remove", Payload: encode(t, []byte{0, 0x61}), Refs: many[:1]}, "element's key"},
		{"set", crdt.Op{Action: "remove", Payload: encode(t, append([]byte{1}, a...)), Refs: many[:1]}, "element's key"},
		{"set", crdt.Op{Action: "remove", Payload: encode(t, []byte{})}, "element's key"},
		{"set", crdt.Op{Action: "remove", Payload: make([]byte, 1000)}, "longer"},
		{"growset", crdt.Op{Action: "remove", Payload: encode(t, crdt.SetKey(a))}, "no action"},
		{"counter", crdt.Op{Action: "add", Payload: encode(t, math.MinInt64)}, ""},
		{"counter", crdt.Op{Action: "add", Payload: []byte{0x1b, 0x80, 0, 0, 0, 0, 0, 0, 0}}, "integer"},
		{"counter", crdt.Op{Action: "add", Payload: encode(t, 1.0)}, "integer"},
		{"counter", crdt.Op{Action: "add", Payload: []byte{0x18, 0x01}}, "canonical"},
		{"counter", crdt.Op{Action: "add", Payload: []byte{0x01, 0x01}}, "canonical"},
		{"counter", crdt.Op{Action: "add"}, "integer"},
		{"counter", crdt.Op{Action: "add", Payload: encode(t, 1), Refs: many[:1]}, "names"},
		{"counter", crdt.Op{Action: "set", Payload: encode(t, 1)}, "no action"},
	} {
		err := typeOf(t, c.typ).Check(short, c.op)
		var ign *crdt.Ignored
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s %s: %v", c.typ, c.op.Action, err)
		case c.want != "" && (!errors.As(err, &ign) || !strings.Contains(ign.Reason, c.want) || len(ign.Reason) > crdt.MaxReason):
			t.Errorf("%s %s(%.20x): %v, want an Ignored with %q", c.typ, c.op.Action, c.op.Payload, err, c.want)
		}
	}
	var violation *schema.Violation
	if err := typeOf(t, "register").Check(short, crdt.Op{Action: "set", Payload: encode(t, 7)}); !errors.As(err, &violation) {
		t.Errorf("the violation is not behind %v", err)
	}
}

func TestIgnoredOpsAreListed(t *testing.T) {
	w := newWorld(nil).after("a").after("b", "a")
	typ := typeOf(t, "log")
	apply(t, w.env, typ, w.op("a", "append", encode(t, "kept")), true)
	bad := w.op("b", "erase", nil)
	apply(t, w.env, typ, bad, true)
	if changes, err := typ.Flip(w.env, bad, false); err != nil || changes != nil {
		t.Errorf("flipping an ignored op: %v, %v", changes, err)
	}
	n := 0
	for s, err := range crdt.IgnoredOps(w.env) {
		if n++; err != nil || s.Ref != bad.Ref || s.Author != bad.Author || s.Identity != bad.Identity || s.Time != bad.Time ||
			!strings.Contains(s.Reason, `no action "erase"`) {
			t.Errorf("listed %+v, %v", s, err)
		}
	}
	if n != 1 {
		t.Errorf("%d ops are listed", n)
	}
}

func TestFlipOfUnknownOp(t *testing.T) {
	for _, typ := range crdt.Types() {
		w := newWorld(nil)
		var unknown *crdt.Unknown
		if _, err := typ.Flip(w.env, w.op("a", action(typ), payload(t, typ, "x")), true); !errors.As(err, &unknown) {
			t.Errorf("%s: %v", typ.Name(), err)
		}
	}
}

// TestManyLiveAdds: a removal of an element that more devices added than an op may name is several ops.
func TestManyLiveAdds(t *testing.T) {
	typ, w, x := typeOf(t, "set"), newWorld(nil), encode(t, "x")
	for i := range crdt.MaxRefs + 5 {
		op := w.op("a", "add", x)
		op.Ref.Commit, op.Ref.Index = idOf(string(rune(0x4000+i))), uint32(i)
		apply(t, w.env, typ, op, true)
	}
	drafts, err := crdt.SetRemove(w.env, x)
	if err != nil || len(drafts) != 2 {
		t.Fatalf("%d removals, %v", len(drafts), err)
	}
	for i, d := range drafts {
		op := w.op("r", d.Action, d.Payload)
		op.Ref.Index, op.Refs = uint32(i), d.Refs
		if err := typ.Check(nil, op); err != nil {
			t.Fatal(err)
		}
		apply(t, w.env, typ, op, true)
		if has, err := crdt.SetHas(w.env, x); err != nil || has != (i == 0) {
			t.Errorf("after removal %d: in the set: %v, %v", i, has, err)
		}
	}
}

// TestOwnWrites: a transaction sees its own ops, applied under a zero commit, as all will see them in the commit.
func TestOwnWrites(t *testing.T) {
	for _, typ := range crdt.Types() {
		gen, _ := crdttest.For(typ)
		open, done := newWorld(nil).after("a"), newWorld(nil).after("a").after("b", "a")
		old := open.op("a", action(typ), encode(t, "x"))
		apply(t, open.env, typ, old, true)
		apply(t, done.env, typ, old, true)
		drafts := []func() []crdt.Draft{
			func() []crdt.Draft { return draftsOf(t, open.env, typ, "x") },
			func() []crdt.Draft { return draftsOf(t, open.env, typ, "y") },
			func() []crdt.Draft { return removal(t, open.env, typ, "x") },
			func() []crdt.Draft { return removal(t, open.env, typ, "y") },
			func() []crdt.Draft { return draftsOf(t, open.env, typ, "y") },
		}
		index := uint32(0)
		for _, draft := range drafts {
			for _, d := range draft() {
				op := done.op("b", d.Action, d.Payload)
				op.Ref.Index, op.Refs = index, d.Refs
				if slices.ContainsFunc(d.Refs, history.OpRef.IsZero) {
					t.Errorf("%s: a %s names an op of its own commit", typ.Name(), d.Action)
				}
				apply(t, done.env, typ, op, true)
				op.Ref.Commit = object.ID{}
				apply(t, open.env, typ, op, true)
				index++
			}
			now, err := gen.Read(open.env)
			if err != nil {
				t.Fatal(err)
			}
			then, err := gen.Read(done.env)
			if err != nil {
				t.Fatal(err)
			}
			same := func(a, b crdttest.Shown) bool {
				return bytes.Equal(a.Value, b.Value) && a.Ref.Index == b.Ref.Index && a.Ref.IsZero() == (b.Ref.Commit == idOf("b"))
			}
			if !slices.EqualFunc(now, then, same) {
				t.Errorf("%s: after op %d the transaction reads %v, all read %v", typ.Name(), index, now, then)
			}
		}
	}
}

func draftsOf(t *testing.T, env *crdt.Env, typ crdt.Type, text string) []crdt.Draft {
	t.Helper()
	var d crdt.Draft
	var err error
	switch value := encode(t, text); typ.Name() {
	case "register":
		d, err = crdt.RegisterSet(env, value)
	case "profile":
		d, err = crdt.ProfileSet(env, keyOf("alice"), value)
	case "log":
		d = crdt.LogAppend(value)
	default:
		d = crdt.SetAdd(value)
	}
	if err != nil {
		t.Fatal(err)
	}
	return []crdt.Draft{d}
}

func removal(t *testing.T, env *crdt.Env, typ crdt.Type, text string) []crdt.Draft {
	t.Helper()
	if typ.Name() != "set" {
		return nil
	}
	drafts, err := crdt.SetRemove(env, encode(t, text))
	if err != nil || len(drafts) != 1 {
		t.Fatalf("%d removals, %v", len(drafts), err)
	}
	return drafts
}

// TestSetKeyOrder: an element's key is what docs/spec/values.md says.
func TestSetKeyOrder(t *testing.T) {
	inline, hashed := encode(t, strings.Repeat("x", 126)), encode(t, strings.Repeat("x", 127))
	if k := crdt.SetKey(inline); !bytes.Equal(k, append([]byte{0}, inline...)) || len(k) != 129 {
		t.Errorf("a value of %d bytes has the key %x", len(inline), k)
	}
	sum := object.Sum(object.Raw, hashed).Digest()
	if k := crdt.SetKey(hashed); !bytes.Equal(k, append([]byte{1}, sum[:]...)) {
		t.Errorf("a value of %d bytes has the key %x", len(hashed), k)
	}
}

// failing fails the n-th use of the state.
type failing struct {
	crdt.State
	left int
}

var errDisk = errors.New("disk")

func (f *failing) use() error {
	if f.left--; f.left < 0 {
		return errDisk
	}
	return nil
}

func (f *failing) Get(k []byte) ([]byte, error) {
	if err := f.use(); err != nil {
		return nil, err
	}
	return f.State.Get(k)
}

func (f *failing) Put(k, v []byte) error {
	if err := f.use(); err != nil {
		return err
	}
	return f.State.Put(k, v)
}

func (f *failing) Delete(k []byte) error {
	if err := f.use(); err != nil {
		return err
	}
	return f.State.Delete(k)
}

func (f *failing) Scan(lo, hi []byte, reverse bool) iter.Seq2[store.KV, error] {
	return func(yield func(store.KV, error) bool) {
		if err := f.use(); err != nil {
			yield(store.KV{}, err)
			return
		}
		f.State.Scan(lo, hi, reverse)(yield)
	}
}

// TestStoreErrors: whichever access fails, the error comes out.
func TestStoreErrors(t *testing.T) {
	for _, typ := range crdt.Types() {
		gen, _ := crdttest.For(typ)
		for n := 0; ; n++ {
			w := newWorld(nil).after("a").after("b")
			w.env.State = &failing{w.state, n}
			err := story(t, w, typ)
			if _, e := gen.Read(w.env); err == nil {
				err = e
			}
			if err == nil {
				if n < 10 {
					t.Errorf("%s: only %d accesses", typ.Name(), n)
				}
				break
			}
			if !errors.Is(err, errDisk) {
				t.Fatalf("%s: access %d fails with %v", typ.Name(), n, err)
			}
		}
	}
}

// story applies and flips two concurrent ops and an ignored one.
func story(t *testing.T, w *world, typ crdt.Type) error {
	long := payload(t, typ, strings.Repeat("x", 150))
	a, b, c := know(w.env, w.op("a", action(typ), long)), know(w.env, w.op("b", action(typ), long)), w.op("c", "nothing", nil)
	var errs []error
	for _, step := range []func() ([]crdt.Change, error){
		func() ([]crdt.Change, error) { return typ.Apply(w.env, a, true) },
		func() ([]crdt.Change, error) { return typ.Apply(w.env, b, true) },
		func() ([]crdt.Change, error) { return typ.Apply(w.env, c, true) },
		func() ([]crdt.Change, error) { return typ.Flip(w.env, b, false) },
		func() ([]crdt.Change, error) { return typ.Flip(w.env, a, false) },
		func() ([]crdt.Change, error) { return typ.Flip(w.env, c, false) },
	} {
		if _, err := step(); err != nil {
			return errors.Join(append(errs, err)...)
		}
	}
	return nil
}

// TestCorruptState: a damaged entry is an error that names its key, never a panic or a value.
func TestCorruptState(t *testing.T) {
	for _, typ := range crdt.Types() {
		gen, _ := crdttest.For(typ)
		w := newWorld(nil).after("a").after("b")
		if err := story(t, w, typ); err != nil {
			t.Fatal(err)
		}
		apply(t, w.env, typ, w.op("a", action(typ), payload(t, typ, "x")), true)
		var keys [][]byte
		for kv := range w.state.Scan(nil, nil, false) {
			keys = append(keys, bytes.Clone(kv.Key))
		}
		for _, key := range keys {
			was, err := w.state.Get(key)
			if err != nil {
				t.Fatal(err)
			}
			for _, bad := range [][]byte{{}, {0xff}, was[:len(was)/2]} {
				if err := w.state.Put(key, bad); err != nil {
					t.Fatal(err)
				}
				shown, err := gen.Read(w.env)
				for _, e := range crdt.IgnoredOps(w.env) {
					err = errors.Join(err, e)
				}
				var corrupt *crdt.Corrupt
				if err != nil && (!errors.As(err, &corrupt) || !errors.Is(err, store.ErrCorrupt)) {
					t.Errorf("%s: key %x = %x: %v, read %v", typ.Name(), key, bad, err, shown)
				}
				if key[0] == 0x04 && len(shown) > 0 && err == nil {
					t.Errorf("%s: read %v with a damaged author", typ.Name(), shown)
				}
			}
			if err := w.state.Put(key, was); err != nil {
				t.Fatal(err)
			}
		}
	}
}
