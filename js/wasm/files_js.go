package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	hhs "github.com/hyperhyperspace/hhs-go"
)

// file is a file under way. It goes between page and engine in pieces: a page asks for those of an export one after
// another, and gives those of an import, each of which is answered when it was taken in. So neither side holds more than
// a piece.
type file struct {
	number int
	in     *io.PipeReader // of an export: its bytes
	out    *io.PipeWriter // of an import: where its bytes go
	cancel context.CancelFunc
	forget *time.Timer
	calls  int           // under way on it; files.mu guards it
	done   chan struct{} // closed when result and err are there
	result hhs.Imported
	err    error

	mu   sync.Mutex
	step hhs.Step
}

func (f *file) tell(s hhs.Step) {
	f.mu.Lock()
	f.step = s
	f.mu.Unlock()
}

// progress is how far it is.
func (f *file) progress() result {
	f.mu.Lock()
	defer f.mu.Unlock()
	return result{"commits": f.step.Items, "all": f.step.AllItems}
}

// files are those under way, by number.
type files struct {
	mu     sync.Mutex
	last   int
	open   map[int]*file
	verify sync.Mutex // files are checked one at a time: there is one database for it
}

func (fs *files) add(f *file) error {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if len(fs.open) >= maxFiles {
		return errFiles
	}
	if fs.open == nil {
		fs.open = map[int]*file{}
	}
	fs.last++
	f.number = fs.last
	fs.open[f.number] = f
	f.forget = time.AfterFunc(forgetFiles, func() { fs.drop(f) })
	return nil
}

var errFiles = &callError{code: "busy", message: fmt.Sprintf("%d files are being read and written; wait until one is done", maxFiles)}

var errFile = &callError{code: "aborted", message: "this file is not under way any more: the engine was started anew, or nothing was asked for a minute; begin again"}

// get finds one for a call, during which it is not forgotten: release it.
func (fs *files) get(n int) (*file, error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	f, ok := fs.open[n]
	if !ok {
		return nil, errFile
	}
	f.calls++
	f.forget.Stop()
	return f, nil
}

// release says that a call is done with a file: if it is the last, the time begins after which the file is forgotten.
func (fs *files) release(f *file) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if f.calls--; f.calls == 0 && fs.open[f.number] == f {
		f.forget.Reset(forgetFiles)
	}
}

// drop ends one.
func (fs *files) drop(f *file) {
	fs.mu.Lock()
	_, ok := fs.open[f.number]
	delete(fs.open, f.number)
	fs.mu.Unlock()
	if !ok {
		return
	}
	f.forget.Stop()
	f.cancel()
	if f.in != nil {
		f.in.CloseWithError(context.Canceled)
	} else {
		f.out.CloseWithError(context.Canceled)
	}
}

func (fs *files) clear() {
	fs.mu.Lock()
	var all []*file
	for _, f := range fs.open {
		all = append(all, f)
	}
	fs.mu.Unlock()
	for _, f := range all {
		fs.drop(f)
	}
}

// begin begins what works on a file until it is done.
func (fs *files) begin(f *file, work func(ctx context.Context) error) (result, error) {
	ctx, cancel := context.WithCancel(context.Background())
	f.cancel, f.done = cancel, make(chan struct{})
	if err := fs.add(f); err != nil {
		cancel()
		return nil, err
	}
	go func() {
		f.err = work(ctx)
		close(f.done)
	}()
	return result{"file": int64(f.number)}, nil
}

func (e *engine) fileExport(_ context.Context, a *args) (result, error) {
	s, err := e.space(a)
	if err == nil {
		err = a.end()
	}
	if err != nil {
		return nil, err
	}
	in, out := io.Pipe()
	f := &file{in: in}
	return e.files.begin(f, func(ctx context.Context) error {
		w := bufio.NewWriterSize(out, filePiece)
		_, err := s.Export(ctx, w, f.tell)
		if err == nil {
			err = w.Flush()
		}
		out.CloseWithError(err)
		return err
	})
}

func (e *engine) fileImport(_ context.Context, a *args) (result, error) {
	verify := a.optBool("verify")
	n, err := e.running()
	if err == nil {
		err = a.end()
	}
	if err != nil {
		return nil, err
	}
	in, out := io.Pipe()
	f := &file{out: out}
	return e.files.begin(f, func(ctx context.Context) error {
		var err error
		if verify {
			e.files.verify.Lock()
			defer e.files.verify.Unlock()
			f.result, err = hhs.VerifyExport(ctx, in, f.tell)
		} else {
			f.result, err = n.Import(ctx, in, f.tell)
		}
		if f.result.Fresh && !verify {
			e.broadcast("", result{"kind": "spaces"})
		}
		in.CloseWithError(errors.Join(err, io.ErrClosedPipe))
		return err
	})
}

func (e *engine) fileRead(_ context.Context, a *args) (result, error) {
	f, err := e.file(a)
	if err != nil {
		return nil, err
	}
	defer e.files.release(f)
	if f.in == nil {
		return nil, invalid("this file is written")
	}
	data := make([]byte, filePiece)
	n, err := io.ReadFull(f.in, data)
	r := f.progress()
	if r["data"] = data[:n]; err == io.EOF || err == io.ErrUnexpectedEOF {
		r["done"] = true
		err = nil
	}
	if errors.Is(err, io.ErrClosedPipe) {
		err = errFile
	}
	if err != nil || r["done"] == true {
		e.files.drop(f)
	}
	return r, err
}

func (e *engine) fileWrite(_ context.Context, a *args) (result, error) {
	data := a.optBytes("data")
	f, err := e.file(a)
	if err != nil {
		return nil, err
	}
	defer e.files.release(f)
	if f.out == nil {
		return nil, invalid("this file is read")
	}
	if _, err := f.out.Write(data); err != nil {
		return nil, f.failed()
	}
	return f.progress(), nil
}

// failed is why a file is not read on.
func (f *file) failed() error {
	<-f.done
	if f.err == nil {
		return invalid("the file was read to its end")
	}
	return f.err
}

// fileEnd ends a file: of an import it says what came of it. With stop it is given up.
func (e *engine) fileEnd(_ context.Context, a *args) (result, error) {
	stop := a.optBool("stop")
	f, err := e.file(a)
	if err != nil {
		return nil, err
	}
	defer e.files.drop(f)
	if stop || f.in != nil {
		return nil, nil
	}
	f.out.Close()
	<-f.done
	x := f.result
	r := result{"commits": int64(x.Commits), "read": int64(x.Read), "new": int64(x.New), "fresh": x.Fresh, "bytes": x.Bytes, "space": x.Space.String()}
	return r, f.err
}

func (e *engine) file(a *args) (*file, error) {
	n := a.optInt("file", 0)
	if err := a.end(); err != nil {
		return nil, err
	}
	return e.files.get(n)
}
