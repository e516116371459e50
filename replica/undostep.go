package replica

import (
	"errors"
	"fmt"
	"time"

	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/internal/order"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/store"
)

// ErrUndo is wrapped with why a commit cannot be taken back, or made again.
var ErrUndo = errors.New("it cannot be taken back")

// Step is what one undo takes back, or one redo makes again. It is found in
// this device's own chain, so that it is there after the program is started anew.
type Step struct {
	Commits []object.ID   // none: there is nothing to do
	Undo    history.OpRef // of a redo: the undo that is to count no more
}

// NextUndo is the latest edit of this device that is not taken back, with those
// of its group (Tx.Join), and with those before it that follow each other within
// a time, by this device's clock. It looks at maxUndoReach commits.
func (s *Space) NextUndo(within time.Duration) (Step, error) {
	return s.step(func(c *ownChain) (Step, error) { return c.undo(within) })
}

// NextRedo is the latest undo of this device that counts, if this device has
// made no other edit since.
func (s *Space) NextRedo() (Step, error) { return s.step((*ownChain).redo) }

func (s *Space) step(find func(c *ownChain) (Step, error)) (step Step, err error) {
	s.settled()
	err = s.node.view(func(r store.Reader) error {
		chain, err := s.readChain(r, s.node.device())
		if err != nil || len(chain.branches) == 0 {
			return err
		}
		c := ownChain{viewOps{&commits{keys: s.keys, r: r}, s}, s.undoState(r, nil), chain.branches[0].tip, maxUndoReach}
		step, err = find(&c)
		return err
	})
	if err != nil {
		return Step{}, s.Damaged(fmt.Errorf("look for what can be taken back in space %s: %w", s.id.Short(), err))
	}
	return step, nil
}

// NextUndo is Space.NextUndo in the version of the transaction.
func (tx *Tx) NextUndo(within time.Duration) (Step, error) {
	c, err := tx.chain()
	if err != nil {
		return Step{}, err
	}
	return c.undo(within)
}

// NextRedo is Space.NextRedo in the version of the transaction.
func (tx *Tx) NextRedo() (Step, error) {
	c, err := tx.chain()
	if err != nil {
		return Step{}, err
	}
	return c.redo()
}

func (tx *Tx) chain() (*ownChain, error) {
	over, err := tx.layer()
	if err != nil {
		return nil, err
	}
	return &ownChain{txOps{tx}, tx.space.undoState(over, nil), tx.group.prev, maxUndoReach}, nil
}

// Undo adds the op that takes commits back: of this person, from any device,
// and in all at most MaxUndone ops, MaxUndoneBytes of values and crdt.MaxErased deletions. What the fields of the kind show is then as if
// they had not been made, and what others wrote stays. A transaction has one
// Undo or Redo. ErrUndo when it cannot be.
func (tx *Tx) Undo(commits ...object.ID) error {
	refs := make([]history.OpRef, 0, len(commits))
	for _, id := range commits {
		r, _, err := tx.firstOp(id)
		if err != nil {
			return err
		}
		refs = append(refs, r)
	}
	order.By(refs, history.OpRef.Compare)
	if len(refs) > history.MaxRefs {
		return fmt.Errorf("%w: %d commits, at most %d; use several transactions", ErrUndo, len(refs), history.MaxRefs)
	}
	_, why, err := undoable(txOps{tx}, tx.group.author().person, refs)
	if err == nil && why != "" {
		err = fmt.Errorf("%w: %s", ErrUndo, why)
	}
	if err != nil {
		return err
	}
	return tx.addUndo(ActionUndo, refs...)
}

// Redo adds the op that makes an undo count no more, one of this person.
func (tx *Tx) Redo(undo history.OpRef) error {
	over, err := tx.layer()
	if err != nil {
		return err
	}
	num, _, err := txOps{tx}.Find(undo.Commit)
	if err != nil {
		return err
	}
	w, err := txOps{tx}.whole(num)
	if err != nil {
		return err
	}
	_, ok, err := tx.space.undoState(over, nil).counted(undoKey(num, undo.Index))
	switch {
	case err != nil:
		return err
	case !ok || w.who.person != tx.group.author().person:
		return fmt.Errorf("%w: op %d of commit %s is no undo of this person", ErrUndo, undo.Index, undo.Commit)
	}
	return tx.addUndo(ActionRedo, undo)
}

// Join says that this commit belongs with an earlier one of this device: an undo
// takes both back. To make more of them one group, name the first each time.
func (tx *Tx) Join(first object.ID) error {
	r, device, err := tx.firstOp(first)
	if err != nil {
		return err
	}
	if device != tx.group.author().device {
		return fmt.Errorf("%w together with commit %s, which another device made", ErrUndo, first)
	}
	tx.put(txOp{op: history.Op{Field: authority.UndoField, Action: ActionGroup, Refs: []history.OpRef{r}}, shown: true})
	return nil
}

// firstOp is how a commit is named by undos, and who made it.
func (tx *Tx) firstOp(id object.ID) (r history.OpRef, device identity.PublicKey, err error) {
	num, _, err := txOps{tx}.Find(id)
	if errors.Is(err, ErrMissing) {
		err = fmt.Errorf("commit %s: %w", id, ErrNotFound)
	}
	if err != nil {
		return r, device, err
	}
	w, err := txOps{tx}.whole(num)
	if err != nil {
		return r, device, err
	}
	first := firstOfKind(w.commit)
	if first < 0 {
		return r, device, fmt.Errorf("%w: commit %s has no op on a field of the kind", ErrUndo, id)
	}
	return history.OpRef{Commit: id, Index: uint32(first)}, w.who.device, nil
}

func (tx *Tx) addUndo(action string, refs ...history.OpRef) error {
	for i := range tx.ops {
		if o := &tx.ops[i].op; o.Field == authority.UndoField && o.Action != ActionGroup {
			return fmt.Errorf("%w: a transaction has one undo or redo; use several", ErrUndo)
		}
	}
	tx.put(txOp{op: history.Op{Field: authority.UndoField, Action: action, Refs: refs}})
	return nil
}

// showUndo makes what the transaction reads show what it takes back.
func (tx *Tx) showUndo(over *store.Tx) error {
	for i := range tx.ops {
		o := &tx.ops[i]
		if o.shown || o.op.Field != authority.UndoField {
			continue
		}
		o.shown = true
		who := tx.group.author()
		a := applier{space: tx.space, kind: tx.group.kind, tx: over, past: &tx.group.past, ops: txOps{tx}, quiet: true}
		c := &history.Commit{Env: &history.Envelope{Time: tx.time, Ops: []history.Op{o.op}}}
		if _, err := a.takeUndos(&whole{commit: c, payloads: [][]byte{nil}, num: openCommit, height: tx.height, who: who}); err != nil {
			return err
		}
		if _, err := a.turn(); err != nil {
			return err
		}
	}
	return nil
}

// ownChain goes back along the chain of this device.
type ownChain struct {
	src   opSource
	state *fieldState
	next  object.ID
	left  int
}

// back reads the next commit; ok is false at the end, and when it looked far enough.
func (c *ownChain) back() (w whole, ok bool, err error) {
	if c.next.IsZero() || c.left == 0 {
		return w, false, nil
	}
	num, _, err := c.src.Find(c.next)
	if err == nil {
		w, err = c.src.whole(num)
	}
	if err != nil {
		return w, false, err
	}
	c.next, c.left = w.commit.Env.Prev, c.left-1
	return w, true, nil
}

// groupOf is the commit that names the group of a commit: itself, unless it joins another.
func groupOf(c *history.Commit) object.ID {
	for i := range c.Env.Ops {
		op := &c.Env.Ops[i]
		if op.Field == authority.UndoField && op.Action == ActionGroup && len(op.Refs) == 1 && !op.Refs[0].IsZero() {
			return op.Refs[0].Commit
		}
	}
	return c.ID
}

func (c *ownChain) undo(within time.Duration) (step Step, err error) {
	groups := map[object.ID]bool{} // of the step; true: its first commit is still to come
	open, last := 0, int64(0)
	var sum undone
	for {
		w, ok, err := c.back()
		if err != nil || !ok {
			return step, err
		}
		id, at := w.commit.ID, w.commit.Env.Time
		masked, err := c.state.masked(w.num)
		if err != nil {
			return step, err
		}
		if masked || firstOfKind(w.commit) < 0 || w.commit.Env.Grant.Index == history.NoGrant {
			if groups[id] {
				groups[id] = false
				open--
			}
			continue
		}
		group := groupOf(w.commit)
		_, joins := groups[group]
		near := within > 0 && at <= last && last-at <= within.Milliseconds()
		if !joins && !near && len(step.Commits) > 0 {
			if open == 0 {
				return step, nil
			}
			continue // another group's, between two of this one
		}
		if !sum.add(&w) || len(step.Commits) == history.MaxRefs {
			return step, nil // the rest is a step of its own
		}
		if !joins {
			groups[group] = true
			open++
		}
		if id == group {
			groups[group] = false
			open--
		}
		step.Commits, last = append(step.Commits, id), at
	}
}

func (c *ownChain) redo() (Step, error) {
	for {
		w, ok, err := c.back()
		if err != nil || !ok {
			return Step{}, err
		}
		for i := range w.commit.Env.Ops {
			op := &w.commit.Env.Ops[i]
			if op.Field != authority.UndoField || op.Action != ActionUndo {
				continue
			}
			n, counts, err := c.state.counted(undoKey(w.num, uint32(i)))
			if err != nil {
				return Step{}, err
			}
			if !counts || n > 0 {
				continue
			}
			step := Step{Undo: history.OpRef{Commit: w.commit.ID, Index: uint32(i)}}
			for _, r := range op.Refs {
				step.Commits = append(step.Commits, r.Commit)
			}
			return step, nil
		}
		if firstOfKind(w.commit) >= 0 {
			return Step{}, nil // an edit since the last undo
		}
	}
}
