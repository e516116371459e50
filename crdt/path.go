package crdt

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"strconv"
	"unicode/utf8"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
)

// Step is one step from a field to a value inside it: a key of a map, the name of a property, or the record that is meant
// of those made under a key.
//
// In an op's payload, the canonical list [path] or [path, value], the first two are text and the third is a number: 0 for
// the first record that the path enters, 1 for the next. The op that made it stands at that place among the ops that are
// named, before all others; a zero commit there is the op's own.
type Step struct {
	Key   string        // of a map, or a property's name; empty: a record that was made
	Maker history.OpRef // the op that made it
	Shown bool          // the record shown under the key now, whichever that is: only for [Env.At]
}

// PathText writes a path for people, as it follows the name of a field of that shape: ["milk"].title. Records stand for
// themselves.
func (s *Shape) PathText(path []Step) string {
	r := &reach{shape: s}
	for _, step := range path {
		if r.into(step) != nil {
			break
		}
	}
	return r.text
}

// PathError is a path that leads to no value of a field.
type PathError struct {
	Path   string // as far as it was followed, see [Shape.PathText]
	Reason string
	Err    error // ErrNoRecord, or nil
}

// ErrNoRecord is the error behind a path into the record of a key that has none.
var ErrNoRecord = errors.New("no such record")

// Unwrap returns the error behind it.
func (e *PathError) Unwrap() error { return e.Err }

func (e *PathError) Error() string {
	if e.Path == "" {
		return "path: " + e.Reason
	}
	return "path " + e.Path + ": " + e.Reason
}

// reach is how far a path was followed from a field: the shape there and where its state is.
type reach struct {
	shape  *Shape
	path   []Step
	text   string // the path for people
	prefix []byte
	keyed  bool  // the last step was a key: what it reaches belongs to a map
	over   int   // then, how much of prefix is that map's
	makers int   // records entered
	marks  []int // for each of them, how much of prefix is its own
}

func (r *reach) fail(reason string) error { return &PathError{Path: r.text, Reason: reason} }

// into follows one step. What is entered of a map of records is the key first, then one of the records made under it.
func (r *reach) into(s Step) error {
	switch {
	case r.shape.isMap():
		if s.Key == "" || len(s.Key) > MaxKey || !utf8.ValidString(s.Key) {
			return r.fail("a key of a map is a text of 1 to " + strconv.Itoa(MaxKey) + " bytes")
		}
		r.keyed, r.over = true, len(r.prefix)
		r.prefix = appendText(append(r.prefix, spaceKey), s.Key)
		r.shape, r.text = r.shape.Of, r.text+"["+strconv.QuoteToASCII(clip(s.Key, maxShownKey))+"]"
	case !r.shape.isRecord():
		return r.fail("there is nothing inside a " + r.shape.Type.Name())
	case r.keyed && (s.Key != "" || s.Shown):
		return r.fail("a step into a record names the op that made it")
	case r.keyed:
		r.prefix = appendRef(append(r.prefix, spaceMade), s.Maker)
		r.keyed, r.makers = false, r.makers+1
		r.marks = append(r.marks, len(r.prefix))
	default:
		next := r.shape.property(s.Key)
		if next == nil {
			return r.fail("the record has no property " + strconv.QuoteToASCII(clip(s.Key, maxShownKey)))
		}
		r.prefix = Slot(r.prefix, cmp.Or(next.Slot, s.Key))
		r.shape, r.text = next.Shape, r.text+"."+s.Key
	}
	r.path = append(r.path, s)
	return nil
}

// typ is the type that takes the ops of the value reached.
func (r *reach) typ() (Type, error) {
	switch {
	case r.shape.Type != nil:
		if _, ok := r.shape.Type.(registerType); ok && r.keyed {
			return registerType{keyed: true}, nil
		}
		return r.shape.Type, nil
	case r.shape.isRecord() && r.keyed:
		return recordType{}, nil
	case r.shape.isMap():
		return nil, r.fail("it ends at a map, not at a key of it")
	}
	return nil, r.fail("it ends at a record, not at a property of it")
}

// appendText writes a text so that it ends where it is seen to end and compares like the text.
func appendText(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if b = append(b, s[i]); s[i] == 0 {
			b = append(b, 0xff)
		}
	}
	return append(b, 0, 1)
}

// leafKey is what is left of a key of a field's state behind the path: the key within the state of the value it is of. It is
// nil for what is no such key.
func leafKey(key []byte) []byte {
	for len(key) > 0 {
		switch key[0] {
		case spaceKey, spaceProperty:
			end := bytes.Index(key, []byte{0, 1}) // a zero of the text itself has 0xff behind it
			if end < 0 {
				return nil
			}
			key = key[end+2:]
		case spaceMade:
			at := 1 + sha256.Size
			if len(key) <= at {
				return nil
			}
			_, n := readOrdered(key[at:])
			if n == 0 {
				return nil
			}
			key = key[at+n:]
		default:
			return key
		}
	}
	return nil
}

// target reads the path of an op on a field of a shape, and returns the op as the value's type sees it.
func target(shape *Shape, op *Op) (r *reach, inner Op, err error) {
	inner, r = *op, &reach{shape: shape}
	if len(op.Payload) > MaxPathBytes+MaxValue {
		return nil, inner, ignored("the op has "+strconv.Itoa(len(op.Payload))+" bytes", nil)
	}
	if err := object.Check(op.Payload); err != nil {
		return nil, inner, ignored("the op is not canonical CBOR", err)
	}
	c := object.NewReader(op.Payload)
	parts, _ := c.List()
	steps := 0
	if c.Err() == nil && (parts == 1 || parts == 2) {
		steps, _ = c.List()
	}
	if c.Err() != nil || steps < 1 || steps > maxSteps {
		return nil, inner, ignored("it is not a path, or a path and a value", nil)
	}
	for range steps {
		s, err := stepOf(c, op, r)
		if err == nil {
			err = r.into(s)
		}
		if err != nil {
			return nil, inner, ignored(err.Error(), nil)
		}
	}
	inner.Payload, inner.Refs = nil, op.Refs[r.makers:]
	if parts == 2 {
		inner.Payload, _ = c.Raw()
	}
	return r, inner, nil
}

// stepOf reads the next step of an op's path.
func stepOf(c *object.Reader, op *Op, r *reach) (Step, error) {
	switch c.Kind() {
	case object.KindString:
		key, _ := c.String()
		if key == "" {
			return Step{}, r.fail("a step is empty")
		}
		return Step{Key: key}, nil
	case object.KindInt:
		i, _ := c.Int()
		if i != int64(r.makers) || i >= int64(len(op.Refs)) {
			return Step{}, r.fail("the op does not name the one that made the record")
		}
		maker := op.Refs[i]
		if maker.Commit.IsZero() {
			maker.Commit = op.Ref.Commit
		}
		return Step{Maker: maker}, nil
	}
	return Step{}, r.fail("a step is neither text nor a number")
}

// valueAfterPath is what stands after the path in the payload of an op that was applied; nil if nothing does.
func valueAfterPath(payload []byte) []byte {
	c := object.NewReader(payload)
	if parts, _ := c.List(); parts != 2 {
		return nil
	}
	_ = c.Skip() // an error stays in c
	v, err := c.Raw()
	if err != nil {
		return nil
	}
	return v
}

// Wrap makes of an op that a builder drafted for the value of env the op of its field. The error is a *[PathError] where
// the path enters a record that was not made.
func (env *Env) Wrap(d Draft) (Draft, error) {
	if len(env.path) == 0 {
		return d, nil
	}
	for _, mark := range env.marks {
		v, err := mark.Get(nil)
		if err != nil {
			return d, err
		}
		if v == nil {
			return d, &PathError{Path: env.text, Reason: "no record was made there", Err: ErrNoRecord}
		}
	}
	steps := make([]any, len(env.path))
	var refs []history.OpRef
	for i, s := range env.path {
		if steps[i] = s.Key; s.Key == "" {
			steps[i] = int64(len(refs))
			refs = append(refs, s.Maker)
		}
	}
	head := byte(0x81) // a list of one item, or of two
	if d.Payload != nil {
		head++
	}
	payload, err := object.Append([]byte{head}, steps)
	return Draft{Action: d.Action, Refs: append(refs, d.Refs...), Payload: append(payload, d.Payload...)}, err
}

// Place tells the values of a field apart, and the keys within them: changes of one value at one key have one place.
func (c *Change) Place() string { return string(append(appendPlace(nil, c.Path), c.Key...)) }

// PlaceOf is the [Change.Place] of a value as a whole, to which a path leads from its field.
func PlaceOf(path []Step) string { return string(appendPlace(nil, path)) }

// Place is that of the value, see [PlaceOf].
func (env *Env) Place() string { return PlaceOf(env.path) }

func appendPlace(b []byte, path []Step) []byte {
	if len(path) == 0 {
		return b
	}
	for _, s := range path {
		if s.Key == "" {
			b = appendRef(append(b, spaceMade), s.Maker)
		} else {
			b = appendText(append(b, spaceKey), s.Key)
		}
	}
	return append(b, spaceShown)
}
