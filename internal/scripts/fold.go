package scripts

import (
	"errors"
	"fmt"
	"reflect"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/examples/auction/lot"
	"github.com/hyperhyperspace/hhs-go/schema"
)

// sale is what scripts with a fold have, among other fields.
type sale struct {
	Sale hhs.Fold[lot.Auction, lot.Op]
}

var sales = hhs.Define[sale](Kind, 1)

// fold reads the auction.
func (r *reader) fold(f *authority.Field) (any, error) {
	if name, version := (lot.Auction{}).FoldName(); f.Name != "sale" || f.Fold != name || f.Version != int64(version) {
		return nil, fmt.Errorf("scripts have no fold %s version %d in a field %s", f.Fold, f.Version, f.Name)
	}
	space, ok := r.space.(*hhs.AnySpace)
	if !ok {
		return nil, errors.New("scripts read folds of the present only")
	}
	s, err := hhs.As(space, sales)
	if err != nil {
		return nil, err
	}
	state, err := s.Root().Sale.Get()
	if err != nil {
		return nil, err
	}
	ignored, err := s.Root().Sale.Ignored()
	if err != nil {
		return nil, err
	}
	v, err := schema.FromGoValue(reflect.ValueOf(state))
	if err != nil {
		return nil, err
	}
	m := v.(map[string]any)
	for _, p := range r.people {
		if m["by"] == string(p.node.Identity()) {
			m["by"] = p.name
		}
	}
	list := []any{}
	for _, op := range ignored {
		e := op.FoldOp.Entry
		by, err := r.entries([]hhs.AnyEntry{{Entry: hhs.Entry[any]{Value: op.Reason, Identity: e.Identity, Device: e.Device, Time: e.Time, Commit: e.Commit, Index: e.Index}}})
		if err != nil {
			return nil, err
		}
		list = append(list, by.([]any)[0])
	}
	return map[string]any{"state": m, "ignored": list}, nil
}
