package crdt

import "github.com/hyperhyperspace/hhs-go/schema"

// composed is the type of a field that is a map or a record: it hands each op to the type of the value it is for, which
// works in a state of its own and knows nothing of paths. What a map itself keeps is in map.go.
//
// An op whose path does not fit the shape, or enters a record that no op under that key made, is ignored. The maker is in
// the past of an op that names it, so whether it made one is known when the op comes, and stays so.
type composed struct{ shape *Shape }

// Name implements [Type].
func (c composed) Name() string {
	if c.shape.isMap() {
		return "map"
	}
	return "record"
}

// Check implements [Type]. The schema is not used: the shape has those of its values.
func (c composed) Check(_ *schema.Schema, op Op) error {
	r, inner, err := target(c.shape, &op)
	if err != nil {
		return err
	}
	typ, err := r.typ()
	if err != nil {
		return ignored(err.Error(), nil)
	}
	switch err := typ.Check(r.shape.Schema, inner).(type) {
	case *Ignored:
		return &Ignored{Reason: clip(r.text+": "+err.Reason, MaxReason), Err: &InnerError{r.text, err}}
	default:
		return err
	}
}

// InnerError says of which value inside a field an *[Ignored] speaks.
type InnerError struct {
	Path string // see [Shape.PathText]
	Err  error
}

func (e *InnerError) Error() string { return e.Path + ": " + e.Err.Error() }

// Unwrap returns what the value's type said.
func (e *InnerError) Unwrap() error { return e.Err }

// Apply implements [Type].
func (c composed) Apply(env *Env, op Op, effective bool) ([]Change, error) {
	f := on(env)
	r, inner, err := c.reach(f, &op)
	if done, err := f.appliedIgnored(&op, err); done {
		return nil, err
	}
	return r.hand(f, &op, func(typ Type, env *Env) ([]Change, error) { return typ.Apply(env, inner, effective) })
}

// Flip implements [Type].
func (c composed) Flip(env *Env, op Op, effective bool) ([]Change, error) {
	f := on(env)
	r, inner, err := c.reach(f, &op)
	if _, is := err.(*Ignored); is {
		return nil, f.wasIgnored(&op)
	}
	if err != nil {
		return nil, err
	}
	return r.hand(f, &op, func(typ Type, env *Env) ([]Change, error) { return typ.Flip(env, inner, effective) })
}

// reach finds the value that an op is for, and what its type sees of the op.
func (c composed) reach(f *field, op *Op) (*reach, Op, error) {
	r, inner, err := target(c.shape, op)
	if err != nil {
		return r, inner, err
	}
	if _, err := r.typ(); err != nil {
		return r, inner, ignored(err.Error(), nil)
	}
	for _, n := range r.marks {
		switch v, err := f.get(markOf(r.prefix[:n])); {
		case err != nil:
			return r, inner, err
		case v == nil:
			return r, inner, ignored(r.text+": it names an op that made no record there", nil)
		}
	}
	return r, inner, nil
}

// markOf is where it is kept that a record was made, given the prefix of its state.
func markOf(prefix []byte) []byte { return append(prefix[:len(prefix):len(prefix)], spaceMark) }

// hand lets the type of the value take an op, and then keeps the key of the map that the value is under.
func (r *reach) hand(f *field, op *Op, take func(Type, *Env) ([]Change, error)) ([]Change, error) {
	typ, err := r.typ()
	if err != nil {
		return nil, err
	}
	env := f.scoped(r)
	changes, err := take(typ, env)
	if err != nil {
		return nil, err
	}
	for i := range changes {
		changes[i].Path, changes[i].Op = r.path, *op
	}
	if !r.keyed {
		return changes, nil
	}
	shows, err := typ.(Shower).Shows(env)
	if err != nil {
		return nil, err
	}
	over := on(&Env{State: within(f.State, r.prefix[:r.over])})
	return changes, over.keep(r.path[len(r.path)-1].Key, shows)
}

// Reads implements [Foreteller].
func (c composed) Reads(op *Op) [][]byte {
	r, inner, err := target(c.shape, op)
	if err != nil {
		return nil
	}
	typ, err := r.typ()
	if err != nil {
		return nil
	}
	var keys [][]byte
	for _, n := range r.marks {
		keys = append(keys, markOf(r.prefix[:n]))
	}
	if r.keyed {
		keys = append(keys, append(r.prefix[:r.over:r.over], join(spaceShown, nil, r.path[len(r.path)-1].Key)...))
	}
	if in, ok := typ.(Foreteller); ok {
		for _, key := range in.Reads(&inner) {
			keys = append(keys, append(r.prefix[:len(r.prefix):len(r.prefix)], key...))
		}
	}
	return keys
}
