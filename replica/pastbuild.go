package replica

import (
	"context"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/store"
)

// fieldBuild makes the state of one field from ops.
type fieldBuild struct {
	ctx   context.Context
	space *Space
	field *field
	from  store.Reader // where it began, if not from nothing
	mem   *store.Mem
	tx    *store.Tx
	env   *crdt.Env
	read  commits
	left  *room
	free  int // what was left when it began
	spent int // of that by the state
	clean int // and what that was when it had been copied
}

// begin starts from a state in memory; nil: from nothing.
func (b *fieldBuild) begin(ctx context.Context, s *Space, f *field, r, from store.Reader, left *room) error {
	b.ctx, b.space, b.field, b.read, b.left = ctx, s, f, commits{keys: s.keys, r: r}, left
	b.free, b.from = left.left, from
	if from == nil {
		b.mem = store.NewMem()
		empty, err := b.mem.Snapshot()
		if err != nil {
			return err
		}
		from = empty
	}
	b.over(from)
	return nil
}

// over goes on from a state.
func (b *fieldBuild) over(from store.Reader) {
	s := b.space
	b.tx = store.NewTx(from)
	b.env = b.field.env(s, countedState{&fieldState{prefix: b.field.prefix, r: b.tx, tx: b.tx}, b}, viewPast{s}, s.opsFrom(b.read.r))
}

// pace gives way to what else is to be done, and lets no work pile up.
func (b *fieldBuild) pace() error {
	if b.mem != nil && b.tx.Len() >= maxBuild {
		state, err := b.end()
		if err != nil {
			return err
		}
		b.over(state)
	}
	b.space.node.cfg.Pace()
	return nil
}

// tidy makes room when it runs short: what is written again, as the pages of a text are, stays in memory until the state is copied.
// A state of up to three quarters of the room is copied once for each eighth of it that is written.
func (b *fieldBuild) tidy() error {
	if b.left.left >= b.free/4 || b.spent-b.clean < b.free/8 {
		return nil
	}
	if b.mem == nil {
		b.copyOver()
		return nil
	}
	from, err := b.end()
	if err != nil {
		return err
	}
	to, batch, size, took := store.NewMem(), &store.Batch{}, 0, 0
	for kv, err := range from.Scan(b.field.prefix, end(b.field.prefix), false) {
		if err != nil {
			return err
		}
		batch.Put(kv.Key, kv.Value)
		n := entryCost + len(kv.Key) - len(b.field.prefix) + len(kv.Value)
		if took, size = took+n, size+n; size < maxTidy {
			continue
		}
		if err := to.Apply(b.ctx, batch, store.Written); err != nil {
			return err
		}
		batch, size = &store.Batch{}, 0
	}
	if err := to.Apply(b.ctx, batch, store.Written); err != nil {
		return err
	}
	b.mem = to
	b.copied(took)
	state, err := to.Snapshot()
	if err == nil {
		b.over(state)
	}
	return err
}

// copyOver copies what was written over the state it began with.
func (b *fieldBuild) copyOver() {
	wrote, took := b.tx.Batch(), 0
	b.over(b.from)
	wrote.Each(func(op store.Op, key, value []byte) {
		took += entryCost + len(key) - len(b.field.prefix) + len(value)
		if op == store.OpDelete {
			b.tx.Delete(key)
		} else {
			b.tx.Put(key, value)
		}
	})
	b.copied(took)
}

// copied says what the state takes now.
func (b *fieldBuild) copied(took int) {
	b.left.left += b.spent - took
	b.spent, b.clean = took, took
}

// apply takes the ops of commits in, each with what undos say of its commit. tell hears of what changed; nil: nobody does.
func (b *fieldBuild) apply(nums []history.Num, undone *fieldState, tell func(crdt.Change) error) error {
	return b.each(nums, tell, func(w *whole, i int) ([]crdt.Change, error) {
		masked, err := undone.masked(w.num)
		if err != nil {
			return nil, err
		}
		return b.field.typ.Apply(b.env, w.op(i), !masked || !ofKind(&w.commit.Env.Ops[i]))
	})
}

// flip tells the type another verdict on the ops of commits.
func (b *fieldBuild) flip(nums []history.Num, undone *fieldState, tell func(crdt.Change) error) error {
	return b.each(nums, tell, func(w *whole, i int) ([]crdt.Change, error) {
		masked, err := undone.masked(w.num)
		if err != nil || !ofKind(&w.commit.Env.Ops[i]) {
			return nil, err
		}
		return b.field.typ.Flip(b.env, w.op(i), !masked)
	})
}

// each calls f for the ops on the field.
func (b *fieldBuild) each(nums []history.Num, tell func(crdt.Change) error, f func(w *whole, i int) ([]crdt.Change, error)) error {
	for _, n := range nums {
		if err := b.ctx.Err(); err != nil {
			return err
		}
		w, err := b.read.next(n)
		if err != nil {
			return err
		}
		if ok, err := b.declared(n); err != nil || !ok {
			if err != nil {
				return err
			}
			continue
		}
		for i := range w.commit.Env.Ops {
			if w.commit.Env.Ops[i].Field != b.field.name {
				continue
			}
			b.env.Quiet = tell == nil
			changes, err := f(&w, i)
			if err == nil {
				err = b.tidy()
			}
			if err == nil && i%paceEvery == paceEvery-1 {
				err = b.pace()
			}
			if err != nil {
				return err
			}
			for _, c := range changes {
				if tell == nil {
					break
				}
				if err := tell(c); err != nil {
					return err
				}
			}
		}
		if err := b.pace(); err != nil {
			return err
		}
	}
	return nil
}

// declared takes up what holds of the field at a commit; ok is false when the
// name is that of another field there.
func (b *fieldBuild) declared(n history.Num) (ok bool, err error) {
	if !b.space.kind.Load().changed() {
		return true, nil
	}
	k, err := b.space.kindAt(b.read.r, n)
	if err != nil {
		return false, err
	}
	f, err := k.field(b.field.name)
	if err != nil || f.slot != b.field.slot {
		return false, err
	}
	b.field, b.env.Shape, b.env.Schema = f, f.shape, f.shape.Schema
	return true, nil
}

// end is the state that was made.
func (b *fieldBuild) end() (store.Snapshot, error) {
	if err := b.mem.Apply(b.ctx, b.tx.Batch(), store.Written); err != nil {
		return nil, err
	}
	return b.mem.Snapshot()
}

// countedState is a state that takes up room.
type countedState struct {
	*fieldState
	build *fieldBuild
}

// entryCost is about what a key takes besides its bytes.
const entryCost = 96

// Put implements crdt.State.
func (s countedState) Put(key, value []byte) error {
	n := entryCost + len(key) + len(value)
	s.build.spent += n
	if err := s.build.left.spend(n); err != nil {
		return err
	}
	return s.fieldState.Put(key, value)
}
