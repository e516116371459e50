package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var me = Owner{PID: 42, Command: "hhs test", Online: true}

// echo answers with what it was asked; "fail", "twice" and "hang" do as they say.
func echo(ctx context.Context, c *Call) *Error {
	switch c.Method {
	case "fail":
		return &Error{Code: "invalid", Message: "as asked", Path: "a.b"}
	case "twice":
		_ = c.Send(1)
		_ = c.Send(2)
		return nil
	case "hang":
		_ = c.Send("hanging")
		select {
		case <-ctx.Done():
		case <-c.Closing:
		}
		return &Error{Code: "closed", Message: "ended"}
	}
	_ = c.Send(c.Args)
	return nil
}

func listen(t *testing.T, dir string, h Handler) *Server {
	t.Helper()
	s, err := Listen(dir, me, h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// call is one whole call; it returns the results as text.
func call(dir, method string, args any) (results []string, err error) {
	c, err := Connect(context.Background(), dir)
	if err != nil {
		return nil, err
	}
	if c.Owner != me {
		return nil, fmt.Errorf("greeted by %v", c.Owner)
	}
	err = c.Call(context.Background(), method, args, func(r json.RawMessage) error {
		results = append(results, string(r))
		return nil
	})
	return results, err
}

func TestCalls(t *testing.T) {
	dir := t.TempDir()
	if _, err := Connect(t.Context(), dir); !errors.Is(err, ErrNoOwner) {
		t.Fatalf("nobody is there: %v", err)
	}
	s := listen(t, dir, echo)
	if got, err := call(dir, "echo", map[string]int{"a": 1}); err != nil || fmt.Sprint(got) != `[{"a":1}]` {
		t.Error(got, err)
	}
	if got, err := call(dir, "twice", nil); err != nil || fmt.Sprint(got) != `[1 2]` {
		t.Error(got, err)
	}
	var e *Error
	if _, err := call(dir, "fail", nil); !errors.As(err, &e) || *e != (Error{"invalid", "as asked", "a.b"}) {
		t.Error(err)
	}
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if got, err := call(dir, "echo", i); err != nil || got[0] != fmt.Sprint(i) {
				t.Error(got, err)
			}
		})
	}
	wg.Wait()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error("again:", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Error("left behind:", left, err)
	}
}

func TestModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("files have access lists here, no modes")
	}
	dir := t.TempDir()
	listen(t, dir, echo)
	for _, name := range []string{noteName, socketName} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Error(name, info.Mode(), err)
		}
	}
}

// A socket and note that a killed process left are replaced.
func TestStale(t *testing.T) {
	dir := t.TempDir()
	ln, err := net.Listen("unix", filepath.Join(dir, socketName))
	if err != nil {
		t.Fatal(err)
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(false)
	ln.Close()
	if err := writeNote(dir, note{Owner: Owner{PID: 7, Command: "hhs gone"}, Socket: filepath.Join(dir, socketName), Token: "old"}); err != nil {
		t.Fatal(err)
	}
	if _, err := Connect(t.Context(), dir); !errors.Is(err, ErrNoOwner) {
		t.Error("answered by nobody:", err)
	}
	if who, err := LastOwner(dir); err != nil || who.String() != `"hhs gone" (process 7)` {
		t.Error(who, err)
	}
	listen(t, dir, echo)
	if _, err := call(dir, "echo", 1); err != nil {
		t.Error(err)
	}
}

// A path too long for a socket goes under a hash of it, to the same place each time.
func TestLongPath(t *testing.T) {
	base, err := os.MkdirTemp("", "h") // t.TempDir has a long path itself
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(base)
	t.Setenv("XDG_RUNTIME_DIR", base)
	dir := filepath.Join(base, strings.Repeat("a", 120))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path, err := socketPath(dir)
	if err != nil || len(path) > maxPath || strings.HasPrefix(path, dir) {
		t.Fatal(path, err)
	}
	if again, _ := socketPath(dir); again != path {
		t.Error(path, again)
	}
	if other, _ := socketPath(dir + "b"); other == path {
		t.Error("two directories share a socket")
	}
	listen(t, dir, echo)
	if _, err := call(dir, "echo", 1); err != nil {
		t.Error(err)
	}
	if runtime.GOOS != "windows" {
		if err := os.Chmod(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if _, err := socketPath(dir); err == nil {
			t.Error("a directory others can enter was taken")
		}
	}
}

// Only who can read the note is answered.
func TestToken(t *testing.T) {
	dir := t.TempDir()
	s := listen(t, dir, echo)
	for _, first := range []any{hello{"wrong"}, hello{}, "text", request{Method: "echo"}} {
		conn, err := net.Dial("unix", s.note.Socket)
		if err != nil {
			t.Fatal(err)
		}
		if err := writeFrame(conn, first); err != nil {
			t.Fatal(err)
		}
		var got Owner
		if err := readFrame(conn, maxFrame, &got); err == nil {
			t.Errorf("%v was answered with %v", first, got)
		}
		conn.Close()
	}
}

// Closing lets a greeted call finish, ends one without an end, and a client's
// going away ends its call.
func TestClosing(t *testing.T) {
	dir := t.TempDir()
	s := listen(t, dir, echo)
	c, err := Connect(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	hanging, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- c.Call(context.Background(), "hang", nil, func(json.RawMessage) error {
			close(hanging)
			return nil
		})
	}()
	<-hanging
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	var e *Error
	if err := <-ended; !errors.As(err, &e) || e.Code != "closed" {
		t.Error(err)
	}

	gone := make(chan struct{})
	listen(t, dir, func(ctx context.Context, c *Call) *Error {
		_ = c.Send("hanging")
		<-ctx.Done()
		close(gone)
		return nil
	})
	if c, err = Connect(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err = c.Call(ctx, "hang", nil, func(json.RawMessage) error {
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	<-gone
}

// The process dies after it greeted.
func TestCut(t *testing.T) {
	dir := t.TempDir()
	called, cut := make(chan struct{}), make(chan struct{})
	s := listen(t, dir, func(ctx context.Context, c *Call) *Error {
		close(called)
		<-cut // a dead process answers nothing
		return nil
	})
	c, err := Connect(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		done <- c.Call(context.Background(), "x", nil, func(json.RawMessage) error { return nil })
	}()
	<-called
	s.cancel()
	err = <-done
	close(cut)
	if !errors.Is(err, ErrCut) {
		t.Error(err)
	}
}

func FuzzFrame(f *testing.F) {
	for _, v := range []any{hello{"t"}, request{Method: "get", Args: json.RawMessage(`{"a":1}`)}, answer{End: true, Error: &Error{Code: "x"}}} {
		var b bytes.Buffer
		if err := writeFrame(&b, v); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{0, 0, 0, 2, '{'})
	f.Fuzz(func(t *testing.T, data []byte) {
		var r request
		if readFrame(bytes.NewReader(data), 1<<10, &r) != nil {
			return
		}
		var b bytes.Buffer
		if err := writeFrame(&b, r); err != nil {
			t.Fatal(err)
		}
		var again request
		if err := readFrame(&b, maxFrame, &again); err != nil || again.Method != r.Method {
			t.Fatalf("%q became %q, %v", r.Method, again.Method, err)
		}
	})
}
