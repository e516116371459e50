package main

import (
	"errors"
	"fmt"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/object"
)

// callError is an error with a code of its own.
type callError struct {
	code, message, path string
}

func (c *callError) Error() string { return c.message }

func invalid(message string) error { return &callError{code: "invalid", message: message} }

func codeOf(err error) string {
	var c *callError
	if errors.As(err, &c) {
		return c.code
	}
	return hhs.Code(err)
}

// pathOf names the part of a value that is to blame.
func pathOf(err error) string {
	var c *callError
	if errors.As(err, &c) {
		return c.path
	}
	path := hhs.Path(err)
	var op *hhs.OpError
	if errors.As(err, &op) {
		base := fmt.Sprintf("ops[%d].value", op.Index)
		if path != "" && path[0] != '[' {
			base += "."
		}
		return base + path
	}
	return path
}

// args reads the arguments of a call by name and type. The first mistake
// sticks; end reports it, or a name nobody asked for.
type args struct {
	m    map[string]any
	seen map[string]bool
	err  error
}

func parseArgs(data []byte) (*args, error) {
	v, err := object.Decode(data)
	if err != nil {
		return nil, invalid("arguments: " + err.Error())
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, invalid("arguments are not a map")
	}
	return &args{m: m, seen: map[string]bool{}}, nil
}

func arg[T any](a *args, name string, required bool) (t T, ok bool) {
	a.seen[name] = true
	v, here := a.m[name]
	if !here {
		if required {
			a.fail(name, "is missing")
		}
		return t, false
	}
	t, ok = v.(T)
	if !ok {
		a.fail(name, fmt.Sprintf("has the wrong type (%T)", v))
	}
	return t, ok
}

func (a *args) fail(name, what string) {
	if a.err == nil {
		a.err = invalid(fmt.Sprintf("argument %s %s", name, what))
	}
}

func (a *args) text(name string) string {
	t, _ := arg[string](a, name, true)
	return t
}

func (a *args) optText(name string) string {
	t, _ := arg[string](a, name, false)
	return t
}

func (a *args) optInt(name string, otherwise int) int {
	n, ok := arg[int64](a, name, false)
	if !ok {
		return otherwise
	}
	if n < 0 || n > 1<<31 {
		a.fail(name, "is out of range")
	}
	return int(n)
}

func (a *args) optBool(name string) bool {
	b, _ := arg[bool](a, name, false)
	return b
}

func (a *args) optBytes(name string) []byte {
	b, _ := arg[[]byte](a, name, false)
	return b
}

func (a *args) list(name string, required bool) []any {
	l, _ := arg[[]any](a, name, required)
	return l
}

// path reads the optional way to a value inside a field: text, integers, null.
func (a *args) path() []any {
	list := a.list("path", false)
	for i, step := range list {
		switch step := step.(type) {
		case string, nil:
		case int64:
			list[i] = int(step)
		default:
			a.fail("path", fmt.Sprintf("has at %d what is of the type %T", i, step))
		}
	}
	return list
}

func (a *args) texts(name string) []string {
	var out []string
	for _, v := range a.list(name, false) {
		s, ok := v.(string)
		if !ok {
			a.fail(name, "is not a list of text")
		}
		out = append(out, s)
	}
	return out
}

// value is an application's value, which may be of any type.
func (a *args) value(name string) any {
	a.seen[name] = true
	v, ok := a.m[name]
	if !ok {
		a.fail(name, "is missing")
	}
	return v
}

func (a *args) has(name string) bool {
	_, ok := a.m[name]
	return ok
}

// sub is a map inside the arguments.
func (a *args) sub(name string) *args {
	m, _ := arg[map[string]any](a, name, true)
	return &args{m: m, seen: map[string]bool{}, err: a.err}
}

func (a *args) id(name string) (object.ID, error) {
	text := a.text(name)
	if a.err != nil {
		return object.ID{}, a.err
	}
	id, err := object.ParseID(text)
	if err != nil {
		return object.ID{}, invalid(fmt.Sprintf("argument %s is not an id: %v", name, err))
	}
	return id, nil
}

func (a *args) end() error {
	if a.err != nil {
		return a.err
	}
	for name := range a.m {
		if !a.seen[name] {
			return invalid("unknown argument " + name)
		}
	}
	return nil
}

// result is the answer of a call, before it is encoded.
type result map[string]any

func (r result) opt(name, text string) result {
	if text != "" {
		r[name] = text
	}
	return r
}

func encodeMap(r result) ([]byte, error) {
	if r == nil {
		r = result{}
	}
	return object.Encode(map[string]any(r))
}

func texts(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}
