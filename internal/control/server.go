package control

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Call is one request of another process.
type Call struct {
	Method string
	Args   json.RawMessage
	// Send sends one result. It may be called any number of times.
	Send func(result any) error
	// Closing is closed when the server is about to end: a call without an end
	// of its own should then return.
	Closing <-chan struct{}
}

// Handler answers calls. It runs on many goroutines. What it returns is told to
// the other process.
type Handler func(ctx context.Context, c *Call) *Error

// Server answers other processes.
type Server struct {
	dir     string
	note    note
	ln      net.Listener
	handler Handler
	slots   chan struct{}
	closing chan struct{}
	ctx     context.Context
	cancel  context.CancelFunc
	wg      sync.WaitGroup
	once    sync.Once
	err     error
}

// Listen begins to answer for dir. The caller holds the directory's lock, and
// what another process left behind is removed.
func Listen(dir string, owner Owner, h Handler) (*Server, error) {
	path, err := socketPath(dir)
	if err != nil {
		return nil, fmt.Errorf("open control socket: %w", err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open control socket: %w", err)
	}
	ln, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("open control socket: %w", err)
	}
	s := &Server{dir: dir, ln: ln, handler: h, slots: make(chan struct{}, maxCalls), closing: make(chan struct{}),
		note: note{Owner: owner, Socket: path, Token: rand.Text()}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	err = os.Chmod(path, 0o600)
	if err == nil {
		err = writeNote(dir, s.note)
	}
	if err != nil {
		ln.Close()
		return nil, fmt.Errorf("open control socket: %w", err)
	}
	s.wg.Go(s.accept)
	return s, nil
}

// Close takes no more calls, lets those that were greeted finish for a while,
// and removes socket and note.
func (s *Server) Close() error {
	s.once.Do(func() {
		s.err = s.ln.Close() // removes the socket
		close(s.closing)
		late := time.AfterFunc(grace, s.cancel)
		s.wg.Wait()
		late.Stop()
		s.cancel()
		if err := os.Remove(filepath.Join(s.dir, noteName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.err = errors.Join(s.err, err)
		}
	})
	return s.err
}

func (s *Server) accept() {
	for {
		conn, err := s.ln.Accept()
		if err != nil {
			return // closed
		}
		select {
		case s.slots <- struct{}{}:
			s.wg.Go(func() {
				s.serve(conn)
				<-s.slots
			})
		default:
			conn.Close() // the other end tries again
		}
	}
}

// serve answers one call.
func (s *Server) serve(conn net.Conn) {
	defer conn.Close()
	defer context.AfterFunc(s.ctx, func() { conn.Close() })()
	conn.SetDeadline(time.Now().Add(greetTime))
	var h hello
	if readFrame(conn, 1<<10, &h) != nil || subtle.ConstantTimeCompare([]byte(h.Token), []byte(s.note.Token)) != 1 {
		return
	}
	var req request
	if writeFrame(conn, s.note.Owner) != nil || readFrame(conn, maxFrame, &req) != nil {
		return
	}
	conn.SetDeadline(time.Time{})
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	go func() { // the other end sends nothing more: what ends this read is its going away
		conn.Read(make([]byte, 1))
		cancel()
	}()
	send := func(result any) error {
		body, err := json.Marshal(result)
		if err != nil {
			return err
		}
		return writeFrame(conn, answer{Result: body})
	}
	failed := s.handler(ctx, &Call{Method: req.Method, Args: req.Args, Send: send, Closing: s.closing})
	// An error here means that nobody is left to hear it.
	_ = writeFrame(conn, answer{End: true, Error: failed})
}
