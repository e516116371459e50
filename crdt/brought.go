package crdt

import (
	"bytes"

	"github.com/hyperhyperspace/hhs-go/object"
)

// Brought is what an op brings to a field: values, each of which is shown now or not, or a record of a map. What it brings
// follows from the op alone and never changes; what of it is shown is asked of the state of the field.
type Brought struct {
	Path   []Step   // from the field to the value that the op is for; nil where the field is it
	Names  []string // of the properties on the path
	Record bool     // it makes a record under a key of a map; Values is then its id ([RecordID])
	Values [][]byte // canonical bytes of each

	op     Op // as its type sees it
	prefix []byte
	typ    Type
	env    *Env // once [Brought.In] was called
	seq    *seq
	kept   *seqOp
}

// Bring reads what an op on a field of this shape brings: nothing for an op that brings no value, such as a removal, a number
// or text. The error is *[Ignored].
func (s *Shape) Bring(op *Op) (b *Brought, err error) {
	b = &Brought{op: *op, typ: s.Type}
	keyed := false
	if s.Type == nil {
		r, inner, err := target(s, op)
		if err != nil {
			return nil, err
		}
		b.op, b.Path, b.prefix, b.typ, keyed = inner, r.path, r.prefix, r.shape.Type, r.keyed
		b.Names = namesOf(s, r.path)
	}
	switch t := b.typ.(type) {
	case nil:
		if b.Record = keyed && b.op.Action == ActionMake; b.Record {
			b.Values = [][]byte{recordValue(op.Ref)}
		}
	case counterType:
	case seqType:
		if t.list {
			b.Values = broughtToList(b.op.Payload)
		}
	default:
		if b.op.Action != ActionRemove && len(b.op.Payload) > 0 {
			b.Values = [][]byte{b.op.Payload}
		}
	}
	return b, nil
}

// namesOf are the names of the properties that a path leads through.
func namesOf(s *Shape, path []Step) (names []string) {
	for _, step := range path {
		switch {
		case s.isMap():
			s = s.Of
		case step.Key != "":
			names = append(names, step.Key)
			s = s.property(step.Key).Shape
		}
	}
	return names
}

// broughtToList are the values that an op inserts into a list, in their order there, or the one it sets.
func broughtToList(payload []byte) (values [][]byte) {
	r := object.NewReader(payload)
	if n, _ := r.List(); n != 2 {
		return nil
	}
	edit := r.Kind() == object.KindBytes
	_ = r.Skip() // an error stays in r
	n := 1
	if edit {
		n, _ = r.List()
	}
	for range n {
		v, err := r.Raw()
		if err != nil {
			return nil
		}
		values = append(values, v)
	}
	return values
}

// In says which field the op was applied to, and returns whether what it is for can be reached there: the records on its path
// must be those that are shown. The shape may be another one than that of Bring: a property is not reached if it is
// another one of its name by now.
func (b *Brought) In(env *Env) (reached bool, err error) {
	b.env = env
	if len(b.Path) == 0 {
		return true, nil
	}
	r := &reach{shape: env.Shape}
	for _, s := range b.Path {
		if r.into(s) != nil {
			return false, nil
		}
	}
	if !bytes.Equal(r.prefix, b.prefix) {
		return false, nil
	}
	for i, s := range b.Path {
		if s.Key != "" {
			continue
		}
		key, err := env.At(b.Path[:i]...)
		if err != nil {
			return false, err
		}
		if e, ok, err := RecordShown(key); err != nil || !ok || e.Ref != s.Maker {
			return false, err
		}
	}
	b.env, err = env.At(b.Path...)
	return err == nil, err
}

// Value is the environment of the value that the op is for; of a record that it makes, that of the record.
func (b *Brought) Value() (*Env, error) {
	if b.Record {
		return b.env.At(Step{Maker: b.op.Ref})
	}
	return b.env, nil
}

// Shown tells whether a value of Values is what its field shows there, after [Brought.In], and as which entry. Of values
// that were written concurrently the first is, and an element of a set is shown as its first add. Key is a cursor to an
// element of a list, and nil of anything else. It needs State, Ops and, of lists, Past.
func (b *Brought) Shown(i int) (e Entry, shown bool, err error) {
	switch b.typ.(type) {
	case nil:
		e, shown, err = RecordShown(b.env)
	case registerType:
		e, shown, err = RegisterValue(b.env)
	case onceType:
		e, shown, err = OnceValue(b.env)
	case setType:
		shown, err = b.inSet()
		e = b.op.entry(nil)
	case logType:
		var v []byte
		v, err = on(b.env).get(join(spaceShown, nil, placeOf(&b.op)))
		e, shown = b.op.entry(nil), v != nil
	case seqType:
		return b.inList(uint32(i))
	}
	e.Key = nil
	return e, shown && e.Ref == b.op.Ref, err
}

// inSet tells whether the op is the first live add of its element.
func (b *Brought) inSet() (bool, error) {
	e, err := on(b.env).element(nil, valueTag(b.op.Payload))
	if err != nil || e.live.gone {
		return false, err
	}
	if num, index, ok := e.live.only(); ok {
		return num == b.op.Num && index == b.op.Ref.Index, nil
	}
	first, ok, err := e.live.first()
	return ok && first.id == spotOf(&b.op), err
}

// inList looks at an element where its address leads, whatever stands before it.
func (b *Brought) inList(i uint32) (e Entry, shown bool, err error) {
	if b.seq == nil {
		if b.seq, err = on(b.env).seq(true); err == nil {
			b.kept, err = b.seq.keptOp(&b.op)
		}
	}
	if err != nil || b.kept == nil {
		return e, false, err
	}
	at := elem{b.op.Num, b.op.Ref.Index, i}
	if b.op.Action == ActionSet {
		if len(b.kept.targets) == 0 {
			return e, false, nil
		}
		at = b.kept.targets[0].elem
	}
	p, err := b.seq.locate(at)
	if err != nil || !p.piece().shown() {
		return e, false, err
	}
	_, set, err := b.seq.valueOf(p.piece(), p.off)
	if err != nil || (set == nil) != (b.op.Action == ActionEdit) || set != nil && set.Ref != b.op.Ref {
		return e, false, err
	}
	by, err := b.seq.writer(at)
	if err != nil {
		return e, false, err
	}
	e = by.entry(at)
	if set != nil {
		set.Key, set.Cursor = e.Key, e.Cursor
		e = *set
	}
	e.Value = b.Values[i]
	b.seq.release()
	return e, true, nil
}
