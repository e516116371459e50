package wasm

import (
	"encoding/binary"
	"slices"
)

// packer rewrites the sections of a module.
type packer struct {
	sections []section
	imported int            // functions that come from outside; they have the first numbers
	table    *functionTable // the entry i is the module's own function i
	kinds    int            // how many types of functions there are
	added    []added
}

// added is a function that the linker did not write. It comes after all others.
type added struct {
	kind []byte // its type
	function
}

// Types of functions (WebAssembly Core Specification 2.0, 5.3.6).
var (
	kindPlain  = []byte{0x60, 0, 0}
	kindNumber = []byte{0x60, 1, kindI64, 1, kindI32} // takes an i64 and returns an i32
)

func (p *packer) pack() error {
	data := p.section(sectionData)
	for _, id := range []byte{sectionType, sectionImport, sectionFunction, sectionElement, sectionCode, sectionData} {
		if p.section(id) == nil {
			return ErrModule
		}
	}
	memory, err := readMemory(data.body)
	if err != nil {
		return err
	}
	if p.table, err = findFunctions(memory); err != nil {
		return err
	}
	imports, types, functions := &reader{data: p.section(sectionImport).body}, &reader{data: p.section(sectionType).body}, &reader{data: p.section(sectionFunction).body}
	p.imported, p.kinds = imports.imports(), types.uint()
	if functions.uint() != len(p.table.functions) || imports.err != nil || types.err != nil {
		return ErrModule
	}
	if err := p.packCode(); err != nil {
		return err
	}
	if err := p.table.pack(); err != nil {
		return err
	}
	data.body = appendMemory(nil, memory)
	p.add(added{kindPlain, p.table.fill()})
	p.link()
	return nil
}

func (p *packer) section(id byte) *section {
	i := slices.IndexFunc(p.sections, func(s section) bool { return s.id == id })
	if i < 0 {
		return nil
	}
	return &p.sections[i]
}

// number returns the index by which a function is called, by its name; -1 if there is none.
func (p *packer) number(name string) int64 {
	for i, f := range p.table.functions {
		if string(f.name) == name {
			return int64(p.imported + i)
		}
	}
	return -1
}

// add adds a function and returns the index by which it is called.
func (p *packer) add(a added) int64 {
	p.added = append(p.added, a)
	return int64(p.imported + len(p.table.functions) + len(p.added) - 1)
}

// link writes the functions that were added; the last one is called when the module starts.
func (p *packer) link() {
	types, kinds, code := p.section(sectionType), p.section(sectionFunction), p.section(sectionCode)
	for i, a := range p.added {
		types.body = appendItem(types.body, a.kind)
		kinds.body = appendItem(kinds.body, binary.AppendUvarint(nil, uint64(p.kinds+i)))
		body := a.append(nil)
		code.body = appendItem(code.body, append(binary.AppendUvarint(nil, uint64(len(body))), body...))
	}
	last := binary.AppendUvarint(nil, uint64(p.imported+len(p.table.functions)+len(p.added)-1))
	at := slices.IndexFunc(p.sections, func(s section) bool { return s.id == sectionElement })
	p.sections = slices.Insert(p.sections, at, section{sectionStart, last})
}

// appendItem adds an item to a section that begins with how many it has.
func appendItem(section, item []byte) []byte {
	r := &reader{data: section}
	n := r.uint()
	return slices.Concat(binary.AppendUvarint(nil, uint64(n+1)), r.data, item)
}

// packCode rewrites the functions.
func (p *packer) packCode() error {
	section := p.section(sectionCode)
	r := &reader{data: section.body}
	n := r.uint()
	if n != len(p.table.functions) {
		return ErrModule
	}
	calls := p.newCalls()
	out := binary.AppendUvarint(nil, uint64(n))
	var body []byte
	for i := range n {
		from := &reader{data: r.bytes(r.uint())}
		f := from.function()
		if r.err != nil || from.err != nil {
			return ErrModule
		}
		f.code = simplify(jumps(f.code))
		calls.rewrite(&f, i)
		body = f.append(body[:0])
		out = binary.AppendUvarint(out, uint64(len(body)))
		out = append(out, body...)
	}
	section.body = out
	return nil
}
