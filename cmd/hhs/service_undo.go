package main

import (
	"context"
	"time"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/object"
)

type undoArgs struct {
	Space   string        `json:"space"`
	Commits []string      `json:"commits,omitempty"` // none: the latest edit
	Within  time.Duration `json:"within,omitempty"`
	Wait    time.Duration `json:"wait,omitempty"` // as that of applyArgs
}

type redoArgs struct {
	Space string        `json:"space"`
	Wait  time.Duration `json:"wait,omitempty"`
}

// undone is what an undo took back, or a redo made again.
type undone struct {
	Space   string   `json:"space"`
	Commit  string   `json:"commit"` // of the undo or redo; "": there was nothing to do
	Commits []string `json:"commits"`
	Held    int      `json:"held"` // other devices known to hold the undo or redo
}

func undoEdits(ctx context.Context, s *service, a undoArgs) (undone, error) {
	space, err := s.find(a.Space)
	if err != nil {
		return undone{}, err
	}
	if len(a.Commits) == 0 {
		done, err := space.Undo(ctx, hhs.Within(a.Within))
		return undoneOf(ctx, space, done, a.Wait, err)
	}
	commits := make([]object.ID, len(a.Commits))
	for i, text := range a.Commits {
		if commits[i], err = commitOf(space, text); err != nil {
			return undone{}, err
		}
	}
	r, err := space.UndoCommits(ctx, commits...)
	return undoneOf(ctx, space, hhs.Undone{Receipt: r, Commits: commits}, a.Wait, err)
}

func redoEdits(ctx context.Context, s *service, a redoArgs) (undone, error) {
	space, err := s.find(a.Space)
	if err != nil {
		return undone{}, err
	}
	done, err := space.Redo(ctx)
	return undoneOf(ctx, space, done, a.Wait, err)
}

func undoneOf(ctx context.Context, space *hhs.AnySpace, done hhs.Undone, wait time.Duration, err error) (undone, error) {
	u := undone{Space: space.ID().String(), Commits: []string{}}
	if err != nil || done.Commit.IsZero() {
		return u, err
	}
	u.Commit = done.Commit.String()
	for _, id := range done.Commits {
		u.Commits = append(u.Commits, id.String())
	}
	u.Held, err = heldBy(ctx, space, done.Receipt, wait)
	return u, err
}
