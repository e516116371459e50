package replica

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
)

// What a space has of a type, and what in it links to something, is found by facts: that an op, or an object that a commit
// attaches, brings a value of the type or with the link. A fact follows from the bytes of the commit alone, so it is
// written once, with the commit, and never changed: whether the value is shown is asked of the state of its field when the
// fact is read. What is kept, in the state of a field of its own, is
//
//	<tag:16> <num:8> <index:4>
//
// with the tag of the type or link (wanted), the commit's number and the op's index, or for an attached object its place in the
// list of them and attachedBit.

// factFieldNumber is beyond those of all fields that a manifest can have.
const factFieldNumber = 0xfffc

const attachedBit = 1 << 31

type factTag [16]byte

// The kinds of what is asked for, which keep their tags apart.
const (
	tagType   = 't' // the $type of a value
	tagRecord = 'r' // the place of a record in the shape of the space
	tagLink   = 'l' // an id that a value links to
	tagRef    = 'f' // a reference, path and all
)

func tagOf(kind byte, what []byte) factTag {
	h := sha256.New()
	h.Write([]byte{kind})
	h.Write(what)
	return factTag(h.Sum(nil)[:16])
}

func linkTag(id object.ID) factTag { return tagOf(tagLink, id.Append(nil)) }

// refTag is of a reference that FromValue accepts.
func refTag(ref object.Ref) (factTag, error) {
	block, err := object.Encode(ref.Value())
	return tagOf(tagRef, block), err
}

// RecordType is the name by which the records are asked for that are made under the keys of a map: a # and then the field and
// the properties of records that lead to the map, with dots between them.
func RecordType(field string, names []string) string {
	for _, name := range names {
		field += "." + name
	}
	return "#" + field
}

// Bytes without which no value links to anything, and none has a type: most ops are passed over by them.
var (
	linkMark = []byte{0xd8, 0x2a}
	typeMark = []byte("\x65" + typeKey)
	refMark  = []byte("\x67" + object.RefType)
)

const typeKey = "$type"

// typeOf is the $type of a canonical value, "" when it has none.
func typeOf(value []byte) string {
	if !bytes.Contains(value, typeMark) {
		return ""
	}
	r := object.NewReader(value)
	if r.Kind() != object.KindMap {
		return ""
	}
	n, _ := r.Map()
	for range n {
		key, err := r.NextKey()
		if err != nil {
			return ""
		}
		if string(key) == typeKey {
			if r.Kind() != object.KindString {
				return ""
			}
			name, _ := r.String()
			return name
		}
		if r.Skip() != nil {
			return ""
		}
	}
	return ""
}

// linksOf are the links in a canonical value; what is not canonical has none.
func linksOf(value []byte) []object.ID {
	if !bytes.Contains(value, linkMark) {
		return nil
	}
	links, err := object.Links(value)
	if err != nil {
		return nil
	}
	return links
}

// refsOf are the references in a value, however deep.
func refsOf(value []byte) []object.Ref {
	if !bytes.Contains(value, refMark) {
		return nil
	}
	v, err := object.Decode(value)
	if err != nil {
		return nil
	}
	return findRefs(v, nil)
}

// findRefs goes as deep as a value may be.
func findRefs(v any, list []object.Ref) []object.Ref {
	switch v := v.(type) {
	case []any:
		for _, in := range v {
			list = findRefs(in, list)
		}
	case map[string]any:
		if ref, err := object.RefFromValue(v); err == nil {
			return append(list, ref)
		}
		for _, in := range v { // their order reaches nothing: a set is made of them
			list = findRefs(in, list)
		}
	}
	return list
}

// facts are the tags that one op or object brings.
type facts struct {
	first factTag
	any   bool
	rest  map[factTag]bool
	types int
}

func (f *facts) add(tag factTag) bool {
	switch {
	case !f.any:
		f.first, f.any = tag, true
		return true
	case tag == f.first || f.rest[tag]:
		return false
	case f.rest == nil:
		f.rest = map[factTag]bool{}
	}
	f.rest[tag] = true
	return true
}

// links takes in what a value links to.
func (f *facts) links(value []byte) {
	for _, id := range linksOf(value) {
		f.add(linkTag(id))
	}
	for _, ref := range refsOf(value) {
		if tag, err := refTag(ref); err == nil {
			f.add(tag)
		}
	}
}

// typed takes in the type of a value.
func (f *facts) typed(value []byte) {
	if name := typeOf(value); name != "" && f.types < maxTypes && f.add(tagOf(tagType, []byte(name))) {
		f.types++
	}
}

// write puts the facts of an op or object into a batch.
func (f *facts) write(k keyspace, num history.Num, index uint32, to putter) {
	if !f.any {
		return
	}
	place := binary.BigEndian.AppendUint32(appendNum(nil, num), index)
	put := func(tag factTag) { to.Put(append(append(k.field(factFieldNumber), tag[:]...), place...), []byte{}) }
	put(f.first)
	for tag := range f.rest {
		put(tag)
	}
}

// noteFacts keeps the facts of a commit's ops on fields of the kind.
func (d *door) noteFacts(in *entering) {
	for i := range in.commit.Env.Ops {
		env, payload := &in.commit.Env.Ops[i], in.payloads[i]
		makes := env.Action == crdt.ActionMake
		links, types := bytes.Contains(payload, linkMark), bytes.Contains(payload, typeMark)
		if !makes && !links && !types || !ofKind(env) {
			continue
		}
		var f facts
		if links {
			f.links(payload)
		}
		if makes || types {
			d.noteTypes(in, i, &f)
		}
		f.write(d.space.keys, in.num, uint32(i), &d.records)
	}
}

// noteTypes takes in the types of what an op brings. One that its field ignores brings nothing.
func (d *door) noteTypes(in *entering, i int, f *facts) {
	env := &in.commit.Env.Ops[i]
	at, err := in.kind.field(env.Field)
	if err != nil {
		return // the op was applied: there is such a field
	}
	b, err := at.shape.Bring(&crdt.Op{Ref: history.OpRef{Commit: in.commit.ID, Index: uint32(i)}, Action: env.Action, Refs: env.Refs, Payload: in.payloads[i]})
	if err != nil {
		return
	}
	if b.Record {
		f.add(tagOf(tagRecord, []byte(RecordType(env.Field, b.Names))))
		return
	}
	for _, value := range b.Values {
		f.typed(value)
	}
}

// noteObject keeps the facts of an object that the space has now.
func (d *door) noteObject(in *entering, place int, block []byte) {
	var f facts
	f.links(block)
	f.typed(block)
	f.write(d.space.keys, in.num, attachedBit|uint32(place), &d.records)
}
