// Command wasm is the engine as a browser page or Node.js runs it: package hhs
// behind one asynchronous function. js/BRIDGE.md is its contract with the
// TypeScript package; nothing else calls it.
//
// No exported function waits: hhsCall copies its arguments, starts a goroutine
// and returns a promise. A call that fails rejects with {code, message, path}.
package main

import (
	"context"
	"fmt"
	"syscall/js"
)

func main() {
	e := newEngine()
	call := js.FuncOf(e.call)
	js.Global().Set("hhsCall", call)
	js.Global().Call("hhsReady")
	<-e.closed
	js.Global().Delete("hhsCall")
}

// call is hhsCall(method, args).
func (e *engine) call(_ js.Value, args []js.Value) any {
	var method string
	var data []byte
	var bad error
	switch {
	case len(args) != 2 || args[0].Type() != js.TypeString || args[1].Type() != js.TypeObject || !args[1].InstanceOf(uint8Array):
		bad = invalid("hhsCall wants a method and a Uint8Array")
	default:
		method = args[0].String()
		data = make([]byte, args[1].Get("length").Int())
		js.CopyBytesToGo(data, args[1])
	}
	var executor js.Func
	executor = js.FuncOf(func(_ js.Value, p []js.Value) any {
		resolve, reject := p[0], p[1]
		go func() {
			defer executor.Release()
			out, err := []byte(nil), bad
			if err == nil {
				out, err = e.serve(method, data)
			}
			if err != nil {
				reject.Invoke(jsError(err))
				return
			}
			resolve.Invoke(toJS(out))
		}()
		return nil
	})
	return js.Global().Get("Promise").New(executor)
}

var uint8Array = js.Global().Get("Uint8Array")

func toJS(b []byte) js.Value {
	a := uint8Array.New(len(b))
	js.CopyBytesToJS(a, b)
	return a
}

// jsError is an Error with the code and path of the bridge.
func jsError(err error) js.Value {
	v := js.Global().Get("Error").New(err.Error())
	v.Set("code", codeOf(err))
	if p := pathOf(err); p != "" {
		v.Set("path", p)
	}
	return v
}

// serve decodes a call, runs it and encodes the answer. A defect that panics
// ends this call and not the engine.
func (e *engine) serve(method string, data []byte) (out []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s: defect: %v", method, p)
		}
	}()
	m, ok := methods[method]
	if !ok {
		m, ok = moreMethods[method]
	}
	if !ok {
		return nil, invalid(fmt.Sprintf("there is no method %q", method))
	}
	a, err := parseArgs(data)
	if err != nil {
		return nil, err
	}
	result, err := m(e, context.Background(), a)
	if err == nil {
		err = a.end()
	}
	if err != nil {
		return nil, err
	}
	return encodeMap(result)
}
