package object

import "errors"

// RefType is the $type of a Ref as a value.
const RefType = "hhs/ref"

// Bounds of a Ref: as many steps as the path of a value in a space has, each as long as a key.
const (
	MaxRefPath = 16
	MaxRefStep = 1024
)

// Ref names a value in another space, or elsewhere in the same one. It is shown as what it is, a reference, and nothing
// follows it over the network: who shows it may have that space, or join it.
type Ref struct {
	Space ID
	Path  []string // the field, then keys and names of properties; empty: the space itself
}

// SchemaType makes a Ref a value of schema type "ref".
func (Ref) SchemaType() string { return "ref" }

// Value is the reference as an object value.
func (r Ref) Value() any {
	m := map[string]any{"$type": RefType, "space": r.Space}
	if len(r.Path) > 0 {
		path := make([]any, len(r.Path))
		for i, s := range r.Path {
			path[i] = s
		}
		m["path"] = path
	}
	return m
}

// String is how people are shown a reference.
func (r Ref) String() string {
	s := "outside this space: " + r.Space.String()
	for _, step := range r.Path {
		s += " " + step
	}
	return s
}

// ErrRef is what is wrong with a value that is no reference.
var ErrRef = errors.New("not a reference into a space: {$type: \"hhs/ref\", space: a link, path: 1 to 16 names of 1 to 1,024 bytes, or absent}")

// RefFromValue reads a reference strictly: what it returns can be written again as the same value.
func RefFromValue(v any) (r Ref, err error) {
	m, ok := v.(map[string]any)
	if !ok || m["$type"] != RefType {
		return r, ErrRef
	}
	if r.Space, ok = m["space"].(ID); !ok || r.Space.Codec() != DagCBOR {
		return r, ErrRef
	}
	path, has := m["path"]
	if !has && len(m) == 2 {
		return r, nil
	}
	list, ok := path.([]any)
	if !ok || len(m) != 3 || len(list) == 0 || len(list) > MaxRefPath {
		return r, ErrRef
	}
	for _, v := range list {
		s, ok := v.(string)
		if !ok || s == "" || len(s) > MaxRefStep {
			return r, ErrRef
		}
		r.Path = append(r.Path, s)
	}
	return r, nil
}
