package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/examples/chat/room"
	"github.com/hyperhyperspace/hhs-go/identity/keyfile"
	"github.com/hyperhyperspace/hhs-go/internal/control"
	"github.com/hyperhyperspace/hhs-go/internal/plain"
	"github.com/hyperhyperspace/hhs-go/internal/server"
	"github.com/hyperhyperspace/hhs-go/object"
)

// failure is an error with its stable code, what went wrong and what to do next.
type failure struct {
	code string
	text string
	path string
	err  error
}

func (f *failure) Error() string { return f.text }

func (f *failure) Unwrap() error { return f.err }

func failf(code, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &failure{code: code, text: err.Error(), err: err}
}

func usagef(format string, args ...any) error { return failf("usage", format, args...) }

// remedies are the next steps for errors of the library, which cannot know the
// command line around it.
var remedies = map[string]string{
	"not_ready":     "no peer has given it yet: run hhs serve, which goes on asking, or join with a link of somebody who is online",
	"full":          "make room on the disk and try again; nothing of this was kept",
	"permission":    "look at the rights of the directory and of what is in it",
	"read_only":     "what is here can be read; write again when the cause is gone",
	"newer":         "use the newer hhs that wrote it; nothing was changed",
	"corrupt":       "run hhs fsck --repair, or restore the directory from a backup",
	"kind_mismatch": "use a space of this kind, or make one",
	"file":          "get another copy of the file; hhs import keeps what is whole before the place that is named",
	"offline":       "start a server with hhs serve, or name one: \"one two three @ host:port\"",
}

// describe turns any error into a failure.
func describe(err error) *failure {
	var f *failure
	if errors.As(err, &f) {
		return f
	}
	var remote *control.Error
	if errors.As(err, &remote) {
		return &failure{code: remote.Code, text: remote.Message, path: remote.Path, err: err}
	}
	f = &failure{code: code(err), text: err.Error(), path: hhs.Path(err), err: err}
	remedy := remedies[f.code]
	switch {
	case errors.Is(err, hhs.ErrNoKeys):
		remedy = "put the file back, or restore the directory from a backup; hhs init --new-person goes on here as a new person"
	case errors.Is(err, syscall.ENOTDIR):
		remedy = "a file is where a directory should be; name another one with --dir"
	case errors.Is(err, keyfile.ErrFormat):
		remedy = "put the file back from a backup; without one move it away, and hhs init --new-person goes on here as a new person"
	}
	if remedy != "" {
		f.text += "; " + remedy
	}
	return f
}

func code(err error) string {
	var busy *server.BusyError
	var value *object.DecodeError
	switch {
	case errors.As(err, new(*hhs.FileError)): // also one in which a value cannot be read
		return "file"
	case errors.Is(err, room.ErrNoRoom):
		return "not_found"
	case errors.As(err, &busy):
		return "busy"
	case errors.As(err, &value):
		return "value"
	case errors.Is(err, keyfile.ErrProtected), errors.Is(err, keyfile.ErrPassphrase):
		return "passphrase"
	case errors.Is(err, keyfile.ErrPermissions), errors.Is(err, keyfile.ErrFormat), errors.Is(err, hhs.ErrNoKeys):
		return "keys"
	case errors.Is(err, hhs.ErrBackup):
		return "backup"
	}
	c := hhs.Code(err) // before the causes: a store that is damaged may be so because a file of it is not there
	switch {
	case c != "internal":
		return c
	case errors.Is(err, fs.ErrExist):
		return "exists"
	case errors.Is(err, fs.ErrNotExist):
		return "not_found"
	case errors.Is(err, syscall.ENOTDIR):
		return "exists"
	case errors.Is(err, syscall.EROFS):
		return "read_only"
	case errors.Is(err, fs.ErrPermission):
		return "permission"
	}
	return c
}

// lostError ends a command whose store can be written no more.
type lostError struct{ error }

// lostStore says why.
func lostStore(err error) error {
	return &failure{code: code(err), err: &lostError{err}, text: "the store can be written no more: " + err.Error() +
		"; what was acknowledged is kept. Start again: it can be read at once, and written when the cause is gone"}
}

// fail prints an error and returns the exit code.
func (a *app) fail(err error) int {
	f := describe(err)
	switch {
	case a.json:
		body, err := json.Marshal(map[string]any{"error": control.Error{Code: f.code, Message: f.text, Path: f.path}})
		if err != nil {
			body = []byte(`{"error":{"code":"internal","message":"the error cannot be written as JSON"}}`)
		}
		fmt.Fprintln(a.err, string(plain.JSON(body)))
	case f.code == "":
		fmt.Fprintln(a.err, "hhs:", plain.Text(f.text))
	default:
		fmt.Fprintf(a.err, "hhs: %s [%s]\n", plain.Text(strings.TrimSuffix(f.text, ".")), f.code)
	}
	var lost *lostError
	switch {
	case f.code == "usage":
		return exitUsage
	case f.code == "file":
		return exitDamaged
	case errors.As(err, &lost):
		return exitStore
	}
	return exitError
}
