package fold

import (
	"fmt"
	"iter"
	"math/bits"
	"slices"
)

// Def is a fold as it is run: of states of any type, made of ops of any type.
type Def struct {
	Name    string
	Version int64

	Initial func() any
	// Step gives the next state, or why the op is ignored. It may panic.
	Step func(state, op any) (next any, ignored error)
	// Encode gives the canonical bytes of a state, and Decode a state of its own of them.
	Encode func(state any) ([]byte, error)
	Decode func(state []byte) (any, error)
}

// Op is one op as the function is given it.
type Op struct {
	Place string       // where it stands: ops are in the order of their places
	Label fmt.Stringer // for people
	Given any
	Size  int // of Given, in bytes, about
}

// Ignored is an op that the function has ignored.
type Ignored struct {
	Op     any
	Reason string
	number int // of the op, from 1 on
	size   int // of the op
}

// snapshot is what the ops up to a place come to.
type snapshot struct {
	place   string // of the last op; "": there is none yet
	count   int    // ops
	state   []byte
	ignored []Ignored // the latest
	passed  int       // ops ignored in all
	weight  int       // what it holds, in bytes, about
}

// Run is one fold over the ops of one value.
type Run struct {
	def    *Def
	kept   []snapshot // ascending
	tip    snapshot
	failed *Error
}

// New returns a run that was given no ops.
func New(def *Def) *Run { return &Run{def: def} }

// Copy returns a run that knows the same, and goes its own way from here.
func (r *Run) Copy() *Run {
	c := *r
	c.kept = slices.Clone(r.kept)
	return &c
}

// Failed returns what went wrong, nil for nothing.
func (r *Run) Failed() *Error { return r.failed }

// Place is that of the last op that the run was given, "" for none: Forward takes those after it.
func (r *Run) Place() string { return r.tip.place }

// Back says that the ops from a place on are others than the run was given; "": all of them. Those before it are as they were.
func (r *Run) Back(place string) {
	n := len(r.kept)
	for n > 0 && r.kept[n-1].place >= place {
		n--
	}
	if r.kept = r.kept[:n]; r.tip.place >= place {
		r.tip = snapshot{}
		if n > 0 {
			r.tip = r.kept[n-1]
		}
	}
}

// Forward runs the function over the ops after Place, in order. The error is an *[Error], or what came with the ops. After
// one that is not final Place is that of an op before it, from where Forward goes on.
func (r *Run) Forward(ops iter.Seq2[Op, error]) error {
	if r.failed != nil && r.failed.Final() {
		return r.failed
	}
	r.failed = nil
	m := &machine{def: r.def, from: r.tip, snapshot: r.tip}
	list := make([]Op, 0, chunk)
	for op, err := range ops {
		if err != nil {
			return err
		}
		if list = append(list, op); len(list) == chunk {
			if err := r.do(m, func() *Error { return m.steps(list) }); err != nil {
				return err
			}
			r.keep(m)
			list = list[:0]
		}
	}
	if len(list) == 0 && m.since == nil && r.tip.state != nil {
		return nil // there are none
	}
	if err := r.do(m, func() *Error { return m.end(list) }); err != nil {
		return err
	}
	r.keep(m)
	r.tip = m.from
	return nil
}

// do has a machine work, and notes what goes wrong. A machine that does not come back is not touched again.
func (r *Run) do(m *machine, work func() *Error) error {
	failed := m.guarded(work)
	if failed == nil {
		return nil
	}
	r.failed = failed
	if n := len(r.kept); n > 0 && r.kept[n-1].place > r.tip.place {
		r.tip = r.kept[n-1]
	}
	return failed
}

// keep takes over the snapshots that a machine made.
func (r *Run) keep(m *machine) {
	r.kept = append(r.kept, m.taken...)
	m.taken = nil
	r.thin()
}

// thin leaves fewer snapshots the further back they are: of those at a distance of d times every ops, one for each d/4.
func (r *Run) thin() {
	if len(r.kept) == 0 {
		return
	}
	last := r.kept[len(r.kept)-1].count / every
	size := 0
	r.kept = slices.DeleteFunc(r.kept, func(s snapshot) bool {
		i := s.count / every
		if d := (last - i) / 4; d > 0 && i%(1<<(bits.Len(uint(d))-1)) != 0 {
			return true
		}
		size += s.weight
		return false
	})
	for size > maxSnapshots && len(r.kept) > 1 { // every second one, but the last
		n := 0
		for i, s := range r.kept {
			if (len(r.kept)-1-i)%2 == 0 {
				r.kept[n] = s
				n++
			} else {
				size -= s.weight
			}
		}
		clear(r.kept[n:])
		r.kept = r.kept[:n]
	}
}

// State returns the canonical bytes of the state, and the state itself, which is the caller's.
func (r *Run) State() ([]byte, any, error) {
	if r.failed != nil {
		return nil, nil, r.failed
	}
	if r.tip.state == nil {
		if err := r.Forward(func(func(Op, error) bool) {}); err != nil {
			return nil, nil, err
		}
	}
	state, err := r.def.Decode(r.tip.state)
	return slices.Clone(r.tip.state), state, err
}

// Ignored returns the latest ignored ops, in order, and how many there are in all.
func (r *Run) Ignored() (latest []Ignored, all int) { return slices.Clone(r.tip.ignored), r.tip.passed }
