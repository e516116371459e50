package replica

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/internal/order"
	"github.com/hyperhyperspace/hhs-go/store"
)

// Undo (docs/spec/undo.md): an op on authority.UndoField names commits of its
// own author's identity, and while it is live their ops on the fields of the
// kind are told to their types as void. A commit is masked while some undo that
// names it is live, and an undo is live until a redo names it.
//
// What is kept is the state of a field of its own:
//
//	80 <num>                  how many live undos name a commit
//	81 <num> <index>          an undo that was not ignored: how many redos name it
//	82 <num> <num> <index>    a commit and a live undo that names it
const (
	spaceMasked = 0x80
	spaceUndo   = 0x81
	spaceMasks  = 0x82
)

// The actions of authority.UndoField.
const (
	ActionUndo  = "undo"  // names the commits taken back, each by its first op on a field of the kind
	ActionRedo  = "redo"  // names the undo that counts no more
	ActionGroup = "group" // names a commit of the same chain: who takes one of the two back takes both
)

// undoFieldNumber is beyond those of all fields that a manifest can have.
const undoFieldNumber = 0xffff

// undoState is the part of a transaction, or of a reading (tx is nil), that undos are kept in.
func (s *Space) undoState(r store.Reader, tx *store.Tx) *fieldState {
	return &fieldState{prefix: s.keys.field(undoFieldNumber), r: r, tx: tx}
}

func maskedKey(num history.Num) []byte {
	return binary.BigEndian.AppendUint64([]byte{spaceMasked}, num)
}

func undoKey(num history.Num, index uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64([]byte{spaceUndo}, num), index)
}

func masksKey(target, num history.Num, index uint32) []byte {
	return append(binary.BigEndian.AppendUint64([]byte{spaceMasks}, target), undoKey(num, index)[1:]...)
}

// counted reads a count; ok is false when there is none.
func (f *fieldState) counted(key []byte) (n uint64, ok bool, err error) {
	v, err := f.Get(key)
	if err != nil || v == nil {
		return 0, false, err
	}
	n, size := binary.Uvarint(v)
	if size != len(v) {
		return 0, false, fmt.Errorf("count of undos: %w", store.ErrCorrupt)
	}
	return n, true, nil
}

// masked tells whether a commit is taken back.
func (f *fieldState) masked(num history.Num) (bool, error) {
	_, ok, err := f.counted(maskedKey(num))
	return ok, err
}

// opSource reads commits again, one op or all of it.
type opSource interface {
	crdt.Ops
	whole(num history.Num) (whole, error)
	kindAt(num history.Num) (*kind, error) // what holds for it
}

// whole is a commit with all that its ops are applied with.
type whole struct {
	commit   *history.Commit
	payloads [][]byte
	num      history.Num
	height   uint64
	who      author
	erased   []int // crdt.Op.Erased of each op, and of one more; nil: nothing is deleted
}

// op is what the type of the field of op i is given.
func (w *whole) op(i int) crdt.Op {
	op := &w.commit.Env.Ops[i]
	one := crdt.Op{Ref: history.OpRef{Commit: w.commit.ID, Index: uint32(i)}, Num: w.num, Height: w.height, Author: w.who.device,
		Identity: w.who.person, Time: w.commit.Env.Time, Action: op.Action, Refs: op.Refs, Payload: w.payloads[i]}
	if w.erased != nil {
		one.Erased = w.erased[i]
	}
	return one
}

// size is what counts of a commit that an undo names: ops, bytes of their values, and elements they say they delete.
func (w *whole) size() (ops, bytes, erased int) {
	for i := range w.commit.Env.Ops {
		bytes += w.commit.Env.Ops[i].Size
	}
	if w.erased != nil {
		erased = min(w.erased[len(w.erased)-1], crdt.MaxErased) // those past it are ignored
	}
	return len(w.commit.Env.Ops), bytes, erased
}

// cause is what subscribers are told of the op i that took ops back or gave them again.
func (w *whole) cause(i int) *crdt.Op {
	op := w.op(i)
	op.Refs, op.Payload = nil, nil
	return &op
}

// ofKind tells whether an op is on a field of the kind, which undo is about.
func ofKind(op *history.Op) bool { return op.Field != "" && !strings.HasPrefix(op.Field, "$") }

// firstOfKind is the index of the first such op, -1 when there is none.
func firstOfKind(c *history.Commit) int {
	return slices.IndexFunc(c.Env.Ops, func(op history.Op) bool { return ofKind(&op) })
}

// undoes tells whether a commit takes others back, or gives them again, if it counts.
func undoes(c *history.Commit) bool {
	return slices.ContainsFunc(c.Env.Ops, func(op history.Op) bool {
		return op.Field == authority.UndoField && (op.Action == ActionUndo || op.Action == ActionRedo)
	})
}

// turning is a commit whose ops are to be told another verdict.
type turning struct {
	num   history.Num
	was   bool     // masked, for its types
	cause *crdt.Op // the undo or redo that decided last
}

// undos are those of the commits applied so far. Their types are told after
// each commit, in the same order in every batch the commit may come in, so that
// a rebuild leaves the same bytes. Past undoAtOnce ops they are told at the end
// of the batch, once, however often a commit was taken back and given again.
type undos struct {
	turned map[history.Num]int // where in list
	list   []turning
	told   int // ops
	weight int // of the commits in list, where they wait for the end
}

// undoAtOnce is more than people take back, and a second of work at most.
var undoAtOnce = 1 << 16

func (a *applier) turning(num history.Num, was bool, cause *crdt.Op) error {
	u := &a.undos
	i, ok := u.turned[num]
	if !ok {
		if u.told > undoAtOnce {
			w, err := a.ops.whole(num)
			if err != nil {
				return err
			}
			ops, bytes, erased := w.size()
			u.weight += flipSize * (bytes + opSize*(ops+erased))
		}
		if u.turned == nil {
			u.turned = map[history.Num]int{}
		}
		i, u.turned[num] = len(u.list), len(u.list)
		u.list = append(u.list, turning{num: num, was: was})
	}
	if cause != nil {
		u.list[i].cause = cause
	}
	return nil
}

// takeUndos takes the ops of a commit in that are about other commits. Of undos
// and redos the first counts, so that the work is bounded for each commit.
func (a *applier) takeUndos(w *whole) ([]Change, error) {
	if err := a.noteUndos(w); err != nil {
		return nil, err
	}
	if a.undos.told > undoAtOnce {
		return nil, nil
	}
	return a.turn()
}

func (a *applier) noteUndos(w *whole) error {
	found := false
	for i := range w.commit.Env.Ops {
		op := &w.commit.Env.Ops[i]
		if op.Field != authority.UndoField {
			continue
		}
		why, err := "", error(nil)
		switch {
		case w.payloads[i] != nil:
			why = op.Action + " has a value: it takes none"
		case op.Action == ActionGroup:
			continue // who offers undo looks for it
		case op.Action != ActionUndo && op.Action != ActionRedo:
			why = fmt.Sprintf("there is no action %q to take commits back", op.Action)
		case found:
			why = "it is not the first undo or redo of its commit"
		case op.Action == ActionUndo:
			found = true
			why, err = a.takeUndo(w, i)
		default:
			found = true
			why, err = a.takeRedo(w, i)
		}
		if err == nil && why != "" {
			env := crdt.Env{State: a.space.undoState(a.tx, a.tx), Space: a.space.id}
			err = crdt.Ignore(&env, w.op(i), why)
		}
		if err != nil {
			return fmt.Errorf("field %s: %w", op.Field, err)
		}
	}
	return nil
}

// takeUndo returns why op i is ignored, "" when it is not.
func (a *applier) takeUndo(w *whole, i int) (why string, err error) {
	targets, why, err := undoable(a.ops, w.who.person, w.commit.Env.Ops[i].Refs)
	if err != nil || why != "" {
		return why, err
	}
	state := a.space.undoState(a.tx, a.tx)
	if err := state.Put(undoKey(w.num, uint32(i)), []byte{0}); err != nil {
		return "", err
	}
	for _, t := range targets {
		n, was, err := state.counted(maskedKey(t))
		if err != nil {
			return "", err
		}
		err = errors.Join(a.turning(t, was, w.cause(i)), state.Put(maskedKey(t), binary.AppendUvarint(nil, n+1)), state.Put(masksKey(t, w.num, uint32(i)), []byte{}))
		if err != nil {
			return "", err
		}
	}
	return "", nil
}

// takeRedo returns why op i is ignored, "" when it is not.
func (a *applier) takeRedo(w *whole, i int) (why string, err error) {
	refs := w.commit.Env.Ops[i].Refs
	if len(refs) != 1 || refs[0].Commit.IsZero() {
		return "a redo names one undo, of a commit before", nil
	}
	num, _, err := a.ops.Find(refs[0].Commit)
	if err != nil {
		return "", err
	}
	state := a.space.undoState(a.tx, a.tx)
	key := undoKey(num, refs[0].Index)
	n, ok, err := state.counted(key)
	if err != nil || !ok {
		return "it names no undo that counts", err
	}
	undo, err := a.ops.whole(num)
	if err != nil {
		return "", err
	}
	if undo.who.person != w.who.person {
		return "it names an undo of somebody else", nil
	}
	if err := state.Put(key, binary.AppendUvarint(nil, n+1)); err != nil || n > 0 {
		return "", err
	}
	for _, r := range undo.commit.Env.Ops[refs[0].Index].Refs {
		if err := a.unmask(state, r, num, refs[0].Index, w.cause(i)); err != nil {
			return "", err
		}
	}
	return "", nil
}

// unmask lets an undo count no more for one of the commits it names.
func (a *applier) unmask(state *fieldState, target history.OpRef, num history.Num, index uint32, cause *crdt.Op) error {
	t, _, err := a.ops.Find(target.Commit)
	if err != nil {
		return err
	}
	n, ok, err := state.counted(maskedKey(t))
	if err != nil || !ok {
		return errors.Join(err, store.ErrCorrupt)
	}
	if n > 1 {
		cause, err = nil, state.Put(maskedKey(t), binary.AppendUvarint(nil, n-1))
	} else {
		err = state.Delete(maskedKey(t))
	}
	err = errors.Join(err, a.turning(t, true, cause))
	return errors.Join(err, state.Delete(masksKey(t, num, index)))
}

// undoable finds the commits that an undo names, or why it takes none back.
func undoable(src opSource, person identity.PublicKey, refs []history.OpRef) (nums []history.Num, why string, err error) {
	if len(refs) == 0 {
		return nil, "it names no commit", nil
	}
	var sum undone
	seen := make(map[history.Num]bool, len(refs))
	for _, r := range refs {
		if r.Commit.IsZero() {
			return nil, "it names its own commit", nil
		}
		num, _, err := src.Find(r.Commit)
		if err != nil {
			return nil, "", err
		}
		w, err := src.whole(num)
		if err != nil {
			return nil, "", err
		}
		first := firstOfKind(w.commit)
		switch {
		case w.commit.Env.Grant.Index == history.NoGrant:
			return nil, "it names the first commit of the space", nil
		case w.who.person != person:
			return nil, "it names a commit of somebody else", nil
		case first < 0 || r.Index != uint32(first):
			return nil, "it names something else than the first op of a commit on a field of the kind", nil
		case seen[num]:
			return nil, "it names a commit twice", nil
		}
		if !sum.add(&w) {
			return nil, fmt.Sprintf("it takes back more than %d ops, %d bytes or %d deletions", MaxUndone, MaxUndoneBytes, crdt.MaxErased), nil
		}
		nums, seen[num] = append(nums, num), true
	}
	return nums, "", nil
}

// undone is how much an undo takes back.
type undone struct{ ops, bytes, erased int }

// add tells whether it may take a commit back, too.
func (u *undone) add(w *whole) bool {
	ops, bytes, erased := w.size()
	u.ops, u.bytes, u.erased = u.ops+ops, u.bytes+bytes, u.erased+erased
	return u.ops <= MaxUndone && u.bytes <= MaxUndoneBytes && u.erased <= crdt.MaxErased
}

// turn tells the types what was taken back and given again since the last call, whatever order it was named in: what is
// given again from the latest commit back, then what is taken back from the earliest on. So a commit is mostly hidden by a
// later one when it is told of, and costs nothing; the other way round each shows, or uncovers, what the next one changes.
// Where the earliest write is shown it is the opposite, and that is told afterwards.
func (a *applier) turn() (changes []Change, err error) {
	list := a.undos.list
	a.undos.list, a.undos.turned, a.undos.weight = nil, nil, 0
	masked := make(map[history.Num]bool, len(list))
	for _, t := range list {
		if masked[t.num], err = a.space.undoState(a.tx, a.tx).masked(t.num); err != nil {
			return nil, err
		}
	}
	order.By(list, func(s, t turning) int {
		switch m := masked[s.num]; {
		case m != masked[t.num] && m:
			return 1
		case m != masked[t.num]:
			return -1
		case m:
			return cmp.Compare(s.num, t.num)
		}
		return cmp.Compare(t.num, s.num)
	})
	list = slices.DeleteFunc(list, func(t turning) bool { return masked[t.num] == t.was })
	var opposite []turning
	for _, t := range list {
		more := false
		if more, changes, err = a.flipAll(t, masked[t.num], false, changes); err != nil {
			return nil, err
		}
		if more {
			opposite = append(opposite, t)
		}
	}
	for _, t := range slices.Backward(opposite) {
		if _, changes, err = a.flipAll(t, masked[t.num], true, changes); err != nil {
			return nil, err
		}
	}
	return changes, nil
}

// flipAll tells of one commit; more says that it has ops that are told in the opposite order, or, there, that it has others.
func (a *applier) flipAll(t turning, masked, opposite bool, changes []Change) (more bool, _ []Change, err error) {
	w, err := a.ops.whole(t.num)
	if err == nil {
		more, changes, err = a.flip(&w, !masked, opposite, t.cause, changes)
	}
	if size := a.tx.Size(); err == nil && a.most > 0 && size > a.most {
		err = fmt.Errorf("%w: with all that is taken back before it, %d bytes are to be written, at most %d", store.ErrTooLarge, size, a.most)
	}
	if err != nil {
		return false, nil, fmt.Errorf("take back commit %d: %w", t.num, err)
	}
	a.space.node.cfg.Pace()
	return more, changes, nil
}

// flip tells the types of the fields of the kind what counts of a commit now.
func (a *applier) flip(w *whole, effective, opposite bool, cause *crdt.Op, changes []Change) (more bool, _ []Change, err error) {
	k, err := a.ops.kindAt(w.num)
	if err != nil {
		return false, nil, err
	}
	n := len(w.commit.Env.Ops)
	for i := range n {
		if opposite && !effective {
			i = n - 1 - i
		}
		op := &w.commit.Env.Ops[i]
		if !ofKind(op) {
			continue
		}
		f, err := k.field(op.Field)
		if err != nil {
			return false, nil, err
		}
		one := w.op(i)
		if f.shape.EarliestWins(&one) != opposite {
			more = true
			continue
		}
		a.undos.told++
		ch, err := f.typ.Flip(a.env(f), one, effective)
		if err == nil {
			err = a.nameBlobs(w.payloads[i], w.num, uint32(i), effective)
		}
		if err != nil {
			return false, nil, fmt.Errorf("field %s: %w", op.Field, err)
		}
		for _, one := range ch {
			if a.quiet {
				break
			}
			changes = append(changes, Change{Field: op.Field, Change: one, Undo: cause})
		}
	}
	return more, changes, nil
}

// whole reads a commit with its author.
func (c *commits) whole(num history.Num) (w whole, err error) {
	v, err := c.r.Get(c.keys.commit(num))
	if err != nil {
		return w, fmt.Errorf("commit %d: %w", num, err)
	}
	return c.wholeFrom(num, v)
}

// wholeFrom is whole of a record that was read.
func (c *commits) wholeFrom(num history.Num, v []byte) (w whole, err error) {
	rec, err := c.decode(num, v)
	if err != nil {
		return w, fmt.Errorf("commit %d: %w", num, err)
	}
	cut, err := cutRecord(num, v)
	if err != nil {
		return w, err
	}
	who, err := c.author(&cut)
	payloads, _ := rec.commit.Payloads() // what is wrong with a part was said when it entered
	return wholeOf(rec.commit, payloads, num, cut.height, who), err
}

// wholeOf puts a commit together as the door applies it: an op whose part does not fit has no payload.
func wholeOf(c *history.Commit, payloads [][]byte, num history.Num, height uint64, who author) whole {
	w := whole{commit: c, payloads: payloads, num: num, height: height, who: who}
	for i := range c.Env.Ops {
		n := crdt.Deletes(c.Env.Ops[i].Action, payloads[i])
		if n > 0 && w.erased == nil {
			w.erased = make([]int, len(c.Env.Ops)+1)
		}
		if w.erased != nil {
			w.erased[i+1] = w.erased[i] + n
		}
	}
	return w
}

// whole implements opSource.
func (o doorOps) whole(num history.Num) (whole, error) {
	if num < o.d.base {
		return o.commits.whole(num)
	}
	if num-o.d.base >= uint64(len(o.d.fresh)) {
		return whole{}, fmt.Errorf("commit %d: %w", num, ErrNotFound)
	}
	return o.d.fresh[num-o.d.base].whole(), nil
}

// whole implements opSource.
func (o groupOps) whole(num history.Num) (whole, error) {
	if num < openCommits {
		return o.g.reader.whole(num)
	}
	if num-openCommits >= uint64(len(o.g.made)) {
		return whole{}, fmt.Errorf("commit %d: %w", num, ErrNotFound)
	}
	m := &o.g.made[num-openCommits]
	return wholeOf(m.commit, m.payloads, num, m.height, o.g.author()), nil
}

// kindAt implements opSource.
func (o viewOps) kindAt(num history.Num) (*kind, error) { return o.space.kindAt(o.r, num) }

// kindAt implements opSource.
func (o doorOps) kindAt(num history.Num) (*kind, error) { return o.d.kindAt(num) }

// kindAt implements opSource.
func (o groupOps) kindAt(num history.Num) (*kind, error) {
	if num < openCommits {
		return o.g.space.kindAt(o.g.reader.r, num)
	}
	return o.g.made[num-openCommits].kind, nil
}

// kindAt implements opSource.
func (o txOps) kindAt(num history.Num) (*kind, error) {
	if num == openCommit {
		return o.tx.group.kind, nil
	}
	return groupOps{o.tx.group}.kindAt(num)
}

// whole implements opSource. The transaction itself is no commit yet.
func (o txOps) whole(num history.Num) (whole, error) { return groupOps{o.tx.group}.whole(num) }
