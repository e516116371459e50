package schema

import "github.com/hyperhyperspace/hhs-go/object"

const dialect = "https://json-schema.org/draft/2020-12/schema"

// The keywords of our own in JSON Schema. Validators ignore what they do not know.
const (
	extType     = "x-hhs-type"     // bytes, link, identity, blob, ref or union
	extTag      = "x-hhs-tag"      // the tag of a union
	extMin      = "x-hhs-min"      // of bytes
	extMax      = "x-hhs-max"      // of bytes
	extMaxBytes = "x-hhs-maxBytes" // of a string
)

// ToJSONSchema is s as a JSON Schema document (2020-12) for the DAG-JSON of the values that s accepts. What JSON
// Schema cannot say stands in keywords that begin with x-hhs-, so that [FromJSONSchema] gives s again.
func ToJSONSchema(s *Schema) ([]byte, error) {
	m := s.toJSONSchema()
	m["$schema"] = dialect
	return object.ToJSON(m)
}

func (s *Schema) toJSONSchema() map[string]any {
	m := map[string]any{}
	if s == nil {
		return m
	}
	low, high := "minimum", "maximum"
	switch s.kind {
	case kindConst:
		m["const"] = s.values[0]
	case kindEnum:
		m["enum"] = s.values
	case kindString:
		m["type"], low, high = "string", "minLength", "maxLength"
		if s.maxBytes > 0 {
			m[extMaxBytes] = s.maxBytes
		}
	case kindInteger:
		m["type"] = "integer"
	case kindFloat:
		m["type"] = "number"
	case kindBool:
		m["type"] = "boolean"
	case kindIdentity:
		m["type"], m["maxLength"], m[extType] = "string", int64(MaxIdentity), "identity"
	case kindBlob, kindRef:
		m["type"], m[extType] = "object", typeNames[s.kind]
	case kindLink:
		m = onlyProperty("/", map[string]any{"type": "string"})
		m[extType] = "link"
	case kindBytes:
		m = onlyProperty("/", onlyProperty("bytes", map[string]any{"type": "string"}))
		m[extType], low, high = "bytes", extMin, extMax
	case kindList:
		m["type"], m["items"], low, high = "array", s.items.toJSONSchema(), "minItems", "maxItems"
	case kindObject:
		s.objectToJSONSchema(m)
	case kindUnion:
		s.unionToJSONSchema(m)
	}
	bounds := map[string]any{}
	s.putBounds(bounds)
	for key, name := range map[string]string{"min": low, "max": high} {
		if v, ok := bounds[key]; ok {
			m[name] = v
		}
	}
	return m
}

// onlyProperty is the schema of an object with one property.
func onlyProperty(name string, s map[string]any) map[string]any {
	return map[string]any{"type": "object", "properties": map[string]any{name: s}, "required": []any{name}, "additionalProperties": false}
}

func (s *Schema) objectToJSONSchema(m map[string]any) {
	m["type"] = "object"
	s.putProps(m)
	delete(m, "props")
	delete(m, "open")
	if len(s.props) > 0 {
		props := make(map[string]any, len(s.props))
		for _, p := range s.props {
			props[p.name] = p.schema.toJSONSchema()
		}
		m["properties"] = props
	}
	if !s.open {
		m["additionalProperties"] = false
	}
}

func (s *Schema) unionToJSONSchema(m map[string]any) {
	alternatives := make([]any, len(s.variants))
	for i, v := range s.variants {
		sub := v.schema.toJSONSchema()
		props, _ := sub["properties"].(map[string]any)
		if props == nil {
			props = map[string]any{}
		}
		props[s.tag] = map[string]any{"const": v.value}
		sub["properties"] = props
		required, _ := sub["required"].([]any)
		sub["required"] = append([]any{s.tag}, required...)
		alternatives[i] = sub
	}
	m["oneOf"], m[extType], m[extTag] = alternatives, "union", s.tag
}
