//go:build js

package webkey

import (
	"context"
	"errors"
	"fmt"
	"syscall/js"
)

// await waits for a promise, or until ctx ends; the promise is then left to
// itself and its callbacks are released when it settles.
func await(ctx context.Context, promise js.Value) (js.Value, error) {
	type settled struct {
		value js.Value
		err   error
	}
	done := make(chan settled, 1)
	var onValue, onError js.Func
	release := func() { onValue.Release(); onError.Release() }
	onValue = js.FuncOf(func(_ js.Value, args []js.Value) any {
		done <- settled{value: first(args)}
		release()
		return nil
	})
	onError = js.FuncOf(func(_ js.Value, args []js.Value) any {
		done <- settled{err: jsError(first(args))}
		release()
		return nil
	})
	if _, err := try(func() js.Value { return promise.Call("then", onValue, onError) }); err != nil {
		release()
		return js.Undefined(), err
	}
	select {
	case s := <-done:
		return s.value, s.err
	case <-ctx.Done():
		return js.Undefined(), ctx.Err()
	}
}

func first(args []js.Value) js.Value {
	if len(args) == 0 {
		return js.Undefined()
	}
	return args[0]
}

// try turns a synchronous JavaScript exception into an error.
func try(f func() js.Value) (v js.Value, err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case js.Error:
			v, err = js.Undefined(), jsError(r.Value)
		case error: // *js.ValueError: a member that is not there
			v, err = js.Undefined(), r
		default:
			panic(r)
		}
	}()
	return f(), nil
}

// Exception is an error of the browser, with its stable name ("QuotaExceededError").
type Exception struct{ Name, Message string }

func (e *Exception) Error() string { return e.Name + ": " + e.Message }

func jsError(v js.Value) error {
	if v.Type() != js.TypeObject {
		return &Exception{Name: "Error", Message: v.String()}
	}
	text := func(name string) string {
		if s := v.Get(name); s.Type() == js.TypeString {
			return s.String()
		}
		return ""
	}
	return &Exception{Name: text("name"), Message: text("message")}
}

// named reports whether err is the browser's error of that name.
func named(err error, name string) bool {
	var e *Exception
	return errors.As(err, &e) && e.Name == name
}

func toJS(b []byte) js.Value {
	a := js.Global().Get("Uint8Array").New(len(b))
	js.CopyBytesToJS(a, b)
	return a
}

// toGo copies an ArrayBuffer or Uint8Array of exactly want bytes.
func toGo(v js.Value, want int) ([]byte, error) {
	return bounded(v, want, want)
}

func bounded(v js.Value, low, high int) ([]byte, error) {
	a, err := try(func() js.Value { return js.Global().Get("Uint8Array").New(v) })
	if err != nil {
		return nil, err
	}
	n := a.Length()
	if n < low || n > high {
		return nil, fmt.Errorf("webkey: the browser returned %d bytes, expected %d", n, low)
	}
	b := make([]byte, n)
	js.CopyBytesToGo(b, a)
	return b, nil
}
