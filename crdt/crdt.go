package crdt

import (
	"iter"
	"slices"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/schema"
	"github.com/hyperhyperspace/hhs-go/store"
)

// Op is one mutation of one field, with what its commit says of it.
//
// A zero Ref.Commit stands for a commit that is still being built: everything else is in its past. A transaction that
// reads its own writes applies them so to an overlay, which it throws away. Builders name no op of such a commit, since
// a commit cannot name itself; its ops are in order of their index, and the types need no more.
type Op struct {
	Ref      history.OpRef
	Num      uint64             // of its commit, among those of this replica (Ops); a zero commit has one, too
	Height   uint64             // of the commit: 1 + the highest commit in its past
	Author   identity.PublicKey // device key that signed
	Identity identity.PublicKey // the person the device belongs to
	Time     int64              // milliseconds since 1970, as the author told; orders nothing
	Action   string
	Refs     []history.OpRef // ops it names, in the past of its commit; a zero Commit names nothing
	Payload  []byte          // canonical CBOR; nil when the action has none
	Erased   int             // Deletes of the ops before it in its commit, on any field
}

// Draft is an op to be written: what a builder knows of it. The commit it ends up in gives it the rest.
type Draft struct {
	Action  string
	Refs    []history.OpRef
	Payload []byte
}

// State is the keyed state of one field: an ordered map that belongs to the type alone. Keys and values handed in may be
// kept neither by the implementer (it copies) nor changed by it; what Get returns belongs to the caller, what Scan yields
// is valid until the next step. A type never writes while it scans. store.Tx under a prefix fits.
type State interface {
	Get(key []byte) ([]byte, error) // nil, nil when absent; an empty value is not nil
	Put(key, value []byte) error
	Delete(key []byte) error                                     // absent is fine
	Scan(lo, hi []byte, reverse bool) iter.Seq2[store.KV, error] // lo <= key < hi, hi nil: to the end
}

// Past answers for the causal order of commits.
type Past interface {
	// Before tells whether the commit of a is in the past of the commit of b. Types ask it only about two different
	// commits, both given to Apply before or being given now, and neither of them zero.
	Before(a, b history.OpRef) (bool, error)

	// Diff compares two versions, given as the numbers of commits that were applied or are being applied now: those only in
	// the past of a or among a, and those only of b, as ascending spans. Sequences ask it about commits that have not seen
	// everything.
	Diff(a, b []uint64) (onlyA, onlyB []history.Span, err error)
}

// Ops reads ops of the field again. A state that is large by what its ops carry keeps where they are instead: the number
// of a commit, which each replica gives as it likes, and an index.
type Ops interface {
	// At returns an op that was applied, with everything but Action and Refs. Its payload is not changed by anyone.
	At(num uint64, index uint32) (Op, error)
	// Find returns the number and height of a commit in the past of one that was applied.
	Find(commit object.ID) (num, height uint64, err error)
}

// Env is what a type works on: one field of one space. Readers need State, and Ops and Past where they say so. One Env
// for many ops saves work; it must not outlive what was written to its State.
type Env struct {
	State  State
	Past   Past
	Ops    Ops
	Schema *schema.Schema // of one value of the field; nil: any value
	Space  object.ID
	Shape  *Shape // of the value; needed to reach into a map or record
	Quiet  bool   // nobody wants the changes: Apply and Flip may leave them out

	bundleLimit uint64 // for tests of wide bundles and small pages; 0: MaxBundle and maxPage
	wrote       writer // whom the state knows: who wrote the op before
	kept        *seq   // of a list or a text: pages, as the op before left them

	// Of a value inside a field (At).
	top    *Env   // the field's; nil: this is it
	path   []Step // from there
	text   string // the same for people
	keyed  bool   // it belongs to a key of a map
	makers int    // how many records the path enters, whose makers every op on the value names
	marks  []part // where it is kept that these were made
}

// Change is one visible change of one key. Before and After are the canonical bytes of the shown value, nil for none.
// They may be equal: another author wrote the same value, or a concurrent value behind the shown one came or went. Of a
// list or a text Edits tell instead what went and what came, and where.
type Change struct {
	Path      []Step // of the value inside a map or record field
	Key       []byte // within the value; what it is depends on the type, empty for a register
	Before    []byte
	After     []byte
	Edits     []Edit // of a list or a text
	Moved     bool   // of a set: the element stays, and is that of another add now
	Lost      bool   // of a list: it is larger than MaxTold and not told; read the value again
	Op        Op     // the op that was applied or whose verdict changed, as its field has it
	Effective bool   // its verdict now
}

// Type is one kind of replicated value. Implementations hold no state of their own and are safe for concurrent use over
// different Envs.
type Type interface {
	// Name is what a manifest calls the type. It never changes.
	Name() string

	// Check judges one op by itself: its shape, and its value against the schema (nil: any value). The error is
	// *[Ignored]. Work is linear in the op. A local writer refuses what Check refuses; the op of a modified client is
	// stored and ignored.
	Check(s *schema.Schema, op Op) error

	// Apply takes an op into the state. It is called once for each, after every op on the same field in the past of op's
	// commit, and for ops of one commit by index. An error is the store's or *[Corrupt]; the state is then undefined and
	// the caller drops the transaction.
	Apply(env *Env, op Op, effective bool) ([]Change, error)

	// Flip tells the verdict on an op that was applied, same content as then. Telling the present verdict again does
	// nothing. An op that was never applied is *[Unknown].
	Flip(env *Env, op Op, effective bool) ([]Change, error)
}

// Foreteller is a Type that can tell, from a new op alone, which keys of the State Apply is going to read: those whose
// number grows with the ops. Who has many ops at hand reads them in one go before. Of the op Ref.Commit, Action, Refs and
// Payload are known.
type Foreteller interface {
	Reads(op *Op) [][]byte
}

var types = [...]Type{
	counterType{}, logOfOps, growSet, seqType{list: true}, logOfValues, onceType{}, profileType{}, registerType{}, addWinsSet, seqType{},
}

// Types returns all types, by name.
func Types() []Type { return slices.Clone(types[:]) }

// ByName returns the type a manifest names.
func ByName(name string) (Type, bool) {
	for _, t := range types {
		if t.Name() == name {
			return t, true
		}
	}
	return nil, false
}
