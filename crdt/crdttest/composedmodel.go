package crdttest

import (
	"slices"
	"strconv"
	"strings"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
)

// place is a value inside a map or record, and the ops for it as its type sees them.
type place struct {
	path  []crdt.Step
	id    string      // of the path
	shape *crdt.Shape // of the value; of a key of a map of records, the record
	keyed bool        // it belongs to a key of a map
	facts []Fact
}

// show gives what is shown of a value its place in the field. A model may leave out the key.
func (p *place) show(shown []Shown, model bool) []Shown {
	for i := range shown {
		if shown[i].Path = p.path; model && shown[i].Key == nil {
			continue
		}
		shown[i].Key = []byte((&crdt.Change{Path: p.path, Key: shown[i].Key}).Place())
	}
	return shown
}

// placesOf sorts ops by the value they are for. Those whose path leads nowhere are left out.
func placesOf(shape *crdt.Shape, facts []Fact) []*place {
	facts = slices.Clone(facts)
	slices.SortFunc(facts, order) // a maker comes before those who name it
	var places []*place
	byID := map[string]*place{}
	made := map[string]bool{} // paths into records
	for _, f := range facts {
		p, ok := address(shape, &f, made)
		if !ok {
			continue
		}
		id := pathID(p.path)
		if byID[id] == nil {
			byID[id], places = p, append(places, p)
			p.id = id
		}
		byID[id].facts = append(byID[id].facts, f)
		if p.shape.Type == nil && f.Action == "make" && f.Payload == nil && len(f.Refs) <= history.MaxRefs {
			made[pathID(append(slices.Clone(p.path), crdt.Step{Maker: f.Ref}))] = true
		}
	}
	slices.SortFunc(places, func(a, b *place) int { return strings.Compare(a.id, b.id) })
	return places
}

// pathID tells paths apart.
func pathID(path []crdt.Step) string {
	var b strings.Builder
	for _, s := range path {
		b.WriteString(s.Key)
		b.WriteByte(0)
		if s.Key == "" {
			b.Write(s.Maker.Commit.Bytes())
			b.WriteByte(byte(s.Maker.Index)) // a commit of the suite has fewer
		}
	}
	return b.String()
}

// address follows the path of an op, as docs/spec/values.md says it, and takes it off.
func address(shape *crdt.Shape, f *Fact, made map[string]bool) (*place, bool) {
	v, err := object.Decode(f.Payload)
	list, _ := v.([]any)
	if err != nil || len(list) < 1 || len(list) > 2 {
		return nil, false
	}
	steps, _ := list[0].([]any)
	p, makers := &place{shape: shape}, 0
	for _, s := range steps {
		switch s := s.(type) {
		case string:
			p.path = append(p.path, crdt.Step{Key: s})
			switch {
			case s == "" || len(s) > 1024 || p.shape.Type != nil:
				return nil, false
			case p.shape.Of != nil:
				p.shape, p.keyed = p.shape.Of, true
				continue
			case p.keyed: // the record is not entered yet
				return nil, false
			}
			i := slices.IndexFunc(p.shape.Fields, func(q crdt.Property) bool { return q.Name == s })
			if i < 0 {
				return nil, false
			}
			p.shape = p.shape.Fields[i].Shape
		case int64:
			if s != int64(makers) || makers >= len(f.Refs) || !p.keyed || p.shape.Fields == nil {
				return nil, false
			}
			p.path, p.keyed = append(p.path, crdt.Step{Maker: f.Refs[makers]}), false
			if makers++; !made[pathID(p.path)] {
				return nil, false
			}
		default:
			return nil, false
		}
	}
	if p.shape.Of != nil || p.shape.Fields != nil && !p.keyed {
		return nil, false
	}
	f.Refs, f.Payload = f.Refs[makers:], nil
	if len(list) == 2 {
		f.Payload, err = object.Encode(list[1])
	}
	return p, err == nil
}

// modelPlaces is the model of each value by itself.
func modelPlaces(shape *crdt.Shape, facts []Fact, before func(a, b history.OpRef) bool) []Shown {
	var all []Shown
	for _, p := range placesOf(shape, facts) {
		var shown []Shown
		switch {
		case p.shape.Type == nil:
			shown = modelKey(p.facts, bare(p.facts, "make"), before)
			for i, s := range shown {
				id, err := object.Encode(s.Ref.Commit.String() + "." + strconv.Itoa(int(s.Ref.Index)))
				if err != nil {
					return nil // the comparison fails
				}
				shown[i].Value = id
			}
		case p.keyed && p.shape.Type.Name() == "register":
			shown = modelKey(p.facts, writes(p.facts, "set", history.MaxRefs), before)
		default:
			g, _ := For(p.shape.Type)
			if shown = g.Model(p.facts, before); isSeq(p.shape) {
				shown = together(shown)
			}
		}
		all = append(all, p.show(shown, true)...)
	}
	return all
}

// modelKey shows what writes into a key of a map that removals take out again: the greatest of those that are before no
// other effective op of the key.
func modelKey(facts, writes []Fact, before func(a, b history.OpRef) bool) []Shown {
	all := append(slices.Clone(writes), bare(facts, "remove")...)
	var last []Fact
	for _, w := range slices.Backward(writes) {
		if !slices.ContainsFunc(all, func(b Fact) bool { return before(w.Ref, b.Ref) }) {
			last = append(last, w)
		}
	}
	if len(last) == 0 {
		return nil
	}
	s := shownOf(last[0])
	for _, f := range last[1:] {
		s.Others = append(s.Others, f.Ref)
	}
	return []Shown{s}
}

// bare picks the effective ops of one action that carry no value, in order.
func bare(facts []Fact, action string) []Fact {
	var picked []Fact
	for _, f := range facts {
		if f.Effective && f.Action == action && f.Payload == nil && len(f.Refs) <= history.MaxRefs {
			picked = append(picked, f)
		}
	}
	slices.SortFunc(picked, order)
	return picked
}
