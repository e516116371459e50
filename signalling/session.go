//go:build !js

package signalling

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hyperhyperspace/hhs-go/internal/netlimit"
	"github.com/hyperhyperspace/hhs-go/transport"
)

// session is the server's end of one connection: one goroutine reads and
// handles, one writes and watches the clock.
type session struct {
	srv   *Server
	conn  transport.Conn
	names []string
	nonce [32]byte
	out   *outbox

	ctx    context.Context // ends with the session
	cancel context.CancelCauseFunc
	writes context.Context // ends when writing is pointless
	mute   context.CancelFunc

	messages, checks netlimit.Bucket      // the reader's
	proven           bool                 // the reader's: a key was proven
	heard            atomic.Int64         // nanoseconds of the last sign of life
	mine             map[Topic]*listening // guarded by the hub
}

// Why a session ended by itself.
var (
	errSlow      = errors.New("client does not read")
	errIdle      = errors.New("client listens to nothing")
	errMalformed = errors.New("client sent something malformed")
	errProof     = errors.New("client proved nothing")
	errLeaving   = errors.New("server is closing")
)

func newSession(s *Server, conn transport.Conn, names []string) *session {
	n := &session{
		srv: s, conn: conn, names: names, out: newOutbox(), mine: make(map[Topic]*listening),
		messages: netlimit.Bucket{PerSecond: freshRate, Burst: freshBurst},
		checks:   netlimit.Bucket{PerSecond: freshChecks, Burst: freshChecksBurst},
	}
	n.ctx, n.cancel = context.WithCancelCause(context.Background())
	n.writes, n.mute = context.WithCancel(context.Background())
	n.heard.Store(time.Now().UnixNano())
	return n
}

// run serves the connection until it ends and says why.
func (n *session) run() error {
	defer n.conn.Close()
	defer n.mute()
	if _, err := io.ReadFull(n.srv.opts.Rand, n.nonce[:]); err != nil {
		return err
	}
	name := ""
	if len(n.names) > 0 {
		name = n.names[len(n.names)-1]
	}
	n.tell(&message{
		kind: kindHello, version: Version, name: name, nonce: n.nonce,
		time: time.Now().UnixMilli(), topics: int64(n.srv.opts.Topics),
	})
	var writer sync.WaitGroup
	writer.Go(n.write)
	n.cancel(n.read())
	n.srv.hub.leaveAll(n)
	writer.Wait()
	return context.Cause(n.ctx)
}

// tell queues news for the client; when it does not fit the client is not
// reading, and the session ends.
func (n *session) tell(m *message) {
	if !n.out.put(m.encode(), outboxBytes) {
		n.cancel(errSlow)
		n.mute()
	}
}

// read handles what the client sends, no faster than it may.
func (n *session) read() error {
	for {
		raw, err := n.conn.Receive(n.ctx)
		if err != nil {
			return err
		}
		n.heard.Store(time.Now().UnixNano())
		if err := n.pace(&n.messages); err != nil {
			return err
		}
		m, err := decode(raw)
		if err == nil {
			err = n.handle(m)
		}
		var bad *MessageError
		if errors.As(err, &bad) {
			n.srv.count(func(s *Stats) { s.Malformed++ })
			n.out.finish((&message{kind: kindError, code: CodeMalformed, text: bad.Reason}).encode())
			return errMalformed
		}
		if err != nil {
			return err
		}
	}
}

// pace waits until b has a token. What the client sends meanwhile waits in the
// network and makes the client wait.
func (n *session) pace(b *netlimit.Bucket) error {
	for {
		wait := b.Wait(time.Now())
		if wait == 0 {
			return nil
		}
		n.srv.count(func(s *Stats) { s.Throttled++ })
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-n.ctx.Done():
			timer.Stop()
			return context.Cause(n.ctx)
		}
		n.heard.Store(time.Now().UnixNano()) // our slowness is not its silence
	}
}

func (n *session) handle(m *message) error {
	switch m.kind {
	case kindListen:
		return n.listen(m)
	case kindUnlisten:
		n.srv.hub.unlisten(n, m.topic)
	case kindSend:
		code, text := n.srv.hub.pass(n, m)
		if code != "" {
			n.srv.count(func(s *Stats) { s.Undelivered++ })
			n.tell(&message{kind: kindError, code: code, text: text, topic: m.topic, hasTopic: true, handle: m.handle, hasWho: true})
			return nil
		}
		n.srv.count(func(s *Stats) { s.Messages++; s.Bytes += uint64(len(m.body)) })
	case kindPing:
		n.tell(&message{kind: kindPong, number: m.number})
	case kindPong:
	default:
		return &MessageError{Reason: "not a message a client sends"}
	}
	return nil
}

// listen checks a listener's proof and lets it in.
func (n *session) listen(m *message) error {
	now := time.Now().UnixMilli()
	refuse := func(code Code, text string) error {
		n.srv.count(func(s *Stats) { s.Refused++ })
		n.tell(&message{kind: kindError, code: code, text: text, topic: m.topic, hasTopic: true})
		return nil
	}
	switch {
	case !slices.Contains(n.names, m.name):
		return refuse(CodeName, "this server does not know itself by the name dialled; its operator can add it with --public-url")
	case m.expiry <= now || m.expiry > now+MaxLifetime.Milliseconds()+renewSlack.Milliseconds():
		return refuse(CodeExpiry, "the expiry has passed or is over an hour away")
	}
	if err := n.pace(&n.checks); err != nil {
		return err
	}
	if err := verify(m, n.nonce); err != nil {
		n.srv.count(func(s *Stats) { s.BadProofs++ })
		n.out.finish((&message{kind: kindError, code: CodeProof, text: "the signature does not prove the key here"}).encode())
		return errProof
	}
	if !n.proven {
		n.proven = true
		transport.Proven(n.conn)
		n.messages = netlimit.Bucket{PerSecond: provenRate, Burst: provenBurst}
		n.checks = netlimit.Bucket{PerSecond: provenChecks, Burst: provenChecksBurst}
	}
	if code, text := n.srv.hub.listen(n, m); code != "" {
		return refuse(code, text)
	}
	n.srv.count(func(s *Stats) { s.Listens++ })
	return nil
}

// write sends what is queued and watches the clock. It closes the connection
// when the session is over, after the last words if there are any.
func (n *session) write() {
	defer n.conn.Close()
	tick := time.NewTicker(n.srv.opts.Ping)
	defer tick.Stop()
	useful := time.Now() // when it last listened to something
	for {
		msg, end := n.out.take()
		switch {
		case end:
			return
		case msg != nil:
			ctx, cancel := context.WithTimeout(n.writes, sendTimeout)
			err := n.conn.Send(ctx, msg)
			cancel()
			if err != nil {
				n.cancel(err)
				n.over()
				return
			}
			continue
		}
		select {
		case <-n.out.wake:
		case <-tick.C:
			n.watch(&useful)
		case <-n.srv.ctx.Done():
			n.out.finish((&message{kind: kindError, code: CodeLeaving, text: "the server is shutting down"}).encode())
			n.cancel(errLeaving)
		case <-n.ctx.Done():
			n.over()
			n.drain()
			return
		}
	}
}

// over counts how the session ended, where the writer is the one to know.
func (n *session) over() {
	if context.Cause(n.ctx) == errSlow {
		n.srv.count(func(s *Stats) { s.Slow++ })
	}
}

// drain sends the last words of a session that is over, if there are any.
func (n *session) drain() {
	n.out.mu.Lock()
	last := n.out.last
	n.out.mu.Unlock()
	if !last {
		return
	}
	ctx, cancel := context.WithTimeout(n.writes, transport.CloseLinger)
	defer cancel()
	for {
		msg, _ := n.out.take()
		if msg == nil || n.conn.Send(ctx, msg) != nil {
			return
		}
	}
}

// watch is done every Ping: who is silent or idle goes.
func (n *session) watch(useful *time.Time) {
	now := time.Now()
	silence := now.Sub(time.Unix(0, n.heard.Load()))
	if n.srv.hub.expire(n, now.UnixMilli()) > 0 {
		*useful = now
	}
	switch {
	case silence > n.srv.opts.Silent:
		n.srv.count(func(s *Stats) { s.Silent++ })
		n.cancel(ErrSilent)
	case now.Sub(*useful) > n.srv.opts.Idle:
		n.srv.count(func(s *Stats) { s.Idle++ })
		n.out.finish((&message{kind: kindError, code: CodeIdle, text: "nothing listened to"}).encode())
		n.cancel(errIdle)
	case silence > n.srv.opts.Ping:
		n.tell(&message{kind: kindPing, number: now.UnixMilli()})
	}
}
