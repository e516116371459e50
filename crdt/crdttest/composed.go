package crdttest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
)

// Shapes are the composed shapes that the suite is run on, by name.
func Shapes() map[string]*crdt.Shape {
	text, tally, tags := leaf("register"), leaf("counter"), leaf("set")
	mapOf := func(s *crdt.Shape) *crdt.Shape { return &crdt.Shape{Of: s} }
	record := func(fields ...crdt.Property) *crdt.Shape { return &crdt.Shape{Fields: fields} }
	return map[string]*crdt.Shape{
		"map of register": mapOf(text),
		"map of counter":  mapOf(tally),
		"map of set":      mapOf(tags),
		"map of once":     mapOf(leaf("once")),
		"map of record": mapOf(record(crdt.Property{Name: "title", Shape: text}, crdt.Property{Name: "marks", Shape: mapOf(text)}, crdt.Property{Name: "log", Shape: leaf("log")},
			crdt.Property{Name: "fold", Shape: leaf("fold")})),
		"deep map": mapOf(record(crdt.Property{Name: "in", Shape: mapOf(record(crdt.Property{Name: "votes", Shape: mapOf(tally)},
			crdt.Property{Name: "tags", Shape: tags}))})),
		"record": record(crdt.Property{Name: "title", Shape: text}, crdt.Property{Name: "votes", Shape: tally},
			crdt.Property{Name: "items", Shape: mapOf(record(crdt.Property{Name: "done", Shape: text}))}),
		"record of sequences": record(crdt.Property{Name: "body", Shape: leaf("text")}, crdt.Property{Name: "steps", Shape: leaf("list")},
			crdt.Property{Name: "notes", Shape: mapOf(record(crdt.Property{Name: "text", Shape: leaf("text")}, crdt.Property{Name: "lines", Shape: leaf("list")}))}),
	}
}

func leaf(name string) *crdt.Shape {
	t, ok := crdt.ByName(name)
	g, ok2 := For(t)
	if !ok || !ok2 {
		panic("crdttest: no type " + name) // a constant of this package is wrong
	}
	return &crdt.Shape{Type: t, Schema: g.Schema}
}

// Composed returns the generator of a map or record of built-in leaves.
func Composed(shape *crdt.Shape) Gen {
	g := Gen{
		Env: func(env *crdt.Env) { env.Shape = shape },
		Draft: func(r *rand.Rand, env *crdt.Env, me identity.PublicKey) (crdt.Draft, bool) {
			d, ok := draftInside(r, env, shape, me)
			if r.IntN(10) == 0 {
				d = misled(r, d)
			}
			return d, ok
		},
		ReadAll: func(env *crdt.Env, facts []Fact) ([]Shown, error) { return readPlaces(env, shape, facts) },
		Model: func(facts []Fact, before func(a, b history.OpRef) bool) []Shown {
			return modelPlaces(shape, facts, before)
		},
		Check: func(env *crdt.Env, shown []Shown) error { return checkKeys(env, shape, nil, shown) },
	}
	if hasSeq(shape) {
		g.State, g.Keep, g.Long = withoutPages, true, 1000
	}
	return g
}

// isSeq tells whether a shape is a list or a text.
func isSeq(s *crdt.Shape) bool {
	return s.Type != nil && (s.Type.Name() == "list" || s.Type.Name() == "text")
}

// hasSeq tells whether a shape is one, or has one in it.
func hasSeq(s *crdt.Shape) bool {
	return isSeq(s) || s.Of != nil && hasSeq(s.Of) || slices.ContainsFunc(s.Fields, func(p crdt.Property) bool { return hasSeq(p.Shape) })
}

// withoutPages is a state but for how its sequences are put into pages.
func withoutPages(env *crdt.Env) (string, error) {
	var b strings.Builder
	for kv, err := range env.State.Scan(nil, nil, false) {
		if err != nil {
			return "", err
		}
		if !crdt.ByArrival(kv.Key) {
			fmt.Fprintf(&b, "%x = %x\n", kv.Key, kv.Value)
		}
	}
	return b.String(), nil
}

// together is what a list or a text inside another value shows, as one value: a list of its elements, with the ops that wrote them.
func together(shown []Shown) []Shown {
	if len(shown) == 0 {
		return nil
	}
	one := Shown{Entry: shown[0].Entry}
	one.Key, one.Cursor = nil, nil
	values := make([][]byte, 0, len(shown))
	for _, s := range shown {
		values, one.Others = append(values, s.Value), append(one.Others, s.Ref)
	}
	one.Value = joined(values)
	return []Shown{one}
}

// joined is the list of some values, apart are those of such a list; what is none has none.
func joined(values [][]byte) []byte {
	list := make([]any, 0, len(values))
	for _, b := range values {
		v, err := object.Decode(b)
		if err != nil {
			return nil // the comparison fails
		}
		list = append(list, v)
	}
	return encoded(list)
}

func apart(b []byte) (values [][]byte) {
	v, err := object.Decode(b)
	list, ok := v.([]any)
	if err != nil || !ok {
		return nil
	}
	for _, v := range list {
		values = append(values, encoded(v))
	}
	return values
}

// keys are few, so that they meet; in some orders of bytes with escapes they would stand elsewhere.
var keys = []string{"a", "ab", "a\x00", "a\x00\x01\x01", "\u00fc", strings.Repeat("k", crdt.MaxKey)}

// draftInside makes an op for some value inside env.
func draftInside(r *rand.Rand, env *crdt.Env, shape *crdt.Shape, me identity.PublicKey) (crdt.Draft, bool) {
	var step crdt.Step
	switch {
	case shape.Type != nil:
		g, _ := For(shape.Type)
		d, ok := g.Draft(r, env, me)
		if isSeq(shape) {
			return d, ok // their writers know where they are
		}
		return wrapped(env, d, ok)
	case shape.Of == nil:
		p := shape.Fields[r.IntN(len(shape.Fields))]
		step, shape = crdt.Step{Key: p.Name}, p.Shape
	default:
		step, shape = crdt.Step{Key: keys[r.IntN(len(keys))]}, shape.Of
		under, err := env.At(step)
		if err != nil {
			return crdt.Draft{}, false
		}
		if r.IntN(6) == 0 {
			drafts, err := crdt.MapRemove(under)
			return wrapped(under, first(drafts), err == nil && len(drafts) > 0)
		}
		if shape.Fields != nil {
			all, err := crdt.RecordConflicts(under)
			if err != nil || len(all) == 0 || r.IntN(4) == 0 {
				d, err := crdt.MapMake(under)
				return wrapped(under, d, err == nil)
			}
			env, step = under, crdt.Step{Maker: all[r.IntN(len(all))].Ref}
		}
	}
	in, err := env.At(step)
	if err != nil {
		return crdt.Draft{}, false
	}
	return draftInside(r, in, shape, me)
}

func first(drafts []crdt.Draft) (d crdt.Draft) {
	if len(drafts) > 0 {
		d = drafts[0]
	}
	return d
}

func wrapped(env *crdt.Env, d crdt.Draft, ok bool) (crdt.Draft, bool) {
	d, err := env.Wrap(d)
	return d, ok && err == nil
}

// misled leads the path of a draft elsewhere.
func misled(r *rand.Rand, d crdt.Draft) crdt.Draft {
	v, err := object.Decode(d.Payload)
	list, ok := v.([]any)
	if err != nil || !ok {
		return d
	}
	path := slices.Clone(list[0].([]any))
	at := r.IntN(len(path))
	switch r.IntN(7) {
	case 0:
		path = path[:at]
	case 1:
		path[at] = ""
	case 2:
		path[at] = strings.Repeat("k", crdt.MaxKey+1)
	case 3:
		path[at] = int64(r.IntN(3) - 1)
	case 4:
		path = append(path, "title")
	case 5:
		path[at] = keys[r.IntN(len(keys))] // with the makers of another key
	case 6:
		path = slices.Repeat(path, 20)
	}
	if d.Payload, err = object.Encode(append([]any{path}, list[1:]...)); err != nil {
		panic(fmt.Sprintf("crdttest: encode a path: %v", err)) // it is made of texts and numbers
	}
	return d
}

// readPlaces reads every value that an op was ever for, those in records that are not shown as well: they come back.
func readPlaces(env *crdt.Env, shape *crdt.Shape, facts []Fact) ([]Shown, error) {
	var all []Shown
	for _, p := range placesOf(shape, facts) {
		in, err := env.At(p.path...)
		if err != nil {
			return nil, err
		}
		var shown []Shown
		if p.shape.Type == nil {
			shown, err = readRecord(in)
		} else {
			g, _ := For(p.shape.Type)
			shown, err = g.Read(in)
			if err == nil && g.Check != nil {
				err = g.Check(in, shown)
			}
			if isSeq(p.shape) {
				shown = together(shown)
			}
		}
		if err != nil {
			return nil, err
		}
		all = append(all, p.show(shown, false)...)
	}
	return all, nil
}

func readRecord(env *crdt.Env) ([]Shown, error) {
	e, ok, err := crdt.RecordShown(env)
	if err != nil || !ok {
		return nil, err
	}
	all, err := crdt.RecordConflicts(env)
	return []Shown{{Entry: e, Others: others(all)}}, err
}

// checkKeys holds the keys of every map, at env and further in, against what is shown under them.
func checkKeys(env *crdt.Env, shape *crdt.Shape, path []crdt.Step, shown []Shown) error {
	in, err := env.At(path...)
	if err != nil {
		return err
	}
	if shape.Of == nil {
		for _, p := range shape.Fields {
			if err := checkKeys(env, p.Shape, append(slices.Clip(path), crdt.Step{Key: p.Name}), shown); err != nil {
				return err
			}
		}
		return nil
	}
	var want []string
	var made [][]crdt.Step
	for _, s := range shown {
		if len(s.Path) > len(path) && slices.Equal(s.Path[:len(path)], path) {
			if key := s.Path[len(path)].Key; len(s.Path) == len(path)+1 && !slices.Contains(want, key) {
				want = append(want, key)
				made = append(made, append(slices.Clone(s.Path), crdt.Step{Maker: s.Ref}))
			}
		}
	}
	slices.Sort(want)
	if err := checkMap(in, want); err != nil || shape.Of.Fields == nil {
		return err
	}
	for _, m := range made {
		if err := checkKeys(env, shape.Of, m, shown); err != nil {
			return err
		}
	}
	return nil
}

// checkMap holds length, membership, ranges and pages of a map against its keys.
func checkMap(env *crdt.Env, want []string) error {
	if n, err := crdt.MapLen(env); err != nil || n != uint64(len(want)) {
		return fmt.Errorf("the map has the keys %q, the counter says %d, error %v", want, n, err)
	}
	for _, key := range keys {
		if has, err := crdt.MapHas(env, key); err != nil || has != slices.Contains(want, key) {
			return fmt.Errorf("the map has the keys %q, MapHas says %v of %q, error %v", want, has, key, err)
		}
	}
	ranges := []crdt.MapRange{{}, {From: "a\x00"}, {To: "ab"}, {From: "ab", To: "a"}, {From: "a", After: "a", To: "\u00fc"}, {After: "a\x00", To: "k"}}
	for _, r := range ranges {
		for _, r.Reverse = range []bool{false, true} {
			var in []string
			for _, key := range want {
				if key >= r.From && (r.After == "" || key > r.After) && (r.To == "" || key < r.To) {
					in = append(in, key)
				}
			}
			if r.Reverse {
				slices.Reverse(in)
			}
			var got []string
			for key, err := range crdt.MapKeys(env, r) {
				if err != nil {
					return err
				}
				got = append(got, key)
			}
			if !slices.Equal(got, in) {
				return fmt.Errorf("of the keys %q the range %+v gives %q", want, r, got)
			}
		}
	}
	return nil
}
