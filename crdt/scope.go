package crdt

import (
	"iter"

	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/store"
)

// At is the environment of a value inside the one of env, for readers and builders of its type; [Env.Wrap] makes its drafts
// ops of the field. A path need not lead to anything that is there: what was never written is empty. Where it says Shown,
// a record must be there. The error is a *[PathError], or the store's.
func (env *Env) At(path ...Step) (*Env, error) {
	if len(path) == 0 {
		return env, nil
	}
	if env.Shape == nil {
		return nil, &PathError{Path: env.text, Reason: "there is nothing inside this value"}
	}
	r := &reach{shape: env.Shape, keyed: env.keyed, text: env.text}
	for _, s := range path {
		if s.Shown {
			var err error
			if s, err = env.shown(r); err != nil {
				return nil, err
			}
		}
		if err := r.into(s); err != nil {
			return nil, err
		}
	}
	return env.scoped(r), nil
}

// Path leads from the field to the value that env is of, as that of a [Change] does. Nobody changes it.
func (env *Env) Path() []Step { return env.path }

// Key tells that env is that of a key of a map: of a map of records, not of one of the records under it.
func (env *Env) Key() bool { return env.keyed }

// shown is the step into the record that is shown under the key reached.
func (env *Env) shown(r *reach) (s Step, err error) {
	if !r.keyed || !r.shape.isRecord() {
		return s, r.fail("there is no record of a map")
	}
	e, ok, err := RecordShown(env.scoped(r))
	if err == nil && !ok {
		err = &PathError{Path: r.text, Reason: "there is no record; make one first", Err: ErrNoRecord}
	}
	return Step{Maker: e.Ref}, err
}

// scoped is the environment of what was reached from env.
func (env *Env) scoped(r *reach) *Env {
	child := &Env{Past: env.Past, Space: env.Space, Quiet: env.Quiet, Shape: r.shape, Schema: r.shape.Schema, bundleLimit: env.bundleLimit,
		top: env.whole(), path: append(env.path[:len(env.path):len(env.path)], r.path...), text: r.text, keyed: r.keyed, makers: env.makers + r.makers}
	for _, n := range r.marks {
		child.marks = append(child.marks, within(env.State, markOf(r.prefix[:n])))
	}
	child.marks = append(child.marks, env.marks...)
	child.State, child.Ops = within(env.State, r.prefix), env.Ops
	if _, ok := env.Ops.(innerOps); !ok {
		child.Ops = innerOps{env.Ops}
	}
	return child
}

// whole is the environment of the field that env is, or is inside of.
func (env *Env) whole() *Env {
	if env.top != nil {
		return env.top
	}
	return env
}

// within is the part of a state under a prefix.
func within(s State, prefix []byte) part {
	if in, ok := s.(part); ok {
		return part{append(in.prefix[:len(in.prefix):len(in.prefix)], prefix...), in.of}
	}
	return part{prefix, s}
}

// part is the state of one value inside a field.
type part struct {
	prefix []byte
	of     State
}

func (p part) key(k []byte) []byte {
	return append(append(make([]byte, 0, len(p.prefix)+len(k)), p.prefix...), k...)
}

// Get implements State.
func (p part) Get(key []byte) ([]byte, error) { return p.of.Get(p.key(key)) }

// Put implements State.
func (p part) Put(key, value []byte) error { return p.of.Put(p.key(key), value) }

// Delete implements State.
func (p part) Delete(key []byte) error { return p.of.Delete(p.key(key)) }

// Scan implements State.
func (p part) Scan(lo, hi []byte, reverse bool) iter.Seq2[store.KV, error] {
	to := after(p.prefix)
	if hi != nil {
		to = p.key(hi)
	}
	return func(yield func(store.KV, error) bool) {
		for kv, err := range p.of.Scan(p.key(lo), to, reverse) {
			if err == nil {
				kv.Key = kv.Key[len(p.prefix):]
			}
			if !yield(kv, err) {
				return
			}
		}
	}
}

// innerOps reads ops again as the types of values inside a field see them: without the path.
type innerOps struct{ of Ops }

// At implements Ops.
func (o innerOps) At(num uint64, index uint32) (Op, error) {
	op, err := o.of.At(num, index)
	op.Payload = valueAfterPath(op.Payload)
	return op, err
}

// Find implements Ops.
func (o innerOps) Find(commit object.ID) (num, height uint64, err error) { return o.of.Find(commit) }
