package hhs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
)

// ErrPast is returned by writes through a value of a past version: write through
// those given to the function of Update.
var ErrPast = errors.New("a past version is read only")

// ErrTooLarge: a past version, or a difference, takes more memory than is spent on one.
var ErrTooLarge = replica.ErrTooLarge

// Past is a space of the kind R at a past version: its values read as those of Root do.
type Past[R any] struct {
	*AnyPast
	program *replica.Program
}

// Root is the data of the version.
func (p *Past[R]) Root() R {
	return bind[R](binding{space: p.in.rep, program: p.program, past: p.in.past})
}

// At is the space at the version that the given commits end, such as the heads that
// Heads told once, or one commit of History; none: at the present one. It is what a copy showed that had
// those and all in their past, and nothing else. Nothing that came later changes it; an
// undo counts if the version holds it. A field is put together in memory when it is
// first read, in the time of a walk through the version, and kept as long as what is
// returned is. Reads end with ctx. ErrNotFound for a commit that is not here.
func (s *Space[R]) At(ctx context.Context, version ...object.ID) (*Past[R], error) {
	p, err := s.AnySpace.At(ctx, version...)
	if err != nil {
		return nil, err
	}
	return &Past[R]{p, s.program}, nil
}

// AtJudgedNow is At by what is known now: edits of the version that were taken back
// since are not shown.
func (s *Space[R]) AtJudgedNow(ctx context.Context, version ...object.ID) (*Past[R], error) {
	p, err := s.AnySpace.AtJudgedNow(ctx, version...)
	if err != nil {
		return nil, err
	}
	return &Past[R]{p, s.program}, nil
}

// AnyPast is a past version of a space of any kind, read at run time as an AnySpace is.
type AnyPast struct{ in *AnySpace }

// At is Space.At for any kind.
func (s *AnySpace) At(ctx context.Context, version ...object.ID) (*AnyPast, error) {
	return s.atPast(s.rep.At(ctx, version...))
}

// AtJudgedNow is Space.AtJudgedNow for any kind.
func (s *AnySpace) AtJudgedNow(ctx context.Context, version ...object.ID) (*AnyPast, error) {
	return s.atPast(s.rep.AtJudgedNow(ctx, version...))
}

func (s *AnySpace) atPast(p *replica.Past, err error) (*AnyPast, error) {
	if err != nil {
		return nil, err
	}
	return &AnyPast{&AnySpace{node: s.node, rep: s.rep, past: p}}, nil
}

// Heads are the commits that end the version, sorted.
func (p *AnyPast) Heads() []object.ID { return p.in.past.Heads() }

// Commits is how many commits the version has.
func (p *AnyPast) Commits() uint64 { return p.in.past.Len() }

// Manifest is the kind of the space.
func (p *AnyPast) Manifest() (*authority.Manifest, error) { return p.in.Manifest() }

// Register is AnySpace.Register.
func (p *AnyPast) Register(field string, path ...any) ([]AnyEntry, error) {
	return p.in.Register(field, path...)
}

// Counter is AnySpace.Counter.
func (p *AnyPast) Counter(field string, path ...any) (crdt.Total, error) {
	return p.in.Counter(field, path...)
}

// SetHas is AnySpace.SetHas.
func (p *AnyPast) SetHas(field string, value any, path ...any) (bool, error) {
	return p.in.SetHas(field, value, path...)
}

// SetPage is AnySpace.SetPage.
func (p *AnyPast) SetPage(field string, after []byte, limit int, path ...any) (Page, error) {
	return p.in.SetPage(field, after, limit, path...)
}

// LogPage is AnySpace.LogPage.
func (p *AnyPast) LogPage(field string, from []byte, limit int, last bool, path ...any) (Page, error) {
	return p.in.LogPage(field, from, limit, last, path...)
}

// TextSlice is AnySpace.TextSlice.
func (p *AnyPast) TextSlice(field string, from, to int, path ...any) (string, int, error) {
	return p.in.TextSlice(field, from, to, path...)
}

// ListPage is AnySpace.ListPage.
func (p *AnyPast) ListPage(field string, from, limit int, path ...any) (Page, error) {
	return p.in.ListPage(field, from, limit, path...)
}

// CursorAt is AnySpace.CursorAt.
func (p *AnyPast) CursorAt(field string, pos int, ahead bool, path ...any) (Cursor, error) {
	return p.in.CursorAt(field, pos, ahead, path...)
}

// CursorPosition is AnySpace.CursorPosition.
func (p *AnyPast) CursorPosition(field string, c Cursor, path ...any) (int, error) {
	return p.in.CursorPosition(field, c, path...)
}

// FoldOps is AnySpace.FoldOps: of a version nothing changes.
func (p *AnyPast) FoldOps(field string, q FoldQuery, path ...any) (FoldPage, error) {
	return p.in.FoldOps(field, q, path...)
}

// MapPage is AnySpace.MapPage.
func (p *AnyPast) MapPage(field string, q MapQuery, path ...any) (ItemPage, error) {
	return p.in.MapPage(field, q, path...)
}

// Value is AnySpace.Value.
func (p *AnyPast) Value(field string, path ...any) (Item, bool, error) {
	return p.in.Value(field, path...)
}

// NameOf is the name a person showed then.
func (p *AnyPast) NameOf(who Identity) (string, error) { return p.in.NameOf(who) }

// Heads are the commits that end the present version: give them to At and Diff later.
func (s *AnySpace) Heads() []object.ID { return s.rep.Heads() }

// Diff lists what the version of the commits to shows otherwise than that of from,
// each by itself as At shows it; no commits mean the present version. Before and After
// are canonical bytes, nil for none, and Change.Values gives what they say.
// ErrTooLarge when there are more than replica.MaxDiff.
func (s *AnySpace) Diff(ctx context.Context, from, to []object.ID) ([]Change, error) {
	return s.rep.Diff(ctx, from, to)
}

// HistoryQuery asks for a page of History; see replica.LogQuery. Without a Limit a
// page has 50 commits at most.
type HistoryQuery = replica.LogQuery

// defaultHistory is how many commits a page of History has if nobody says: more than
// a screen, and little to read.
const defaultHistory = 50

// ErrNoField is wrapped with a name that no field of the space's kind has.
var ErrNoField = replica.ErrNoField

// HistoryPage is a stretch of history, newest first: no commit comes after one that has it in its past.
type HistoryPage struct {
	Commits []PastCommit
	Next    object.ID // the Before of the next page; zero: this was the last
}

// PastCommit is a commit with what became of it, by what is known now.
type PastCommit struct {
	Commit   object.ID
	Identity Identity
	Name     string // that they show now; "" when they gave none
	Device   string
	Time     time.Time // by the writer's clock; advisory
	Ops      []PastOp
	UndoneBy []object.ID // the commits whose undo takes it back, the first 16
}

// PastOp is one op of a PastCommit.
type PastOp struct {
	Field   string   // "": who takes part and how
	Path    string   // inside the field, as ["milk"].title; "" for all of it
	Keys    []string // of Path, as Change.Keys has them
	Action  string
	Value   any         // an object value; nil for none, and where it is malformed
	Effect  string      // replica.EffectCounts, EffectIgnored or EffectUndone
	Ignored string      // why
	Commits []object.ID // that an undo takes back, whose undo a redo takes back, or that a group joins
}

// History reads who wrote what, newest first, with what became of it. It reads no more than it
// returns; with Field or Version it passes over others, some thousand commits at most, so that a page may
// have fewer than Limit, or none, and still a Next.
func (s *AnySpace) History(ctx context.Context, q HistoryQuery) (HistoryPage, error) {
	if q.Limit < 0 {
		return HistoryPage{}, fmt.Errorf("history of space %s: %w: a page of %d commits", s.ID().Short(), ErrQuery, q.Limit)
	}
	if q.Limit == 0 {
		q.Limit = defaultHistory
	}
	raw, err := s.rep.Log(ctx, q)
	page := HistoryPage{Commits: make([]PastCommit, 0, len(raw.Commits)), Next: raw.Next}
	keys, names := keyTexts{}, map[identity.PublicKey]string{}
	for i := range raw.Commits {
		if err != nil {
			break
		}
		c := &raw.Commits[i]
		name, known := names[c.Identity]
		if !known {
			name, err = s.NameOf(Identity(keys.of(c.Identity)))
			names[c.Identity] = name
		}
		one := PastCommit{Commit: c.Commit, Identity: Identity(keys.of(c.Identity)), Name: name, Device: keys.of(c.Device), Time: WallTime(c.Time)}
		for _, by := range c.UndoneBy {
			one.UndoneBy = append(one.UndoneBy, by.Commit)
		}
		for _, op := range c.Ops {
			one.Ops = append(one.Ops, s.pastOp(op))
		}
		page.Commits = append(page.Commits, one)
	}
	return page, err
}

func (s *AnySpace) pastOp(op replica.LoggedOp) PastOp {
	p := PastOp{Field: op.Field, Path: s.rep.PathText(op.Field, op.Path), Keys: op.Keys(), Action: op.Action, Effect: op.Effect, Ignored: op.Ignored}
	if op.Field == authority.UndoField {
		for _, ref := range op.Names {
			p.Commits = append(p.Commits, ref.Commit)
		}
	}
	if op.Value != nil {
		if v, err := object.Decode(op.Value); err == nil {
			p.Value = v
		}
	}
	return p
}
