package main

import (
	"bytes"
	"encoding/binary"
)

// What follows knows the table of functions that the Go linker writes for the runtime ("pclntab", runtime/symtab.go and
// runtime/runtime2.go, type _func), in the form that Go 1.20 to 1.26 have. Anything else is refused: then the numbers here
// are compared with the sources of the new version. A function's offset of zero into the table of places means that there
// is no such table, which the runtime shows as "?:0".

// functionTable begins with a magic number, two zeros, the unit of code addresses (1) and the size of a pointer.
var functionTable = []byte{0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8}

// Offsets into the header, in words of eight bytes after functionTable.
const (
	headFunctions = 0
	headUnits     = 4 // of which files are of which package
	headFiles     = 5
	headPlaces    = 6 // pairs of differences of value and address, for each table of each function
	headEntries   = 7 // two words of four bytes for each function, then the functions
	headWords     = 8
)

// Offsets into a function, in bytes.
const (
	funcStack     = 16 // its table of stack depths; kept
	funcFile      = 20
	funcLine      = 24
	funcTables    = 28 // how many further tables it has; they are kept
	funcStartLine = 36
	funcSize      = 44
)

// dropLines clears the files and lines of all functions in the memory of a module.
func dropLines(memory []byte) error {
	at := bytes.Index(memory, functionTable)
	if at < 0 || bytes.Contains(memory[at+1:], functionTable) {
		return errWASM
	}
	table := memory[at:]
	if len(table) < 8+8*headWords {
		return errWASM
	}
	head := func(n int) int { return int(binary.LittleEndian.Uint64(table[8+8*n:]) & (maxMemory - 1)) }
	functions, units, places, entries := head(headFunctions), head(headUnits), head(headPlaces), head(headEntries)
	if !(units <= head(headFiles) && head(headFiles) <= places && places <= entries && entries+8*functions+8 <= len(table)) {
		return errWASM
	}
	p := &placeTables{data: table[places:entries]}
	p.keep = make([]bool, len(p.data))
	for i := range functions {
		start := entries + int(binary.LittleEndian.Uint32(table[entries+8*i+4:]))
		if start+funcSize > len(table) || !p.function(table[start:]) {
			return errWASM
		}
	}
	for i, kept := range p.keep {
		if !kept {
			p.data[i] = 0
		}
	}
	clear(table[units:places])
	return nil
}

// placeTables is the array that all tables of all functions share parts of.
type placeTables struct {
	data []byte
	keep []bool
}

// function keeps the tables of a function that are needed to run, and takes away the others.
func (p *placeTables) function(f []byte) bool {
	word := func(at int) int { return int(binary.LittleEndian.Uint32(f[at:])) }
	n := word(funcTables)
	if n > 16 || funcSize+4*n > len(f) || !p.mark(word(funcStack)) {
		return false
	}
	for i := range n {
		if !p.mark(word(funcSize + 4*i)) {
			return false
		}
	}
	for _, at := range []int{funcFile, funcLine, funcStartLine} {
		binary.LittleEndian.PutUint32(f[at:], 0)
	}
	return true
}

// mark keeps one table: pairs of numbers that end with a zero which is not the first.
func (p *placeTables) mark(offset int) bool {
	if offset == 0 {
		return true
	}
	for at := offset; ; {
		value, size := p.number(at)
		if size <= 0 {
			return false
		}
		if value == 0 && at != offset {
			p.keepUpTo(at, at+size)
			return true
		}
		_, second := p.number(at + size)
		if second <= 0 {
			return false
		}
		p.keepUpTo(at, at+size+second)
		at += size + second
	}
}

func (p *placeTables) number(at int) (uint64, int) {
	if at >= len(p.data) {
		return 0, 0
	}
	return binary.Uvarint(p.data[at:])
}

func (p *placeTables) keepUpTo(from, to int) {
	for i := from; i < to; i++ {
		p.keep[i] = true
	}
}
