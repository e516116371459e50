package wasm

import "encoding/binary"

// instr is one instruction with its immediates (WebAssembly Core Specification 2.0, 5.4).
type instr struct {
	op   byte
	a, b int64  // an index, depth or constant; for memory: log2 of the alignment, and offset; after opPrefix: what it is
	rest []byte // of br_table, floats and what follows opPrefix, as written
}

// Instructions that are looked for or made.
const (
	opUnreachable = 0x00
	opNop         = 0x01
	opBlock       = 0x02
	opLoop        = 0x03
	opIf          = 0x04
	opElse        = 0x05
	opEnd         = 0x0b
	opBr          = 0x0c
	opBrIf        = 0x0d
	opBrTable     = 0x0e
	opReturn      = 0x0f
	opCall        = 0x10
	opIndirect    = 0x11
	opDrop        = 0x1a
	opSelect      = 0x1b
	opLocalGet    = 0x20
	opLocalSet    = 0x21
	opLocalTee    = 0x22
	opGlobalGet   = 0x23
	opGlobalSet   = 0x24
	opI32Load     = 0x28
	opI64Load     = 0x29
	opI32Load8U   = 0x2d
	opI64Load8U   = 0x31
	opI64Load32U  = 0x35
	opLastLoad    = 0x35
	opI32Store    = 0x36
	opI64Store    = 0x37
	opLastStore   = 0x3e
	opMemorySize  = 0x3f
	opMemoryGrow  = 0x40
	opI32Const    = 0x41
	opI64Const    = 0x42
	opF32Const    = 0x43
	opF64Const    = 0x44
	opI32Eqz      = 0x45
	opI32LtU      = 0x49
	opI32Add      = 0x6a
	opI32Sub      = 0x6b
	opI32Shl      = 0x74
	opI32ShrU     = 0x76
	opI64Add      = 0x7c
	opI64Or       = 0x84
	opWrap        = 0xa7 // i32.wrap_i64
	opExtendU     = 0xad // i64.extend_i32_u
	opLastNumeric = 0xc4
	opPrefix      = 0xfc // saturating truncations, memory.copy, memory.fill
)

const noResult = -64 // the type of a block that leaves nothing

func op(code byte, immediates ...int64) instr {
	in := instr{op: code}
	switch len(immediates) {
	case 2:
		in.b = immediates[1]
		fallthrough
	case 1:
		in.a = immediates[0]
	}
	return in
}

// is tells whether an instruction has this code and first immediate.
func (in instr) is(code byte, a int64) bool { return in.op == code && in.a == a }

func isLoad(code byte) bool  { return code >= opI32Load && code <= opLastLoad }
func isStore(code byte) bool { return code >= opI32Store && code <= opLastStore }

// instr reads one.
func (r *reader) instr() instr {
	in := instr{op: r.byte()}
	start := r.data
	rest := func() []byte { return start[:len(start)-len(r.data)] }
	switch c := in.op; {
	case c == opBlock, c == opLoop, c == opIf, c == opI32Const, c == opI64Const:
		in.a = r.signed()
	case c == opBr, c == opBrIf, c == opCall, c >= opLocalGet && c <= opGlobalSet, c == opMemorySize, c == opMemoryGrow:
		in.a = int64(r.uint())
	case isLoad(c), isStore(c), c == opIndirect:
		in.a = int64(r.uint())
		in.b = int64(r.uint())
	case c == opBrTable:
		for range r.uint() + 1 {
			r.uint()
		}
		in.rest = rest()
	case c == opF32Const:
		in.rest = r.bytes(4)
	case c == opF64Const:
		in.rest = r.bytes(8)
	case c == opPrefix:
		in.a = int64(r.uint())
		switch {
		case in.a == 10:
			r.bytes(2)
		case in.a == 11:
			r.bytes(1)
		case in.a > 7:
			r.fail()
		}
		in.rest = rest()
	case c <= opIf, c == opElse, c == opEnd, c == opReturn, c == opDrop, c == opSelect, c >= opI32Eqz && c <= opLastNumeric:
	default:
		r.fail()
	}
	return in
}

// append writes one.
func (in instr) append(b []byte) []byte {
	b = append(b, in.op)
	switch c := in.op; {
	case in.rest != nil:
		return append(b, in.rest...)
	case c == opBlock, c == opLoop, c == opIf, c == opI32Const, c == opI64Const:
		return appendSigned(b, in.a)
	case c == opBr, c == opBrIf, c == opCall, c >= opLocalGet && c <= opGlobalSet, c == opMemorySize, c == opMemoryGrow:
		return binary.AppendUvarint(b, uint64(in.a))
	case isLoad(c), isStore(c), c == opIndirect:
		return binary.AppendUvarint(binary.AppendUvarint(b, uint64(in.a)), uint64(in.b))
	}
	return b
}

// table returns the depths of a br_table.
func (in instr) table() []int {
	r := &reader{data: in.rest}
	list := make([]int, r.uint()+1)
	for i := range list {
		list[i] = r.uint()
	}
	return list
}

// operands tells how many values a straight instruction takes from the stack and leaves there; ok is false for control and
// calls.
func (in instr) operands() (takes, leaves int, ok bool) {
	switch c := in.op; {
	case c == opNop:
		return 0, 0, true
	case c == opDrop, c == opLocalSet, c == opGlobalSet:
		return 1, 0, true
	case c == opSelect:
		return 3, 1, true
	case c == opLocalGet, c == opGlobalGet, c == opMemorySize, c >= opI32Const && c <= opF64Const:
		return 0, 1, true
	case c == opLocalTee, isLoad(c), c == opMemoryGrow:
		return 1, 1, true
	case isStore(c):
		return 2, 0, true
	case c == opPrefix && in.a <= 7:
		return 1, 1, true
	case c == opPrefix:
		return 3, 0, true
	case c == opI32Eqz, c == 0x50, c >= 0x67 && c <= 0x69, c >= 0x79 && c <= 0x7b, c >= 0x8b && c <= 0x91, c >= 0x99 && c <= 0x9f,
		c >= opWrap && c <= opLastNumeric:
		return 1, 1, true
	case c > opI32Eqz && c < opWrap:
		return 2, 1, true
	}
	return 0, 0, false
}
