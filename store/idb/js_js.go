package idb

import (
	"errors"
	"fmt"
	"syscall/js"

	"github.com/hyperhyperspace/hhs-go/store"
)

// try calls f and returns a JavaScript exception as an error.
func try(f func()) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case js.Error:
			err = domError(r.Value)
		default:
			panic(r)
		}
	}()
	f()
	return nil
}

// domError gives a DOMException the identity that callers branch on.
func domError(v js.Value) error {
	if !v.Truthy() {
		return errors.New("aborted by the browser")
	}
	name := v.Get("name").String()
	text := name + ": " + v.Get("message").String()
	for _, known := range domErrors {
		if known.name == name {
			return fmt.Errorf("%w: %s", known.err, text)
		}
	}
	return errors.New(text)
}

// domErrors are those that mean something here. A browser that refuses databases on principle, as some do in private
// windows, throws the last two; so does a connection that is closed, but then the store says that first.
var domErrors = []struct {
	name string
	err  error
}{
	{"QuotaExceededError", store.ErrFull}, {"UnknownError", errUnknown}, {"VersionError", store.ErrNewer},
	{"InvalidStateError", ErrUnavailable}, {"SecurityError", ErrUnavailable},
}

// errUnknown is what a browser calls errors of its disk.
var errUnknown = errors.New("the browser cannot use its storage")

// callbacks are functions given to the browser. They run on its event loop and never wait.
type callbacks []js.Func

// on sets an event handler of a JavaScript object.
func (c *callbacks) on(target js.Value, event string, f func(event js.Value)) {
	fn := js.FuncOf(func(_ js.Value, args []js.Value) any {
		f(args[0])
		return nil
	})
	*c = append(*c, fn)
	target.Set("on"+event, fn)
}

func (c *callbacks) release() {
	for _, fn := range *c {
		fn.Release()
	}
	*c = nil
}

// transaction is one IndexedDB transaction in progress.
type transaction struct {
	callbacks
	tx     js.Value
	reason error // why we aborted
}

// transact runs one transaction and returns when it is complete or aborted. issue makes the requests, at once or in
// the success events of others (invariant 3); an exception in it aborts.
func transact(conn js.Value, mode, durability string, stores []any, issue func(*transaction)) error {
	t := new(transaction)
	done := make(chan error, 1)
	err := try(func() {
		t.tx = conn.Call("transaction", stores, mode, map[string]any{"durability": durability})
	})
	if err != nil {
		return err
	}
	t.on(t.tx, "complete", func(js.Value) { done <- nil })
	t.on(t.tx, "abort", func(js.Value) {
		if t.reason == nil {
			t.reason = domError(t.tx.Get("error"))
		}
		done <- t.reason
	})
	t.guard(func() { issue(t) })
	err = <-done
	t.release()
	return err
}

// guard runs code that makes requests and aborts if one throws.
func (t *transaction) guard(f func()) {
	if err := try(f); err != nil {
		t.abort(err)
	}
}

func (t *transaction) abort(reason error) {
	if t.reason == nil {
		t.reason = reason
	}
	_ = try(func() { t.tx.Call("abort") }) // throws if the transaction has ended by itself, whose event tells
}

func (t *transaction) store(name string) js.Value { return t.tx.Call("objectStore", name) }

// get runs f with the value of a key of meta.
func (t *transaction) get(key string, f func(js.Value)) { t.then(t.store("meta").Call("get", key), f) }

// put sets a key of meta.
func (t *transaction) put(key string, value any) { t.store("meta").Call("put", value, key) }

// drop deletes a range of numbers.
func (t *transaction) drop(name string, s span) { t.store(name).Call("delete", keyRange(s)) }

// then runs f with the result of a request, in its success event. A request that fails aborts the transaction.
func (t *transaction) then(request js.Value, f func(result js.Value)) {
	t.on(request, "success", func(js.Value) {
		t.guard(func() { f(request.Get("result")) })
	})
}

// toJS copies bytes into a new Uint8Array.
func toJS(b []byte) js.Value {
	a := js.Global().Get("Uint8Array").New(len(b))
	js.CopyBytesToJS(a, b)
	return a
}

// toGo copies a stored Uint8Array; anything else is nil.
func toGo(v js.Value) []byte {
	if !v.InstanceOf(js.Global().Get("Uint8Array")) {
		return nil
	}
	b := make([]byte, v.Length())
	js.CopyBytesToGo(b, v)
	return b
}

// keyRange returns an IDBKeyRange of numbers.
func keyRange(s span) js.Value {
	return js.Global().Get("IDBKeyRange").Call("bound", float64(s.first), float64(s.last))
}
