package wasm

import (
	"bytes"
	"encoding/binary"
)

// What follows knows the table of functions that the Go linker writes for the runtime ("pclntab", runtime/symtab.go and
// runtime/runtime2.go, types pcHeader, moduledata and _func), in the form that Go 1.26 has. Anything else is refused: then the
// numbers here are compared with the sources of the new version.

// tableMagic begins the header: a magic number, two zeros, the unit of code addresses (1) and the size of a pointer.
var tableMagic = []byte{0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8}

// Offsets into the header, in words of eight bytes after tableMagic.
const (
	headFunctions = 0
	headNames     = 3 // each ends with a zero
	headUnits     = 4 // which files are of which package
	headFiles     = 5
	headPlaces    = 6 // pairs of differences of value and address, for each table of each function
	headEntries   = 7 // number and offset of each function, then the functions
	headWords     = 8
)

// Words of moduledata, which begins with the address of the header and that of the names.
const (
	moduleBuckets = 19 // the address of a table that finds a function's entry by an address of code
	moduleLowest  = 20 // address of code
	moduleHighest = 21
	moduleWords   = 42
)

// Offsets into a function, in bytes.
const (
	funcNumber    = 0
	funcName      = 4
	funcArguments = 8
	funcDefer     = 12
	funcStack     = 16 // its table of stack depths
	funcTables    = 28 // how many further tables it has
	funcKind      = 40 // two bytes
	funcMaps      = 43 // how many addresses of data follow the tables; one byte
	funcSize      = 44
)

// Of the further tables and of the data that a function may have: what running needs. The others are for being interrupted
// at any instruction, which WebAssembly cannot be, and for the lines, arguments and inlined functions in stack traces.
const (
	tablePointers = 1 // which of the pointer maps holds where

	mapArguments = 0
	mapLocals    = 1
	mapObjects   = 2
	mapDefers    = 4
	keptMaps     = 5
	noMap        = 1<<32 - 1
)

// firstFunction is the number of the first function (funcValueOffset in cmd/link/internal/wasm).
const firstFunction = 0x1000

// A bucket is for so many addresses, of which a function has 65,536. The last one is cut short, and left as it is.
const (
	bucketSize = 20
	bucketSpan = 4096
)

// functionTable is the one of a module.
type functionTable struct {
	memory                              []byte
	at                                  int // the header
	names, units, places, entries, rows int // addresses; rows is where the functions themselves begin
	end                                 int // after the last function
	buckets, bucketCount                int
	functions                           []tableEntry
}

// tableEntry is what is kept of a function.
type tableEntry struct {
	name     []byte
	fixed    [8]byte // size of arguments and where deferred calls return to
	kind     [2]byte
	stack    []span
	pointers []span
	maps     [keptMaps]uint32
}

func findFunctions(memory []byte) (*functionTable, error) {
	t := &functionTable{memory: memory, at: bytes.Index(memory, tableMagic)}
	if t.at < 0 || bytes.Contains(memory[t.at+1:], tableMagic) || t.at+8+8*headWords > len(memory) {
		return nil, ErrModule
	}
	head := func(n int) int { return t.word(t.at + 8 + 8*n) }
	t.names, t.units, t.places, t.entries = t.at+head(headNames), t.at+head(headUnits), t.at+head(headPlaces), t.at+head(headEntries)
	n := head(headFunctions)
	t.rows = t.entries + 8*n + 4
	if !(t.at < t.names && t.names <= t.units && t.units <= t.places && t.places <= t.entries && t.entries < t.rows && t.rows <= len(memory)) {
		return nil, ErrModule
	}
	for i := range n {
		start := t.entries + t.short(t.entries+8*i+4)
		if t.short(t.entries+8*i) != firstFunction+i || start+funcSize > len(memory) {
			return nil, ErrModule
		}
		f, end, ok := t.read(start)
		if !ok || t.short(start+funcNumber) != firstFunction+i {
			return nil, ErrModule
		}
		t.functions, t.end = append(t.functions, f), max(t.end, end)
	}
	if !t.findBuckets() {
		return nil, ErrModule
	}
	return t, nil
}

func (t *functionTable) word(at int) int {
	return int(binary.LittleEndian.Uint64(t.memory[at:]) & (maxMemory - 1))
}
func (t *functionTable) short(at int) int { return int(binary.LittleEndian.Uint32(t.memory[at:])) }

// read reads a function and returns where it ends.
func (t *functionTable) read(at int) (f tableEntry, end int, ok bool) {
	tables, maps := t.short(at+funcTables), int(t.memory[at+funcMaps])
	end = at + funcSize + 4*tables + 4*maps
	name := t.names + t.short(at+funcName)
	if tables > 16 || maps > 16 || end > len(t.memory) || name >= t.units {
		return f, 0, false
	}
	length := bytes.IndexByte(t.memory[name:t.units], 0)
	if length < 0 {
		return f, 0, false
	}
	f.name = bytes.Clone(t.memory[name : name+length])
	copy(f.fixed[:], t.memory[at+funcArguments:])
	copy(f.kind[:], t.memory[at+funcKind:])
	f.stack, ok = t.spans(t.short(at + funcStack))
	if ok && tables > tablePointers {
		f.pointers, ok = t.spans(t.short(at + funcSize + 4*tablePointers))
	}
	for i := range f.maps {
		f.maps[i] = noMap
		if i < maps && (i <= mapObjects || i == mapDefers) {
			f.maps[i] = uint32(t.short(at + funcSize + 4*tables + 4*i))
		}
	}
	return f, end, ok
}

// findBuckets finds the table of buckets, and checks that it says nothing but that function n is at n << 16.
func (t *functionTable) findBuckets() bool {
	want := binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, uint64(t.at)), uint64(t.names))
	module := bytes.Index(t.memory, want)
	if module < 0 || bytes.Contains(t.memory[module+1:], want) || module+8*moduleWords > len(t.memory) {
		return false
	}
	word := func(n int) int { return t.word(module + 8*n) }
	t.buckets = word(moduleBuckets)
	low, high := t.memory[module+8*moduleLowest:], t.memory[module+8*moduleHighest:]
	t.bucketCount = int(binary.LittleEndian.Uint64(high)-binary.LittleEndian.Uint64(low)-1) / bucketSpan
	if t.bucketCount < 0 || t.bucketCount > maxMemory || t.buckets < t.end || t.buckets+bucketSize*t.bucketCount > len(t.memory) {
		return false
	}
	for i := range t.bucketCount {
		at := t.buckets + bucketSize*i
		if t.short(at) != i>>4 || !bytes.Equal(t.memory[at+4:at+bucketSize], make([]byte, 16)) {
			return false
		}
	}
	return true
}

// span is a stretch of a function's addresses up to one, exclusive, with the value that a table has there.
type span struct{ value, end int }

// spans reads a table: pairs of differences, which end with a zero that is not the first.
func (t *functionTable) spans(offset int) (list []span, ok bool) {
	if offset == 0 {
		return nil, true
	}
	if t.places+offset >= t.entries {
		return nil, false
	}
	r := &reader{data: t.memory[t.places+offset : t.entries]}
	value, end := -1, 0
	for first := true; ; first = false {
		delta := r.uint()
		if delta == 0 && !first {
			return list, r.err == nil
		}
		value += delta>>1 ^ -(delta & 1)
		end += r.uint()
		if r.err != nil {
			return nil, false
		}
		list = append(list, span{value, end})
	}
}

// appendSpans writes a table. The last stretch ends where the function does or later, at one of few places, so that many
// functions have the same tables.
func appendSpans(b []byte, list []span) []byte {
	value, end := -1, 0
	for i, s := range list {
		length := s.end - end
		if i == len(list)-1 {
			for _, least := range []int{127, 16383, 1<<21 - 1} {
				if length <= least {
					length = least
					break
				}
			}
		}
		delta := s.value - value
		b = binary.AppendUvarint(b, uint64(delta<<1^delta>>63))
		b = binary.AppendUvarint(b, uint64(length))
		value, end = s.value, s.end
	}
	return append(b, 0)
}

// pack writes the table anew, in the same place and shorter. What fill puts there when the module starts is left out.
func (t *functionTable) pack() error {
	clear(t.memory[t.names:t.entries])
	clear(t.memory[t.entries : t.entries+8*len(t.functions)])
	clear(t.memory[t.rows:t.end])
	clear(t.memory[t.buckets : t.buckets+bucketSize*t.bucketCount])
	tables, offsets := []byte{0}, map[string]uint32{}
	table := func(list []span) uint32 {
		if len(list) == 0 {
			return 0
		}
		text := string(appendSpans(nil, list))
		if _, ok := offsets[text]; !ok {
			offsets[text] = uint32(len(tables))
			tables = append(tables, text...)
		}
		return offsets[text]
	}
	name, row := t.names, t.rows
	for _, f := range t.functions {
		name += copy(t.memory[name:t.units], f.name) + 1
		row += copy(t.memory[row:t.end], f.row(table(f.stack), table(f.pointers)))
	}
	if name > t.units || len(tables) > t.entries-t.places {
		return ErrModule
	}
	copy(t.memory[t.places:], tables)
	return nil
}

// row is a function as the runtime has it, without its number and name.
func (f *tableEntry) row(stack, pointers uint32) []byte {
	b := append(make([]byte, funcArguments, funcSize+28), f.fixed[:]...)
	b = binary.LittleEndian.AppendUint32(b, stack)
	b = append(b, make([]byte, funcSize-funcStack-4)...)
	copy(b[funcKind:], f.kind[:])
	if pointers != 0 {
		b[funcTables] = tablePointers + 1
		b = binary.LittleEndian.AppendUint64(b, uint64(pointers)<<32)
	}
	maps := keptMaps
	for maps > 0 && f.maps[maps-1] == noMap {
		maps--
	}
	b[funcMaps] = byte(maps)
	for _, m := range f.maps[:maps] {
		b = binary.LittleEndian.AppendUint32(b, m)
	}
	return b
}
