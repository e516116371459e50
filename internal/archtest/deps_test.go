//go:build !js

package archtest

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// data are replica and all under it: a data model without network, engines or platform.
var data = []string{"object", "blob", "identity", "history", "authority", "schema", "store", "crdt", "replica"}

// notInData are import paths, with all below them, that must not be reached from there, on any platform.
var notInData = []string{
	"net", "crypto/tls", "os/exec",
	"github.com/cockroachdb", "github.com/pion", "github.com/coder/websocket", "github.com/flynn/noise",
	module + "/store/pebble", module + "/store/idb", module + "/transport", module + "/signalling", module + "/mesh", module + "/syncer",
}

// notInWASM are import paths, with all below them, that must not get into the page: each costs hundreds of kilobytes or
// cannot work there.
var notInWASM = []string{
	"net/http", "crypto/tls", "text/template", "html/template",
	"crypto/ecdh", "github.com/pion", "github.com/coder/websocket", "github.com/flynn/noise", "github.com/ipfs/go-cid", "github.com/multiformats/go-multihash",
	"github.com/fxamacker/cbor", "filippo.io/age", "github.com/DataDog/zstd", "github.com/klauspost/compress",
	"github.com/cockroachdb", "github.com/ipld", "github.com/spf13/cobra",
}

// native are the packages that are not for the browser.
var native = []string{"identity/keyfile", "store/pebble", "examples", "web", "cmd", "internal"}

// reach lists everything that packages import, directly or not, for a platform.
func reach(t *testing.T, goos, goarch string, pkgs []string) []string {
	t.Helper()
	args := append([]string{"list", "-e", "-deps", "-f", "{{.ImportPath}}"}, pkgs...)
	cmd := exec.Command("go", args...)
	cmd.Dir = root(t)
	cmd.Env = append(os.Environ(), "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	return strings.Fields(string(out))
}

// packages returns the directories with Go files that are not tests and that keep says yes to, as arguments of go list.
func packages(t *testing.T, keep func(pkg string) bool) []string {
	t.Helper()
	var dirs []string
	for _, f := range files(t) {
		if dir := "./" + f.pkg; !f.test && keep(f.pkg) && !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	if len(dirs) == 0 {
		t.Fatal("no packages found")
	}
	return dirs
}

func TestDataModelHasNoNetwork(t *testing.T) {
	pkgs := packages(t, func(pkg string) bool {
		return under(pkg, data...) && !under(pkg, engines...) && !forTests(pkg)
	})
	for _, platform := range [][2]string{{"linux", "amd64"}, {"js", "wasm"}} {
		for _, dep := range reach(t, platform[0], platform[1], pkgs) {
			if under(dep, notInData...) && dep != "net/netip" {
				t.Errorf("%s: %s is imported by replica or something under it; find out with: go list -deps -f '{{.ImportPath}} {{.Imports}}' %s",
					platform[0], dep, strings.Join(pkgs, " "))
			}
		}
	}
}

func TestNotInWASM(t *testing.T) {
	pkgs := packages(t, func(pkg string) bool { return !under(pkg, native...) && !forTests(pkg) })
	for _, dep := range reach(t, "js", "wasm", pkgs) {
		if under(dep, notInWASM...) {
			t.Errorf("%s gets into the WASM build; find out with: GOOS=js GOARCH=wasm go list -deps -f '{{.ImportPath}} {{.Imports}}' ./js/...", dep)
		}
	}
}

// TestNoReflectionJSON keeps encoding/json out of our own code on the page: object has DAG-JSON. Its cost comes with
// log/slog anyway where that is linked, so only direct imports count.
func TestNoReflectionJSON(t *testing.T) {
	for _, f := range files(t) {
		pos, ok := f.imports()["encoding/json"]
		if ok && !f.test && !under(f.pkg, native...) && !forTests(f.pkg) && !nativeFile(f) {
			t.Errorf("%s: encoding/json in a package of the WASM build; use object.ToJSON and FromJSON, or a file with a //go:build !js line", f.at(pos))
		}
	}
}

// nativeFile tells whether the file's build line leaves js out.
func nativeFile(f *file) bool {
	for _, group := range f.ast.Comments {
		for _, c := range group.List {
			if strings.HasPrefix(c.Text, "//go:build ") && strings.Contains(c.Text, "!js") {
				return true
			}
		}
	}
	return false
}
