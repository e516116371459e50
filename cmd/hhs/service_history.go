package main

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
)

// versionOf reads a version: the ids of its last commits, with commas between them, or "now".
func versionOf(space *hhs.AnySpace, text string) ([]object.ID, error) {
	if text == "now" {
		return space.Heads(), nil
	}
	var ids []object.ID
	for part := range strings.SplitSeq(text, ",") {
		id, err := commitOf(space, part)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// commitOf reads the id of a commit, or the beginning or end of one.
func commitOf(space *hhs.AnySpace, text string) (object.ID, error) {
	id, err := object.ParseID(text)
	if err == nil {
		return id, nil
	}
	if len(text) < minEnd || strings.Trim(text, "abcdefghijklmnopqrstuvwxyz234567") != "" {
		return id, failf("value", "%q is not a commit and not a version: write ids of commits, as hhs log shows them, or an end of one (%d characters or more); "+
			"with commas between several, or now", text, minEnd)
	}
	if strings.HasPrefix(space.ID().String()[:replica.MinCommitPrefix-1], text) {
		return id, failf("ambiguous", "all ids of commits begin with %s; write an end of one (%d characters or more)", text, minEnd)
	}
	found, err := space.Replica().CommitsLike(text, 2)
	if err == nil && len(found) == 0 {
		found, err = space.Replica().CommitsEnding(text, 2)
	}
	switch {
	case err != nil:
		return id, err
	case len(found) == 0:
		return id, failf("not_found", "no commit of the space has an id that ends or begins with %s; hhs log shows them", text)
	case len(found) > 1:
		return id, failf("ambiguous", "%s names several commits, such as %s and %s; write more of it", text, found[0], found[1])
	}
	return found[0], nil
}

// read is what hhs get reads: a space, or a version of it.
func (s *service) read(ctx context.Context, a getArgs) (reader, error) {
	space, err := s.find(a.Space)
	if err != nil || a.At == "" {
		return space, err
	}
	version, err := versionOf(space, a.At)
	if err != nil {
		return nil, err
	}
	if a.Now {
		return space.AtJudgedNow(ctx, version...)
	}
	return space.At(ctx, version...)
}

type logArgs struct {
	Space  string `json:"space"`
	Field  string `json:"field,omitempty"`
	At     string `json:"at,omitempty"`
	Before string `json:"before,omitempty"`
	Limit  int    `json:"limit"`
}

// logged is a page of a space's history.
type logged struct {
	Space   string         `json:"space"`
	Commits []loggedCommit `json:"commits"`
	Next    string         `json:"next,omitempty"` // --before for the next page
}

type loggedCommit struct {
	Commit   string     `json:"commit"`
	Identity string     `json:"identity"`
	Name     string     `json:"name,omitempty"`
	Device   string     `json:"device"`
	Time     time.Time  `json:"time"`
	Ops      []loggedOp `json:"ops"`
	UndoneBy []string   `json:"undoneBy,omitempty"`
}

type loggedOp struct {
	Field   string          `json:"field"`          // "": who takes part and how
	Path    []string        `json:"path,omitempty"` // as that of a change
	Action  string          `json:"action"`
	Value   json.RawMessage `json:"value,omitempty"`
	Effect  string          `json:"effect"` // effective, ignored or undone
	Ignored string          `json:"ignored,omitempty"`
	Commits []string        `json:"commits,omitempty"` // that an undo, redo or group is about
}

// maxLogPages bounds the pages that are looked through for one answer when few commits are about what is asked for.
const maxLogPages = 50

func logSpace(ctx context.Context, s *service, a logArgs) (l logged, err error) {
	space, err := s.find(a.Space)
	if err != nil {
		return l, err
	}
	q := hhs.HistoryQuery{Field: a.Field, Limit: a.Limit}
	if a.Field != "" && !strings.HasPrefix(a.Field, "$") {
		m, err := space.Manifest()
		if err != nil {
			return l, err
		}
		p, err := placeOf(m, a.Field)
		if err != nil {
			return l, err
		}
		q.Field, q.Path = p.field, p.keys()
	}
	if a.At != "" {
		if q.Version, err = versionOf(space, a.At); err != nil {
			return l, err
		}
	}
	if a.Before != "" {
		if q.Before, err = commitOf(space, a.Before); err != nil {
			return l, err
		}
	}
	l = logged{Space: space.ID().String(), Commits: []loggedCommit{}}
	for range maxLogPages {
		page, err := space.History(ctx, q)
		if err != nil {
			return l, err
		}
		for _, c := range page.Commits {
			one, err := loggedOf(c)
			if err != nil {
				return l, err
			}
			l.Commits = append(l.Commits, one)
		}
		q.Before, q.Limit = page.Next, q.Limit-len(page.Commits)
		if page.Next.IsZero() {
			return l, nil
		}
		if q.Limit == 0 {
			break
		}
	}
	l.Next = q.Before.String()
	return l, nil
}

func loggedOf(c hhs.PastCommit) (loggedCommit, error) {
	one := loggedCommit{Commit: c.Commit.String(), Identity: string(c.Identity), Name: c.Name, Device: c.Device, Time: c.Time, Ops: []loggedOp{}}
	for _, by := range c.UndoneBy {
		one.UndoneBy = append(one.UndoneBy, by.String())
	}
	for _, op := range c.Ops {
		o := loggedOp{Field: op.Field, Path: op.Keys, Action: op.Action, Effect: op.Effect, Ignored: op.Ignored}
		for _, id := range op.Commits {
			o.Commits = append(o.Commits, id.String())
		}
		if op.Value != nil {
			var err error
			if o.Value, err = text(op.Value); err != nil {
				return one, err
			}
		}
		one.Ops = append(one.Ops, o)
	}
	return one, nil
}

type diffArgs struct {
	Space string `json:"space"`
	From  string `json:"from"`
	To    string `json:"to"`
}

// differing is one value that two versions show differently.
type differing struct {
	Field    string          `json:"field"`
	Path     []string        `json:"path,omitempty"`   // as that of a change
	Before   json.RawMessage `json:"before,omitempty"` // absent: there was none
	After    json.RawMessage `json:"after,omitempty"`
	Edits    []edit          `json:"edits,omitempty"` // of a list or text, instead of Before and After
	Identity string          `json:"identity"`        // who made the latest change
	Name     string          `json:"name,omitempty"`
	Time     time.Time       `json:"time"`
	Commit   string          `json:"commit"`
}

func diffSpace(ctx context.Context, s *service, a diffArgs) ([]differing, error) {
	space, err := s.find(a.Space)
	if err != nil {
		return nil, err
	}
	from, err := versionOf(space, a.From)
	if err != nil {
		return nil, err
	}
	to, err := versionOf(space, a.To)
	if err != nil {
		return nil, err
	}
	changes, err := space.Diff(ctx, from, to)
	if err != nil {
		return nil, err
	}
	list := make([]differing, 0, len(changes))
	for i := range changes {
		c := &changes[i]
		who := hhs.Identity(c.Op.Identity.String())
		one := differing{Field: c.Field, Path: c.Keys(), Identity: string(who), Time: hhs.WallTime(c.Op.Time), Commit: c.Op.Ref.Commit.String()}
		if c.Edits != nil {
			if one.Edits, err = editsOf(c.Edits); err != nil {
				return nil, err
			}
		}
		if c.Before != nil {
			if one.Before, err = blockText(c.Before); err != nil {
				return nil, err
			}
		}
		if c.After != nil {
			if one.After, err = blockText(c.After); err != nil {
				return nil, err
			}
		}
		if one.Name, err = space.NameOf(who); err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	return list, nil
}
