package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// chatKind is the kind of the page's rooms, as its founder's program has it: of the page's version, and of a later one.
func chatKind(version int) map[string]any {
	text := map[string]any{"type": "object", "props": map[string]any{"text": map[string]any{"type": "string", "max": 4000}}, "required": []any{"text"}}
	fields := []any{
		map[string]any{"name": "topic", "type": "register", "schema": map[string]any{"type": "string"}},
		map[string]any{"name": "participants", "type": "set", "schema": map[string]any{"type": "identity"}},
		map[string]any{"name": "messages", "type": "log", "schema": text},
	}
	if version > 1 {
		text["props"].(map[string]any)["mood"] = map[string]any{"type": "string"}
		fields = append(fields, map[string]any{"name": "pinned", "type": "register", "schema": map[string]any{"type": "string"}})
	}
	return map[string]any{"$type": "hhs/manifest", "kind": "example.org/chat", "version": version, "policy": "open", "fields": fields}
}

// TestSchemaChange has the page, which is of version 1, in a room that its founder's program brings to version 2 meanwhile.
func TestSchemaChange(t *testing.T) {
	t.Parallel()
	needInterface(t)
	s := serve(t)
	kind := func(version int) string {
		raw, err := json.Marshal(chatKind(version))
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "kind.json")
		if err := os.WriteFile(file, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	var room struct{ Space, Link string }
	hhsCommand(t, &room, "space", "create", "--manifest", kind(1), "--dir", s.home)
	set := func(field, value string) { hhsCommand(t, nil, "set", room.Space, field, value, "--dir", s.home) }
	set("messages", `{"text":"before"}`)

	page := profile(t, "page").open(s.URL).ready()
	page.enter(room.Link)
	page.shows("before")
	page.until(`d.schema === '1'`)
	page.write("hello")

	var up struct{ From, To int64 }
	hhsCommand(t, &up, "space", "upgrade", room.Space, "--manifest", kind(2), "--dir", s.home)
	if up.From != 1 || up.To != 2 {
		t.Fatalf("from version %d to %d", up.From, up.To)
	}
	page.write("during")
	set("messages", `{"text":"newer","mood":"glad"}`)
	set("pinned", `"hello"`)
	page.until(`d.schema === '2'`)
	page.shows("newer")
	page.write("after")
	page.exactly("before", "hello", "during", "newer", "after")
	page.click(`#stored summary`)
	page.until(`d.schemaChanges === '1' && document.getElementById('stored-list').textContent.includes('version 2')`)

	// A page that is opened now, of the old version, and one that had been open: the room is the same.
	page.reload()
	page.ready().exactly("before", "hello", "during", "newer", "after")
	var log json.RawMessage
	hhsCommand(t, &log, "get", room.Space, "messages", "--dir", s.home)
	for _, want := range []string{"newer", "glad", "after"} {
		if !strings.Contains(string(log), want) {
			t.Errorf("the founder has %s", log)
		}
	}
}
