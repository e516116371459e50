package hhs

import (
	"fmt"
	"iter"
	"reflect"
	"sync"

	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/internal/fold"
	"github.com/hyperhyperspace/hhs-go/replica"
	"github.com/hyperhyperspace/hhs-go/schema"
)

// Folding is what the state of a fold has: S itself, made of ops with values of
// type Op. Its zero value is the state before any op.
type Folding[S, Op any] interface {
	// FoldName is the name of the fold, a domain and a path as that of a kind, and
	// its version, 1 or more, which grows when Step or the state changes.
	FoldName() (name string, version int)

	// Step is the state after one op more. An error is why the fold ignores the
	// op: the state stays as it was, and Ignored shows the error's text.
	//
	// It must give the same for the same state and op, always and everywhere: no
	// clock, no random numbers, no order of a map's keys, nothing kept between
	// calls; and it changes neither what it is given nor anything else. One that panics, takes
	// two seconds or is found to give something else the second time is a *FoldError
	// of whoever reads the fold, and of nothing else.
	Step(op FoldOp[Op]) (S, error)
}

// FoldOp is one op, as the function of a fold is given it. In a transaction the
// ops of that have no Commit yet.
type FoldOp[Op any] struct {
	Entry[Op]
	Founder bool // its writer founded the space
}

// IgnoredOp is an op that a fold has ignored.
type IgnoredOp[Op any] struct {
	FoldOp[Op]
	Reason string
}

// FoldError is a fold that went wrong, by name; all else goes on. See
// docs/spec/fold.md for what becomes of it.
type FoldError = fold.Error

// Fold is a value of a type that the application makes itself: S, put together by
// S.Step from ops that people do, in one order on every copy, which
// has what an op's writer had seen before the op. A copy without the function, of whatever
// program or language, stores the ops and passes them on.
//
//	type Auction struct { Best int64; By hhs.Identity; Closed bool }
//	func (Auction) FoldName() (string, int) { return "example.org/auction", 1 }
//	func (a Auction) Step(op hhs.FoldOp[Bid]) (Auction, error) { ... }
//
//	type Lot struct { Sale hhs.Fold[Auction, Bid] }
//
// States are made of the types that values of a Register may have; package foldtest
// tries a fold.
type Fold[S Folding[S, Op], Op any] struct{ b binding }

func (Fold[S, Op]) typeName() string    { return authority.TypeFold }
func (Fold[S, Op]) elem() reflect.Type  { return reflect.TypeFor[Op]() }
func (Fold[S, Op]) bound(b binding) any { return Fold[S, Op]{b} }

// folding is a Fold of any types.
type folding interface {
	fold() (name string, version int64, err error)
}

func (Fold[S, Op]) fold() (string, int64, error) {
	var s S
	if t := reflect.TypeFor[S](); t.Kind() == reflect.Pointer || t.Kind() == reflect.Interface {
		return "", 0, fmt.Errorf("the state of a fold is a plain value, not %s", t)
	}
	if _, err := schema.FromGo(reflect.TypeFor[S](), ""); err != nil {
		return "", 0, fmt.Errorf("the state of a fold: %w", err)
	}
	name, version := s.FoldName()
	if !kindName(name) {
		return "", 0, fmt.Errorf("%q is not a fold's name; use a domain you own and a path, such as example.org/auction", name)
	}
	return name, int64(version), nil
}

// Do adds an op. Whether the fold takes or ignores it is said by Get and Ignored
// where it is read, and may change when ops come that stand before it.
func (f Fold[S, Op]) Do(tx *Tx, op Op) error {
	return f.b.write(tx, func(*crdt.Env) ([]crdt.Draft, error) {
		block, err := encode(f.b.text, op)
		if err != nil {
			return nil, err
		}
		return []crdt.Draft{crdt.FoldDo(block)}, nil
	})
}

// Get returns the state. It runs the function over the ops that came since the
// last read; the first one after the space was opened runs it over all.
func (f Fold[S, Op]) Get() (s S, err error) {
	err = f.run(func(r *fold.Run) error {
		_, state, err := r.State()
		if err == nil {
			s = state.(S)
		}
		return err
	})
	return s, err
}

// Ignored returns the latest ops that the fold ignored, in order, at most 256,
// and why.
func (f Fold[S, Op]) Ignored() (list []IgnoredOp[Op], err error) {
	err = f.run(func(r *fold.Run) error {
		latest, _ := r.Ignored()
		for _, op := range latest {
			list = append(list, IgnoredOp[Op]{op.Op.(FoldOp[Op]), op.Reason})
		}
		return nil
	})
	return list, err
}

// Len is the number of ops, those that the fold ignores too.
func (f Fold[S, Op]) Len() (n int, err error) {
	err = f.b.read(func(env *crdt.Env) error {
		size, err := crdt.LogLen(env)
		n = int(size)
		return err
	})
	return n, err
}

// All yields the ops in the order in which the function is given them. An error
// ends the sequence.
func (f Fold[S, Op]) All() iter.Seq2[Entry[Op], error] {
	return all(f.b, decode[Op], func(env *crdt.Env) iter.Seq2[crdt.Entry, error] { return crdt.LogScan(env, crdt.LogRange{}) })
}

// keptFold is what is known of a fold's value while its space is open.
type keptFold struct {
	mu   sync.Mutex
	run  *fold.Run
	mark replica.Mark // of the version that run shows
}

// run gives read a run that shows what is read. It belongs to the call.
func (f Fold[S, Op]) run(read func(r *fold.Run) error) error {
	return f.b.readMarked(func(env *crdt.Env, mark replica.Mark, known bool) error {
		founding, err := f.b.space.Founding()
		if err != nil {
			return err
		}
		kept := f.b.space.Keep(fmt.Sprintf("%T %s\x00%s", f, f.b.field, env.Place()), func() any {
			return &keptFold{run: fold.New(foldDef[S, Op]())}
		}).(*keptFold)
		kept.mu.Lock()
		defer kept.mu.Unlock()
		if failed := kept.run.Failed(); failed != nil && failed.Final() {
			return failed
		}
		if !known { // a past version, or one with something taken back in it
			return f.forward(env, fold.New(foldDef[S, Op]()), kept, founding, read)
		}
		since := kept.mark
		later := since.Older(mark) == since // than what is kept, which goes on from there
		run := kept.run
		if f.b.tx != nil || !later {
			run = run.Copy()
		}
		if place, ok := f.b.space.Touched(f.b.field, env, since.Older(mark)); !ok {
			run.Back("")
		} else if place != "" {
			run.Back(place)
		}
		if run == kept.run {
			kept.mark = mark
		}
		return f.forward(env, run, kept, founding, read)
	})
}

// forward gives a run the ops after those it has.
func (f Fold[S, Op]) forward(env *crdt.Env, run *fold.Run, kept *keptFold, founding *authority.Founding, read func(r *fold.Run) error) error {
	var after []byte
	if place := run.Place(); place != "" {
		after = []byte(place)
	}
	keys, founders := keyTexts{}, foundersOf(founding)
	err := run.Forward(func(yield func(fold.Op, error) bool) {
		for raw, err := range crdt.LogScan(env, crdt.LogRange{After: after}) {
			var e Entry[Op]
			if err == nil {
				e, err = entryOf(raw, decode[Op], keys)
			}
			if !yield(fold.Op{Place: string(raw.Key), Label: opLabel(raw.Ref), Given: FoldOp[Op]{e, founders[e.Identity]}, Size: len(raw.Value)}, err) || err != nil {
				return
			}
		}
	})
	if failed := run.Failed(); failed != nil && failed.Final() {
		kept.run = run // so that it is not tried again
	}
	if err != nil {
		return err
	}
	return read(run)
}

// opLabel is an op in messages.
type opLabel history.OpRef

func (l opLabel) String() string { return fmt.Sprintf("op %d of commit %s", l.Index, l.Commit) }

// foldDef is a fold as it is run.
func foldDef[S Folding[S, Op], Op any]() *fold.Def {
	var zero S
	name, version := zero.FoldName()
	return fold.Of(name, int64(version), func(s S, op any) (S, error) { return s.Step(op.(FoldOp[Op])) })
}
