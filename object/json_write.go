package object

import (
	"encoding/base64"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// ToJSON is v as DAG-JSON, the form for people: links are {"/":"b..."}, bytes {"/":{"bytes":"..."}} in base64
// without padding, keys sorted bytewise, floats always with a point or an exponent, no white space. It refuses
// what [Encode] refuses, and the two shapes of map that DAG-JSON reserves for links and bytes.
func ToJSON(v any) ([]byte, error) {
	e := encoder{}
	return e.json(nil, v, 1)
}

func (e *encoder) json(dst []byte, v any, depth int) ([]byte, error) {
	if len(dst) > MaxJSON {
		return nil, refuse("its JSON is longer than 8 MiB")
	}
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	case int64:
		return strconv.AppendInt(dst, v, 10), nil
	case float64:
		return appendJSONFloat(dst, v)
	case string:
		if !utf8.ValidString(v) {
			return nil, refuse("a string that is not valid UTF-8")
		}
		return appendJSONString(dst, v), nil
	case []byte:
		dst = append(dst, `{"/":{"bytes":"`...)
		dst = base64.RawStdEncoding.AppendEncode(dst, v)
		return append(dst, `"}}`...), nil
	case ID:
		if v.IsZero() {
			return nil, refuse("a link to nothing (the zero ID)")
		}
		dst = append(dst, `{"/":"`...)
		dst = append(dst, v.String()...)
		return append(dst, `"}`...), nil
	case []any:
		return e.jsonList(dst, v, depth)
	case map[string]any:
		return e.jsonMap(dst, v, depth)
	}
	b, err := appendOtherInt(nil, v)
	if err != nil {
		return nil, err
	}
	n, _, _ := readInt(b, 0)
	return strconv.AppendInt(dst, n, 10), nil
}

func (e *encoder) jsonList(dst []byte, l []any, depth int) ([]byte, error) {
	if err := e.open(depth); err != nil {
		return nil, err
	}
	dst = append(dst, '[')
	var err error
	for i, v := range l {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = e.json(dst, v, depth+1); err != nil {
			return nil, under(err, PathIndex("", i))
		}
	}
	return append(dst, ']'), nil
}

func (e *encoder) jsonMap(dst []byte, m map[string]any, depth int) ([]byte, error) {
	if err := e.open(depth); err != nil {
		return nil, err
	}
	if reservedInJSON(m) {
		return nil, refuse(`a map with the only key "/" cannot be written as DAG-JSON`)
	}
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sortKeys(keys, strings.Compare)
	dst = append(dst, '{')
	var err error
	for i, k := range keys {
		if i > 0 {
			dst = append(dst, ',')
		}
		if !utf8.ValidString(k) {
			return nil, under(refuse("a key that is not valid UTF-8"), PathKey("", k))
		}
		dst = append(appendJSONString(dst, k), ':')
		if dst, err = e.json(dst, m[k], depth+1); err != nil {
			return nil, under(err, PathKey("", k))
		}
	}
	return append(dst, '}'), nil
}

// reservedInJSON reports whether m would be read back as a link or as bytes.
func reservedInJSON(m map[string]any) bool {
	if len(m) != 1 {
		return false
	}
	switch v := m["/"].(type) {
	case string:
		return true
	case map[string]any:
		_, isText := v["bytes"].(string)
		return len(v) == 1 && isText
	}
	return false
}

// appendJSONFloat writes the shortest form that reads back as f, as JavaScript does, and a point where there
// would be neither point nor exponent, so that a float stays a float.
func appendJSONFloat(dst []byte, f float64) ([]byte, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, refuse("NaN and infinities cannot be stored")
	}
	if f == 0 {
		return append(dst, "0.0"...), nil
	}
	if a := math.Abs(f); a < 1e-6 || a >= 1e21 {
		dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
		// e-09 to e-9
		if n := len(dst); n >= 4 && dst[n-4] == 'e' && dst[n-3] == '-' && dst[n-2] == '0' {
			dst[n-2] = dst[n-1]
			dst = dst[:n-1]
		}
		return dst, nil
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, f, 'f', -1, 64)
	if !slices.Contains(dst[start:], '.') {
		dst = append(dst, ".0"...)
	}
	return dst, nil
}

const hexDigits = "0123456789abcdef"

// appendJSONString writes s in quotes with the escapes that JSON demands and no others, as JavaScript does.
func appendJSONString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c >= 0x20:
			dst = append(dst, c)
		case c == '\n':
			dst = append(dst, `\n`...)
		case c == '\r':
			dst = append(dst, `\r`...)
		case c == '\t':
			dst = append(dst, `\t`...)
		case c == '\b':
			dst = append(dst, `\b`...)
		case c == '\f':
			dst = append(dst, `\f`...)
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return append(dst, '"')
}
