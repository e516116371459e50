package replica

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/store"
)

// Past reads the fields of a space as they were at a version. What a field was
// is made in memory, from the ops of the version, when it is first read, and kept
// as long as the Past is: reading one costs a walk through the version, and
// nothing is written. Safe for concurrent use; there is nothing to close.
type Past struct {
	space *Space
	ctx   context.Context
	heads []object.ID
	spans []history.Span // of the version, ascending
	now   bool           // judged by what is known now
	kind  *kind

	mu     sync.Mutex
	index  map[string][]history.Num // by field, the commits with an op on it; nil before the first read
	undone store.Snapshot           // what undos among the version say; nil with now
	fields map[string]store.Snapshot
	room   room
}

// ErrTooLarge says that a past version, or what was asked of it, takes more memory
// than is spent on one.
var ErrTooLarge = errors.New("too much of the past for one reading")

// At reads the version that some commits end (none: the present one): the state of all in their past,
// judged by that alone, as a copy showed it that had no more. The state does not
// depend on anything that came later: an undo counts if the version holds it. ErrNotFound for a commit that
// is not here. Reads end with ctx.
func (s *Space) At(ctx context.Context, version ...object.ID) (*Past, error) {
	return s.at(ctx, version, false)
}

// AtJudgedNow is At with today's judgement: what was taken back since is not shown.
func (s *Space) AtJudgedNow(ctx context.Context, version ...object.ID) (*Past, error) {
	return s.at(ctx, version, true)
}

func (s *Space) at(ctx context.Context, version []object.ID, now bool) (*Past, error) {
	s.settled()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	if len(version) == 0 {
		version = s.headIDs()
	}
	if len(version) == 0 {
		return nil, fmt.Errorf("past of space %s: %w", s.id.Short(), ErrPending)
	}
	nums, err := s.numbersOf(version)
	if err == nil {
		nums, err = s.graph.Dominators(nums)
	}
	if err != nil {
		return nil, fmt.Errorf("past of space %s: %w", s.id.Short(), err)
	}
	spans, _, err := s.graph.Diff(nums, nil)
	if err != nil {
		return nil, fmt.Errorf("past of space %s: %w", s.id.Short(), err)
	}
	p := &Past{space: s, ctx: ctx, spans: spans, now: now, fields: map[string]store.Snapshot{}, room: room{maxPast}}
	err = s.node.view(func(r store.Reader) error {
		p.kind, err = s.kindOfVersion(r, nums)
		return err
	})
	if err == nil {
		p.heads, err = s.idsOf(nums)
	}
	return p, err
}

// numbersOf finds commits that must be here; it needs mu.
func (s *Space) numbersOf(ids []object.ID) ([]history.Num, error) {
	nums := make([]history.Num, 0, len(ids))
	for _, id := range ids {
		n, ok, err := s.lookup(id)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, fmt.Errorf("commit %s: %w", id, ErrNotFound)
		}
		nums = append(nums, n)
	}
	return nums, nil
}

// idsOf reads the ids of commits, sorted.
func (s *Space) idsOf(nums []history.Num) (ids []object.ID, err error) {
	err = s.node.view(func(r store.Reader) error {
		c := commits{keys: s.keys, r: r}
		for _, n := range nums {
			rec, err := c.get(n)
			if err != nil {
				return err
			}
			ids = append(ids, rec.id)
		}
		return nil
	})
	slices.SortFunc(ids, object.ID.Compare)
	return ids, err
}

// Heads are the commits of the version that none of its others has in its past, sorted.
func (p *Past) Heads() []object.ID { return slices.Clone(p.heads) }

// Len is how many commits the version has.
func (p *Past) Len() (n uint64) {
	for _, s := range p.spans {
		n += s.Len()
	}
	return n
}

// View opens a read of the past version. Close it.
func (p *Past) View() (*View, error) {
	v, err := p.space.View()
	if err == nil {
		v.past = p
	}
	return v, err
}

// env is View.Env.
func (p *Past) env(r store.Reader, name string, program *Program) (*crdt.Env, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.space
	if err := p.walk(r); err != nil {
		return nil, fmt.Errorf("past of space %s: %w", s.id.Short(), err)
	}
	if name == authority.UndoField {
		return &crdt.Env{State: p.undos(r), Space: s.id}, nil
	}
	f, err := program.field(p.kind, name)
	if err != nil {
		return nil, err
	}
	if p.fields[name] == nil {
		var b fieldBuild
		if err = b.begin(p.ctx, s, f, r, nil, &p.room); err == nil {
			err = b.apply(p.index[name], p.undos(r), nil)
		}
		if err == nil {
			p.fields[name], err = b.end()
		}
		if err != nil {
			return nil, fmt.Errorf("field %s of a past version of space %s: %w", name, s.id.Short(), err)
		}
	}
	return f.env(s, f.reading(p.fields[name]), viewPast{s}, s.opsFrom(r)), nil
}

// undos is what counts of what was taken back.
func (p *Past) undos(r store.Reader) *fieldState {
	if p.now {
		return p.space.undoState(r, nil)
	}
	return p.space.undoState(p.undone, nil)
}

// walk goes through the version once, for who wrote to which field and for the
// undos in it. It needs mu.
func (p *Past) walk(r store.Reader) error {
	if p.index != nil {
		return nil
	}
	s := p.space
	mem := store.NewMem()
	empty, err := mem.Snapshot()
	if err != nil {
		return err
	}
	tx := store.NewTx(empty)
	reader := &commits{keys: s.keys, r: r}
	a := applier{space: s, kind: p.kind, tx: tx, past: viewPast{s}, ops: viewOps{&commits{keys: s.keys, r: r}, s}, quiet: true}
	index := map[string][]history.Num{}
	for _, span := range p.spans {
		for n := span.Start; n < span.End; n++ {
			if n%paceEvery == 0 {
				s.node.cfg.Pace()
			}
			if err := p.ctx.Err(); err != nil {
				return err
			}
			undoes := false
			err := reader.fieldsOf(n, func(field []byte) error {
				undoes = undoes || string(field) == authority.UndoField
				list := index[string(field)]
				if len(list) > 0 && list[len(list)-1] == n {
					return nil
				}
				index[string(field)] = append(list, n)
				return p.room.spend(numCost)
			})
			if err == nil && undoes && !p.now {
				err = p.take(&a, n)
			}
			if err != nil {
				return err
			}
		}
	}
	if err := mem.Apply(p.ctx, tx.Batch(), store.Written); err != nil {
		return err
	}
	if p.undone, err = mem.Snapshot(); err == nil {
		p.index = index
	}
	return err
}

// take notes the undos and redos of a commit. The types hear of it otherwise: they
// are told the verdict with the op.
func (p *Past) take(a *applier, n history.Num) error {
	w, err := a.ops.whole(n)
	if err == nil {
		err = a.noteUndos(&w)
	}
	a.undos = undos{}
	if err == nil {
		err = p.room.spend(undoCost)
	}
	return err
}

// numCost and undoCost are about what a number in the index takes, and what a
// commit that undoes.
const (
	numCost  = 12
	undoCost = 512
)

// room is how much memory is left to spend.
type room struct{ left int }

func (r *room) spend(n int) error {
	if r.left -= n; r.left < 0 {
		return fmt.Errorf("%w: over %d bytes", ErrTooLarge, maxPast)
	}
	return nil
}

// next is whole for commits that are asked for one after another.
func (c *commits) next(n history.Num) (w whole, err error) {
	v, err := c.ahead.get(c, n)
	if err != nil {
		return w, fmt.Errorf("commit %d: %w", n, err)
	}
	return c.wholeFrom(n, v)
}

// fieldsOf calls f for the field of each op of a commit, without decoding all of it. What it is given changes afterwards.
func (c *commits) fieldsOf(n history.Num, f func(field []byte) error) error {
	v, err := c.ahead.get(c, n)
	if err != nil {
		return fmt.Errorf("commit %d: %w", n, err)
	}
	cut, err := cutRecord(n, v)
	if err != nil {
		return err
	}
	w := cborWalk{b: cut.body}
	w.skip()             // seq
	w.skip()             // prev
	for range w.list() { // parents
		w.skip()
	}
	w.skip() // grant
	w.skip() // epoch
	w.skip() // time
	for range w.list() {
		items := w.list()
		field := w.text()
		if w.bad || len(field) == 0 {
			break // an authority op, which may hold anything
		}
		if err := f(field); err != nil {
			return err
		}
		for range items - 1 {
			w.skip()
		}
	}
	if !w.bad && len(w.b) > 0 {
		if major, _ := w.head(); major == cborList && !w.bad {
			return nil
		}
	}
	rec, err := c.decode(n, v)
	if err != nil {
		return fmt.Errorf("commit %d: %w", n, err)
	}
	for i := range rec.commit.Env.Ops {
		if name := rec.commit.Env.Ops[i].Field; name != "" {
			if err := f([]byte(name)); err != nil {
				return err
			}
		}
	}
	return nil
}
