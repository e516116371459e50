package wasm

import (
	"encoding/binary"
	"slices"
	"testing"
)

// body is a function as the compiler writes it: the places of a table in blocks, in a loop if it jumps, in a block if it calls.
func body(table []int, loop, unwinds bool, parts ...[]instr) []instr {
	code := []instr{op(opGlobalGet, 0), op(opLocalSet, 1)}
	if unwinds {
		code = append(code, op(opBlock, noResult))
	}
	if loop {
		code = append(code, op(opLoop, noResult))
	}
	for range parts {
		code = append(code, op(opBlock, noResult))
	}
	depths := binary.AppendUvarint(nil, uint64(len(table)-1))
	for _, d := range table {
		depths = binary.AppendUvarint(depths, uint64(d))
	}
	code = append(code, op(opLocalGet, 0), instr{op: opBrTable, rest: depths}, op(opEnd))
	for i, part := range parts {
		code = append(code, part...)
		if i < len(parts)-1 || loop {
			code = append(code, op(opEnd))
		}
	}
	code = append(code, op(opUnreachable))
	if unwinds {
		code = append(code, op(opEnd), op(opI32Const, 1))
	}
	return append(code, op(opEnd))
}

// jump is one as the compiler writes it.
func jump(to, depth int64) []instr {
	return []instr{op(opI32Const, to), op(opLocalSet, 0), op(opBr, depth)}
}

func same(a, b []instr) bool {
	return slices.EqualFunc(a, b, func(x, y instr) bool {
		return x.op == y.op && x.a == y.a && x.b == y.b && slices.Equal(x.rest, y.rest)
	})
}

func TestJumps(t *testing.T) {
	table := []int{0, 0, 1, 2} // local 0 is 0 or 1 at the first place, 2 at the second, 3 at the third
	condition := []instr{op(opLocalGet, 3), op(opIf, noResult)}
	unwind := []instr{op(opIf, noResult), op(opI32Const, 1), op(opReturn), op(opEnd)}
	rest := []instr{op(opDrop)}
	for _, c := range []struct {
		name     string
		in, want []instr
	}{
		{"downwards, to the next place",
			body(table, true, false, jump(2, 2), rest, rest),
			body(table, false, false, nil, rest, rest)},
		{"downwards, over a place",
			body(table, true, false, jump(3, 2), rest, rest),
			body(table, false, false, []instr{op(opBr, 1)}, rest, rest)},
		{"downwards, if",
			body(table, true, false, slices.Concat(condition, jump(3, 3), []instr{op(opEnd)}), rest, rest),
			body(table, false, false, []instr{op(opLocalGet, 3), op(opBrIf, 1)}, rest, rest)},
		{"upwards",
			body(table, true, false, rest, slices.Concat(condition, jump(1, 2), []instr{op(opEnd)}), rest),
			body(table, true, false, rest, slices.Concat(condition, jump(1, 2), []instr{op(opEnd)}), rest)},
		{"unwinding",
			body(table, true, true, jump(3, 2), []instr{op(opCall, 9), op(opBrIf, 2)}, rest),
			body(table, false, false, []instr{op(opBr, 1)}, append([]instr{op(opCall, 9)}, unwind...), rest)},
		{"within a place",
			body(table, false, false, []instr{op(opBlock, noResult), op(opBr, 0), op(opEnd)}, rest, rest),
			body(table, false, false, []instr{op(opBlock, noResult), op(opBr, 0), op(opEnd)}, rest, rest)},
		{"out of a place, in a way that is not known",
			body(table, false, false, []instr{op(opBr, 1)}, rest, rest),
			body(table, false, false, []instr{op(opBr, 1)}, rest, rest)},
		{"to a place that is not there",
			body(table, true, false, jump(4, 2), rest, rest),
			body(table, true, false, jump(4, 2), rest, rest)},
	} {
		if got := jumps(c.in); !same(got, c.want) {
			t.Errorf("%s:\n%v\nbecame\n%v, not\n%v", c.name, c.in, got, c.want)
		}
	}
}

func TestSimplify(t *testing.T) {
	address := []instr{op(opLocalGet, 1), op(opExtendU), op(opI64Const, 48), op(opI64Add), op(opWrap)}
	value := []instr{op(opLocalGet, 4), op(opI64Const, 1), op(opI64Add)}
	moved := []instr{op(opLocalGet, 1), op(opI32Const, 48), op(opI32Add)}
	for _, c := range []struct {
		name     string
		in, want []instr
	}{
		{"load", append(address, op(opI64Load, 3, 8)), []instr{op(opLocalGet, 1), op(opI64Load, 3, 56)}},
		{"store", slices.Concat(address, value, []instr{op(opI64Store, 3, 0)}), slices.Concat([]instr{op(opLocalGet, 1)}, value, []instr{op(opI64Store, 3, 48)})},
		{"load for a store", slices.Concat(address, address, []instr{op(opI64Load, 3, 0), op(opI64Store, 3, 8)}),
			[]instr{op(opLocalGet, 1), op(opLocalGet, 1), op(opI64Load, 3, 48), op(opI64Store, 3, 56)}},
		{"as a value", slices.Concat([]instr{op(opLocalGet, 1)}, address, []instr{op(opI32Store, 2, 0)}),
			slices.Concat([]instr{op(opLocalGet, 1)}, moved, []instr{op(opI32Store, 2, 0)})},
		{"for a call", append(address, op(opCall, 7)), append(moved, op(opCall, 7))},
		{"of another variable", append([]instr{op(opLocalGet, 2)}, address[1:]...), append([]instr{op(opLocalGet, 2)}, address[1:]...)},
		{"there and back", []instr{op(opLocalGet, 1), op(opExtendU), op(opWrap)}, []instr{op(opLocalGet, 1)}},
		{"nothing", []instr{op(opNop), op(opReturn)}, []instr{op(opReturn)}},
	} {
		if got := simplify(c.in); !same(got, c.want) {
			t.Errorf("%s: %v became %v, not %v", c.name, c.in, got, c.want)
		}
	}
}

// TestCalls rewrites one call of each kind, and one which must stay because the stack has another depth there.
func TestCalls(t *testing.T) {
	const panics, grows, other = 7, 8, 9
	call := func(place, target int64) []instr {
		return slices.Concat(callBefore, []instr{
			op(opI64Const, firstFunction<<16|place), op(opI64Store, 3, 0), op(opI32Const, 0), op(opCall, target),
			op(opGlobalGet, 0), op(opLocalSet, 1), op(opBrIf, 2),
		})
	}
	stays := func(place, target int64) []instr {
		return slices.Concat(callBefore, []instr{
			op(opLocalGet, number), op(opI64Const, place), op(opI64Or), op(opI64Store, 3, 0), op(opI32Const, 0), op(opCall, target),
			op(opGlobalGet, 0), op(opLocalSet, 1), op(opBrIf, 2),
		})
	}
	c := &calls{panics: panics, panicking: 20, growing: map[int64]int64{grows: 21},
		table: &functionTable{functions: []tableEntry{{stack: []span{{0, 1}, {40, 5}, {48, 9}}}}}}
	head, tail := []instr{op(opGlobalGet, 0), op(opLocalSet, 1)}, []instr{op(opLocalGet, 2), op(opEnd)}
	f := function{locals: []local{{1, kindI32}, {3, kindI64}}, code: slices.Concat(head, call(0, grows), call(4, panics), call(6, panics), call(4, other), tail)}
	want := slices.Concat(head, []instr{op(opI64Const, firstFunction<<16), op(opLocalSet, number)},
		[]instr{op(opLocalGet, number), op(opCall, 21), op(opReturn)},
		[]instr{op(opLocalGet, number), op(opCall, 20), op(opReturn)},
		stays(6, panics), stays(4, other), []instr{op(opLocalGet, 3), op(opEnd)})
	c.rewrite(&f, 0)
	if !same(f.code, want) || !slices.Equal(f.locals, []local{{1, kindI32}, {4, kindI64}}) {
		t.Errorf("%v\n%v\nnot\n%v", f.locals, f.code, want)
	}
	// A function without calls has no use for its number.
	f = function{locals: []local{{1, kindI32}}, code: slices.Concat(head, tail, tail)}
	if c.rewrite(&f, 0); !same(f.code, slices.Concat(head, tail, tail)) {
		t.Errorf("%v", f.code)
	}
}

func TestSpans(t *testing.T) {
	for _, c := range []struct{ in, want []span }{
		{[]span{{0, 1}}, []span{{0, 127}}},
		{[]span{{0, 1}, {40, 90}}, []span{{0, 1}, {40, 128}}},
		{[]span{{-1, 3}, {2, 200}, {0, 20000}}, []span{{-1, 3}, {2, 200}, {0, 200 + 1<<21 - 1}}},
	} {
		memory := append([]byte{0}, appendSpans(nil, c.in)...)
		table := &functionTable{memory: memory, entries: len(memory)}
		if got, ok := table.spans(1); !ok || !slices.Equal(got, c.want) {
			t.Errorf("%v became %v", c.in, got)
		}
		table.entries, table.memory = table.entries-1, memory[:len(memory)-1]
		if _, ok := table.spans(1); ok {
			t.Error("a table without its end was read")
		}
	}
}

func TestMemory(t *testing.T) {
	memory := make([]byte, 3*maxGap)
	copy(memory[5:], "one")
	copy(memory[100:], "two")
	copy(memory[2*maxGap:], "three")
	memory = memory[:2*maxGap+5]
	section := appendMemory(nil, memory)
	got, err := readMemory(section)
	if err != nil || string(got) != string(memory) || section[0] != 2 || len(section) > 200 {
		t.Errorf("%d bytes of %d segments, %v", len(section), section[0], err)
	}
}
