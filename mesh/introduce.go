package mesh

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/signalling"
	"github.com/hyperhyperspace/hhs-go/transport"
)

// attempt is one introduction under way. It is the Exchange given to RTC.
type attempt struct {
	m      *Mesh
	id     attemptID
	handle *handle
	begun  bool // by us
	lookup *lookup
	ctx    context.Context
	cancel context.CancelCauseFunc
	in     chan []byte
	sent   uint64 // by the one goroutine that sends

	// Under Mesh.mu.
	device identity.PublicKey // of the other side, as told
	next   uint64             // number of the message expected
}

// declined says that the other side does not want an introduction.
type declined struct{ reason Reason }

func (d *declined) Error() string { return "mesh: introduction declined: " + d.reason.String() }

var errFlood = errors.New("mesh: too many messages in one introduction")

// Send seals a message and sends it through the server.
func (a *attempt) Send(ctx context.Context, msg []byte) error {
	if len(msg) > maxSignal {
		return signalling.ErrTooLarge
	}
	if a.sent >= uint64(a.m.lim.AttemptMessages) {
		return errFlood
	}
	s := sealedSignal{kind: signalBack, attempt: a.id, number: a.sent, rest: msg}
	if a.begun {
		s.kind = signalTo
		if a.sent == 0 {
			s.kind = signalDial
			s.rest = append(a.m.self.Bytes(), msg...)
		}
	}
	a.sent++
	return a.m.sendSignal(ctx, a.handle, s)
}

// Receive returns the other side's next message.
func (a *attempt) Receive(ctx context.Context) ([]byte, error) {
	select {
	case msg := <-a.in:
		return msg, nil
	default:
	}
	select {
	case msg := <-a.in:
		return msg, nil
	case <-a.ctx.Done():
		return nil, context.Cause(a.ctx)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (m *Mesh) sendSignal(ctx context.Context, h *handle, s sealedSignal) error {
	body, err := s.seal(h.topic.key, h.topic.id, m.random)
	if err != nil {
		return err
	}
	m.mu.Lock()
	c := h.topic.server.client
	m.unlock()
	if c == nil {
		return signalling.ErrClosed
	}
	return c.Send(ctx, h.topic.id, h.name, body)
}

// newAttempt registers an introduction; nil if there are too many. Under mu.
func (m *Mesh) newAttempt(ctx context.Context, h *handle, id attemptID) *attempt {
	if len(m.attempts) >= m.lim.Attempts {
		return nil
	}
	a := &attempt{m: m, id: id, handle: h, in: make(chan []byte, m.lim.AttemptMessages)}
	a.ctx, a.cancel = context.WithCancelCause(ctx)
	m.attempts[id] = a
	m.seen.add(id)
	return a
}

// introduce begins an introduction to a listener. Under mu.
func (m *Mesh) introduce(ctx context.Context, h *handle, lk *lookup) {
	var id attemptID
	if _, err := io.ReadFull(m.random, id[:]); err != nil {
		return
	}
	a := m.newAttempt(ctx, h, id)
	if a == nil {
		h.due = m.now().Add(h.backoff.next(m))
		return
	}
	a.begun, a.lookup = true, lk
	h.attempt = a
	mb := a.group()
	if mb != nil {
		mb.dialling++
	}
	m.tasks.run(func() {
		l, err := a.connect(m.cfg.RTC.Dial)
		m.introduced(a, mb, l, err)
	})
}

// group returns the group an introduction begun by us is for.
func (a *attempt) group() *Membership {
	if a.lookup != nil {
		return nil
	}
	for _, mt := range a.handle.topic.meetings {
		if mt.mb != nil && !mt.words {
			return mt.mb
		}
	}
	return nil
}

// connect runs the introduction and the handshake.
func (a *attempt) connect(run func(context.Context, Exchange) (transport.Conn, error)) (*link, error) {
	ctx, cancel := within(a.ctx, a.m.cfg.Clock, a.m.lim.Attempt)
	defer cancel()
	conn, err := run(ctx, a)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return nil, err
	}
	return a.m.connect(ctx, conn, nil)
}

// introduced notes how an introduction begun by us ended.
func (m *Mesh) introduced(a *attempt, mb *Membership, l *link, err error) {
	m.mu.Lock()
	defer m.unlock()
	h := a.handle
	delete(m.attempts, a.id)
	a.cancel(nil)
	h.attempt = nil
	if mb != nil {
		mb.dialling--
	}
	var no *declined
	switch {
	case err == nil:
		h.device = l.ch.peer.device()
		h.backoff.reset()
	case errors.As(err, &no) && no.reason == ReasonHave && len(m.links[a.device]) > 0:
		h.device = a.device
		err = nil
	case errors.As(err, &no) && no.reason == ReasonGlare:
		h.due = m.now().Add(patience)
	default:
		h.due = m.now().Add(h.backoff.next(m))
	}
	if err != nil {
		m.cfg.Log.Debug("introduction failed", "error", err)
	}
	if mb != nil {
		if err == nil {
			mb.want(h.device)
		}
		mb.refresh()
		mb.poke()
	}
	if a.lookup != nil {
		a.lookup.introduced(h, err)
	}
}

// signalled handles a sealed body. Under mu.
func (m *Mesh) signalled(t *topic, ev signalling.Event) {
	s, err := openSignal(ev.Body, t.key, t.id)
	if err != nil {
		m.counters.Signals++
		return
	}
	if s.kind == signalDial {
		err = m.invited(t, ev.Handle, s)
	} else {
		err = m.advance(ev.Handle, t, s)
	}
	if err != nil {
		m.counters.Signals++
		m.cfg.Log.Debug("signalling message dropped", "error", err)
	}
}

// advance hands a message to its introduction.
func (m *Mesh) advance(from signalling.Handle, t *topic, s sealedSignal) error {
	a := m.attempts[s.attempt]
	if a == nil || a.handle.topic.id != t.id || a.handle.name != from || a.begun == (s.kind == signalTo) {
		return errSignal
	}
	if s.number != a.next {
		return fmt.Errorf("%w: message %d where %d was expected", errSignal, s.number, a.next)
	}
	a.next++
	if s.kind == signalRefuse {
		r, rest, err := uvarint(s.rest)
		if err != nil || r > 1<<16-1 {
			return errSignal
		}
		if a.device, _, err = readDevice(rest); err != nil {
			return err
		}
		a.cancel(&declined{Reason(r)})
		return nil
	}
	return a.push(s.rest)
}

func (a *attempt) push(msg []byte) error {
	select {
	case a.in <- bytes.Clone(msg):
		return nil
	default:
		a.cancel(errFlood)
		return errFlood
	}
}

// invited handles the beginning of an introduction by another listener.
func (m *Mesh) invited(t *topic, from signalling.Handle, s sealedSignal) error {
	device, msg, err := readDevice(s.rest)
	if err != nil {
		return err
	}
	if s.number != 0 || m.seen.has(s.attempt) || device == m.self || m.penalties.active(deviceKey(device), m.now()) {
		return errSignal
	}
	h := t.handles[from]
	if h == nil {
		h = &handle{topic: t, name: from}
	}
	h.device = device
	if r := m.welcome(t, h, device); r != ReasonDone {
		m.decline(h, s.attempt, r)
		return nil
	}
	a := m.newAttempt(m.ctx, h, s.attempt)
	if a == nil {
		m.decline(h, s.attempt, ReasonBusy)
		return nil
	}
	a.device, a.next = device, 1
	m.tasks.run(func() {
		_, err := a.connect(m.cfg.RTC.Answer)
		m.mu.Lock()
		defer m.unlock()
		delete(m.attempts, a.id)
		a.cancel(nil)
		if err != nil {
			m.cfg.Log.Debug("introduction not completed", "error", err)
		}
	})
	return a.push(msg)
}

// welcome decides whether to answer: ReasonDone, or why not. If both sides have
// begun with each other, the introduction of the lower device key goes on.
func (m *Mesh) welcome(t *topic, h *handle, device identity.PublicKey) Reason {
	var mb *Membership
	served := false
	for _, mt := range t.meetings {
		if mt.mb != nil {
			served = true
			if !mt.words {
				mb = mt.mb
			}
		}
	}
	switch {
	case !served:
		return ReasonRefused
	case len(m.usableLinks(device)) > 0:
		for _, l := range m.usableLinks(device) {
			l.doubt()
		}
		return ReasonHave
	case mb != nil && mb.peers[device] == nil && !mb.hopeful():
		return ReasonFull
	}
	for _, a := range m.attempts {
		if !a.begun && a.device == device {
			return ReasonGlare // one is enough
		}
	}
	if own := h.attempt; own != nil {
		if m.decides(device) {
			return ReasonGlare
		}
		own.cancel(&declined{ReasonGlare})
	}
	return ReasonDone
}

// decline answers that no introduction is wanted.
func (m *Mesh) decline(h *handle, id attemptID, r Reason) {
	m.seen.add(id)
	rest := append(binary.AppendUvarint(nil, uint64(r)), m.self.Bytes()...)
	s := sealedSignal{kind: signalRefuse, attempt: id, rest: rest}
	m.tasks.run(func() {
		ctx, cancel := within(m.ctx, m.cfg.Clock, m.lim.DialTime)
		defer cancel()
		_ = m.sendSignal(ctx, h, s) // the other side gives up by itself
	})
}
