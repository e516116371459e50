package crdt

import (
	"slices"

	"github.com/hyperhyperspace/hhs-go/schema"
)

// Shape is what a field is made of: a value of one type, a map of values that are all alike, or a record of named ones.
// Exactly one of Type, Of and Fields is set. It never changes once it is in use.
type Shape struct {
	Type   Type           // of a leaf
	Schema *schema.Schema // of one value of a leaf; nil: any value
	Of     *Shape         // what a map holds
	Fields []Property     // of a record
}

// Property is a named value of a record.
type Property struct {
	Name  string
	Slot  string // where its state is kept, of those that have the name at other times; empty: Name
	Shape *Shape
}

// Slot is where the state of a field begins that is kept by a text instead of a number: as that of a property is in the state
// of its record.
func Slot(prefix []byte, slot string) []byte {
	return appendText(append(prefix, spaceProperty), slot)
}

// At is the shape that a path leads to; nil when it leads astray.
func (s *Shape) At(path []Step) *Shape {
	r := &reach{shape: s}
	for _, step := range path {
		step.Shown = false
		if r.into(step) != nil {
			return nil
		}
	}
	return r.shape
}

// Missing is the beginning of a path as far as the shape does not have it, for people; empty when it leads somewhere, or
// astray in another way than by the name of a property.
func (s *Shape) Missing(path []Step) string {
	r := &reach{shape: s}
	for _, step := range path {
		if !r.keyed && r.shape.isRecord() && r.shape.property(step.Key) == nil {
			return r.text + "." + step.Key
		}
		step.Shown = false
		if r.into(step) != nil {
			break
		}
	}
	return ""
}

// Field returns the type that takes the ops of a field of this shape. A leaf that is a field takes them as they are; the
// ops of a map or record carry the path to the value they are for, see [Step].
func (s *Shape) Field() Type {
	if s.Type != nil {
		return s.Type
	}
	return composed{s}
}

// EarliestWins tells that an op is for a value of which the earliest write is shown, and not the latest: what is taken back and
// given again together costs least when it is told in the opposite order.
func (s *Shape) EarliestWins(op *Op) bool {
	if s.Type != nil {
		_, once := s.Type.(onceType)
		return once
	}
	if !s.holdsOnce() {
		return false
	}
	r, _, err := target(s, op)
	if err != nil || r.shape.Type == nil {
		return false
	}
	return r.shape.EarliestWins(op)
}

func (s *Shape) holdsOnce() bool {
	if s.Of != nil {
		return s.Of.holdsOnce()
	}
	_, once := s.Type.(onceType)
	return once || slices.ContainsFunc(s.Fields, func(p Property) bool { return p.Shape.holdsOnce() })
}

// property finds a property of a record.
func (s *Shape) property(name string) *Property {
	for i := range s.Fields {
		if s.Fields[i].Name == name {
			return &s.Fields[i]
		}
	}
	return nil
}

func (s *Shape) isMap() bool    { return s.Of != nil }
func (s *Shape) isRecord() bool { return s.Type == nil && s.Of == nil }

// Shower is a leaf that a map may hold: it tells whether a value shows anything, by which the map has its key. The cost is
// constant.
type Shower interface {
	Type
	Shows(env *Env) (bool, error)
}
