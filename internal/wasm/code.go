package wasm

import "encoding/binary"

// local is a number of local variables of one type.
type local struct {
	n    int
	kind byte
}

// Types of values.
const (
	kindI32 = 0x7f
	kindI64 = 0x7e
)

// function is the body of one.
type function struct {
	locals []local
	code   []instr
}

func (r *reader) function() (f function) {
	for range r.uint() {
		f.locals = append(f.locals, local{r.uint(), r.byte()})
	}
	for len(r.data) > 0 {
		f.code = append(f.code, r.instr())
	}
	return f
}

func (f *function) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(f.locals)))
	for _, l := range f.locals {
		b = append(binary.AppendUvarint(b, uint64(l.n)), l.kind)
	}
	for _, in := range f.code {
		b = in.append(b)
	}
	return b
}
