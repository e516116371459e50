package schema

import (
	"reflect"
	"strings"
	"unicode"
)

// FieldName is the name that the Go field called goName has in values, schemas and manifests: the upper-case
// letters it begins with become lower case, save one that begins the next word. Text is text, URL is url,
// UserID is userID, HTTPServer is httpServer.
func FieldName(goName string) string {
	r := []rune(goName)
	for i := range r {
		if !unicode.IsUpper(r[i]) || i > 0 && i+1 < len(r) && unicode.IsLower(r[i+1]) {
			break
		}
		r[i] = unicode.ToLower(r[i])
	}
	return string(r)
}

// NameOf is the name of a struct field in values and manifests: the one its `hhs` tag gives, or that of
// [FieldName].
func NameOf(f reflect.StructField) string {
	first, _, _ := strings.Cut(f.Tag.Get("hhs"), ",")
	if first != "" && !strings.Contains(first, "=") {
		return first
	}
	return FieldName(f.Name)
}
