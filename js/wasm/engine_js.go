package main

import (
	"context"
	"fmt"
	"sync"
	"syscall/js"
	"time"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/object"
)

// engine is the one node of this worker.
type engine struct {
	closed chan struct{}
	kept   kept
	files  files
	blobs  openBlobs

	mu   sync.Mutex
	name string
	node *hhs.Node

	noWords bool // spaces are not found by their three words through it
	subs    map[string]context.CancelFunc

	follows map[object.ID]*hhs.Follower
}

func newEngine() *engine {
	return &engine{closed: make(chan struct{}), kept: newKept(), subs: map[string]context.CancelFunc{}, follows: map[object.ID]*hhs.Follower{}}
}

// method is one call of the bridge. It asks for all its arguments before it
// does anything, and gives up when args has an error.
type method func(e *engine, ctx context.Context, a *args) (result, error)

var methods = map[string]method{
	"open": (*engine).open, "close": (*engine).close, "spaces": (*engine).spaces, "lookup": (*engine).lookup,
	"create": (*engine).create, "join": (*engine).join, "leave": (*engine).leave, "put": (*engine).put, "get": (*engine).get,
	"name": (*engine).getName, "setName": (*engine).setName,
	"info": (*engine).info, "link": (*engine).link, "addServers": (*engine).addServers, "update": (*engine).update,
	"read": (*engine).read, "edit": (*engine).edit, "names": (*engine).names, "receipt": (*engine).receipt, "status": (*engine).status, "peers": (*engine).peers,
	"undo": (*engine).undo, "redo": (*engine).redo, "undoState": (*engine).undoState,
	"schema": (*engine).schema, "upgrade": (*engine).upgrade,
	"find": (*engine).find, "version": (*engine).version, "history": (*engine).history, "diff": (*engine).diff,
	"fileExport": (*engine).fileExport, "fileImport": (*engine).fileImport, "fileRead": (*engine).fileRead, "fileWrite": (*engine).fileWrite, "fileEnd": (*engine).fileEnd,
	"blobBegin": (*engine).blobBegin, "blobWrite": (*engine).blobWrite, "blobEnd": (*engine).blobEnd, "blobAbort": (*engine).blobAbort,
	"blobRead": (*engine).blobRead, "blobHave": (*engine).blobHave, "blobKeep": (*engine).blobKeep,
	"subscribe": (*engine).subscribe, "unsubscribe": (*engine).unsubscribe,
}

var errNotOpen = &callError{code: "closed", message: "the node is not open"}

func (e *engine) running() (*hhs.Node, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.node == nil {
		return nil, errNotOpen
	}
	return e.node, nil
}

// manifest is a kind given as data.
type manifest struct{ m *authority.Manifest }

// Manifest implements hhs.AnyKind.
func (m manifest) Manifest() (*authority.Manifest, error) { return m.m, nil }

func parseManifest(v any) (manifest, error) {
	m, err := authority.ParseManifest(v)
	return manifest{m}, err
}

func (e *engine) open(ctx context.Context, a *args) (result, error) {
	name, memory, label := a.text("name"), a.optBool("memory"), a.optText("label")
	noWords := a.optBool("noWords")
	servers, endpoints, list := a.texts("servers"), a.texts("endpoints"), a.list("kinds", true)
	more, err := moreOptions(ctx, a)
	if err == nil {
		err = a.end()
	}
	if err != nil {
		return nil, err
	}
	kinds := make([]hhs.AnyKind, 0, len(list))
	for _, v := range list {
		m, err := parseManifest(v)
		if err != nil {
			return nil, err
		}
		kinds = append(kinds, m)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	fresh := false
	switch {
	case e.node != nil && e.name != name:
		return nil, invalid(fmt.Sprintf("this engine has %q open", e.name))
	case e.node != nil:
		if err := e.node.AddKinds(kinds...); err != nil {
			return nil, err
		}
		e.node.SetAddresses(servers, endpoints)
	default:
		opts := []hhs.Option{hhs.Kinds(kinds...), hhs.WithServers(servers...), hhs.WithEndpoints(endpoints...), hhs.WithLabel(label),
			hhs.WithDefaultPeers(hhs.Peers{NoWords: noWords}),
			hhs.WithLost(func(err error) { e.broadcast("", errorEvent("", err)) })}
		dir := name
		if memory {
			dir = ""
		}
		n, err := hhs.Open(ctx, dir, append(opts, more...)...)
		if err != nil {
			return nil, err
		}
		e.name, e.node, fresh, e.noWords = name, n, n.Fresh(), noWords
		go collectBlobs(n)
	}
	own, err := e.node.Name()
	if err != nil {
		return nil, err
	}
	spaces, err := e.node.Spaces()
	if err != nil {
		return nil, err
	}
	return result{"identity": string(e.node.Identity()), "device": e.node.Device(), "fresh": fresh, "spaces": int64(len(spaces))}.opt("name", own), nil
}

func (e *engine) close(_ context.Context, a *args) (result, error) {
	if err := a.end(); err != nil {
		return nil, err
	}
	e.mu.Lock()
	n := e.node
	e.node = nil
	for _, stop := range e.subs {
		stop()
	}
	clear(e.subs)
	for id := range e.follows {
		e.unfollow(id)
	}
	e.mu.Unlock()
	e.kept.clear()
	e.files.clear()
	e.blobs.clear()
	if n == nil {
		return nil, errNotOpen
	}
	err := n.Close()
	// In a task of its own, after the answer is on its way: wasm_exec.js fails
	// when the program ends inside a call that JavaScript made.
	js.Global().Call("setTimeout", js.FuncOf(func(js.Value, []js.Value) any {
		close(e.closed)
		return nil
	}))
	return nil, err
}

// space finds the space a call is about.
func (e *engine) space(a *args) (*hhs.AnySpace, error) {
	n, err := e.running()
	if err != nil {
		return nil, err
	}
	id, err := a.id("space")
	if err != nil {
		return nil, err
	}
	return n.Space(id)
}

func (e *engine) spaces(_ context.Context, a *args) (result, error) {
	n, err := e.running()
	if err != nil {
		return nil, err
	}
	list, err := n.Spaces()
	if err != nil {
		return nil, err
	}
	infos := make([]any, 0, len(list))
	for _, s := range list {
		info, err := infoOf(s)
		if err != nil {
			return nil, err
		}
		infos = append(infos, map[string]any(info))
	}
	sortByActivity(infos)
	return result{"spaces": infos}, nil
}

func (e *engine) lookup(ctx context.Context, a *args) (result, error) {
	words, servers := a.text("words"), a.texts("servers")
	n, err := e.running()
	if err == nil {
		err = a.end()
	}
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 8*time.Second)
	defer cancel()
	found, err := n.Lookup(ctx, words, servers...)
	if err != nil {
		return nil, err
	}
	list := make([]any, 0, len(found))
	for _, c := range found {
		list = append(list, map[string]any{"space": c.Link.Space.String(), "kind": c.Kind, "version": int64(c.Version),
			"creator": string(c.Creator), "created": c.Created.UnixMilli(), "link": c.Link.String()})
	}
	return result{"candidates": list}, nil
}

func (e *engine) create(ctx context.Context, a *args) (result, error) {
	v, servers, endpoints := a.value("manifest"), a.texts("servers"), a.texts("endpoints")
	n, err := e.running()
	if err == nil {
		err = a.end()
	}
	if err != nil {
		return nil, err
	}
	m, err := parseManifest(v)
	if err != nil {
		return nil, err
	}
	s, err := n.CreateSpace(ctx, m.m)
	if err == nil && len(servers)+len(endpoints) > 0 {
		err = s.AddAddresses(ctx, servers, endpoints)
	}
	if err != nil {
		return nil, err
	}
	e.broadcast("", result{"kind": "spaces"})
	return result{"space": s.ID().String()}, nil
}

func (e *engine) join(ctx context.Context, a *args) (result, error) {
	link := a.text("link")
	var program *authority.Manifest
	if v, given := a.m["manifest"]; given {
		a.value("manifest")
		m, err := parseManifest(v)
		if err != nil {
			return nil, err
		}
		program = m.m
	}
	n, err := e.running()
	if err == nil {
		err = a.end()
	}
	if err != nil {
		return nil, err
	}
	s, err := n.JoinSpace(ctx, link)
	if err != nil {
		return nil, err
	}
	if err := fits(s, program); err != nil {
		return nil, err
	}
	e.broadcast("", result{"kind": "spaces"})
	if !s.Ready() {
		go e.awaitReady(s, program)
	}
	return result{"space": s.ID().String(), "ready": s.Ready()}, nil
}

// awaitReady tells when the first commit of a space has come, and when the
// program that waits for it does not fit it.
func (e *engine) awaitReady(s *hhs.AnySpace, program *authority.Manifest) {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() {
		select {
		case <-e.closed:
			stop()
		case <-ctx.Done():
		}
	}()
	if s.Wait(ctx) != nil {
		return
	}
	e.broadcast("", result{"kind": "spaces"})
	if err := fits(s, program); err != nil {
		e.broadcast(s.ID().String(), errorEvent(s.ID().String(), err))
	}
}

func (e *engine) leave(ctx context.Context, a *args) (result, error) {
	n, err := e.running()
	if err != nil {
		return nil, err
	}
	id, err := a.id("space")
	if err == nil {
		e.mu.Lock()
		e.unfollow(id)
		e.mu.Unlock()
		err = n.Leave(ctx, id)
	}
	if err == nil {
		e.broadcast("", result{"kind": "spaces"})
	}
	return nil, err
}

func (e *engine) put(ctx context.Context, a *args) (result, error) {
	v := a.value("value")
	n, err := e.running()
	if err == nil {
		err = a.end()
	}
	if err != nil {
		return nil, err
	}
	id, err := n.PutValue(ctx, v)
	return result{"id": id.String()}, err
}

func (e *engine) get(_ context.Context, a *args) (result, error) {
	id, err := a.id("id")
	if err != nil {
		return nil, err
	}
	n, err := e.running()
	if err != nil {
		return nil, err
	}
	v, err := n.Get(id)
	return result{"value": v}, err
}

func (e *engine) getName(_ context.Context, a *args) (result, error) {
	n, err := e.running()
	if err != nil {
		return nil, err
	}
	name, err := n.Name()
	return result{}.opt("name", name), err
}

func (e *engine) setName(ctx context.Context, a *args) (result, error) {
	name := a.text("name")
	if !a.has("space") {
		n, err := e.running()
		if err == nil {
			err = a.end()
		}
		if err != nil {
			return nil, err
		}
		return nil, n.SetName(ctx, name)
	}
	s, err := e.space(a)
	if err != nil {
		return nil, err
	}
	return nil, s.SetName(ctx, name)
}

// ids parses a list of object ids.
func ids(list []string) ([]object.ID, error) {
	out := make([]object.ID, len(list))
	for i, t := range list {
		id, err := object.ParseID(t)
		if err != nil {
			return nil, invalid(fmt.Sprintf("%q is not an id: %v", t, err))
		}
		out[i] = id
	}
	return out, nil
}
