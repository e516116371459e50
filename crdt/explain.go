package crdt

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/hyperhyperspace/hhs-go/object"
)

// ReasonIgnored tells why an op of the field is ignored, by the height of its commit and its reference; "" when it is
// not. It needs only State.
func ReasonIgnored(env *Env, op *Op) (string, error) {
	r, ok, err := on(env.whole()).record(join(spaceIgnored, nil, placeOf(op)))
	if err != nil || !ok {
		return "", err
	}
	return string(r.rest), nil
}

// Read tells which value of a field of this shape an op is for, and what it carries: the path from the field, nil where the
// field is the value, and canonical bytes, nil for none. The error is *[Ignored].
func (s *Shape) Read(op *Op) (path []Step, value []byte, err error) {
	if s.Type != nil {
		return nil, op.Payload, nil
	}
	r, inner, err := target(s, op)
	if err != nil {
		return nil, nil, fmt.Errorf("read op: %w", err)
	}
	return r.path, inner.Payload, nil
}

// Said is what an op says for people: which value of the field it is for, as Read tells, and what it carries. Of a list or a
// text that is a list of what was inserted and deleted, {"insert": content} and {"delete": content}, without the places,
// which count what nobody sees; of more than is shown it is how many elements were deleted. The set of an element is its value, and so is
// a removal from a set. It needs State and Ops.
func Said(env *Env, op *Op) (path []Step, value []byte, err error) {
	path, value, err = env.Shape.Read(op)
	if err != nil {
		return path, value, err
	}
	inner, err := env.At(path...)
	if err != nil || inner.Shape.Type == nil {
		return path, value, err
	}
	one := *op
	one.Payload = value
	if inner.Shape.Type.Name() == "set" && op.Action == ActionRemove {
		value, err = removedValue(inner, &one)
		return path, value, err
	}
	t, ok := inner.Shape.Type.(seqType)
	if !ok {
		return path, value, nil
	}
	said, err := saidOfSeq(inner, &one, t.list)
	if err != nil || said == nil {
		return path, value, err
	}
	value, err = object.Encode(said)
	return path, value, err
}

// removedValue is the value that an op removes from a set: long ones are named by a hash, and read where they were added.
func removedValue(env *Env, op *Op) ([]byte, error) {
	key, err := removedKey(op)
	if err != nil || key[0] == keyInline {
		return bytes.TrimPrefix(key, []byte{keyInline}), err
	}
	for _, ref := range slices.Backward(op.Refs) { // the makers of records stand before the adds
		num, _, err := env.Ops.Find(ref.Commit)
		if err != nil {
			return nil, err
		}
		add, err := on(env).op(num, ref.Index)
		if err == nil && bytes.Equal(SetKey(add.Payload), key) {
			return add.Payload, nil
		}
	}
	return op.Payload, nil // whoever wrote it named no add
}

// saidOfSeq is nil for an op that is ignored.
func saidOfSeq(env *Env, op *Op, list bool) (any, error) {
	s, err := on(env).seq(list)
	if err != nil {
		return nil, err
	}
	o, err := s.keptOp(op)
	if err != nil || o == nil {
		return nil, err
	}
	if op.Action == ActionSet {
		_, value, err := decodeSetAt(op.Payload)
		return value, err
	}
	edits, err := decodeEdits(op.Payload, list)
	if err != nil {
		return nil, err
	}
	said := make([]any, 0, len(edits))
	d := deleted{s: s, targets: o.targets, room: maxSaid, looks: maxSaidLooks}
	for _, e := range edits {
		switch {
		case e.del:
			content, err := d.next(e.n)
			if err != nil {
				return nil, err
			}
			said = append(said, map[string]any{"delete": content})
		case list:
			said = append(said, map[string]any{"insert": e.values})
		default:
			said = append(said, map[string]any{"insert": e.text})
		}
	}
	s.release()
	return said, nil
}

// deleted reads what an op deleted, from its targets in their order.
type deleted struct {
	s           *seq
	targets     []span
	room, looks int
}

// next is what the next n elements were, or how many they are when there is no room to tell them. Behind the end there was nothing.
func (d *deleted) next(n uint64) (any, error) {
	var c gathered
	count := int64(0)
	for n > 0 && len(d.targets) > 0 {
		t := &d.targets[0]
		take := uint32(min(n, uint64(t.n)))
		if d.looks--; d.looks >= 0 && d.room >= 0 {
			at, err := d.s.locate(t.elem)
			if err != nil {
				return nil, err
			}
			take = min(take, at.piece().n-at.off)
			if err := d.read(at, take, &c); err != nil {
				return nil, err
			}
		}
		n, count = n-uint64(take), count+int64(take)
		if t.off, t.n = t.off+take, t.n-take; t.n == 0 {
			d.targets = d.targets[1:]
		}
	}
	if d.s.list && d.room >= 0 {
		var err error
		if d.room, err = d.s.fill([]*Content{{Values: c.values}}, d.room); err != nil {
			return nil, err
		}
	}
	switch {
	case d.looks < 0 || d.room < 0:
		return count, nil
	case d.s.list:
		return c.values, nil
	}
	return string(c.text), nil
}

// read adds some elements of a piece.
func (d *deleted) read(at point, n uint32, c *gathered) error {
	part := *at.piece()
	if at.off > 0 {
		_, part = part.cut(at.off)
	}
	if n < part.n {
		part, _ = part.cut(n)
	}
	d.room -= len(part.text)
	for off := range part.n {
		if !d.s.list || d.room < 0 {
			break
		}
		v, _, err := d.s.valueOf(&part, off)
		if err != nil {
			return err
		}
		c.add(Content{Values: []any{v}})
	}
	c.add(Content{Text: part.text})
	return nil
}
