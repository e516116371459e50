package hhs

import (
	"context"
	"fmt"
	"time"

	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
)

// ErrUndo is wrapped with why a commit cannot be taken back, or made again.
var ErrUndo = replica.ErrUndo

// Undone is what an undo took back, or a redo made again.
type Undone struct {
	Receipt             // of the undo or redo; it names no commit when there was nothing to do
	Commits []object.ID // that were taken back or made again
}

// UndoState is what there is to take back and to make again.
type UndoState struct {
	Undo []object.ID // commits that the next Undo takes back; none: there is nothing
	Redo []object.ID // commits that the next Redo makes again
}

// UndoOption says what one step of Undo is.
type UndoOption func(*undoOptions)

type undoOptions struct{ within time.Duration }

// Within makes one step of edits that follow each other within d, by this
// device's clock, such as what is typed in one go. Without it a step is one
// commit with those that joined it (Tx.Join).
func Within(d time.Duration) UndoOption { return func(o *undoOptions) { o.within = d } }

func undoWithin(opts []UndoOption) time.Duration {
	var o undoOptions
	for _, opt := range opts {
		opt(&o)
	}
	return o.within
}

// Undo takes back the latest edit that this device made and has not taken back,
// with its group. What others wrote stays, before and after it, and so does this
// person's name. It follows from the history, so that it goes on after a restart
// and reaches back some thousand edits. When there is nothing to take back it
// does nothing.
//
// To make several Updates one step, have each after the first call
// tx.Join(first), with the commit of the first one's Receipt.
func (s *AnySpace) Undo(ctx context.Context, opts ...UndoOption) (Undone, error) {
	var step replica.Step
	r, err := s.rep.Update(ctx, func(tx *Tx) (err error) {
		if step, err = tx.NextUndo(undoWithin(opts)); err != nil || len(step.Commits) == 0 {
			return err
		}
		return tx.Undo(step.Commits...)
	})
	return Undone{r, step.Commits}, err
}

// Redo makes again what the latest Undo of this device took back, unless this
// device has made another edit since; then, and when there was none, it does
// nothing.
func (s *AnySpace) Redo(ctx context.Context) (Undone, error) {
	var step replica.Step
	r, err := s.rep.Update(ctx, func(tx *Tx) (err error) {
		if step, err = tx.NextRedo(); err != nil || len(step.Commits) == 0 {
			return err
		}
		return tx.Redo(step.Undo)
	})
	return Undone{r, step.Commits}, err
}

// UndoCommits takes back commits of this person, made on any device. Redo makes
// them again. ErrUndo when one of them cannot be taken back.
func (s *AnySpace) UndoCommits(ctx context.Context, commits ...object.ID) (Receipt, error) {
	return s.rep.Update(ctx, func(tx *Tx) error { return tx.Undo(commits...) })
}

// UndoState says what the next Undo and Redo would do, as for buttons.
func (s *AnySpace) UndoState(opts ...UndoOption) (UndoState, error) {
	undo, err := s.rep.NextUndo(undoWithin(opts))
	if err != nil {
		return UndoState{}, err
	}
	redo, err := s.rep.NextRedo()
	return UndoState{undo.Commits, redo.Commits}, err
}

// joinOp has the transaction of an Op join a group: of the field "$undo", with
// the action "group" and as value the id of the group's first commit, as text.
func joinOp(tx *Tx, op Op) error {
	text, ok := op.Value.(string)
	if !ok || op.Action != replica.ActionGroup {
		return fmt.Errorf("the action is %q, and the value the id of a commit as text", replica.ActionGroup)
	}
	id, err := object.ParseID(text)
	if err != nil {
		return err
	}
	return tx.Join(id)
}
