// Package wasm reads the WebAssembly module that the Go linker makes, and writes one that does the same and is smaller to
// download, faster to compile and somewhat faster to run.
//
// Start with Pack. What it does is, in the order of what it saves:
//
//  1. Code: jumps go where they lead instead of around a loop (jumps.go), and sequences that the compiler writes for every
//     access to the stack and every return are shorter (stack.go).
//  2. Data: what only stack traces with lines and arguments need is taken out (functable.go); traces keep the names of
//     functions. The linker splits data at every run of eight zero bytes into up to 100,000 segments, each with an address of
//     its own. The addresses compress badly and zeros well, so they are joined (data.go).
//
// It knows the code that Go 1.26 writes. A function in another form is left as it is; a table in another form is refused:
// then what is here has to be compared with the new version of cmd/internal/obj/wasm, cmd/link/internal/wasm and
// runtime/symtab.go. It is not an optimizer for other modules.
package wasm

import (
	"encoding/binary"
	"errors"
	"slices"
)

// ErrModule reports a file that is not a module as this version of the Go linker writes it.
var ErrModule = errors.New("not a WebAssembly module as this version of the Go linker writes it")

// header is what every module begins with: a magic number and version 1.
const header = "\x00asm\x01\x00\x00\x00"

// Sections of the binary format (WebAssembly Core Specification 2.0, 5.5).
const (
	sectionCustom   = 0
	sectionType     = 1
	sectionImport   = 2
	sectionFunction = 3
	sectionStart    = 8
	sectionElement  = 9
	sectionCode     = 10
	sectionData     = 11

	nameFunctions = 1 // in the custom section "name"
	customBuild   = "go:buildid"
)

// Pack returns a module that does the same. What it is given stays as it is.
func Pack(module []byte) ([]byte, error) {
	list, err := sections(module)
	if err != nil {
		return nil, err
	}
	p := &packer{sections: list}
	if err := p.pack(); err != nil {
		return nil, err
	}
	out := []byte(header)
	for _, s := range p.sections {
		if s.id == sectionCustom && (&reader{data: s.body}).text() == customBuild {
			continue // with it the go command would take this for what it links, and not link it anew
		}
		out = append(out, s.id)
		out = binary.AppendUvarint(out, uint64(len(s.body)))
		out = append(out, s.body...)
	}
	return out, nil
}

type section struct {
	id   byte
	body []byte
}

func sections(module []byte) (list []section, err error) {
	if len(module) < len(header) || string(module[:len(header)]) != header {
		return nil, ErrModule
	}
	r := &reader{data: module[len(header):]}
	for len(r.data) > 0 {
		id := r.byte()
		list = append(list, section{id, r.bytes(r.uint())})
	}
	return slices.Clip(list), r.err
}

// Function is one of a module's own functions.
type Function struct {
	Name string // as the linker writes it: what is no letter, digit or dot is an underscore
	Size int    // of its code, in bytes
}

// Functions lists them; the module must have been linked with names (without -s).
func Functions(module []byte) ([]Function, error) {
	list, err := sections(module)
	if err != nil {
		return nil, err
	}
	var sizes []int
	var names map[int]string
	imported := 0
	for _, s := range list {
		r := &reader{data: s.body}
		switch s.id {
		case sectionImport:
			imported = r.imports()
		case sectionCode:
			for range r.uint() {
				size := r.uint()
				sizes = append(sizes, size)
				r.bytes(size)
			}
		case sectionCustom:
			if r.text() == "name" {
				names = r.functionNames()
			}
		}
		if r.err != nil {
			return nil, r.err
		}
	}
	if names == nil {
		return nil, ErrModule
	}
	functions := make([]Function, len(sizes))
	for i, size := range sizes {
		functions[i] = Function{names[imported+i], size}
	}
	return functions, nil
}

// imports counts the functions; Go imports nothing else.
func (r *reader) imports() (n int) {
	for range r.uint() {
		r.text()
		r.text()
		if kind := r.byte(); kind != 0 {
			r.fail()
			return n
		}
		r.uint()
		n++
	}
	return n
}

func (r *reader) functionNames() map[int]string {
	names := map[int]string{}
	for len(r.data) > 0 {
		id := r.byte()
		body := &reader{data: r.bytes(r.uint())}
		if id != nameFunctions {
			continue
		}
		for range body.uint() {
			number := body.uint()
			names[number] = body.text()
		}
		r.err = errors.Join(r.err, body.err)
	}
	return names
}
