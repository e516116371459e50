package schema

import (
	"math"
	"slices"

	"github.com/hyperhyperspace/hhs-go/object"
)

// FromJSONSchema reads the part of JSON Schema that schema/1 can say: type (one name), properties, required,
// additionalProperties (true, false or absent), items, minItems, maxItems, minLength, maxLength, minimum,
// maximum, const and enum of single values, and what [ToJSONSchema] writes. Annotations (title, description,
// default, examples and the like) are dropped. Every other keyword is an *[Error] with its path: a schema that
// says less than its source would let through what the source refuses.
func FromJSONSchema(text []byte) (*Schema, error) {
	v, err := object.FromJSON(text)
	if err != nil {
		return nil, &Error{Reason: "not JSON: " + err.Error()}
	}
	out, err := fromJSONSchema(v, "")
	if err != nil {
		return nil, err
	}
	return Parse(out)
}

// annotations say nothing about which values are valid.
var annotations = []string{"$schema", "$id", "$comment", "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"}

// jsonForms are the types of JSON Schema with their type here and the keywords that each may have.
var jsonForms = map[string]struct {
	name string
	keys map[string]string // to the keyword of schema/1; "" is handled apart
}{
	"string":  {"string", map[string]string{"minLength": "min", "maxLength": "max", extMaxBytes: "maxBytes"}},
	"integer": {"integer", map[string]string{"minimum": "min", "maximum": "max"}},
	"number":  {"float", map[string]string{"minimum": "min", "maximum": "max"}},
	"boolean": {"bool", nil},
	"array":   {"list", map[string]string{"minItems": "min", "maxItems": "max", "items": ""}},
	"object":  {"object", map[string]string{"properties": "", "required": "", "additionalProperties": ""}},
}

func fromJSONSchema(v any, path string) (any, error) {
	if v == true {
		return map[string]any{"type": "any"}, nil
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, bad(path, "not a JSON Schema")
	}
	in := make(map[string]any, len(m))
	for k, v := range m {
		if !slices.Contains(annotations, k) {
			in[k] = v
		}
	}
	if len(in) == 0 {
		return map[string]any{"type": "any"}, nil
	}
	for _, k := range []string{"const", "enum"} {
		if c, ok := in[k]; ok {
			delete(in, "type") // says nothing more
			return map[string]any{k: c}, onlyKeys(in, path, k)
		}
	}
	if ext, ok := in[extType].(string); ok {
		return fromExtension(in, ext, path)
	}
	name, _ := in["type"].(string)
	if name == "null" {
		return map[string]any{"const": nil}, onlyKeys(in, path, "type")
	}
	form, ok := jsonForms[name]
	if !ok {
		return nil, bad(object.PathKey(path, "type"), "has no counterpart in schema/1")
	}
	out := map[string]any{"type": form.name}
	for _, k := range sortedKeys(in) {
		to, ok := form.keys[k]
		switch {
		case k == "type" || ok && to == "":
		case !ok:
			return nil, bad(object.PathKey(path, k), "has no counterpart in schema/1")
		default:
			putBound(out, to, in[k])
		}
	}
	switch form.name {
	case "list":
		return listFromJSON(out, in, path)
	case "object":
		return objectFromJSON(out, in, path)
	}
	return out, nil
}

// putBound puts a bound into a schema value, a number of the kind that schema/1 wants where JSON has only one,
// and leaves out what goes without saying.
func putBound(out map[string]any, key string, v any) {
	switch n := v.(type) {
	case int64:
		if out["type"] == "float" {
			v = float64(n)
		} else if n == 0 && key == "min" && out["type"] != "integer" {
			return
		}
	case float64:
		if out["type"] != "float" && n == math.Trunc(n) && math.Abs(n) <= maxSafe {
			putBound(out, key, int64(n))
			return
		}
	}
	out[key] = v
}

func listFromJSON(out, in map[string]any, path string) (any, error) {
	out["items"] = map[string]any{"type": "any"}
	if items, ok := in["items"]; ok {
		sub, err := fromJSONSchema(items, object.PathKey(path, "items"))
		if err != nil {
			return nil, err
		}
		out["items"] = sub
	}
	return out, nil
}

func objectFromJSON(out, in map[string]any, path string) (any, error) {
	switch more := in["additionalProperties"]; more {
	case nil, true:
		out["open"] = true
	case false:
	default:
		return nil, bad(object.PathKey(path, "additionalProperties"), "only true and false have a counterpart in schema/1")
	}
	if v, ok := in["properties"]; ok {
		at := object.PathKey(path, "properties")
		m, ok := v.(map[string]any)
		if !ok {
			return nil, bad(at, "not a map")
		}
		props := make(map[string]any, len(m))
		for _, k := range sortedKeys(m) {
			sub, err := fromJSONSchema(m[k], object.PathKey(at, k))
			if err != nil {
				return nil, err
			}
			props[k] = sub
		}
		if len(props) > 0 {
			out["props"] = props
		}
	}
	if v, ok := in["required"]; ok {
		l, ok := v.([]any)
		if !ok {
			return nil, bad(object.PathKey(path, "required"), "not a list")
		}
		names := slices.Clone(l)
		slices.SortFunc(names, func(a, b any) int {
			x, _ := a.(string)
			y, _ := b.(string)
			return compareText(x, y)
		})
		if len(names) > 0 {
			out["required"] = names
		}
	}
	return out, nil
}

func compareText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// fromExtension reads the forms that ToJSONSchema marks as its own. The plain keywords beside the mark only
// repeat it for other readers.
func fromExtension(in map[string]any, ext, path string) (any, error) {
	out := map[string]any{"type": ext}
	switch ext {
	case "link", "identity", "blob", "ref":
		return out, nil
	case "bytes":
		for key, name := range map[string]string{"min": extMin, "max": extMax} {
			if v, ok := in[name]; ok {
				out[key] = v
			}
		}
		return out, nil
	case "union":
		return unionFromJSON(out, in, path)
	}
	return nil, bad(object.PathKey(path, extType), "not a type of schema/1 that is marked so")
}

func unionFromJSON(out, in map[string]any, path string) (any, error) {
	tag, _ := in[extTag].(string)
	path = object.PathKey(path, "oneOf")
	alternatives, ok := in["oneOf"].([]any)
	if !ok {
		return nil, bad(path, "not a list")
	}
	of := make(map[string]any, len(alternatives))
	for i, v := range alternatives {
		at := object.PathIndex(path, i)
		sub, err := fromJSONSchema(v, at)
		if err != nil {
			return nil, err
		}
		value, ok := takeTag(sub.(map[string]any), tag)
		if !ok {
			return nil, bad(at, "has no tag %q with a const", tag)
		}
		if _, twice := of[value]; twice {
			return nil, bad(at, "a second variant %q", value)
		}
		of[value] = sub
	}
	out["tag"], out["of"] = tag, of
	return out, nil
}

// takeTag removes the tag from the schema value of a variant and returns its value.
func takeTag(sub map[string]any, tag string) (string, bool) {
	props, _ := sub["props"].(map[string]any)
	c, _ := props[tag].(map[string]any)
	value, ok := c["const"].(string)
	if !ok {
		return "", false
	}
	delete(props, tag)
	if len(props) == 0 {
		delete(sub, "props")
	}
	required, _ := sub["required"].([]any)
	required = slices.DeleteFunc(required, func(v any) bool { return v == tag })
	if len(required) == 0 {
		delete(sub, "required")
	} else {
		sub["required"] = required
	}
	return value, true
}
