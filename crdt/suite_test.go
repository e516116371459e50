package crdt_test

import (
	"errors"
	"testing"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/crdt/crdttest"
)

func TestSuite(t *testing.T) {
	for _, typ := range crdt.Types() {
		t.Run(typ.Name(), func(t *testing.T) {
			gen, ok := crdttest.For(typ)
			if !ok {
				t.Fatalf("crdttest has no generator for %s", typ.Name())
			}
			crdttest.Run(t, typ, nested(typ, gen))
		})
		t.Run(typ.Name()+"/wide", func(t *testing.T) { // bundles that outgrow one value, and shrink again
			gen, _ := crdttest.For(typ)
			gen = nested(typ, gen)
			gen.Env = crdt.Narrow
			crdttest.Run(t, typ, gen)
		})
	}
}

// nested has the suite look into the pages of a list or text, too.
func nested(typ crdt.Type, gen crdttest.Gen) crdttest.Gen {
	list := typ.Name() == "list"
	if check := gen.Check; list || typ.Name() == "text" {
		gen.Check = func(env *crdt.Env, shown []crdttest.Shown) error {
			return errors.Join(check(env, shown), crdt.CheckNesting(env, list))
		}
	}
	return gen
}

func TestComposedSuite(t *testing.T) {
	for name, shape := range crdttest.Shapes() {
		t.Run(name, func(t *testing.T) { crdttest.Run(t, shape.Field(), crdttest.Composed(shape)) })
		t.Run(name+"/wide", func(t *testing.T) {
			gen := crdttest.Composed(shape)
			whole := gen.Env
			gen.Env = func(env *crdt.Env) {
				whole(env)
				crdt.Narrow(env)
			}
			crdttest.Run(t, shape.Field(), gen)
		})
	}
}

// TestLong is one long history of three replicas for each type and shape.
func TestLong(t *testing.T) {
	for _, typ := range crdt.Types() {
		t.Run(typ.Name(), func(t *testing.T) {
			t.Parallel()
			gen, _ := crdttest.For(typ)
			crdttest.RunLong(t, typ, gen)
		})
	}
	for name, shape := range crdttest.Shapes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			crdttest.RunLong(t, shape.Field(), crdttest.Composed(shape))
		})
	}
}
