package replica

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/internal/order"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/store"
)

// Diff lists what a version shows otherwise than another, each judged by itself as
// At does: by field in the order of the kind, and within a field in the order of its
// values. Before is what the first one shows; Op is the latest that made the
// difference. Of a list or text Edits lead from the first version to the second. Fields
// nobody wrote to in between are not looked at. ErrTooLarge when there are more than MaxDiff.
func (s *Space) Diff(ctx context.Context, from, to []object.ID) ([]Change, error) {
	list, err := s.diff(ctx, from, to)
	if err != nil {
		return nil, fmt.Errorf("difference in space %s: %w", s.id.Short(), err)
	}
	return list, nil
}

func (s *Space) diff(ctx context.Context, from, to []object.ID) (list []Change, err error) {
	a, err := s.At(ctx, from...)
	if err != nil {
		return nil, err
	}
	b, err := s.At(ctx, to...)
	if err != nil {
		return nil, err
	}
	err = s.node.view(func(r store.Reader) error {
		d := differ{ctx: ctx, space: s, r: r, a: a, b: b, room: room{maxPast}}
		if err := errors.Join(a.walk(r), b.walk(r)); err != nil {
			return err
		}
		if err := d.judged(); err != nil {
			return err
		}
		k := s.keepKind(merged([]*kind{a.kind, b.kind}))
		names := []string{ProfileField}
		for _, f := range k.holds.Manifest().Fields {
			names = append(names, f.Name)
		}
		for _, name := range names {
			f, err := k.field(name)
			if err == nil {
				err = d.field(f)
			}
			if err != nil {
				return fmt.Errorf("field %s: %w", name, err)
			}
		}
		list = d.list
		return nil
	})
	return list, err
}

// differ compares two versions. What both have is the ground that two ways lead
// from: what each shows is the sum of the changes on its way.
type differ struct {
	ctx     context.Context
	space   *Space
	r       store.Reader
	a, b    *Past
	flipped map[history.Num]bool // taken back in one of them
	room    room
	list    []Change
}

// judged finds the commits that only one of the versions takes back.
func (d *differ) judged() error {
	d.flipped = map[history.Num]bool{}
	for _, p := range []*Past{d.a, d.b} {
		other := d.a
		if p == d.a {
			other = d.b
		}
		for num, err := range p.undos(d.r).allMasked() {
			if err != nil {
				return err
			}
			too, err := other.undos(d.r).masked(num)
			if err != nil {
				return err
			}
			if !too {
				d.flipped[num] = true
			}
		}
	}
	return nil
}

// field adds what is different in one field.
func (d *differ) field(f *field) error {
	listA, listB := d.a.index[f.name], d.b.index[f.name]
	var both, onlyA, onlyB, flipped []history.Num
	for _, n := range listA {
		switch {
		case !holds(d.b.spans, n):
			onlyA = append(onlyA, n)
		default:
			both = append(both, n)
			if d.flipped[n] {
				flipped = append(flipped, n)
			}
		}
	}
	for _, n := range listB {
		if !holds(d.a.spans, n) {
			onlyB = append(onlyB, n)
		}
	}
	if len(onlyA)+len(onlyB)+len(flipped) == 0 {
		return nil
	}
	var base fieldBuild
	err := base.begin(d.ctx, d.space, f, d.r, nil, &d.room)
	if err == nil {
		err = base.apply(both, d.a.undos(d.r), nil)
	}
	if err != nil {
		return err
	}
	ground, err := base.end()
	if err != nil {
		return err
	}
	places := map[string]*difference{}
	if err := d.way(f, ground, places, 0, d.a.undos(d.r), nil, onlyA); err != nil {
		return err
	}
	if err := d.way(f, ground, places, 1, d.b.undos(d.r), flipped, onlyB); err != nil {
		return err
	}
	return d.add(f, places)
}

// difference is one value of a field, as it is on the ground and at the end of each way.
type difference struct {
	ground []byte
	ends   [2][]byte
	moved  [2]bool
	edits  [2]crdt.Edits // of a list or text
	last   crdt.Change
}

// way goes from the ground to one of the versions.
func (d *differ) way(f *field, ground store.Reader, places map[string]*difference, side int, undone *fieldState, flipped, nums []history.Num) error {
	var b fieldBuild
	if err := b.begin(d.ctx, d.space, f, d.r, ground, &d.room); err != nil {
		return err
	}
	tell := func(c crdt.Change) error {
		if c.Lost {
			return fmt.Errorf("%w: a list lost or got more than %d bytes at once", ErrTooLarge, crdt.MaxTold)
		}
		place := c.Place()
		at := places[place]
		if at == nil {
			at = &difference{ground: bytes.Clone(c.Before)}
			places[place] = at
			if err := d.room.spend(entryCost + len(place) + len(c.Before)); err != nil {
				return err
			}
		}
		was := at.size(side)
		at.ends[side], at.moved[side], at.last = bytes.Clone(c.After), true, c
		at.last.Before, at.last.After, at.last.Edits = nil, nil, nil
		if c.Edits != nil {
			at.edits[side].Add(c.Edits)
		}
		return d.room.spend(at.size(side) - was)
	}
	if err := b.flip(flipped, undone, tell); err != nil {
		return err
	}
	if err := b.apply(nums, undone, tell); err != nil {
		return err
	}
	b.copied(0) // it is not needed any more
	return nil
}

// size is what the end of a way takes: what is written again and again is there once, and what came and went not at all.
func (at *difference) size(side int) int {
	return len(at.ends[side]) + at.edits[side].Size() + len(at.last.Op.Payload)
}

func (d *differ) add(f *field, places map[string]*difference) error {
	names := make([]string, 0, len(places))
	for place := range places {
		names = append(names, place)
	}
	order.By(names, strings.Compare)
	for _, place := range names {
		at := places[place]
		for side := range at.ends {
			if !at.moved[side] {
				at.ends[side] = at.ground
			}
		}
		edits := crdt.Between(at.edits[0].All(), at.edits[1].All())
		if edits == nil && (at.ends[0] == nil) == (at.ends[1] == nil) && bytes.Equal(at.ends[0], at.ends[1]) {
			continue
		}
		if len(d.list) == MaxDiff {
			return fmt.Errorf("%w: more than %d changes", ErrTooLarge, MaxDiff)
		}
		c := at.last
		c.Before, c.After, c.Edits = at.ends[0], at.ends[1], edits
		d.list = append(d.list, Change{Field: f.name, Change: c})
	}
	return nil
}

// allMasked yields the commits that are taken back.
func (f *fieldState) allMasked() iter.Seq2[history.Num, error] {
	return func(yield func(history.Num, error) bool) {
		for kv, err := range f.Scan([]byte{spaceMasked}, []byte{spaceMasked + 1}, false) {
			num := history.Num(0)
			if err == nil && len(kv.Key) != 9 {
				err = store.ErrCorrupt
			}
			if err == nil {
				num = binary.BigEndian.Uint64(kv.Key[1:])
			}
			if !yield(num, err) || err != nil {
				return
			}
		}
	}
}
