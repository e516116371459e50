// Package crdt holds the replicated value types: each one turns the ops written to a field into a value that every
// replica computes alike.
//
// To start: look a type up by the name a manifest gives it ([ByName]), hand every op of the field to [Type.Apply] once,
// in any causal order, and call [Type.Flip] whenever the verdict on an op changes. Reads and the making of new ops are
// plain functions beside each type (register.go, set.go, counter.go ...), all over the same [Env].
//
// # What a type is
//
// A type is a pure function of three things: the ops on a key, their causal order, and whether each is effective or
// void. What Apply and Flip leave in the [State] is a cache of that function. The cache holds no trace of the way it
// came about: two replicas with the same ops, numbers of commits ([Ops]) and verdicts have the same bytes, whatever the
// order of delivery and however often verdicts changed in between. Only where the pages of a list or a text
// are divided depends on it, not what is in them. Package crdttest checks it, together with a naive model of each type.
//
// A void op keeps its place as a coordinate: others may name it and be ordered after it. It contributes no content and
// no deletion. An op whose shape is wrong or whose value breaks the field's schema is ignored: it is stored with the
// reason ([IgnoredOps]) and is neither content nor deletion, whatever its verdict.
//
// # Order
//
// Where one of several must be chosen, or a list needs an order, it is (height, commit id, index in the commit). Height
// grows along every edge, so the order never contradicts causality. It is deterministic and it can be ground by a patient
// writer; nothing about authority depends on it.
//
// # State
//
// A field's state is a small ordered map, laid out in layout.go: one entry per op, found by the key it touches, moved
// rather than rewritten when it stops being visible. Sets, logs and values set once keep where their values are, registers
// and profiles the values and, once per field, the authors. Applying an op costs a few reads and writes, plus some for each visible op on its key that it may have seen (a register's of lesser height, the adds that
// a removal names or newly covers), and never depends on the size of the field.
//
// # What it does not do
//
// It knows no signatures, no grants and no network; it does not decide verdicts. Every function here is single-threaded
// over its Env: the caller holds whatever lock guards the State.
package crdt
