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
}

// undone is what an undo took back, or a redo made again.
type undone struct {
	Space   string   `json:"space"`
	Commit  string   `json:"commit"` // of the undo or redo; "": there was nothing to do
	Commits []string `json:"commits"`
}

func undoEdits(ctx context.Context, s *service, a undoArgs) (undone, error) {
	space, err := s.find(a.Space)
	if err != nil {
		return undone{}, err
	}
	if len(a.Commits) == 0 {
		done, err := space.Undo(ctx, hhs.Within(a.Within))
		return undoneOf(space, done), err
	}
	commits := make([]object.ID, len(a.Commits))
	for i, text := range a.Commits {
		if commits[i], err = commitOf(space, text); err != nil {
			return undone{}, err
		}
	}
	r, err := space.UndoCommits(ctx, commits...)
	return undoneOf(space, hhs.Undone{Receipt: r, Commits: commits}), err
}

func redoEdits(ctx context.Context, s *service, a spaceArgs) (undone, error) {
	space, err := s.find(a.Space)
	if err != nil {
		return undone{}, err
	}
	done, err := space.Redo(ctx)
	return undoneOf(space, done), err
}

func undoneOf(space *hhs.AnySpace, done hhs.Undone) undone {
	u := undone{Space: space.ID().String(), Commits: []string{}}
	if done.Commit.IsZero() {
		return u
	}
	u.Commit = done.Commit.String()
	for _, id := range done.Commits {
		u.Commits = append(u.Commits, id.String())
	}
	return u
}
