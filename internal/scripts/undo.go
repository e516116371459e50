package scripts

import (
	"context"
	"fmt"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/object"
)

// named is the id of a commit by its name in the script; what names none stays as it is.
func (r *run) named(v any) any {
	for id, c := range r.commits {
		if c.name == v && c.name != "" {
			return id.String()
		}
	}
	return v
}

// undo takes back or makes again.
func (r *run) undo(ctx context.Context, step map[string]any) error {
	p, space, err := r.at(ctx, step)
	if err != nil {
		return err
	}
	var done hhs.Undone
	names, _ := step["undo"].([]any)
	switch {
	case step["redo"] != nil:
		done, err = space.Redo(ctx)
	case len(names) == 0:
		done, err = space.Undo(ctx)
	default:
		var ids []object.ID
		for _, name := range names {
			text, _ := r.named(name).(string)
			id, err := object.ParseID(text)
			if err != nil {
				return fmt.Errorf("there is no commit %v: %w", name, err)
			}
			ids = append(ids, id)
		}
		done.Receipt, err = space.UndoCommits(ctx, ids...)
	}
	if fails, ok := step["fails"].(map[string]any); ok {
		return failed(err, fails)
	}
	switch {
	case err != nil:
		return err
	case done.Commit.IsZero() && step["as"] == nil:
		return nil
	case done.Commit.IsZero() || step["as"] == nil:
		return fmt.Errorf("the commit %v is made: %v", step["as"], !done.Commit.IsZero())
	}
	return r.made(step, p, done.Commit)
}
