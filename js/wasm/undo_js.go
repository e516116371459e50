package main

import (
	"context"
	"time"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/object"
)

func (e *engine) undo(ctx context.Context, a *args) (result, error) {
	within, list := a.within(), a.texts("commits")
	s, err := e.space(a)
	if err == nil {
		err = a.end()
	}
	if err != nil {
		return nil, err
	}
	if !a.has("commits") {
		done, err := s.Undo(ctx, within)
		return undone(done, err)
	}
	commits, err := ids(list)
	if err != nil {
		return nil, err
	}
	r, err := s.UndoCommits(ctx, commits...)
	return undone(hhs.Undone{Receipt: r, Commits: commits}, err)
}

func (e *engine) redo(ctx context.Context, a *args) (result, error) {
	s, err := e.space(a)
	if err == nil {
		err = a.end()
	}
	if err != nil {
		return nil, err
	}
	return undone(s.Redo(ctx))
}

func (e *engine) undoState(_ context.Context, a *args) (result, error) {
	within := a.within()
	s, err := e.space(a)
	if err == nil {
		err = a.end()
	}
	if err != nil {
		return nil, err
	}
	st, err := s.UndoState(within)
	return result{"undo": idTexts(st.Undo), "redo": idTexts(st.Redo)}, err
}

// within reads the optional time within which edits are one step, in milliseconds.
func (a *args) within() hhs.UndoOption {
	return hhs.Within(time.Duration(a.optInt("within", 0)) * time.Millisecond)
}

func undone(done hhs.Undone, err error) (result, error) {
	if err != nil {
		return nil, err
	}
	r := result{"commits": idTexts(done.Commits)}
	if !done.Commit.IsZero() {
		r["commit"] = done.Commit.String()
	}
	return r, nil
}

func idTexts(ids []object.ID) []any {
	list := make([]any, len(ids))
	for i, id := range ids {
		list[i] = id.String()
	}
	return list
}
