package crdt_test

import (
	"testing"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/crdt/crdttest"
)

// fuzz lets the fuzzer choose what the authors of a history do.
func fuzz(f *testing.F, name string) {
	typ, ok := crdt.ByName(name)
	if !ok {
		f.Fatalf("no type %s", name)
	}
	gen, _ := crdttest.For(typ)
	seed := make([]byte, 400)
	for i := range seed {
		seed[i] = byte(i * i * 31 >> 3)
	}
	f.Add([]byte{})
	f.Add(seed[:40])
	f.Add(seed)
	wide := gen
	wide.Env = crdt.Narrow
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
func FuzzOnce(f *testing.F)     { fuzz(f, "once") }
func FuzzCounter(f *testing.F)  { fuzz(f, "counter") }

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
