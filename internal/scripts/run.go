package scripts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/object"
)

// run is one script under way.
type run struct {
	file    *File
	script  Script
	now     time.Time
	people  []*person // in the order in which they appear
	commits map[object.ID]commit
	space   object.ID
	update  bool
}

// person is somebody with a node and, once the space is there, a replica.
type person struct {
	name string
	node *hhs.Node
}

// commit is what a script knows of one that it made.
type commit struct {
	name string
	by   *person
	time time.Time
}

// Run runs a script and returns the first step that does not give what it says. With update the steps are given the ids
// of the commits they make instead.
func Run(ctx context.Context, f *File, s Script, update bool) (err error) {
	r := &run{file: f, script: s, commits: map[object.ID]commit{}, update: update}
	defer func() {
		for _, p := range r.people {
			err = errors.Join(err, p.node.Close())
		}
	}()
	for i, step := range s.Steps {
		r.now = Start.Add(time.Duration(i) * time.Second)
		if err := r.step(ctx, step); err != nil {
			return fmt.Errorf("%s: %s: step %d: %w", f.Name, s.Name, i, err)
		}
	}
	return nil
}

func (r *run) step(ctx context.Context, step map[string]any) error {
	switch {
	case step["do"] != nil:
		return r.do(ctx, step)
	case step["undo"] != nil, step["redo"] != nil:
		return r.undo(ctx, step)
	case step["from"] != nil:
		from, err := r.person(ctx, step["from"])
		if err != nil {
			return err
		}
		to, err := r.person(ctx, step["to"])
		if err != nil {
			return err
		}
		return r.give(ctx, from, to)
	case step["shows"] != nil:
		p, err := r.person(ctx, step["at"])
		if err != nil {
			return err
		}
		return r.shows(ctx, p, step, step["shows"])
	case step["put"] != nil:
		return r.put(ctx, step)
	case step["bytes"] != nil:
		return r.bytes(ctx, step)
	case step["log"] != nil, step["diff"] != nil:
		return r.look(ctx, step)
	case step["all"] != nil:
		return r.all(ctx, step["all"])
	}
	return fmt.Errorf("a step of no known sort: %v", step)
}

// person finds somebody by name. Who was not met before comes in; the first one makes the space.
func (r *run) person(ctx context.Context, v any) (*person, error) {
	name, ok := v.(string)
	if !ok {
		return nil, fmt.Errorf("nobody is called %v", v)
	}
	for _, p := range r.people {
		if p.name == name {
			return p, nil
		}
	}
	opts, err := Options(ctx, r.file.Seed(r.script, name), func() time.Time { return r.now })
	if err != nil {
		return nil, err
	}
	p := &person{name: name}
	if p.node, err = hhs.Open(ctx, "", append(opts, hhs.Kinds(kind{r.file.Manifest}))...); err != nil {
		return nil, err
	}
	r.people = append(r.people, p)
	if len(r.people) > 1 {
		return p, nil
	}
	space, err := p.node.CreateSpace(ctx, r.file.Manifest)
	if err == nil {
		r.space = space.ID()
	}
	return p, err
}

type kind struct{ m *authority.Manifest }

// Manifest implements hhs.AnyKind.
func (k kind) Manifest() (*authority.Manifest, error) { return k.m, nil }

// at is the person whose step it is, and their copy of the space.
func (r *run) at(ctx context.Context, step map[string]any) (*person, *hhs.AnySpace, error) {
	p, err := r.person(ctx, step["at"])
	if err != nil {
		return nil, nil, err
	}
	space, err := p.node.Space(r.space)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", p.name, err)
	}
	return p, space, nil
}

func (r *run) do(ctx context.Context, step map[string]any) error {
	p, space, err := r.at(ctx, step)
	if err != nil {
		return err
	}
	var ops []hhs.Op
	list, _ := step["do"].([]any)
	for _, v := range list {
		m, _ := v.(map[string]any)
		op := hhs.Op{Value: m["value"]}
		op.Field, _ = m["field"].(string)
		op.Action, _ = m["action"].(string)
		steps, _ := m["path"].([]any)
		for _, step := range steps {
			if n, ok := step.(int64); ok {
				step = int(n) // the index of an op
			}
			op.Path = append(op.Path, step)
		}
		if op.Field == authority.UndoField {
			op.Value = r.named(op.Value)
		}
		ops = append(ops, op)
	}
	receipt, err := space.Apply(ctx, ops)
	if fails, ok := step["fails"].(map[string]any); ok {
		return failed(err, fails)
	}
	if err != nil {
		return err
	}
	return r.made(step, p, receipt.Commit)
}

// made notes a commit that a step made.
func (r *run) made(step map[string]any, p *person, made object.ID) error {
	name, _ := step["as"].(string)
	r.commits[made] = commit{name, p, r.now}
	id := made.String()
	if r.update {
		step["id"] = id
	}
	if step["id"] != id {
		return fmt.Errorf("commit %s is %s, not %v", name, id, step["id"])
	}
	return nil
}

// failed compares an error with what a script says of it.
func failed(err error, want map[string]any) error {
	if err == nil {
		return fmt.Errorf("it was written, but should have failed with %v", want["code"])
	}
	path := ""
	var op *hhs.OpError
	if errors.As(err, &op) {
		path = op.Field
		if inner := hhs.Path(op.Cause); inner != "" && inner[0] != '[' {
			path += "."
		}
		path += hhs.Path(op.Cause)
	}
	if hhs.Code(err) != want["code"] || want["path"] != nil && want["path"] != path {
		return fmt.Errorf("it failed with %s at %q (%w), want %v", hhs.Code(err), path, err, want)
	}
	return nil
}

// give brings all that one has to another, as a file.
func (r *run) give(ctx context.Context, from, to *person) error {
	space, err := from.node.Space(r.space)
	if err != nil {
		return fmt.Errorf("%s: %w", from.name, err)
	}
	var file bytes.Buffer
	if _, err := space.Export(ctx, &file); err != nil {
		return err
	}
	_, err = to.node.Import(ctx, &file)
	return err
}

// all makes everybody equal and compares.
func (r *run) all(ctx context.Context, want any) error {
	for range 2 { // the last one has everything after the first round, all after the second
		for i, p := range r.people {
			if err := r.give(ctx, p, r.people[(i+1)%len(r.people)]); err != nil {
				return err
			}
		}
	}
	for _, p := range r.people {
		if err := r.shows(ctx, p, nil, want); err != nil {
			return err
		}
	}
	return nil
}

// shows compares what somebody reads with what a script says.
func (r *run) shows(ctx context.Context, p *person, step map[string]any, want any) error {
	fields, _ := want.(map[string]any)
	space, err := p.node.Space(r.space)
	if err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	from, err := r.past(ctx, space, step)
	if err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	for name, state := range fields {
		f, ok := r.file.Manifest.Field(name)
		if !ok {
			return fmt.Errorf("there is no field %s", name)
		}
		got, err := (&reader{r, from, name}).state(&f)
		if err != nil {
			return fmt.Errorf("%s reads %s: %w", p.name, name, err)
		}
		if !reflect.DeepEqual(got, state) {
			return fmt.Errorf("%s sees in %s\n%s\nnot\n%s", p.name, name, show(got), show(state))
		}
	}
	return nil
}

func show(v any) string {
	text, err := object.ToJSON(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// entries holds who wrote them and when against their commits.
func (r *run) entries(list []hhs.AnyEntry) (any, error) {
	out := make([]any, 0, len(list))
	for _, e := range list {
		c, ok := r.commits[e.Commit]
		if !ok {
			return nil, fmt.Errorf("the commit %s of %v is not one of the script's", e.Commit, e.Value)
		}
		if e.Identity != c.by.node.Identity() || e.Device != c.by.node.Device() || !e.Time.Equal(c.time) {
			return nil, fmt.Errorf("%v is by %s on %s at %s, its commit %s by %s", e.Value, e.Identity.Short(), e.Device, e.Time, c.name, c.by.name)
		}
		out = append(out, []any{e.Value, fmt.Sprint(c.name, ".", e.Index)})
	}
	return out, nil
}
