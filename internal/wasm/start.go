package wasm

// fill is a function that puts into memory what pack left out of the table: what follows from the order of things. It runs
// when the module is instantiated, before anything else of it, and takes about a millisecond.
func (t *functionTable) fill() function {
	const number, entry, row, name = 0, 1, 2, 3
	end := int64(firstFunction + len(t.functions))
	set := func(v, n int64) []instr { return []instr{op(opI32Const, n), op(opLocalSet, v)} }
	advance := func(v, n int64) []instr {
		return []instr{op(opLocalGet, v), op(opI32Const, n), op(opI32Add), op(opLocalSet, v)}
	}
	store := func(at, offset int64, value ...instr) []instr {
		return append(append([]instr{op(opLocalGet, at)}, value...), op(opI32Store, 2, offset))
	}
	since := func(v int64, start int) []instr {
		return []instr{op(opLocalGet, v), op(opI32Const, int64(start)), op(opI32Sub)}
	}
	again := func(v, n int64) []instr {
		return []instr{op(opLocalGet, v), op(opI32Const, n), op(opI32LtU), op(opBrIf, 0), op(opEnd)}
	}
	var code []instr
	write := func(parts ...[]instr) {
		for _, part := range parts {
			code = append(code, part...)
		}
	}
	// Numbers, offsets and names of all functions.
	write(set(number, firstFunction), set(entry, int64(t.entries)), set(row, int64(t.rows)), set(name, int64(t.names)), []instr{op(opLoop, noResult)},
		store(entry, 0, op(opLocalGet, number)),
		store(entry, 4, since(row, t.entries)...),
		store(row, funcNumber, op(opLocalGet, number)),
		store(row, funcName, since(name, t.names)...),
		[]instr{op(opLoop, noResult)}, advance(name, 1), // to the zero at its end
		[]instr{op(opLocalGet, name), op(opI32Load8U, 0, 0), op(opBrIf, 0), op(opEnd)}, advance(name, 1),
		[]instr{op(opLocalGet, row), op(opLocalGet, row), op(opI32Load, 2, funcTables), op(opLocalGet, row), op(opI32Load8U, 0, funcMaps),
			op(opI32Add), op(opI32Const, 2), op(opI32Shl), op(opI32Add), op(opLocalSet, row)}, advance(row, funcSize),
		advance(entry, 8), advance(number, 1), again(number, end))
	// Buckets.
	write(set(number, 0), set(entry, int64(t.buckets)), []instr{op(opLoop, noResult)},
		store(entry, 0, op(opLocalGet, number), op(opI32Const, 4), op(opI32ShrU)),
		advance(entry, bucketSize), advance(number, 1), again(number, int64(t.bucketCount)))
	return function{locals: []local{{4, kindI32}}, code: append(code, op(opEnd))}
}
