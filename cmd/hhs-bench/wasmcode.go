package main

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
)

// share is how much of the code of a WebAssembly module one package has.
type share struct {
	name  string
	bytes int
}

// errWASM reports a file that is not what the Go linker writes.
var errWASM = errors.New("not a WebAssembly module with a section of names")

// codeShares adds up the code of functions by package, largest first. The file must hold names (built without -s). Data,
// such as tables of types and lines, belongs to no package and is not counted; it grows about as the code does.
func codeShares(file string, packages []string) ([]share, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	m, err := parseModule(data)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	written := make(map[string]string, len(packages)) // as the linker writes it -> path
	for _, p := range packages {
		written[mangle(p)] = p
	}
	sums := map[string]int{}
	for i, size := range m.sizes {
		sums[packageOf(m.names[m.imported+i], written)] += size
	}
	list := make([]share, 0, len(sums))
	for name, bytes := range sums {
		list = append(list, share{name, bytes})
	}
	slices.SortFunc(list, func(a, b share) int {
		return cmp.Or(cmp.Compare(b.bytes, a.bytes), strings.Compare(a.name, b.name))
	})
	return list, nil
}

var unusual = regexp.MustCompile(`[^\w.]`)

// mangle is what the Go linker makes of names for WebAssembly.
func mangle(name string) string { return unusual.ReplaceAllString(name, "_") }

// packageOf finds the package of a function: the longest one its name begins with, at a dot.
func packageOf(function string, written map[string]string) string {
	name := strings.TrimPrefix(strings.TrimPrefix(function, "type_.eq."), "go_shape.")
	for at := len(name); at > 0; at = strings.LastIndexByte(name[:at], '.') {
		if path, ok := written[name[:at]]; ok {
			return path
		}
	}
	return "the linker's own"
}

// module is what is needed of one.
type module struct {
	imported int            // functions that come from outside; they have the first numbers
	sizes    []int          // of the code of each function
	names    map[int]string // by number
}

// Sections of the binary format (WebAssembly Core Specification 2.0, 5.5).
const (
	sectionCustom = 0
	sectionImport = 2
	sectionCode   = 10
	nameFunctions = 1 // in the custom section "name"
)

func parseModule(data []byte) (*module, error) {
	if len(data) < 8 || string(data[:4]) != "\x00asm" {
		return nil, errWASM
	}
	m, r := &module{}, &reader{data: data[8:]}
	for len(r.data) > 0 && r.err == nil {
		id := r.byte()
		body := &reader{data: r.bytes(r.uint())}
		switch id {
		case sectionImport:
			m.imported = body.imports()
		case sectionCode:
			for range body.uint() {
				size := body.uint()
				m.sizes = append(m.sizes, size)
				body.bytes(size)
			}
		case sectionCustom:
			if body.text() == "name" {
				m.names = body.functionNames()
			}
		}
		r.err = errors.Join(r.err, body.err)
	}
	if r.err != nil || m.names == nil {
		return nil, errWASM
	}
	return m, nil
}

// reader reads the binary format; after an error everything it gives is zero.
type reader struct {
	data []byte
	err  error
}

func (r *reader) byte() byte {
	if b := r.bytes(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

func (r *reader) bytes(n int) []byte {
	if n < 0 || n > len(r.data) {
		r.err, r.data = errWASM, nil
		return nil
	}
	b := r.data[:n]
	r.data = r.data[n:]
	return b
}

func (r *reader) uint() int {
	n, size := binary.Uvarint(r.data)
	if size <= 0 || n > 1<<31 {
		r.err, r.data = errWASM, nil
		return 0
	}
	r.data = r.data[size:]
	return int(n)
}

func (r *reader) text() string { return string(r.bytes(r.uint())) }

// imports counts the functions; Go imports nothing else.
func (r *reader) imports() (n int) {
	for range r.uint() {
		r.text()
		r.text()
		if kind := r.byte(); kind != 0 {
			r.err = errWASM
			return n
		}
		r.uint()
		n++
	}
	return n
}

func (r *reader) functionNames() map[int]string {
	names := map[int]string{}
	for len(r.data) > 0 && r.err == nil {
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
