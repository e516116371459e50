package replica_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/replica"
	"github.com/hyperhyperspace/hhs-go/store"
)

// memoryRun makes several edits of one device that are not signed before the last.
func (p *undoPlay) memoryRun(s *replica.Space) {
	for range 2 + p.r.IntN(5) {
		f := p.edit
		switch p.r.IntN(6) {
		case 0:
			f = p.undo
		case 1:
			f = func(tx *replica.Tx) error { return undoLast(tx, 0) }
		case 2:
			f = redoLast
		}
		if _, err := s.Update(context.Background(), f, store.Memory); err != nil && !errors.Is(err, replica.ErrUndo) {
			p.t.Fatal(err)
		}
	}
}

// bent writes ops that are nearly right: with bytes too many or too few, other bits, other actions and fields, other ops named.
func (p *undoPlay) bent(tx *replica.Tx) error {
	me := tx.Space().Node().Device().Identity()
	for range 1 + p.r.IntN(5) {
		name := undoNames[p.r.IntN(len(undoNames))]
		env, err := tx.Env(name)
		if err != nil {
			return err
		}
		d, ok := undoFields[name].gen.Draft(p.r, env, me)
		if !ok {
			continue
		}
		op := history.Op{Field: name, Action: d.Action, Part: history.NoPart, Refs: append([]history.OpRef{}, d.Refs...)}
		value := append([]byte{}, d.Payload...)
		switch p.r.IntN(9) {
		case 0:
			value = append(value, byte(p.r.IntN(256)))
		case 1, 2:
			if len(value) > 0 {
				value[p.r.IntN(len(value))] ^= 1 << p.r.IntN(8)
			}
		case 3:
			if len(value) > 0 {
				value = value[:p.r.IntN(len(value))]
			}
		case 4:
			if len(op.Refs) > 0 {
				op.Refs = op.Refs[1:]
			}
		case 5:
			c := p.known(tx.Space())
			op.Refs = append([]history.OpRef{{Commit: c.ID, Index: uint32(p.r.IntN(len(c.Env.Ops)))}}, op.Refs...)
		case 6:
			op.Action = []string{"set", "make", "remove", "add", "edit", "append"}[p.r.IntN(6)]
		case 7:
			op.Field = undoNames[p.r.IntN(len(undoNames))]
		case 8:
			c := p.known(tx.Space())
			for i := range op.Refs {
				op.Refs[i] = history.OpRef{Commit: c.ID, Index: uint32(p.r.IntN(len(c.Env.Ops)))}
			}
		}
		for i := range op.Refs {
			if op.Refs[i].Commit.IsZero() && int(op.Refs[i].Index) >= tx.Ops() {
				return nil
			}
		}
		if len(value) == 0 {
			tx.Raw(op)
		} else {
			tx.RawValue(op, value)
		}
	}
	return nil
}

// TestUndoModelBent is TestUndoModel with a modified client among the writers, edits of several commits that are made before the
// first is signed, and states made anew on the way.
func TestUndoModelBent(t *testing.T) {
	seeds := uint64(8)
	if testing.Short() {
		seeds = 3
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			p := newUndoPlay(t, seed+5000)
			for range 60 {
				i := p.r.IntN(len(p.spaces))
				s := p.spaces[i]
				switch p.r.IntN(12) {
				case 0, 1:
					p.memoryRun(s)
				case 2, 3, 4, 5:
					p.update(s, p.bent)
				case 6:
					if _, err := p.nodes[i].Rebuild(context.Background(), s.ID(), nil); err != nil {
						t.Fatal(err)
					}
					again, err := p.nodes[i].Space(s.ID())
					if err != nil {
						t.Fatal(err)
					}
					p.spaces[i] = again
				}
				p.step()
			}
			for _, from := range p.spaces {
				for _, to := range p.spaces {
					pull(t, to, from, 2000)
				}
			}
			for i, s := range p.spaces {
				p.compare(s)
				if report, err := p.nodes[i].Check(context.Background(), s.ID(), nil); err != nil || !report.Sound() {
					t.Errorf("check: %+v %v", report, err)
				}
			}
		})
	}
}
