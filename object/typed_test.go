package object

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
)

// The typed form says a value in plain JSON without losing its kinds, for languages whose numbers have none:
// null, booleans, strings and lists as they are; {"int":"1"}, {"float":"1.5"}, {"bytes":"00ff"} (hex),
// {"link":"b..."}, {"map":[["key",value],...]} in key order.

func toTyped(v any) any {
	switch v := v.(type) {
	case int64:
		return map[string]any{"int": strconv.FormatInt(v, 10)}
	case float64:
		return map[string]any{"float": strconv.FormatFloat(v, 'g', -1, 64)}
	case []byte:
		return map[string]any{"bytes": hex.EncodeToString(v)}
	case ID:
		return map[string]any{"link": v.String()}
	case []any:
		l := make([]any, len(v))
		for i := range v {
			l[i] = toTyped(v[i])
		}
		return l
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		slices.SortFunc(keys, CompareKeys)
		entries := make([]any, len(keys))
		for i, k := range keys {
			entries[i] = []any{k, toTyped(v[k])}
		}
		return map[string]any{"map": entries}
	}
	return v
}

// fromTyped reads the typed form from what encoding/json made of it.
func fromTyped(v any) (any, error) {
	switch v := v.(type) {
	case []any:
		l := make([]any, len(v))
		for i := range v {
			var err error
			if l[i], err = fromTyped(v[i]); err != nil {
				return nil, err
			}
		}
		return l, nil
	case map[string]any:
		for kind, x := range v {
			return fromTagged(kind, x)
		}
	case json.Number:
		return nil, fmt.Errorf("a bare number %s", v)
	}
	return v, nil
}

func fromTagged(kind string, x any) (any, error) {
	s, _ := x.(string)
	switch kind {
	case "int":
		return strconv.ParseInt(s, 10, 64)
	case "float":
		return strconv.ParseFloat(s, 64)
	case "bytes":
		return hex.DecodeString(s)
	case "link":
		return ParseID(s)
	case "map":
		m := map[string]any{}
		for _, e := range x.([]any) {
			kv := e.([]any)
			v, err := fromTyped(kv[1])
			if err != nil {
				return nil, err
			}
			m[kv[0].(string)] = v
		}
		return m, nil
	}
	return nil, fmt.Errorf("unknown kind %q", kind)
}
