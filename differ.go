package hhs

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/object"
)

// difference says, for people, what first tells a space's manifest, "there",
// from the one of a program, "here"; "" when nothing does.
func difference(there, here *authority.Manifest) string {
	switch {
	case there.Kind != here.Kind || there.Version != here.Version:
		return fmt.Sprintf("%s version %d there, %s version %d here", there.Kind, there.Version, here.Kind, here.Version)
	case there.Policy != here.Policy:
		return fmt.Sprintf("policy %q there, %q here", there.Policy, here.Policy)
	}
	for _, f := range there.Fields {
		if _, ok := here.Field(f.Name); !ok {
			return "field " + f.Name + " is there, and not here"
		}
	}
	for _, f := range here.Fields {
		if _, ok := there.Field(f.Name); !ok {
			return "field " + f.Name + " is here, and not there"
		}
	}
	for i, f := range there.Fields {
		g := here.Fields[i] // as many, for no name is used twice
		switch {
		case f.Name != g.Name:
			return fmt.Sprintf("field number %d is %s there, %s here: the order counts", i+1, f.Name, g.Name)
		case f.Type != g.Type:
			return fmt.Sprintf("field %s is a %s there, a %s here", f.Name, f.Type, g.Type)
		}
		if d := valueDifference("", f.Schema, g.Schema, f.Schema != nil, g.Schema != nil); d != "" {
			return "field " + f.Name + ": schema " + d
		}
		if d := valueDifference("", f.Value(), g.Value(), true, true); d != "" {
			return "field " + f.Name + ": " + d
		}
	}
	return ""
}

// valueDifference compares two object values, either of which may be absent.
// Both are parts of manifests, whose depth is bounded by object.MaxDepth.
func valueDifference(path string, there, here any, isThere, isHere bool) string {
	if isThere && isHere {
		a, okA := there.(map[string]any)
		b, okB := here.(map[string]any)
		if okA && okB {
			return mapDifference(path, a, b)
		}
		x, okX := there.([]any)
		y, okY := here.([]any)
		if okX && okY && len(x) == len(y) {
			for i := range x {
				if d := valueDifference(path+"["+strconv.Itoa(i)+"]", x[i], y[i], true, true); d != "" {
					return d
				}
			}
			return ""
		}
	}
	a, b := shown(there, isThere), shown(here, isHere)
	if a == b {
		return ""
	}
	if path != "" {
		path += " "
	}
	return path + "is " + clip(a) + " there, " + clip(b) + " here"
}

// mapDifference looks at "type" first: with another type the other keywords of
// a schema are others as well.
func mapDifference(path string, there, here map[string]any) string {
	keys := slices.Sorted(maps.Keys(there))
	for _, k := range slices.Sorted(maps.Keys(here)) {
		if _, ok := there[k]; !ok {
			keys = append(keys, k)
		}
	}
	if i := slices.Index(keys, "type"); i > 0 {
		keys = append([]string{"type"}, slices.Delete(keys, i, i+1)...)
	}
	for _, k := range keys {
		a, okA := there[k]
		b, okB := here[k]
		if d := valueDifference(object.PathKey(path, k), a, b, okA, okB); d != "" {
			return d
		}
	}
	return ""
}

// shown writes a part of a manifest in ASCII: it may be a stranger's.
func shown(v any, is bool) string {
	if !is {
		return "absent"
	}
	text, err := object.ToJSON(v)
	if err != nil {
		return "no object value"
	}
	var ascii strings.Builder
	for _, r := range string(text) {
		if r < ' ' || r > '~' {
			ascii.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
			continue
		}
		ascii.WriteRune(r)
	}
	return ascii.String()
}
