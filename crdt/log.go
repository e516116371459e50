package crdt

import (
	"bytes"
	"fmt"
	"iter"

	"github.com/hyperhyperspace/hhs-go/schema"
)

// ActionAppend is the action of a log: add an entry.
const ActionAppend = "append"

// ActionDo is the action of a fold: one op more for its function.
const ActionDo = "do"

// logType is "log": entries in canonical order, (height, commit id, index), which is consistent with causality and does
// not depend on verdicts. Void entries are hidden and keep their place. A key is an entry's place, as a cursor.
//
// It is "fold", too: what a fold's function is given one after another are the entries, and what it makes of them is no
// matter of this package.
type logType struct{ name, action string }

var (
	logOfValues = logType{"log", ActionAppend}
	logOfOps    = logType{"fold", ActionDo}
)

func (t logType) Name() string { return t.name }

func (t logType) Check(s *schema.Schema, op Op) error {
	if op.Action != t.action {
		return unknownAction(t.name, &op)
	}
	if err := checkRefs(&op, 0); err != nil {
		return err
	}
	return checkValue(s, &op)
}

func (t logType) Apply(env *Env, op Op, effective bool) ([]Change, error) {
	f := on(env)
	if done, err := f.appliedIgnored(&op, t.Check(env.Schema, op)); done {
		return nil, err
	}
	at := placeOf(&op)
	r := liveAdd(op.Num)
	if !effective {
		return nil, f.put(join(spaceRest, nil, at), r.encode())
	}
	if err := f.put(join(spaceShown, nil, at), r.encode()); err != nil {
		return nil, err
	}
	if env.Quiet {
		return nil, f.bump(1)
	}
	return []Change{{Key: []byte(at), After: op.Payload, Op: op, Effective: true}}, f.bump(1)
}

func (logType) Flip(env *Env, op Op, effective bool) ([]Change, error) {
	f, at := on(env), placeOf(&op)
	from, to, delta := join(spaceRest, nil, at), join(spaceShown, nil, at), 1
	if !effective {
		from, to, delta = to, from, -1
	}
	_, ok, err := f.record(from)
	if err != nil {
		return nil, err
	}
	if !ok {
		if v, err := f.get(to); err != nil || v != nil {
			return nil, err // it has this verdict already
		}
		return nil, f.wasIgnored(&op)
	}
	if err := f.remove(from); err != nil {
		return nil, err
	}
	r := liveAdd(op.Num)
	if err := f.put(to, r.encode()); err != nil {
		return nil, err
	}
	ch := Change{Key: []byte(at), Op: op, Effective: effective}
	if effective {
		ch.After = op.Payload
	} else {
		ch.Before = op.Payload
	}
	return []Change{ch}, f.bump(delta)
}

// LogAppend makes the op that adds an entry.
func LogAppend(payload []byte) Draft { return Draft{Action: ActionAppend, Payload: payload} }

// FoldDo makes the op that a fold's function is given with this value. What LogLen and LogScan say of entries holds for a
// fold's ops.
func FoldDo(payload []byte) Draft { return Draft{Action: ActionDo, Payload: payload} }

// LogLen reads the number of entries shown. It is kept as a counter: no entry is read.
func LogLen(env *Env) (uint64, error) { return on(env).count() }

// LogRange is a stretch of a log. The zero value is all of it, from the first entry on. Cursors are the Key of an Entry
// or of a Change; they stay valid when entries come and go, and the entry itself need not be shown any more.
type LogRange struct {
	After   []byte // only entries after this cursor; nil: from the first
	Before  []byte // only entries before this cursor; nil: to the last
	Reverse bool   // from the last one backwards
}

// LogScan yields the entries of a range; a caller that has enough stops, and no more are read. It needs State and Ops. An
// error ends it.
func LogScan(env *Env, r LogRange) iter.Seq2[Entry, error] {
	lo, hi := []byte{spaceShown}, after([]byte{spaceShown})
	if r.After != nil {
		lo = append(join(spaceShown, nil, r.After), 0) // the least key above the cursor
	}
	if r.Before != nil {
		hi = join(spaceShown, nil, r.Before)
	}
	return func(yield func(Entry, error) bool) {
		f := on(env)
		for kv, err := range env.State.Scan(lo, hi, r.Reverse) {
			if err != nil {
				yield(Entry{}, fmt.Errorf("read state: %w", err))
				return
			}
			e, err := f.logEntry(kv.Key, kv.Value)
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

func (f *field) logEntry(key, value []byte) (Entry, error) {
	r, ok := decodeRecord(value)
	num, ok2 := liveNum(r)
	_, ref, ok3 := parsePlace(key[1:])
	if !ok || !ok2 || !ok3 {
		return Entry{}, &Corrupt{Key: bytes.Clone(key), Reason: "not an entry of a log"}
	}
	op, err := f.op(num, ref.Index)
	if err != nil {
		return Entry{}, err
	}
	e := op.entry(bytes.Clone(key[1:]))
	e.Cursor = e.Key
	return e, nil
}
