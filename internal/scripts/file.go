// Package scripts runs the files of testdata/scripts: for each replicated type, edits that several people make apart from
// each other, what each of them sees, and what all see in the end. The same files are run by Go natively, by Go in
// WebAssembly and by the TypeScript API in Chromium (js/test/scripts), with the same commit ids, values and error codes.
//
//	file, err := scripts.Read("../../testdata/scripts/counter.json")
//	for _, s := range file.Scripts {
//		err := scripts.Run(ctx, file, s, false)
//	}
//
// A file says in "fields" what its spaces hold. A script is a list of steps, each of them one of:
//
//	{"at": "ada", "do": [OP ...], "as": "A", "id": ID}     one transaction; the commit is called A and has this id
//	{"at": "ada", "do": [OP ...], "fails": {"code", "path"?}}  one that is refused
//	{"at": "ada", "undo": ["A"], "as": "U", "id": ID}      the commits named are taken back; none: the latest edit; or "fails"
//	{"at": "ada", "redo": true, "as": "R", "id": ID}       what the latest undo took back is made again
//	{"from": "ada", "to": "bob"}                           bob gets all that ada has
//	{"at": "bob", "shows": {FIELD: STATE ...}}             what bob reads
//	{"at": "bob", "past": ["A"], "now": true, "shows": ...}  what bob reads of the version that these commits end; with now
//	                                                       without what was taken back since
//	{"at": "bob", "log": {"field"?, "path"?, "past"?}, "gives": [COMMIT ...]}  the history, or what it has of a value
//	{"at": "bob", "diff": [["A"], []], "gives": [CHANGE ...]}  what the second version, [] for now, shows otherwise than the first
//	{"at": "ada", "put": TEXT, "times"?, "media"?, "name"?, "gives": VALUE}  the bytes of the text, so many times (1), are kept as a
//	                                                       blob, and this stands for them; or "fails"
//	{"at": "bob", "bytes": VALUE, "range"?: [FROM, TO], "gives": TEXT}  what a blob has that is here
//	{"all": {FIELD: STATE ...}}                            everybody gives everybody everything, and this is what all read
//
// An undo or redo that has nothing to do makes no commit and has no "as". An OP is {"field", "action", "value"} as in
// js/BRIDGE.md, values in DAG-JSON; on the field "$undo" the value is the name of a commit. A STATE is, for a counter, its decimal
// digits as text, for a text that text, and for all else a list of [value, op], where the op is named by its commit and index,
// as "A.0": the elements of a set, log or list in their order, of a register the value shown and then its conflicts. That of a map is a list
// of [key, STATE], with the op that made it as a third where it holds records; that of a record a map of STATEs. That of the fold example.org/auction,
// which all who run scripts have, in a field "sale", is {"state": the state, with people by their names, "ignored": list of
// [reason, op]}. Who wrote
// an entry, on which device and when, must be those of its commit.
//
// A COMMIT is [name, names of those whose undo takes it back, list of [PLACE, action, value or null, effect, names of the
// commits that an undo is about]], without authority ops; a CHANGE [PLACE, before or null, after or null, name of the commit];
// a PLACE the field and the keys and names inside it. A record is the op that made it there, too. "log" and "diff" may have "fails" as well.
//
// The first person named makes the space. Keys and salts follow from the names of file, script and person (see [Options])
// and the time from the number of the step, so ids are the same wherever a script runs.
package scripts

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
)

// File is a file of scripts.
type File struct {
	Name     string // without directory and extension
	About    string
	Manifest *authority.Manifest
	Scripts  []Script
}

// Script is one story.
type Script struct {
	Name  string
	Steps []map[string]any
}

// Kind is the kind of the spaces of all files.
const Kind = "test.example/scripts"

// Read reads a file.
func Read(path string) (*File, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	v, err := object.FromJSON(bytes.TrimSpace(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	f := &File{Name: strings.TrimSuffix(filepath.Base(path), ".json")}
	if err := f.read(v); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

func (f *File) read(v any) (err error) {
	m, _ := v.(map[string]any)
	f.Manifest, err = authority.ParseManifest(map[string]any{"$type": authority.ManifestType, "kind": Kind, "version": int64(1),
		"fields": m["fields"], "policy": authority.PolicyOpen})
	if err != nil {
		return err
	}
	f.About, _ = m["about"].(string)
	list, _ := m["scripts"].([]any)
	for i, v := range list {
		m, _ := v.(map[string]any)
		s := Script{}
		s.Name, _ = m["name"].(string)
		steps, _ := m["steps"].([]any)
		for _, v := range steps {
			step, ok := v.(map[string]any)
			if !ok {
				return fmt.Errorf("script %d: a step is not a map", i)
			}
			s.Steps = append(s.Steps, step)
		}
		if s.Name == "" || len(s.Steps) == 0 {
			return fmt.Errorf("script %d has no name or no steps", i)
		}
		f.Scripts = append(f.Scripts, s)
	}
	if len(f.Scripts) == 0 {
		return fmt.Errorf("no scripts")
	}
	return nil
}

// Seed names the randomness of a person in a script.
func (f *File) Seed(s Script, person string) string { return f.Name + "/" + s.Name + "/" + person }

// Start is the time of the first step; each later one is a second after the one before.
var Start = time.UnixMilli(1_700_000_000_000)

// Options make a node whose keys and salts follow from a seed, which meets nobody.
func Options(ctx context.Context, seed string, now func() time.Time) ([]hhs.Option, error) {
	_, device, err := identity.NewDevice(ctx, stream(seed+"/keys"), "script", Start.UnixMilli())
	if err != nil {
		return nil, fmt.Errorf("make keys from %s: %w", seed, err)
	}
	return []hhs.Option{hhs.InMemory(), hhs.Offline(), hhs.WithDevice(device), hhs.WithClock(now), hhs.WithRand(stream(seed + "/salts"))}, nil
}

// stream is randomness without end.
func stream(seed string) io.Reader { return rand.NewChaCha8(sha256.Sum256([]byte(seed))) }

// Text writes a file as it is kept: a step on a line.
func (f *File) Text() (string, error) {
	m, _ := f.Manifest.Value().(map[string]any)
	about, err := object.ToJSON(f.About)
	if err != nil {
		return "", err
	}
	fields, err := object.ToJSON(m["fields"])
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "{\n \"about\": %s,\n \"fields\": %s,\n \"scripts\": [", about, fields)
	for i, s := range f.Scripts {
		name, err := object.ToJSON(s.Name)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "%s\n  {\"name\": %s, \"steps\": [", comma(i), name)
		for j, step := range s.Steps {
			line, err := stepText(step)
			if err != nil {
				return "", err
			}
			fmt.Fprintf(&b, "%s\n   %s", comma(j), line)
		}
		b.WriteString("\n  ]}")
	}
	return b.String() + "\n ]\n}\n", nil
}

func comma(i int) string {
	if i == 0 {
		return ""
	}
	return ","
}

// stepText writes a step with its keys in the order of reading.
func stepText(step map[string]any) (string, error) {
	var parts []string
	for _, key := range []string{"at", "from", "to", "do", "undo", "redo", "put", "times", "media", "name", "bytes", "range", "as", "id", "past", "now", "log", "diff", "fails", "shows", "gives", "all"} {
		if step[key] == nil {
			continue
		}
		v, err := object.ToJSON(step[key])
		if err != nil {
			return "", err
		}
		parts = append(parts, fmt.Sprintf("%q: %s", key, v))
	}
	return "{" + strings.Join(parts, ", ") + "}", nil
}
