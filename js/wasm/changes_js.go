package main

import (
	"slices"
	"strings"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/internal/order"
	"github.com/hyperhyperspace/hhs-go/replica"
)

// place is where something changed: a field, and the keys and names on the way
// to the value inside it.
type place struct {
	field string
	path  []string
}

// everywhere stands for all fields: changes were dropped.
const everywhere = "*"

// schemaChanged stands for the schema of the space.
const schemaChanged = "$schema"

func placeOf(c replica.Change) place {
	switch {
	case c.Resync:
		return place{field: everywhere}
	case c.Schema != nil:
		return place{field: schemaChanged}
	case c.Field == replica.ProfileField:
		return place{field: "$names"}
	}
	return place{field: c.Field, path: c.Keys()}
}

// changed are the fields that changed: for each the paths inside it, in the
// order in which they changed first; nil: anywhere.
type changed map[string][][]string

func (c changed) add(p place) {
	paths, known := c[p.field]
	switch {
	case known && paths == nil:
	case len(p.path) == 0 || len(paths) >= maxPaths:
		c[p.field] = nil
	case !slices.ContainsFunc(paths, func(q []string) bool { return slices.Equal(p.path, q) }):
		c[p.field] = append(paths, p.path)
	}
}

// event is what is told of them.
func (c changed) event(s *hhs.AnySpace, space string) result {
	var names []string
	inside := result{}
	for name, paths := range c {
		names = append(names, name)
		if paths != nil {
			list := make([]any, len(paths))
			for i, p := range paths {
				list[i] = texts(p)
			}
			inside[name] = list
		}
	}
	order.By(names, strings.Compare)
	if _, all := c[everywhere]; all {
		names, inside = []string{"$names", schemaChanged}, nil
		if m, err := s.Manifest(); err == nil {
			for _, f := range m.Fields {
				names = append(names, f.Name)
			}
		}
	}
	r := result{"kind": "change", "space": space, "fields": texts(names)}
	if len(inside) > 0 {
		r["paths"] = map[string]any(inside)
	}
	return r
}
