package replica

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/store"
)

// LogQuery asks for a page of a space's history.
type LogQuery struct {
	Before  object.ID   // go on after this commit; zero: from the newest
	Version []object.ID // only what these have in their past, and they; nil: all that is here
	Field   string      // only commits with an op on it; "": all
	Path    []string    // with Field: only ops on, in or around the value there; keys of maps and names of properties, as Change.Keys
	Limit   int         // at most so many
}

// LogPage is a stretch of history, newest first: no commit comes after one that has
// it in its past. Of commits that do not know each other the one that came here
// later is first, which is not the same on every copy.
type LogPage struct {
	Commits []Logged
	Next    object.ID // where the next page goes on (LogQuery.Before); zero: this is the last
}

// Logged is a commit with what became of it, judged by what is known now.
type Logged struct {
	Commit   object.ID
	Device   identity.PublicKey
	Identity identity.PublicKey
	Time     int64 // in ms since 1970, as the author told
	Seq      uint64
	Height   uint64
	Ops      []LoggedOp
	UndoneBy []history.OpRef // the undos that take it back, at most maxUndoneBy
}

// LoggedOp is one op. Effect is one of the Effect constants.
type LoggedOp struct {
	Index   int
	Field   string // "": an authority op, authority.UndoField: an undo, redo or group
	Action  string
	Path    []crdt.Step // of the value inside the field
	Value   []byte      // canonical bytes, nil for none; of an edit of a list or text see crdt.Said
	Names   []history.OpRef
	Effect  string
	Ignored string // why, with EffectIgnored
}

// What became of an op.
const (
	EffectCounts  = "effective"
	EffectIgnored = "ignored" // it is malformed for its type, or breaks its schema
	EffectUndone  = "undone"  // taken back by Logged.UndoneBy; an undo: made not to count by a redo
)

// Log reads a page of the history. It reads what it returns and, with Field or
// Version, what it passes over: at most maxLogScan commits, so that a page may have fewer than Limit and not be the last; nor does
// it have more than one commit beyond maxLogBytes of values.
func (s *Space) Log(ctx context.Context, q LogQuery) (LogPage, error) {
	page, err := s.log(ctx, q)
	if err != nil {
		return page, s.Damaged(fmt.Errorf("log of space %s: %w", s.id.Short(), err))
	}
	return page, nil
}

func (s *Space) log(ctx context.Context, q LogQuery) (page LogPage, err error) {
	if !s.hasField(q.Field) {
		return page, fmt.Errorf("field %q: %w", q.Field, ErrNoField)
	}
	next, spans, err := s.logFrom(q)
	if err != nil {
		return page, err
	}
	v, err := s.view() // it shows all that was counted: what is at the door is not
	if err != nil {
		return page, err
	}
	defer v.Close()
	l := logReader{space: s, path: q.Path, r: v.snap, read: commits{keys: s.keys, r: v.snap}, said: commits{keys: s.keys, r: v.snap}, undos: s.undoState(v.snap, nil)}
	for scanned, size := 0, 0; next > 0; scanned++ {
		if len(page.Commits) >= q.Limit || scanned >= maxLogScan || size >= maxLogBytes {
			cut, err := l.read.get(next)
			page.Next = cut.id
			return page, err
		}
		s.node.cfg.Pace()
		if err := ctx.Err(); err != nil {
			return page, err
		}
		n := next - 1
		if spans != nil && !holds(spans, n) {
			if next = spanBelow(spans, n); next == 0 {
				break
			}
			continue
		}
		next = n
		about, err := l.about(n, q.Field)
		if err == nil && about {
			var one Logged
			one, err = l.commit(n)
			page.Commits = append(page.Commits, one)
			size += one.size()
		}
		if err != nil {
			return page, err
		}
	}
	return page, nil
}

// size is about what a commit takes in memory, in bytes.
func (c *Logged) size() (n int) {
	const each = 128
	for i := range c.Ops {
		n += each + len(c.Ops[i].Value)
	}
	return n
}

// hasField tells whether a name is that of a field that history can be asked for.
func (s *Space) hasField(name string) bool {
	_, err := s.field(name)
	return name == "" || name == authority.UndoField || err == nil
}

// logFrom finds the number after the first commit of a page, and the version as spans; nil: all.
func (s *Space) logFrom(q LogQuery) (next history.Num, spans []history.Span, err error) {
	s.settled()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, nil, ErrClosed
	}
	next = s.graph.Len()
	if !q.Before.IsZero() {
		nums, err := s.numbersOf([]object.ID{q.Before})
		if err != nil {
			return 0, nil, err
		}
		next = nums[0]
	}
	if len(q.Version) == 0 {
		return next, nil, nil
	}
	nums, err := s.numbersOf(q.Version)
	if err != nil {
		return 0, nil, err
	}
	spans, _, err = s.graph.Diff(nums, nil)
	return next, spans, err
}

// spanBelow is the end of the last span below a number; 0 when there is none.
func spanBelow(spans []history.Span, n history.Num) history.Num {
	end := history.Num(0)
	for _, s := range spans {
		if s.End > n {
			break
		}
		end = s.End
	}
	return end
}

// PathText writes the path of a change or logged op for people, as it follows the
// name of its field: ["milk"].title.
func (s *Space) PathText(field string, path []crdt.Step) string {
	f, err := s.field(field)
	if err != nil {
		return ""
	}
	return f.shape.PathText(path)
}

// logReader reads commits with what became of them.
type logReader struct {
	space *Space
	path  []string // what is asked for inside the field
	r     store.Reader
	read  commits
	said  commits // ops read again, to tell what was deleted
	undos *fieldState
}

// about tells whether a commit has an op on a field, and there on what is asked for.
func (l *logReader) about(n history.Num, field string) (about bool, err error) {
	if field == "" {
		return true, nil
	}
	err = l.read.fieldsOf(n, func(name []byte) error {
		about = about || string(name) == field
		return nil
	})
	if !about || err != nil || len(l.path) == 0 {
		return about, err
	}
	w, err := l.read.next(n)
	if err != nil {
		return false, err
	}
	k, err := l.space.kindAt(l.r, n)
	if err != nil {
		return false, err
	}
	f, err := k.field(field)
	if err != nil {
		return true, nil // undos have no path
	}
	for i := range w.commit.Env.Ops {
		if w.commit.Env.Ops[i].Field != field {
			continue
		}
		op := w.op(i)
		if path, _, err := f.shape.Read(&op); err == nil && meets(keysOf(path), l.path) {
			return true, nil
		}
	}
	return false, nil
}

// meets tells whether one path leads through the end of the other.
func meets(a, b []string) bool {
	n := min(len(a), len(b))
	return slices.Equal(a[:n], b[:n])
}

// Keys are the texts of the path, as Change.Keys.
func (op *LoggedOp) Keys() []string { return keysOf(op.Path) }

func (l *logReader) commit(n history.Num) (Logged, error) {
	w, err := l.read.next(n)
	if err != nil {
		return Logged{}, err
	}
	one := Logged{Commit: w.commit.ID, Device: w.who.device, Identity: w.who.person, Time: w.commit.Env.Time, Seq: w.commit.Env.Seq, Height: w.height}
	if one.UndoneBy, err = l.undoneBy(n); err != nil {
		return one, err
	}
	for i := range w.commit.Env.Ops {
		if i%paceEvery == paceEvery-1 {
			l.space.node.cfg.Pace()
		}
		op, err := l.op(&w, i, len(one.UndoneBy) > 0)
		if err != nil {
			return one, fmt.Errorf("op %d of commit %s: %w", i, one.Commit, err)
		}
		one.Ops = append(one.Ops, op)
	}
	return one, nil
}

func (l *logReader) op(w *whole, i int, undone bool) (LoggedOp, error) {
	env := &w.commit.Env.Ops[i]
	op := LoggedOp{Index: i, Field: env.Field, Action: env.Action, Names: env.Refs, Value: w.payloads[i], Effect: EffectCounts}
	full := w.op(i)
	var state *crdt.Env
	switch env.Field {
	case "":
		return op, nil
	case authority.UndoField:
		n, _, err := l.undos.counted(undoKey(w.num, uint32(i)))
		if err != nil {
			return op, err
		}
		if n > 0 {
			op.Effect = EffectUndone
		}
		state = &crdt.Env{State: l.undos, Space: l.space.id}
	default:
		k, err := l.space.kindAt(l.r, w.num)
		if err != nil {
			return op, err
		}
		f, err := k.field(env.Field)
		if err != nil {
			return op, err
		}
		state = f.env(l.space, f.reading(l.r), nil, viewOps{&l.said, l.space})
		path, value, err := crdt.Said(state, &full)
		switch {
		case err == nil:
			op.Path, op.Value = path, value
		case !errors.As(err, new(*crdt.Ignored)):
			return op, err
		}
		if undone && ofKind(env) {
			op.Effect = EffectUndone
		}
	}
	why, err := crdt.ReasonIgnored(state, &full)
	if why != "" {
		op.Effect, op.Ignored = EffectIgnored, why
	}
	return op, err
}

// undoneBy lists the undos that take a commit back.
func (l *logReader) undoneBy(n history.Num) (refs []history.OpRef, err error) {
	prefix := binary.BigEndian.AppendUint64([]byte{spaceMasks}, n)
	for kv, err := range l.undos.Scan(prefix, end(prefix), false) {
		if err != nil {
			return nil, err
		}
		rest := kv.Key[len(prefix):]
		if len(rest) != 12 {
			return nil, fmt.Errorf("undos of a commit: %w", store.ErrCorrupt)
		}
		by, err := (&commits{keys: l.space.keys, r: l.r}).get(binary.BigEndian.Uint64(rest))
		if err != nil {
			return nil, err
		}
		refs = append(refs, history.OpRef{Commit: by.id, Index: binary.BigEndian.Uint32(rest[8:])})
		if len(refs) == maxUndoneBy {
			break
		}
	}
	return refs, nil
}
