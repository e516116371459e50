package wasm

// jumps makes the jumps of a function direct. The Go compiler writes a function as a switch in a loop: a block for every
// place it can be entered at again, nested so that leaving the n-th leads to the n-th place, and at the top a br_table that
// leaves the one that local 0 names. A jump sets local 0 and goes around the loop; a call that has to unwind leaves a block
// around all of it, which returns 1. So:
//
//	i32.const 23; local.set 0; br 18   becomes   br 7, out of the right block, when the place is further down;
//	if ...; br 7; end                  becomes   br_if 6;
//	br_if 31, to unwind                becomes   if; i32.const 1; return; end
//
// which is less, and in numbers that are the same more often. The loop and the outer block are left out where nothing uses
// them any more. A function that has another form is returned as it is.
func jumps(code []instr) []instr {
	f, ok := findPlaces(code)
	if !ok {
		return code
	}
	out := make([]instr, 0, len(code))
	place, nested, loops := 0, 0, false // where we are; explicit blocks around; whether a jump upwards is left
	for i := f.body; i < f.end; i++ {
		in := code[i]
		toLoop := nested + f.places - 1 - place
		switch in.op {
		case opBlock, opLoop, opIf:
			nested++
		case opEnd:
			if nested > 0 {
				nested--
				out = endIf(out)
				continue
			}
			place++
			if n := len(out); n > 0 && out[n-1].is(opBr, 0) {
				out = out[:n-1] // to where it goes anyway
			}
		case opBr:
			if in.a < int64(nested) {
				break
			}
			to, ok := f.jump(code, i, toLoop)
			switch {
			case !ok:
				return code
			case to > place:
				out = append(out[:len(out)-2], op(opBr, int64(nested+to-place-1)))
				continue
			}
			loops = true
		case opBrIf:
			if in.a < int64(nested) {
				break
			}
			if !f.unwinds || in.a != int64(toLoop+f.loop) {
				return code
			}
			out = append(out, op(opIf, noResult), op(opI32Const, 1), op(opReturn), op(opEnd))
			continue
		case opBrTable:
			return code
		}
		out = append(out, in)
	}
	return f.assemble(code, out, loops)
}

// endIf ends an explicit block, and makes one that holds nothing but a branch a branch.
func endIf(out []instr) []instr {
	n := len(out)
	if n >= 2 && out[n-1].op == opBr && out[n-1].a > 0 && out[n-2].op == opIf {
		return append(out[:n-2], op(opBrIf, out[n-1].a-1))
	}
	return append(out, op(opEnd))
}

// places is what a function's beginning and end tell.
type places struct {
	start   int   // of the blocks
	body    int   // what comes after the br_table and the end of the innermost block
	end     int   // what comes after the last place
	table   []int // from what local 0 holds to places
	places  int
	unwinds bool // there is a block around all
	loop    int  // 1 if there is the loop
}

func findPlaces(code []instr) (f places, ok bool) {
	if len(code) < 8 || !code[0].is(opGlobalGet, 0) || !code[1].is(opLocalSet, 1) {
		return f, false
	}
	i, before, blocks := 2, 0, 0
	for ; code[i].op == opBlock; i++ {
		blocks++
	}
	if code[i].op == opLoop {
		f.loop, before, blocks = 1, blocks, 0
		for i++; code[i].op == opBlock; i++ {
			blocks++
		}
	}
	if !code[i].is(opLocalGet, 0) || code[i+1].op != opBrTable || code[i+2].op != opEnd {
		return f, false
	}
	f.start, f.body, f.table = 2, i+3, code[i+1].table()
	f.places = f.table[len(f.table)-1] + 1
	if f.loop == 0 {
		before = blocks - f.places
		blocks = f.places
	}
	f.unwinds = before == 1
	f.end = len(code) - 2 - f.loop
	if f.unwinds {
		f.end -= 2
	}
	if blocks != f.places || before < 0 || before > 1 || f.end < f.body || !f.endsWell(code) {
		return f, false
	}
	return f, true
}

// endsWell checks what comes after the last place.
func (f *places) endsWell(code []instr) bool {
	want := []instr{op(opUnreachable)}
	if f.loop == 1 {
		want = []instr{op(opEnd), op(opUnreachable)}
	}
	if f.unwinds {
		want = append(want, op(opEnd), op(opI32Const, 1))
	}
	want = append(want, op(opEnd))
	for i, w := range want {
		if got := code[f.end+i]; got.op != w.op || got.a != w.a {
			return false
		}
	}
	return true
}

// jump returns the place that the branch at i jumps to.
func (f *places) jump(code []instr, i, toLoop int) (place int, ok bool) {
	if f.loop == 0 || code[i].a != int64(toLoop) || !code[i-1].is(opLocalSet, 0) || code[i-2].op != opI32Const {
		return 0, false
	}
	at := code[i-2].a
	if at < 0 || at >= int64(len(f.table)) {
		return 0, false
	}
	return f.table[at], true
}

// assemble puts a function together around its new body.
func (f *places) assemble(code, body []instr, loops bool) []instr {
	out := append(make([]instr, 0, len(body)+f.places+16), code[:f.start]...)
	if loops {
		out = append(out, op(opLoop, noResult))
	}
	for range f.places {
		out = append(out, op(opBlock, noResult))
	}
	out = append(out, code[f.body-3:f.body]...)
	out = append(out, body...)
	if loops {
		out = append(out, op(opEnd))
	}
	return append(out, op(opUnreachable), op(opEnd))
}
