package blob

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/hyperhyperspace/hhs-go/object"
)

// Type is the $type of a descriptor.
const Type = "hhs/blob"

// Blob stands for bytes of any size in a value: the descriptor. Two with one Root stand for the same bytes; what they are
// called and of what type they are is what somebody said of them, and proves nothing.
type Blob struct {
	Root  object.ID // the identity of the bytes
	Size  int64     // how many
	Media string    // media type, such as "image/png"; "" when none was said
	Name  string    // of a file, without a directory; "" when none was said
}

// SchemaType makes a Blob a value of schema type "blob".
func (Blob) SchemaType() string { return "blob" }

// Tree is the form of the bytes.
func (b Blob) Tree() Tree { return Tree{b.Size} }

// Value is the descriptor as an object value.
func (b Blob) Value() any {
	m := map[string]any{"$type": Type, "root": b.Root, "size": b.Size}
	if b.Media != "" {
		m["media"] = b.Media
	}
	if b.Name != "" {
		m["name"] = b.Name
	}
	return m
}

// FromValue reads a descriptor strictly: what it returns can be written again as the same value.
func FromValue(v any) (b Blob, err error) {
	m, ok := v.(map[string]any)
	if !ok || m["$type"] != Type {
		return b, fmt.Errorf("not a blob: no map with $type %s", Type)
	}
	known := 3
	var okRoot, okSize bool
	b.Root, okRoot = m["root"].(object.ID)
	b.Size, okSize = m["size"].(int64)
	if !okRoot || !okSize {
		return b, fmt.Errorf("not a blob: root is a link and size an integer")
	}
	if media, ok := m["media"]; ok {
		known++
		if b.Media, ok = media.(string); !ok || !isMedia(b.Media) {
			return b, fmt.Errorf("not a blob: media is a type and a subtype of at most %d ASCII characters", MaxMedia)
		}
	}
	if name, ok := m["name"]; ok {
		known++
		if b.Name, ok = name.(string); !ok || !isName(b.Name) {
			return b, fmt.Errorf("not a blob: name is that of a file, of 1 to %d bytes, without slashes and control characters", MaxName)
		}
	}
	if known < len(m) {
		return b, fmt.Errorf("not a blob: it has other keys than root, size, media and name")
	}
	return b, b.Tree().CheckRoot(b.Root)
}

// Check tells whether the descriptor can be written.
func (b Blob) Check() error {
	_, err := FromValue(b.Value())
	return err
}

// isMedia tells whether s is printable ASCII with one slash inside, parameters included.
func isMedia(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	typ, sub, ok := strings.Cut(s, "/")
	return ok && typ != "" && sub != "" && len(s) <= MaxMedia
}

// isName tells whether s can be the name of a file: it must not lead out of the directory a program puts it into.
func isName(s string) bool {
	return len(s) > 0 && len(s) <= MaxName && s != "." && s != ".." && utf8.ValidString(s) &&
		!strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == '/' || r == '\\' })
}

// typeBlock is how a descriptor's type stands in a block.
var typeBlock = []byte("\x68" + Type) // a text of 8 bytes

// Find lists the descriptors in the payload of an op, wherever in the value they are. What is no canonical value has none.
// Work is linear in the payload, and next to nothing where there is none.
func Find(payload []byte) (list []Blob) {
	if !bytes.Contains(payload, typeBlock) {
		return nil
	}
	v, err := object.Decode(payload)
	if err != nil {
		return nil
	}
	return find(v, nil)
}

// find goes as deep as a value may be.
func find(v any, list []Blob) []Blob {
	switch v := v.(type) {
	case []any:
		for _, in := range v {
			list = find(in, list)
		}
	case map[string]any:
		if b, err := FromValue(v); err == nil && len(list) < maxFound {
			return append(list, b)
		}
		for _, in := range v { // their order reaches nothing: who asks makes a set of them
			list = find(in, list)
		}
	}
	return list
}
