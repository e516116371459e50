//go:build !js

package archtest

import (
	"go/ast"
	"strings"
	"testing"
)

// Limits of STYLE: the tail is what makes code hard to read. Tests may be longer.
const (
	maxFileLines     = 700
	maxFunctionLines = 100
)

func TestLengths(t *testing.T) {
	for _, f := range files(t) {
		if f.test || ast.IsGenerated(f.ast) {
			continue
		}
		if f.lines > maxFileLines {
			t.Errorf("%s has %d lines, more than %d", f.path, f.lines, maxFileLines)
		}
		for _, d := range f.ast.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := f.fset.Position(fn.End()).Line - f.fset.Position(fn.Pos()).Line + 1; n > maxFunctionLines {
				t.Errorf("%s: function %s has %d lines, more than %d", f.at(fn.Pos()), fn.Name.Name, n, maxFunctionLines)
			}
		}
	}
}

func TestPackageComments(t *testing.T) {
	documented, seen := map[string]bool{}, map[string]string{}
	for _, f := range files(t) {
		if f.test {
			continue
		}
		seen[f.pkg] = f.ast.Name.Name
		if f.ast.Doc != nil && startsRight(f.ast.Doc.Text(), f.ast.Name.Name) {
			documented[f.pkg] = true
		}
	}
	for pkg, name := range seen {
		if !documented[pkg] {
			t.Errorf("package %s (%s) has no comment that begins with %q", name, pkg, "Package "+name)
		}
	}
}

// startsRight tells whether a package comment begins as go doc wants it; a program says "Command" or its own name.
func startsRight(doc, name string) bool {
	return strings.HasPrefix(doc, "Package "+name+" ") || name == "main" && doc != ""
}
