package wasm

import "slices"

// calls shortens what the compiler writes for calls. A call puts its return address onto the stack: the function's number,
// times 65,536, and the place. Written out everywhere the number costs more than all else of a call: it is different in
// every function. So it is kept in a local variable. Two of five calls are the same in every function: to runtime.sigpanic
// where a pointer is nil, and to runtime.morestack where the stack is too small; they become calls of a function that takes the
// number.
type calls struct {
	table     *functionTable
	panics    int64           // runtime.sigpanic
	panicking int64           // what is called instead
	growing   map[int64]int64 // the same for runtime.morestack, which there are two of
}

func (p *packer) newCalls() *calls {
	c := &calls{table: p.table, panics: p.number("runtime.sigpanic"), growing: map[int64]int64{}}
	c.panicking = p.add(added{kindNumber, callWith(c.panics, afterFrame)})
	for _, name := range []string{"runtime.morestack", "runtime.morestack_noctxt"} {
		target := p.number(name)
		c.growing[target] = p.add(added{kindNumber, callWith(target, 0)})
	}
	return c
}

// callWith is a function that calls another one which never returns to its caller, from the given place of the function
// whose number it is given.
func callWith(target, place int64) function {
	return function{code: []instr{
		op(opGlobalGet, 0), op(opI32Const, 8), op(opI32Sub), op(opGlobalSet, 0),
		op(opGlobalGet, 0), op(opLocalGet, 0), op(opI64Const, place), op(opI64Or), op(opI64Store, 3, 0),
		op(opI32Const, 0), op(opCall, target), op(opEnd),
	}}
}

// afterFrame is the place after a function has made its frame. Nothing but the size of the frame and, in stack traces, lines are
// looked up for the place of a nil pointer.
const afterFrame = 1

// number is the local variable that holds the function's number.
const number = 2

// rewrite rewrites the calls of a function.
func (c *calls) rewrite(f *function, index int) {
	if len(f.code) < 4 || len(f.locals) == 0 || f.locals[0] != (local{1, kindI32}) || !f.code[0].is(opGlobalGet, 0) || !f.code[1].is(opLocalSet, 1) {
		return
	}
	own := int64(firstFunction + index)
	out := append(make([]instr, 0, len(f.code)+64), f.code[:2]...)
	out = append(out, op(opI64Const, own<<16), op(opLocalSet, number))
	used := false
	for i := 2; i < len(f.code); i++ {
		in := f.code[i]
		switch {
		case in.op >= opLocalGet && in.op <= opLocalTee && in.a >= number:
			in.a++
		case in.op == opI64Const && in.a>>16 == own && f.code[i-1].is(opLocalGet, 1) && f.code[i+1].is(opI64Store, 3) && f.code[i+1].b == 0:
			used = true
			place := in.a & 0xffff
			if target, skip := c.without(f.code[i:], index, place); skip > 0 && endsWith(out, callBefore) {
				out = append(out[:len(out)-len(callBefore)], op(opLocalGet, number), op(opCall, target), op(opReturn))
				i += skip
				continue
			}
			out = append(out, op(opLocalGet, number), op(opI64Const, place), op(opI64Or))
			continue
		}
		out = append(out, in)
	}
	if !used {
		return
	}
	f.code = out
	if len(f.locals) > 1 && f.locals[1].kind == kindI64 {
		f.locals[1].n++
	} else {
		f.locals = append([]local{f.locals[0], {1, kindI64}}, f.locals[1:]...)
	}
}

// without returns what to call instead of a function that never returns, and how many instructions that makes superfluous
// after the first of code, the return address. Before it are the six of callBefore.
func (c *calls) without(code []instr, index int, place int64) (target int64, skip int) {
	if len(code) < 10 || !code[2].is(opI32Const, 0) || code[3].op != opCall || !code[4].is(opGlobalGet, 0) || !code[5].is(opLocalSet, 1) {
		return 0, 0
	}
	switch {
	case code[6].op == opBrIf:
		skip = 6
	case code[6].op == opIf && code[7].is(opI32Const, 1) && code[8].op == opReturn && code[9].op == opEnd:
		skip = 9
	default:
		return 0, 0
	}
	stack := c.table.functions[index].stack
	if code[3].a == c.panics && depthAt(stack, place) == depthAt(stack, afterFrame) {
		return c.panicking, skip
	}
	if target, ok := c.growing[code[3].a]; ok && place == 0 {
		return target, skip
	}
	return 0, 0
}

// depthAt returns the value of a table at an address.
func depthAt(list []span, place int64) int {
	for _, s := range list {
		if place < int64(s.end) {
			return s.value
		}
	}
	return -1
}

// callBefore is what is before a return address.
var callBefore = []instr{op(opLocalGet, 1), op(opI32Const, 8), op(opI32Sub), op(opLocalTee, 1), op(opGlobalSet, 0), op(opLocalGet, 1)}

// endsWith tells whether code ends with other.
func endsWith(code, other []instr) bool {
	return len(code) >= len(other) && slices.EqualFunc(code[len(code)-len(other):], other, func(a, b instr) bool { return a.op == b.op && a.a == b.a })
}
