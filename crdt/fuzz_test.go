package crdt_test

import (
	"testing"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/crdt/crdttest"
	"github.com/hyperhyperspace/hhs-go/object"
)

// fuzz lets the fuzzer choose what the authors of a history do.
func fuzz(f *testing.F, name string) {
	typ, ok := crdt.ByName(name)
	if !ok {
		f.Fatalf("no type %s", name)
	}
	gen, _ := crdttest.For(typ)
	fuzzWith(f, typ, gen)
}

func fuzzWith(f *testing.F, typ crdt.Type, gen crdttest.Gen) {
	seed := make([]byte, 400)
	for i := range seed {
		seed[i] = byte(i * i * 31 >> 3)
	}
	f.Add([]byte{})
	f.Add(seed[:40])
	f.Add(seed)
	wide := gen
	wide.Env = func(env *crdt.Env) {
		if gen.Env != nil {
			gen.Env(env)
		}
		crdt.Narrow(env)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		crdttest.Fuzz(t, typ, gen, data)
		crdttest.Fuzz(t, typ, wide, data)
	})
}

func FuzzRegister(f *testing.F) { fuzz(f, "register") }
func FuzzProfile(f *testing.F)  { fuzz(f, "profile") }
func FuzzSet(f *testing.F)      { fuzz(f, "set") }
func FuzzGrowSet(f *testing.F)  { fuzz(f, "growset") }
func FuzzLog(f *testing.F)      { fuzz(f, "log") }
func FuzzFold(f *testing.F)     { fuzz(f, "fold") }
func FuzzOnce(f *testing.F)     { fuzz(f, "once") }
func FuzzList(f *testing.F)     { fuzz(f, "list") }
func FuzzText(f *testing.F)     { fuzz(f, "text") }
func FuzzCounter(f *testing.F)  { fuzz(f, "counter") }

func fuzzShape(f *testing.F, name string) {
	shape := crdttest.Shapes()[name]
	if shape == nil {
		f.Fatalf("no shape %s", name)
	}
	fuzzWith(f, shape.Field(), crdttest.Composed(shape))
}

func FuzzMapOfRegister(f *testing.F) { fuzzShape(f, "map of register") }
func FuzzMapOfCounter(f *testing.F)  { fuzzShape(f, "map of counter") }
func FuzzMapOfSet(f *testing.F)      { fuzzShape(f, "map of set") }
func FuzzMapOfOnce(f *testing.F)     { fuzzShape(f, "map of once") }
func FuzzMapOfRecord(f *testing.F)   { fuzzShape(f, "map of record") }
func FuzzDeepMap(f *testing.F)       { fuzzShape(f, "deep map") }
func FuzzRecord(f *testing.F)        { fuzzShape(f, "record") }
func FuzzSequences(f *testing.F)     { fuzzShape(f, "record of sequences") }

// FuzzHostilePath gives every composed shape one op of any payload, which names an op that made nothing.
func FuzzHostilePath(f *testing.F) {
	for _, path := range []any{[]any{[]any{"a"}}, []any{[]any{"a"}, "v"}, []any{[]any{"a", int64(0), "title"}, "v"}, []any{[]any{"title"}, "v"}, []any{[]any{}}} {
		b, err := object.Encode(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, action := range []string{"set", "make", "remove", "add"} {
			f.Add(action, b, byte(0))
			f.Add(action, b, byte(2))
		}
	}
	f.Fuzz(func(t *testing.T, action string, payload []byte, refs byte) {
		for name, shape := range crdttest.Shapes() {
			w := newWorld(nil)
			w.env.Shape = shape
			op := w.op("a", action, payload)
			for range refs {
				op.Refs = append(op.Refs, w.op("b", "", nil).Ref)
			}
			op = know(w.env, op)
			typ := shape.Field()
			if _, err := typ.Apply(w.env, op, true); err != nil {
				t.Fatalf("%s: apply: %v", name, err)
			}
			for _, effective := range []bool{true, false, true} {
				if _, err := typ.Flip(w.env, op, !effective); err != nil {
					t.Fatalf("%s: flip: %v", name, err)
				}
			}
			if _, err := crdttest.Composed(shape).ReadAll(w.env, []crdttest.Fact{{Op: op, Effective: true}}); err != nil {
				t.Fatalf("%s: read: %v", name, err)
			}
		}
	})
}

// FuzzHostileOp gives every type one op of any shape: it is taken or ignored, never an error, and can be flipped.
func FuzzHostileOp(f *testing.F) {
	f.Add("set", []byte{0x61, 'a'}, byte(0))
	f.Add("add", []byte{0x61, 'a'}, byte(0))
	f.Add("remove", []byte{0x43, 0x00, 0x61, 'a'}, byte(3))
	f.Add("append", []byte{0xa1, 0x61, 'a', 0xf6}, byte(0))
	f.Add("remove", []byte{0x41, 0x02}, byte(1))
	f.Add("add", []byte{0x3b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, byte(0))
	f.Add("\xff", []byte(nil), byte(255))
	f.Fuzz(func(t *testing.T, action string, payload []byte, refs byte) {
		for _, typ := range crdt.Types() {
			gen, _ := crdttest.For(typ)
			w := newWorld(gen.Schema)
			op := w.op("a", action, payload)
			for i := range refs {
				op.Refs = append(op.Refs, w.op(string(rune('b'+i%3)), "", nil).Ref)
			}
			op = know(w.env, op)
			if _, err := typ.Apply(w.env, op, true); err != nil {
				t.Fatalf("%s: apply: %v", typ.Name(), err)
			}
			for _, effective := range []bool{true, false, true} {
				if _, err := typ.Flip(w.env, op, !effective); err != nil {
					t.Fatalf("%s: flip: %v", typ.Name(), err)
				}
			}
			if _, err := gen.Read(w.env); err != nil {
				t.Fatalf("%s: read: %v", typ.Name(), err)
			}
		}
	})
}
