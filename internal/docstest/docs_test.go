//go:build !js

package docstest

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// root is the repository, relative to this package, where go test runs.
const root = "../.."

// maxReadme is what a front page may have in lines.
const maxReadme = 150

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// pages lists the documents, by their paths in the repository.
func pages(t *testing.T) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		rel = filepath.ToSlash(rel)
		switch {
		case d.IsDir() && (rel == "build" || rel == "dist" || d.Name() == "node_modules" || strings.HasPrefix(d.Name(), ".") && rel != "."):
			return fs.SkipDir
		case strings.HasSuffix(rel, ".md"):
			list = append(list, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestReadmeLength(t *testing.T) {
	if n := strings.Count(read(t, "README.md"), "\n"); n > maxReadme {
		t.Errorf("README.md has %d lines, at most %d are read", n, maxReadme)
	}
}

var (
	linkRE = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	makeRE = regexp.MustCompile("make ([a-z]+)")
	// codeRE are the places where a command can stand: fenced blocks and code spans.
	codeRE = regexp.MustCompile("(?s)```.*?\n```|`[^`\n]+`")
)

func TestLinks(t *testing.T) {
	for _, page := range pages(t) {
		for _, m := range linkRE.FindAllStringSubmatch(codeRE.ReplaceAllString(read(t, page), ""), -1) {
			u, err := url.Parse(m[1])
			if err != nil {
				t.Errorf("%s: link %q: %v", page, m[1], err)
				continue
			}
			if u.Scheme != "" || u.Path == "" {
				continue
			}
			if _, err := os.Stat(filepath.Join(root, filepath.Dir(filepath.FromSlash(page)), filepath.FromSlash(u.Path))); err != nil {
				t.Errorf("%s: link to %s leads nowhere", page, m[1])
			}
		}
	}
}

// TestExamplePages: the front page and README.md lead to every example that is a page.
func TestExamplePages(t *testing.T) {
	names, err := fs.Glob(os.DirFS(root), "examples/*/index.html")
	if err != nil || len(names) == 0 {
		t.Fatal("no examples", err)
	}
	front, readme := read(t, "web/index.html"), read(t, "README.md")
	for _, name := range names {
		dir := path.Dir(name)
		if !strings.Contains(front, `"`+dir+`/"`) && !strings.Contains(front, "{{link "+dir+"/ ") {
			t.Errorf("web/index.html has no link to %s", dir)
		}
		if !strings.Contains(readme, "`/"+dir+"`") {
			t.Errorf("README.md does not name /%s", dir)
		}
	}
}

// TestPackageLinks: what the npm package's README.md refers to is in the package.
func TestPackageLinks(t *testing.T) {
	var pkg struct{ Files []string }
	if err := json.Unmarshal([]byte(read(t, "js/package.json")), &pkg); err != nil {
		t.Fatal(err)
	}
	for _, m := range linkRE.FindAllStringSubmatch(codeRE.ReplaceAllString(read(t, "js/README.md"), ""), -1) {
		file, _, _ := strings.Cut(m[1], "#")
		if file != "" && !strings.Contains(file, "://") && !slices.Contains(pkg.Files, file) {
			t.Errorf("js/README.md refers to %s, which package.json does not put into the package", m[1])
		}
	}
}

func TestMakeTargets(t *testing.T) {
	_, list, _ := strings.Cut(read(t, "Makefile"), ".PHONY:")
	list, _, _ = strings.Cut(list, "\n")
	targets := map[string]bool{}
	for _, name := range strings.Fields(list) {
		targets[name] = true
	}
	if len(targets) == 0 {
		t.Fatal("Makefile names no targets")
	}
	for _, page := range pages(t) {
		for _, code := range codeRE.FindAllString(read(t, page), -1) {
			for _, m := range makeRE.FindAllStringSubmatch(code, -1) {
				if !targets[m[1]] {
					t.Errorf("%s: there is no target in make %s", page, m[1])
				}
			}
		}
	}
}

// stepRE is how docs/arch.md names a place: `file.go: Func` or `file.go: Type.Method`, several by comma.
var stepRE = regexp.MustCompile("`([a-z_/0-9]+\\.go): ([A-Za-z0-9_., ]+)`")

// TestArch holds the walk through the code against the code.
func TestArch(t *testing.T) {
	steps := stepRE.FindAllStringSubmatch(read(t, "docs/arch.md"), -1)
	if len(steps) == 0 {
		t.Fatal("docs/arch.md walks through no code")
	}
	for _, m := range steps {
		declared, err := functions(filepath.Join(root, filepath.FromSlash(m[1])))
		if err != nil {
			t.Errorf("docs/arch.md: %v", err)
			continue
		}
		for name := range strings.SplitSeq(m[2], ",") {
			if name = strings.TrimSpace(name); !declared[name] {
				t.Errorf("docs/arch.md: %s declares no %s", m[1], name)
			}
		}
	}
}

// functions lists what a file declares: "Func" and "Type.Method".
func functions(file string) (map[string]bool, error) {
	tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, d := range tree.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		name := f.Name.Name
		if f.Recv != nil {
			name = receiver(f.Recv.List[0].Type) + "." + name
		}
		names[name] = true
	}
	return names, nil
}

// receiver is the name of a method's type.
func receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.IndexListExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}
