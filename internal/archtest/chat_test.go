//go:build !js

package archtest

import (
	"go/ast"
	"go/token"
	"strconv"
	"testing"
)

// The library must work for kinds nobody here thought of, so it may not know the one we demonstrate. These are the
// fields of the chat room; "topic" and "messages" are common words, together they are not.
var mayKnowChat = []string{"examples", "web", "internal/archtest"}

func TestOnlyExamplesKnowChat(t *testing.T) {
	for _, f := range files(t) {
		if f.test || under(f.pkg, mayKnowChat...) {
			continue
		}
		literals := map[string]token.Pos{}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BasicLit:
				if text, err := strconv.Unquote(n.Value); n.Kind == token.STRING && err == nil {
					literals[text] = n.Pos()
				}
			case *ast.StructType:
				f.chatFields(t, n)
			}
			return true
		})
		pos, participants := literals["participants"]
		_, topic := literals["topic"]
		_, messages := literals["messages"]
		if participants {
			t.Errorf("%s: the text %q is a field of the chat", f.at(pos), "participants")
		}
		if topic && messages {
			t.Errorf("%s: the texts %q and %q are fields of the chat", f.at(literals["topic"]), "topic", "messages")
		}
	}
}

// chatFields reports a struct that has the chat's fields.
func (f *file) chatFields(t *testing.T, s *ast.StructType) {
	t.Helper()
	has := map[string]bool{}
	for _, field := range s.Fields.List {
		for _, name := range field.Names {
			has[name.Name] = true
		}
	}
	if has["Participants"] || has["Topic"] && has["Messages"] {
		t.Errorf("%s: a struct with the fields of the chat", f.at(s.Pos()))
	}
}
