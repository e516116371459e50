package crdt

import (
	"encoding/binary"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/schema"
)

// ActionEdit is the action of a list and a text: insert and delete elements, several edits one after the other. A list has
// ActionSet, too: write a new value into an element.
const ActionEdit = "edit"

// edit is one insertion or deletion. Positions count all elements there ever were in the op's past, deleted and void
// ones too, and those which the edits before it in the op inserted: see seq.go.
type edit struct {
	del    bool
	at     uint64
	n      uint64
	text   string // what a text inserts: n code points
	values []any  // what a list inserts: n values
}

// The payload of an edit is the list [edits, content]: edits a byte string, content the inserted text, or the list of
// inserted values, of all edits together. In edits, for each, two uvarints:
//
//	2 * z + d   d: 1 for a deletion; z: zigzag of its position minus where the edit before it left the cursor
//	n           how many elements, at least one
//
// An insertion leaves the cursor after what it inserted, a deletion before what it deleted; the first begins at 0.

// encodeEdits is the payload of edits.
func encodeEdits(edits []edit, list bool) ([]byte, error) {
	var at uint64
	var b []byte
	var text []byte
	values := []any{}
	for _, e := range edits {
		d := int64(e.at - at)
		z := uint64(d<<1) ^ uint64(d>>63)
		at = e.at
		if z <<= 1; e.del {
			z |= 1
		} else {
			at += e.n
			text, values = append(text, e.text...), append(values, e.values...)
		}
		b = binary.AppendUvarint(binary.AppendUvarint(b, z), e.n)
	}
	content := any(string(text))
	if list {
		content = values
	}
	payload, err := object.Encode([]any{b, content})
	if err != nil {
		return nil, fmt.Errorf("encode edits: %w", err)
	}
	return payload, nil
}

// decodeEdits reads the payload of an edit. The error is *Ignored. Work is linear in the payload.
func decodeEdits(payload []byte, list bool) ([]edit, error) {
	v, err := decodePair(payload, ActionEdit)
	if err != nil {
		return nil, err
	}
	b, ok := v[0].([]byte)
	text, isText := v[1].(string)
	values, isList := v[1].([]any)
	if !ok || list != isList || list == isText {
		return nil, ignored("the edits are not a byte string with what they insert", nil)
	}
	var edits []edit
	var at, deleted uint64
	for len(b) > 0 {
		if len(edits) == MaxEdits {
			return nil, ignored(fmt.Sprintf("more than %d edits in one op", MaxEdits), nil)
		}
		z, n, rest := twoNumbers(b)
		if rest == nil || n == 0 || n > MaxValue || z>>62 != 0 {
			return nil, ignored("the edits are not what they should be", nil)
		}
		e := edit{del: z&1 != 0, n: n}
		z >>= 1
		e.at = at + (z>>1 ^ -(z & 1))
		if b = rest; e.at>>62 != 0 {
			return nil, ignored("an edit is before the beginning or too far behind the end", nil)
		}
		at = e.at
		switch {
		case e.del:
			deleted += n
		case list && n <= uint64(len(values)):
			e.values, values = values[:n], values[n:]
			at += n
		case !list:
			cut, ok := prefixOf(text, n)
			if !ok {
				return nil, ignored("the edits insert more than there is", nil)
			}
			e.text, text = text[:cut], text[cut:]
			at += n
		default:
			return nil, ignored("the edits insert more than there is", nil)
		}
		edits = append(edits, e)
	}
	if len(edits) == 0 || len(text) > 0 || len(values) > 0 || deleted > MaxDeleted {
		return nil, ignored("the edits are none, delete too much, or do not insert all that there is", nil)
	}
	return edits, nil
}

// Deletes is how many elements an op says it deletes, MaxStretches at most: what it may keep, and what it takes to change its
// verdict. It looks at action and payload alone, of a list or text that is a field or inside one; of an op without edits it is 0.
func Deletes(action string, payload []byte) (n int) {
	if action != ActionEdit {
		return 0
	}
	c := object.NewReader(payload)
	parts, err := c.List()
	if c.Kind() == object.KindList && parts == 2 && err == nil { // behind a path
		_ = c.Skip() // an error stays in c
		parts, err = c.List()
	}
	b, bad := c.Bytes()
	if err != nil || bad != nil || parts != 2 {
		return 0
	}
	for len(b) > 0 {
		z, count, rest := twoNumbers(b)
		if rest == nil {
			return 0
		}
		if b = rest; z&1 != 0 {
			n = int(min(uint64(n)+min(count, MaxStretches), MaxStretches))
		}
	}
	return n
}

// prefixOf is the length in bytes of the first n code points of a text.
func prefixOf(s string, n uint64) (cut int, ok bool) {
	for ; n > 0 && cut < len(s); n-- {
		if s[cut] < utf8.RuneSelf {
			cut++
			continue
		}
		_, size := utf8.DecodeRuneInString(s[cut:])
		cut += size
	}
	return cut, n == 0
}

// twoNumbers reads two uvarints, each as short as it can be; rest is nil if there are none.
func twoNumbers(b []byte) (x, y uint64, rest []byte) {
	x, b = number(b)
	y, b = number(b)
	return x, y, b
}

// number reads one uvarint, as short as it can be; rest is nil if there is none.
func number(b []byte) (x uint64, rest []byte) {
	x, n := binary.Uvarint(b)
	if n <= 0 || n > 1 && b[n-1] == 0 {
		return 0, nil
	}
	return x, b[n:]
}

// decodePair reads a payload that is a list of two.
func decodePair(payload []byte, action string) ([]any, error) {
	if payload == nil {
		return nil, ignored(action+" carries no value", nil)
	}
	if len(payload) > MaxValue {
		return nil, ignored(fmt.Sprintf("the edits have %d bytes, more than %d: write several ops", len(payload), MaxValue), nil)
	}
	v, err := object.Decode(payload)
	if err != nil {
		return nil, ignored("the edits are not canonical CBOR", err)
	}
	pair, ok := v.([]any)
	if !ok || len(pair) != 2 {
		return nil, ignored("the payload is not a list of two", nil)
	}
	return pair, nil
}

// decodeSetAt reads the payload of a list's set, the list [position, value].
func decodeSetAt(payload []byte) (at uint64, value any, err error) {
	v, err := decodePair(payload, ActionSet)
	if err != nil {
		return 0, nil, err
	}
	n, ok := v[0].(int64)
	if !ok || n < 0 || n>>62 != 0 {
		return 0, nil, ignored("set names no position", nil)
	}
	return uint64(n), v[1], nil
}

// checkSeq judges the op of a sequence and returns its edits.
func checkSeq(s *schema.Schema, op *Op, list bool) ([]edit, error) {
	if err := checkRefs(op, 0); err != nil {
		return nil, err
	}
	switch {
	case op.Action == ActionEdit:
		edits, err := decodeEdits(op.Payload, list)
		if err == nil && slices.ContainsFunc(edits, func(e edit) bool { return e.del }) && op.Erased+Deletes(op.Action, op.Payload) > MaxErased {
			err = ignored("the ops of its commit delete too much: use several transactions", nil)
		}
		if err != nil || s == nil || !list {
			return edits, err
		}
		for _, e := range edits {
			for _, v := range e.values {
				if err := s.Check(v); err != nil {
					return nil, ignored("a value breaks the schema", err)
				}
			}
		}
		return edits, nil
	case op.Action == ActionSet && list:
		_, value, err := decodeSetAt(op.Payload)
		if err == nil && s != nil {
			if err := s.Check(value); err != nil {
				return nil, ignored("the value breaks the schema", err)
			}
		}
		return nil, err
	case list:
		return nil, unknownAction("list", op)
	}
	return nil, unknownAction("text", op)
}
