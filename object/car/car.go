// Package car writes and reads CAR files, the container of IPLD blocks that hhs exports to and imports from.
//
// [NewWriter] streams CAR version 1 to any writer. [NewReader] reads version 1, and the blocks of version 2 without its
// index. Neither holds more than one block: files may have any length. Every block that is read has been hashed and its
// id compared; blocks of other codecs or hashes than hhs has, blocks over object.MaxBlock, and dag-cbor that is not
// canonical are refused. The error is an [*Error], which says where in the file.
//
// The format is that of https://ipld.io/specs/transport/car/. In short: sections, each a varint of its length, an id and
// a block; before them a varint and the header, dag-cbor {"roots": [link, ...], "version": 1}. Version 2 puts eleven
// fixed bytes and forty of offsets before all that.
package car

import (
	"errors"
	"fmt"

	"github.com/hyperhyperspace/hhs-go/object"
)

// Block is a block with its id.
type Block struct {
	ID     object.ID
	Data   []byte
	Offset int64 // of its section in the file it was read from
}

// Rules that a file can break. They are stable.
const (
	RuleHeader    = "car.header"    // not the header of a CAR
	RuleSection   = "car.section"   // the length of a section is malformed, or over a block's
	RuleTruncated = "car.truncated" // the file ends inside of what it announced
	RuleID        = "car.id"        // an id of another codec or hash than hhs has
	RuleHash      = "car.hash"      // a block's bytes do not hash to its id
	RuleForm      = "car.form"      // a dag-cbor block is not canonical
	RuleSize      = "car.size"      // a block, or a header, is too long to be written
)

// Error says what is wrong with a file, and where.
type Error struct {
	Offset int64     // of the section at fault, in bytes from the beginning of the file
	Block  object.ID // zero where it is not known
	Rule   string    // a Rule constant, here or in the package that reads what the file is for
	Detail string
	Cause  error // nil: Detail says it all
}

// Error names all of it.
func (e *Error) Error() string {
	text := fmt.Sprintf("byte %d", e.Offset)
	if !e.Block.IsZero() {
		text += ", block " + e.Block.String()
	}
	text += ": rule " + e.Rule
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// check holds a block against its id and the form.
func check(b Block) error {
	fault := func(rule, detail string, cause error) error {
		return &Error{Offset: b.Offset, Block: b.ID, Rule: rule, Detail: detail, Cause: cause}
	}
	switch {
	case b.ID.IsZero():
		return fault(RuleID, "it has none", nil)
	case len(b.Data) > object.MaxBlock:
		return fault(RuleSize, fmt.Sprintf("%d bytes, at most %d", len(b.Data), object.MaxBlock), nil)
	case object.Sum(b.ID.Codec(), b.Data) != b.ID:
		return fault(RuleHash, "its bytes have another hash", nil)
	}
	if b.ID.Codec() == object.DagCBOR {
		if err := object.Check(b.Data); err != nil {
			return fault(RuleForm, "", err)
		}
	}
	return nil
}

var (
	errVarint = errors.New("not a varint in its shortest form")
	errHeader = errors.New("not the map {roots: [link, ...], version: 1}")
)
