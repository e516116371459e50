package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/internal/control"
)

// update is a result of a call that takes long: a step, or the end.
type update[T any] struct {
	Step   *hhs.Step `json:"step,omitempty"`
	Result *T        `json:"result,omitempty"`
}

// job makes a method of a function that takes long.
func job[A, R any](f func(ctx context.Context, s *service, args A, tell func(hhs.Step)) (R, error)) method {
	return func(ctx context.Context, s *service, c *control.Call) error {
		args, err := arguments[A](c)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		result, err := f(ctx, s, args, func(step hhs.Step) {
			if err := c.Send(update[R]{Step: &step}); err != nil {
				cancel(err) // nobody is left to hear it
			}
		})
		if err != nil {
			return err
		}
		return c.Send(update[R]{Result: &result})
	}
}

type checkArgs struct {
	Repair bool `json:"repair"`
}

// checked is what fsck found.
type checked struct {
	Sound    bool           `json:"sound"` // nothing is damaged, and nothing missing, now
	Files    []string       `json:"files"` // damaged ones, with what is wrong
	Spaces   []checkedSpace `json:"spaces"`
	Blobs    int            `json:"blobs"`                  // that were checked
	Damaged  []damagedBlob  `json:"damagedBlobs,omitempty"` // of them
	Salvaged *hhs.Salvaged  `json:"salvaged,omitempty"`
	Kept     []hhs.Salvaged `json:"kept,omitempty"` // damaged stores of earlier repairs
	// Unchecked says why only the files were checked, and not what is in the spaces.
	Unchecked string `json:"unchecked,omitempty"`
}

// settled tells that nothing is wrong but what earlier repairs may have lost.
func (c checked) settled() bool {
	return len(c.Files)+len(c.Damaged) == 0 && c.Salvaged == nil && !slices.ContainsFunc(c.Spaces, func(s checkedSpace) bool {
		return s.Waiting != "" || !s.Repaired && s.Lost+s.Aside+len(s.Derived) > 0
	})
}

// damagedBlob is a blob of which blocks are not as they were written. A repair
// removes these: they come back when the blob is read.
type damagedBlob struct {
	Blob   string `json:"blob"`
	Blocks int    `json:"blocks"`
}

type checkedSpace struct {
	Space    string   `json:"space"`
	Commits  int      `json:"commits"`
	Damaged  []string `json:"damaged,omitempty"`
	Lost     int      `json:"lost"`  // damaged commits
	Aside    int      `json:"aside"` // intact commits that need a damaged one
	Derived  []string `json:"derived,omitempty"`
	Repaired bool     `json:"repaired"`
	Waiting  string   `json:"waiting,omitempty"` // for what, since an earlier repair or this one
}

func check(ctx context.Context, s *service, a checkArgs, tell func(hhs.Step)) (checked, error) {
	files, err := s.node.VerifyStore(ctx, tell)
	if err != nil {
		return checked{}, err
	}
	kept, err := s.node.Salvages()
	if err != nil {
		return checked{}, err
	}
	c := checked{Sound: len(files)+len(kept) == 0, Files: append([]string{}, files...), Spaces: []checkedSpace{}, Kept: kept}
	list, err := s.node.Check(ctx, a.Repair, tell)
	if c := code(err); err != nil && (c == "full" || c == "read_only") { // comparing needs room in the store
		return checked{Files: append([]string{}, files...), Spaces: []checkedSpace{}, Kept: kept, Unchecked: err.Error()}, nil
	}
	if err != nil {
		return c, err
	}
	for _, r := range list {
		one := checkedSpace{Space: r.Space.String(), Commits: r.Commits, Lost: r.Lost, Aside: r.Aside, Derived: r.Derived, Repaired: r.Repaired}
		for _, d := range r.Damaged {
			one.Damaged = append(one.Damaged, d.Error())
		}
		space, err := s.node.Space(r.Space)
		if err != nil {
			return c, err
		}
		one.Waiting = troubleOf(space)
		c.Sound = c.Sound && (r.Sound() || r.Repaired) && one.Waiting == ""
		c.Spaces = append(c.Spaces, one)
	}
	err = s.node.CheckBlobs(ctx, a.Repair, func(b hhs.BlobCheck) error {
		if c.Blobs++; b.Damaged > 0 {
			c.Damaged, c.Sound = append(c.Damaged, damagedBlob{b.Root.String(), b.Damaged}), false
		}
		tell(hhs.Step{What: "blobs", Items: int64(c.Blobs)})
		return nil
	})
	return c, err
}

// troubleOf says in a sentence what damage in a space is about, "" for none.
func troubleOf(space *hhs.AnySpace) string {
	t, known := space.Replica().Trouble()
	switch {
	case !known:
		return ""
	case t.Damaged+t.Aside == 0:
		return "damage was found and is about to be repaired: " + t.What
	}
	return fmt.Sprintf("%d damaged commits are waited for from peers, and %d intact ones for them: %s", t.Damaged, t.Aside, t.What)
}

type backupArgs struct {
	Path        string `json:"path"`
	WithoutKeys bool   `json:"withoutKeys"`
}

func backUp(ctx context.Context, s *service, a backupArgs, tell func(hhs.Step)) (hhs.Backup, error) {
	return s.node.Backup(ctx, a.Path, a.WithoutKeys, tell)
}

type compacted struct {
	Freed int64 `json:"freed"` // bytes
}

func compact(ctx context.Context, s *service, _ none, tell func(hhs.Step)) (compacted, error) {
	freed, err := s.node.Compact(ctx, tell)
	return compacted{max(0, freed)}, err
}

// nodeStatus is how a node stands.
type nodeStatus struct {
	who
	Renewed *renewal       `json:"renewed,omitempty"`
	Kept    []hhs.Salvaged `json:"kept,omitempty"` // damaged stores of earlier repairs
	Spaces  []spaceStatus  `json:"spaces"`
}

type renewal struct {
	At     time.Time `json:"at"`
	Why    string    `json:"why"`
	Before string    `json:"before"`
}

type spaceStatus struct {
	Space   string     `json:"space"`
	Commits int        `json:"commits"`
	Status  statusInfo `json:"status"`
	Damage  string     `json:"damage,omitempty"`
}

func statusOfNode(ctx context.Context, s *service, _ none) (n nodeStatus, err error) {
	if n.who, err = identityOf(ctx, s, none{}); err != nil {
		return n, err
	}
	r, known, err := s.node.Renewed()
	if err != nil {
		return n, err
	}
	if known {
		n.Renewed = &renewal{At: r.At, Why: r.Why, Before: r.Before}
	}
	if n.Kept, err = s.node.Salvages(); err != nil {
		return n, err
	}
	spaces, err := s.node.Spaces()
	n.Spaces = []spaceStatus{}
	for _, space := range spaces {
		n.Spaces = append(n.Spaces, spaceStatus{Space: space.ID().String(), Commits: space.Replica().Len(), Status: statusOf(space), Damage: troubleOf(space)})
	}
	return n, err
}
