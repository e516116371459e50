package main

import (
	"context"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/authority"
)

// schema tells what a space declares now, and who changed it.
func (e *engine) schema(_ context.Context, a *args) (result, error) {
	s, err := e.space(a)
	if err == nil {
		err = a.end()
	}
	if err != nil {
		return nil, err
	}
	m, err := s.Manifest()
	if err != nil {
		return nil, err
	}
	changes, err := s.SchemaChanges()
	if err != nil {
		return nil, err
	}
	list := make([]any, len(changes))
	for i, c := range changes {
		list[i] = map[string]any{"commit": c.Commit.String(), "identity": string(c.Identity), "time": c.Time.UnixMilli(),
			"version": int64(c.Version), "fields": texts(c.Fields), "ignored": texts(c.Ignored)}
	}
	return result{"manifest": m.Value(), "founder": s.Founder(), "changes": list}, nil
}

// upgrade declares what a program has and the space has not, or with dry tells what it would.
func (e *engine) upgrade(ctx context.Context, a *args) (result, error) {
	v, dry := a.value("manifest"), a.optBool("dry")
	s, err := e.space(a)
	if err == nil {
		err = a.end()
	}
	if err != nil {
		return nil, err
	}
	m, err := parseManifest(v)
	if err != nil {
		return nil, err
	}
	var fields []authority.Field
	if dry {
		fields, err = s.PlanUpgrade(m.m)
	} else {
		fields, err = s.UpgradeTo(ctx, m.m)
	}
	if err != nil {
		return nil, err
	}
	list := make([]any, len(fields))
	for i := range fields {
		list[i] = fields[i].Value()
	}
	return result{"fields": list}, nil
}

// fits tells whether a program can open a space; nil: any, and any that has not arrived.
func fits(s *hhs.AnySpace, m *authority.Manifest) error {
	if m == nil || !s.Ready() {
		return nil
	}
	return s.Fits(m)
}
