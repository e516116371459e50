package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/schema"
)

type applyArgs struct {
	Space string  `json:"space"`
	Ops   []opArg `json:"ops"`
	// Wait is how long to wait until all connected peers hold the commit.
	Wait time.Duration `json:"wait"`
}

type opArg struct {
	Field  string          `json:"field"`            // or the path of a value in one
	Action string          `json:"action,omitempty"` // "": the one that its type has for adding
	Value  json.RawMessage `json:"value,omitempty"`  // nil: none
	Index  *int64          `json:"index,omitempty"`  // of a list or text: where; nil: at the end
	Count  int64           `json:"count,omitempty"`  // how many elements are deleted there

	unit string // what Index and Count count
}

type applied struct {
	Space  string `json:"space"`
	Commit string `json:"commit"`
	Held   int    `json:"held"` // other devices known to hold it
}

func applyOps(ctx context.Context, s *service, a applyArgs) (applied, error) {
	space, err := s.find(a.Space)
	if err != nil {
		return applied{}, err
	}
	m, err := space.Manifest()
	if err != nil {
		return applied{}, err
	}
	var ops []hhs.Op
	var from []*opArg // for each op what it was made of
	for i := range a.Ops {
		if ops, err = opsOf(ops, m, &a.Ops[i]); err != nil {
			return applied{}, err
		}
		for len(from) < len(ops) {
			from = append(from, &a.Ops[i])
		}
	}
	receipt, err := space.Apply(ctx, ops)
	if err != nil {
		return applied{}, opFailure(err, from)
	}
	held, err := heldBy(ctx, space, receipt, a.Wait)
	result := applied{Space: space.ID().String(), Held: held}
	if !receipt.Commit.IsZero() {
		result.Commit = receipt.Commit.String()
	}
	return result, err
}

// heldBy is how many other devices are known to hold a commit, after waiting until the connected ones do, but not longer than
// wait.
func heldBy(ctx context.Context, space *hhs.AnySpace, receipt hhs.Receipt, wait time.Duration) (int, error) {
	if wait > 0 {
		wait, cancel := context.WithTimeout(ctx, wait)
		defer cancel()
		if waitSynced(wait, space) == nil {
			// Not reaching everybody in time is no error: what is returned says how many did.
			_ = space.Flush(wait)
		}
	}
	if receipt.Commit.IsZero() {
		return 0, nil
	}
	return receipt.Held()
}

// adding is what hhs set does with each type without --action.
var adding = map[string]string{"register": "set", "once": "set", "set": "add", "growset": "add", "log": "append", "counter": "add", authority.TypeFold: "do"}

// opsOf appends the ops that write what is asked for: nearly always one. Values are read by the schema of their place, since JSON
// has one kind of number.
func opsOf(ops []hhs.Op, m *authority.Manifest, o *opArg) ([]hhs.Op, error) {
	p, err := placeOf(m, o.Field)
	if err != nil {
		return nil, err
	}
	if err := p.allows(o); err != nil {
		return nil, err
	}
	sequence := p.shape.Type == "list" || p.shape.Type == "text"
	if o.unit = "elements"; p.shape.Type == "text" {
		o.unit = "characters"
	}
	op := hhs.Op{Field: p.field, Path: p.path, Action: o.Action, CodePoints: true}
	bare := o.Action == "clear" || o.Action == crdt.ActionRemove && p.shape.Type != "set"
	valued := o.Action == "" || o.Action == adding[p.shape.Type] || o.Action == crdt.ActionRemove || o.Action == "set" && sequence
	switch {
	case bare && o.Value != nil:
		return nil, failf("value", "to %s %s takes no value", o.Action, o.Field)
	case bare, o.Value == nil && !valued && !p.keyed, p.keyed && o.Action != "" && o.Action != crdt.ActionMake:
		return append(ops, op), nil // it may be an action that the type has not
	case p.keyed && o.Value == nil:
		op.Action = crdt.ActionMake
		return append(ops, op), nil
	case sequence && o.Value == nil && o.Count > 0 && o.Index != nil && o.Action == "":
		op.Action, op.Value = "delete", []any{*o.Index, o.Count}
		return append(ops, op), nil
	case o.Value == nil:
		return nil, failf("value", "which value? %s is a %s", o.Field, p.shape.Type)
	}
	if op.Value, err = object.FromJSON(o.Value); err != nil {
		return nil, failf("value", "the value of %s is not JSON: %w; put text in double quotes, such as '\"hello\"'", o.Field, err)
	}
	switch {
	case p.shape.Type == authority.TypeMap, p.shape.Type == authority.TypeRecord:
		return p.fill(ops, op.Value)
	case sequence:
		op, err = sequenceOp(op, o, p.shape)
	default:
		if op.Action == "" {
			op.Action = adding[p.shape.Type]
		}
		op.Value, err = conform(p.shape, op.Value)
	}
	return append(ops, op), err
}

// allows tells whether a value at the place can be written so, as far as the library does not tell.
func (p *place) allows(o *opArg) error {
	typ := p.shape.Type
	sequence := typ == "list" || typ == "text"
	switch {
	case !sequence && (o.Index != nil || o.Count != 0):
		return failf("value", "--index and --count are for lists and texts; %s is a %s", o.Field, typ)
	case o.Count != 0 && (o.Index == nil || o.Action != "" || o.Count < 0):
		return failf("value", "--count is how many elements go from --index on, and goes with no --action")
	case typ == "text" && o.Action != "":
		return failf("invalid", "%s is a text, which has no --action: VALUE is added at the end, --index N inserts it before character N, and --count M deletes there", o.Field)
	case typ == "list" && o.Action != "" && o.Action != "set" && !p.inMap:
		return failf("invalid", "%s is a list and has no action %q; it has set, with --index, and without --action VALUE is added at the end, --index N inserts it before element N, and --count M deletes there", o.Field, o.Action)
	case p.shape.Type == authority.TypeMap && o.Action != "":
		return failf("invalid", "%s is a map and has no action %q; write one of its keys, such as %s, or an object with several", o.Field, o.Action, dotted(o.Field, []string{"key"}))
	case p.shape.Type == authority.TypeRecord && !p.keyed && o.Action != "":
		return failf("invalid", "%s is a record and has no action %q; write one of its properties, such as %s, or an object with several", o.Field, o.Action, dotted(o.Field, []string{p.shape.Fields[0].Name}))
	}
	return nil
}

func conform(shape *authority.Field, v any) (any, error) {
	if shape.Schema == nil {
		return v, nil
	}
	sch, err := schema.Parse(shape.Schema)
	if err != nil {
		return nil, err
	}
	return sch.Conform(v), nil
}

// fill appends ops that write what an object has for a map or record, as hhs get shows one: into a map what is under its keys, into a
// record its properties. A record under a key of a map is made, and gives way to none that is there.
func (p *place) fill(ops []hhs.Op, v any) ([]hhs.Op, error) {
	switch p.shape.Type {
	case authority.TypeMap, authority.TypeRecord:
	default:
		return p.fillLeaf(ops, v)
	}
	object, ok := v.(map[string]any)
	if !ok {
		return nil, failf("value", "%s is a %s: write an object, such as %s", p.label, p.shape.Type, example(p.shape))
	}
	path := p.path
	if p.keyed {
		ops = append(ops, hhs.Op{Field: p.field, Path: path, Action: crdt.ActionMake})
		path = append(slices.Clip(path), len(ops)-1)
	}
	var err error
	for _, name := range slices.Sorted(maps.Keys(object)) {
		in := place{label: dotted(p.label, []string{name}), field: p.field, path: append(slices.Clip(path), name), shape: p.shape.Of}
		if p.shape.Type == authority.TypeMap {
			in.keyed = in.shape.Type == authority.TypeRecord
		} else if in.shape = property(p.shape, name); in.shape == nil {
			return nil, failf("not_found", "%s: the record has no property %q; it has: %s", p.label, name, fieldNames(p.shape.Fields))
		}
		if ops, err = in.fill(ops, object[name]); err != nil {
			return nil, err
		}
	}
	return ops, nil
}

// fillLeaf appends ops that write all that a value inside an object says of its place: of what holds several a list.
func (p *place) fillLeaf(ops []hhs.Op, v any) ([]hhs.Op, error) {
	op := hhs.Op{Field: p.field, Path: p.path, CodePoints: true}
	switch typ := p.shape.Type; typ {
	case "text":
		if _, ok := v.(string); !ok {
			return nil, failf("value", "%s is a text: write a text in double quotes, such as '\"hello\"'", p.label)
		}
		op.Action, op.Value = "insert", []any{nil, v}
		return append(ops, op), nil
	case "register", "once", "counter":
		op.Action = adding[typ]
		var err error
		op.Value, err = conform(p.shape, v)
		return append(ops, op), err
	}
	list, ok := v.([]any)
	if !ok {
		return nil, failf("value", "%s is a %s: write its values as a list", p.label, p.shape.Type)
	}
	for i, one := range list {
		var err error
		if list[i], err = conform(p.shape, one); err != nil {
			return nil, err
		}
	}
	if p.shape.Type == "list" {
		op.Action, op.Value = "insert", []any{nil, list}
		return append(ops, op), nil
	}
	op.Action = adding[p.shape.Type]
	for _, op.Value = range list {
		ops = append(ops, op)
	}
	return ops, nil
}

// example is an object for a map or record.
func example(shape *authority.Field) string {
	if shape.Type == authority.TypeMap {
		return `'{"key": ...}'`
	}
	return fmt.Sprintf("'{%q: ...}'", shape.Fields[0].Name)
}

// sequenceOp makes an op on a list or text: VALUE at the end, before --index, instead of --count elements from --index on, or
// with the action set as the value of the element at --index.
func sequenceOp(op hhs.Op, o *opArg, shape *authority.Field) (hhs.Op, error) {
	var content any
	if _, isText := op.Value.(string); shape.Type == "text" && !isText {
		return op, failf("value", "%s is a text: write a text in double quotes, such as '\"hello\"'", o.Field)
	}
	var err error
	if op.Value, err = conform(shape, op.Value); err != nil {
		return op, err
	}
	if content = op.Value; shape.Type == "list" {
		content = []any{op.Value}
	}
	switch {
	case op.Action != "" && o.Index == nil:
		return op, failf("value", "which element of %s? --index says its place, from 0 on", o.Field)
	case op.Action != "":
		op.Value = []any{*o.Index, op.Value}
	case o.Index == nil:
		op.Action, op.Value = "insert", []any{nil, content}
	default:
		op.Action, op.Value = "splice", []any{*o.Index, o.Count, content}
	}
	return op, nil
}

// opFailure puts the field before the path of a value that was refused.
func opFailure(err error, from []*opArg) error {
	f := describe(err)
	var op *hhs.OpError
	if !errors.As(err, &op) || op.Index >= len(from) {
		return err
	}
	var beyond *crdt.RangeError
	if o := from[op.Index]; errors.As(err, &beyond) && o.Index != nil {
		return &failure{code: f.code, text: o.beyond(beyond.Len), path: o.Field, err: err}
	}
	path := op.Field
	if f.path != "" && f.path[0] != '[' {
		path += "."
	}
	return &failure{code: f.code, text: op.Cause.Error(), path: path + f.path, err: err}
}

// beyond says that a place is not in a list or text of so many elements.
func (o *opArg) beyond(size uint64) string {
	has := fmt.Sprintf("%s has %d %s, counted from 0", o.Field, size, o.unit)
	switch {
	case o.Count > 0:
		return fmt.Sprintf("--index %d --count %d go beyond the end: %s", *o.Index, o.Count, has)
	case o.Action != "":
		return fmt.Sprintf("--index %d is no element: %s", *o.Index, has)
	}
	return fmt.Sprintf("--index %d is beyond the end: %s", *o.Index, has)
}
