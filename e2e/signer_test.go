package e2e

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hyperhyperspace/hhs-go/object"
)

// silentSigner goes before the worker's own code: on request, signatures are promised and never made.
const silentSigner = `{
	const sign = crypto.subtle.sign.bind(crypto.subtle)
	const requests = new BroadcastChannel('test-signer')
	let silent = false
	crypto.subtle.sign = (...args) => silent ? new Promise(() => {}) : sign(...args)
	requests.onmessage = e => {
		if (typeof e.data !== 'boolean') return
		silent = e.data
		requests.postMessage('done')
	}
}
`

// beforeWorker changes the built worker.
func beforeWorker(script string) func(name string, body []byte) []byte {
	return func(name string, body []byte) []byte {
		if matched, _ := filepath.Match("assets/worker-*.js", name); matched {
			return append([]byte(script), body...)
		}
		return body
	}
}

// callEngine asks the engine directly, as the page's own code does.
const callEngine = `globalThis.callEngine = (id, method, args) => new Promise(done => {
	const worker = seenWorkers.at(-1)
	const answer = e => {
		if (e.data.t !== 'result' || e.data.id !== id) return
		worker.removeEventListener('message', answer)
		done(e.data.error ? e.data.error.code + ': ' + e.data.error.message : 'ok')
	}
	worker.addEventListener('message', answer)
	worker.postMessage({ t: 'call', id, method, args: Uint8Array.from(atob(args), c => c.charCodeAt(0)) })
})`

// call returns the expression that asks the engine.
func call(t *testing.T, id int, method string, args map[string]any) string {
	t.Helper()
	data, err := object.Encode(args)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`callEngine(%d, %q, %q)`, 1_000_000+id, method, base64.StdEncoding.EncodeToString(data))
}

// exports lists the engine's methods, as its source has them.
func exports(t *testing.T) []string {
	t.Helper()
	source, err := os.ReadFile("../js/wasm/engine_js.go")
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, m := range regexp.MustCompile(`"(\w+)":\s+\(\*engine\)\.`).FindAllSubmatch(source, -1) {
		list = append(list, string(m[1]))
	}
	if len(list) < 20 {
		t.Fatalf("found only the methods %q", list)
	}
	return list
}

// TestSilentSigner calls every method of the engine while no signature is ever made. What needs one may wait for ever;
// everything else answers, and the engine stays alive.
func TestSilentSigner(t *testing.T) {
	t.Parallel()
	s := serve(t)
	p := profile(t, "page")
	p.inject(seeWorkers)
	p.inject(callEngine)
	p.open(staticChanged(t, "127.0.0.1", beforeWorker(silentSigner))).ready()
	p.create("")
	space := p.data("room")
	var commit string
	p.write("one")
	commit = p.text(`document.querySelector('li.message').dataset.commit`)
	p.do(`new Promise(done => {
		const signer = new BroadcastChannel('test-signer')
		signer.onmessage = () => done()
		signer.postMessage(true)
	})`)

	manifest := map[string]any{"$type": "hhs/manifest", "kind": "example.org/other", "version": 1, "policy": "open",
		"fields": []any{map[string]any{"name": "a", "type": "register", "schema": map[string]any{"type": "any"}}}}
	hello := []any{map[string]any{"field": "messages", "action": "append", "value": map[string]any{"text": "never"}}}
	id, err := object.Encode("put")
	if err != nil {
		t.Fatal(err)
	}
	small := map[string]any{"$type": "hhs/blob", "root": object.Sum(object.Raw, []byte("bytes")), "size": 5} // which blobBegin to blobEnd put
	in := func(more map[string]any) map[string]any {
		args := map[string]any{"space": space}
		for k, v := range more {
			args[k] = v
		}
		return args
	}
	args := map[string]map[string]any{
		"open": {"name": "hhs", "kinds": []any{manifest}}, "spaces": {}, "lookup": {"words": "rough petunia risk"},
		"create": {"manifest": manifest}, "join": {"link": "hhs:" + object.Sum(object.DagCBOR, id).String()},
		"put": {"value": "put"}, "get": {"id": object.Sum(object.DagCBOR, id).String()}, "name": {}, "setName": {"name": "Ana"},
		"info": in(nil), "link": in(nil), "addServers": in(map[string]any{"servers": []any{s.signalling()}}),
		"update": in(map[string]any{"ops": hello}), "read": in(map[string]any{"field": "messages", "query": map[string]any{}}), "names": in(nil),
		"edit":    in(map[string]any{"field": "messages", "since": "never", "edits": []any{}}),
		"receipt": in(map[string]any{"commits": []any{commit}}), "status": in(nil), "peers": in(nil),
		"undo": in(nil), "redo": in(nil), "undoState": in(nil), "schema": in(nil), "upgrade": in(map[string]any{"manifest": manifest}),
		"version": in(nil), "history": in(nil), "diff": in(nil), "find": in(map[string]any{"type": "example.org/note"}),
		"fileExport": in(nil), "fileRead": {"file": 1}, "fileImport": {}, "fileWrite": {"file": 2, "data": []byte{}}, "fileEnd": {"file": 2, "stop": true},
		"blobBegin": {}, "blobWrite": {"put": 1, "data": []byte("bytes")}, "blobEnd": {"put": 1}, "blobAbort": {"put": 1},
		"blobRead": in(map[string]any{"blob": small, "from": 0}), "blobHave": in(map[string]any{"blob": small}), "blobKeep": in(map[string]any{"blob": small}),
		"subscribe": {"sub": "test/1", "space": space}, "unsubscribe": {"sub": "test/1"}, "leave": in(nil), "close": {},
	}
	order := exports(t)
	slices.SortStableFunc(order, func(a, b string) int { return ending(a) - ending(b) })
	refused := map[string]string{"lookup": "offline: ", "upgrade": "kind_mismatch: ", "edit": "stale: "}
	signs := []string{"create", "update", "undo", "redo", "setName"}
	for i, method := range order {
		if args[method] == nil {
			t.Errorf("the method %s is not tried here", method)
			continue
		}
		if slices.Contains(signs, method) {
			p.do(fmt.Sprintf(`void %s.then(answer => console.log('%s answered', answer))`, call(t, 2*i, method, args[method]), method))
		} else if got := p.text(call(t, 2*i, method, args[method])); got != "ok" && (refused[method] == "" || !strings.HasPrefix(got, refused[method])) {
			t.Errorf("%s answers %s", method, got)
		}
		if method == "close" {
			break // the engine ends, as it was told
		}
		if got := p.text(call(t, 2*i+1, "spaces", map[string]any{})); got != "ok" {
			t.Errorf("after %s the engine answers %s", method, got)
		}
	}
	if n := p.text(`document.documentElement.dataset.restarts ?? '0'`); n != "0" {
		t.Errorf("the engine was restarted %s times", n)
	}
	for _, line := range p.Console() {
		if strings.Contains(line, "answered ok") {
			t.Errorf("without a signer: %s", line)
		}
	}
}

// ending puts what ends things at the end.
func ending(method string) int {
	return slices.Index([]string{"create", "update", "undo", "redo", "setName", "leave", "close"}, method)
}
