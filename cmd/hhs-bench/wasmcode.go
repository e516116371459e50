package main

import (
	"cmp"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/hyperhyperspace/hhs-go/internal/wasm"
)

// share is how much of the code of a WebAssembly module one package has.
type share struct {
	name  string
	bytes int
}

// codeShares adds up the code of functions by package, largest first. The file must hold names (built without -s). Data,
// such as tables of types and lines, belongs to no package and is not counted; it grows about as the code does.
func codeShares(file string, packages []string) ([]share, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	functions, err := wasm.Functions(data)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	written := make(map[string]string, len(packages)) // as the linker writes it -> path
	for _, p := range packages {
		written[mangle(p)] = p
	}
	sums := map[string]int{}
	for _, f := range functions {
		sums[packageOf(f.Name, written)] += f.Size
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
