package wasm

// simplify rewrites short sequences into shorter ones that do the same. Local 1 holds the stack pointer, of which nothing
// is ever so far from the end of memory that an offset would wrap around.
func simplify(code []instr) []instr {
	out := make([]instr, 0, len(code))
	var folded []int64 // what to add to the offset of an instruction, by its index in code
	fold := func(at int, offset int64) {
		if folded == nil {
			folded = make([]int64, len(code))
		}
		folded[at] += offset
	}
	for i := 0; i < len(code); i++ {
		in := code[i]
		if folded != nil {
			in.b += folded[i]
		}
		next := func(n int) instr {
			if i+n < len(code) {
				return code[i+n]
			}
			return instr{}
		}
		switch {
		case in.op == opNop:
			continue
		case in.is(opLocalGet, 1) && next(1).op == opExtendU && next(2).op == opI64Const && next(2).a >= 0 && next(2).a < maxOffset &&
			next(3).op == opI64Add && next(4).op == opWrap:
			// The address of something on the stack.
			offset := next(2).a
			i += 4
			out = append(out, in)
			if user := consumer(code, i+1); user > 0 {
				fold(user, offset)
			} else {
				out = append(out, op(opI32Const, offset), op(opI32Add))
			}
			continue
		case in.op == opExtendU && next(1).op == opWrap:
			i++
			continue
		}
		out = append(out, in)
	}
	return out
}

// maxOffset is far above the size of any frame: the largest stack of a goroutine is less.
const maxOffset = 1 << 28

// consumer returns the index of the load or store that uses the value which is on top of the stack before code[from] as its
// address, 0 if something else does.
func consumer(code []instr, from int) int {
	height := 1
	for i := from; i < len(code); i++ {
		takes, leaves, ok := code[i].operands()
		switch {
		case !ok:
			return 0
		case takes < height:
		case takes == height && (isLoad(code[i].op) || isStore(code[i].op)):
			return i
		default:
			return 0
		}
		height += leaves - takes
	}
	return 0
}
