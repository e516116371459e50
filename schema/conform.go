package schema

// Conform is v with its integers turned into floats where the schema asks for a float, and its whole floats
// into integers where it asks for an integer, for callers whose numbers are of one kind only (JSON typed by a
// person, JavaScript). Only what stays exact is turned: integers up to 2^53. It judges nothing; call
// [Schema.Check] on the result. v itself is not changed; the result shares with it what did not change.
func (s *Schema) Conform(v any) any {
	if s == nil {
		return v
	}
	switch v := v.(type) {
	case int64:
		if s.kind == kindFloat && -maxSafe <= v && v <= maxSafe {
			return float64(v)
		}
	case float64:
		if s.kind == kindInteger && -maxSafe <= v && v <= maxSafe && float64(int64(v)) == v {
			return int64(v)
		}
	case []any:
		if s.kind == kindList {
			out := make([]any, len(v))
			for i := range v {
				out[i] = s.items.Conform(v[i])
			}
			return out
		}
	case map[string]any:
		return s.conformMap(v)
	}
	return v
}

func (s *Schema) conformMap(m map[string]any) any {
	if s.kind == kindUnion {
		value, _ := m[s.tag].(string)
		if s = s.variant(value); s == nil {
			return m
		}
	}
	if s.kind != kindObject {
		return m
	}
	out := make(map[string]any, len(m))
	for k, v := range m {
		if p := s.find(k); p != nil {
			v = p.schema.Conform(v)
		}
		out[k] = v
	}
	return out
}

// IsAny reports whether the schema accepts every value.
func (s *Schema) IsAny() bool { return s == nil || s.kind == kindAny }
