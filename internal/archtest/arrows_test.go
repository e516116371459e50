//go:build !js

package archtest

import (
	"strings"
	"testing"
)

// layers are the packages from the bottom of every import chain to its top: a package imports only those above it here,
// and those of its own line. Packages in a directory stand where the directory does, unless they have a line.
// store stands before crdt because the replicated types name its KV in their contract; it knows none of them.
var layers = []string{
	"internal/pace", "internal/netlimit", "internal/order", "internal/log", "internal/address", "internal/plain", // nothing of the module
	"object",
	"blob",
	"words",
	"identity",
	"history",
	"schema",
	"authority", // puts the schemas of concurrent changes together
	"internal/fold",
	"store",
	"crdt",
	"replica",
	"transport",
	"signalling",
	"mesh",
	"syncer",
	".",
	"foldtest",
	"examples/auction/lot", // the fold of the scripts
	"internal/scripts",     // the engine is built with it for one test
	"js",
	"web",
	"examples",
	"internal", // builders, simulators, benchmarks' parts
	"cmd",
}

// engines are what only package hhs, which wires the defaults, and the programs may import: everything else gets a
// store.Store, a transport.Conn or an identity.Signer handed in.
var engines = []string{"store/pebble", "store/idb", "transport/ws", "transport/rtc", "identity/keyfile", "identity/webkey"}

// mayWire are the packages that choose engines.
var mayWire = []string{".", "js", "web", "examples", "internal", "cmd"}

// exceptions are packages that need one engine by their nature.
var exceptions = map[string]string{
	"signalling": "transport/ws", // the server is a WebSocket endpoint; its client gets a dialer handed in
}

// forTests tells whether a package is a suite for tests or a program in one: its path has a directory named ...test.
func forTests(pkg string) bool { return strings.Contains(pkg+"/", "test/") }

// layer returns the line of a package, by its longest prefix; -1 if it has none.
func layer(pkg string) int {
	best, length := -1, -1
	for i, l := range layers {
		if under(pkg, l) && len(l) > length {
			best, length = i, len(l)
		}
	}
	return best
}

func TestArrows(t *testing.T) {
	for _, f := range files(t) {
		from := layer(f.pkg)
		if from < 0 {
			t.Errorf("%s: package %s has no line in the layers list", f.path, f.pkg)
			continue
		}
		if f.test {
			continue // a test may bring in what it needs: engines, suites, oracles
		}
		for imp, pos := range f.imports() {
			to, ours := inModule(imp)
			if !ours {
				continue
			}
			if l := layer(to); l < 0 || l > from {
				t.Errorf("%s: %s imports %s, which is not above it (docs/arch.md)", f.at(pos), f.pkg, to)
			}
			if under(to, engines...) && !under(f.pkg, mayWire...) && !under(f.pkg, parent(to)) && exceptions[f.pkg] != to && !forTests(f.pkg) {
				t.Errorf("%s: %s imports the engine %s; it must be handed in", f.at(pos), f.pkg, to)
			}
		}
	}
}

// inModule returns the directory of an import of this module.
func inModule(imp string) (dir string, ours bool) {
	if imp == module {
		return ".", true
	}
	return strings.CutPrefix(imp, module+"/")
}

// parent is the engine's directory: what is inside of it may import it.
func parent(engine string) string {
	for _, e := range engines {
		if under(engine, e) {
			return e
		}
	}
	return engine
}

// TestNoTestingInLibrary keeps the testing package, and its flags, out of what users link.
func TestNoTestingInLibrary(t *testing.T) {
	for _, f := range files(t) {
		if pos, ok := f.imports()["testing"]; ok && !f.test && !forTests(f.pkg) && !under(f.pkg, "internal") {
			t.Errorf("%s: only tests and the suites (packages named ...test) import testing", f.at(pos))
		}
	}
}
