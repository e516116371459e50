//go:build !js

package archtest

import (
	"bufio"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/hyperhyperspace/hhs-go"

// file is one parsed Go file of the module.
type file struct {
	path  string // from the module's root, with slashes
	pkg   string // its directory; "." for the root package
	test  bool
	fset  *token.FileSet
	ast   *ast.File
	lines int
}

// at gives a place for people.
func (f *file) at(p token.Pos) string {
	return f.path + ":" + strconv.Itoa(f.fset.Position(p).Line)
}

// imports returns the import paths with their positions.
func (f *file) imports() map[string]token.Pos {
	m := map[string]token.Pos{}
	for _, spec := range f.ast.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err == nil {
			m[p] = spec.Pos()
		}
	}
	return m
}

// root is the directory of the module.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(filepath.Join(dir, "go.mod"))
	if err != nil {
		t.Fatalf("the module's root is not where this test expects it: %v", err)
	}
	defer f.Close()
	if line, _ := bufio.NewReader(f).ReadString('\n'); strings.TrimSpace(line) != "module "+module {
		t.Fatalf("go.mod begins with %q", line)
	}
	return dir
}

// files parses every Go file of the module, whatever its build constraints, in order of their paths. Directories with a
// go.mod of their own are other modules.
func files(t *testing.T) []*file {
	t.Helper()
	dir := root(t)
	var all []*file
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return enter(dir, name, d)
		case !strings.HasSuffix(name, ".go"):
			return nil
		}
		f, err := parse(dir, name)
		all = append(all, f)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// enter returns fs.SkipDir for directories that hold no package of the module.
func enter(root, name string, d fs.DirEntry) error {
	if name == root {
		return nil
	}
	if n := d.Name(); strings.HasPrefix(n, ".") || strings.HasPrefix(n, "_") || n == "node_modules" || n == "testdata" {
		return fs.SkipDir
	}
	if _, err := os.Stat(filepath.Join(name, "go.mod")); !errors.Is(err, fs.ErrNotExist) {
		return fs.SkipDir
	}
	return nil
}

func parse(root, name string) (*file, error) {
	rel, err := filepath.Rel(root, name)
	if err != nil {
		return nil, err
	}
	rel = filepath.ToSlash(rel)
	src, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	fset := token.NewFileSet()
	tree, err := parser.ParseFile(fset, name, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	return &file{path: rel, pkg: path.Dir(rel), test: strings.HasSuffix(rel, "_test.go"), fset: fset, ast: tree,
		lines: strings.Count(string(src), "\n")}, nil
}

// under tells whether pkg is one of dirs or in it.
func under(pkg string, dirs ...string) bool {
	return slices.ContainsFunc(dirs, func(d string) bool {
		return pkg == d || d != "." && strings.HasPrefix(pkg, d+"/")
	})
}
