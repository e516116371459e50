package mesh

import (
	"errors"
	"time"

	"github.com/hyperhyperspace/hhs-go/identity"
)

// This file is how a space's stream comes to be: opened here, or opened by the
// peer, and what happens when both are.
//
// The lower device key decides. While it is opening a stream, or has one in
// use, it answers the other side's opening with ReasonDuplicate; the higher one
// always takes the lower one's and gives up its own.

// open opens the space on a link to a device. Under Mesh.mu.
func (mb *Membership) open(device identity.PublicKey, l *link) {
	mb.pending[device] = placeholder
	mb.m.later(func() { mb.m.tasks.run(func() { mb.tryOpen(device, l) }) })
}

// nextTurn is when a group looks again whether it may open its space, where
// many do at once.
const nextTurn = 100 * time.Millisecond

// placeholder stands in pending until the stream exists.
var placeholder = &Stream{}

func (mb *Membership) tryOpen(device identity.PublicKey, l *link) {
	m := mb.m
	m.mu.Lock()
	t := mb.tagsOn(l)
	m.unlock()
	s, err := l.open(purposeSpace, t.ours)
	if err == nil {
		err = mb.awaitAccept(device, s, t.theirs)
	}
	m.mu.Lock()
	defer m.unlock()
	if mb.pending[device] == s || mb.pending[device] == placeholder {
		delete(mb.pending, device)
	}
	if err == nil && mb.left {
		m.later(func() { s.Close(ReasonLeft) })
		return
	}
	if err != nil {
		mb.postpone(device)
		if w := mb.wants[device]; w != nil && errors.Is(err, ErrBusy) {
			*w = want{due: m.now().Add(nextTurn)} // many spaces at once
		}
		mb.noteRefusal(device, l, err)
		m.cfg.Log.Debug("space not opened", "device", device.Short(), "error", err)
	} else {
		mb.install(device, s)
		m.later(s.confirm)
	}
	mb.refresh()
	mb.poke()
}

func (mb *Membership) noteRefusal(device identity.PublicKey, l *link, err error) {
	var no *ClosedError
	if w := mb.wants[device]; w != nil && errors.As(err, &no) && no.Remote && no.Reason == ReasonRefused {
		w.refused = true
		l.wasRefused()
	}
}

// awaitAccept waits for the peer's answer and checks that it knows the space.
func (mb *Membership) awaitAccept(device identity.PublicKey, s *Stream, theirs tag) error {
	m := mb.m
	m.mu.Lock()
	s.space = mb.g.Space
	mb.pending[device] = s
	mb.refresh()
	m.unlock()
	ctx, cancel := within(mb.ctx, m.cfg.Clock, m.lim.HandshakeTime)
	defer cancel()
	reply, err := s.await(ctx)
	if err != nil {
		return err
	}
	if !equalTags(reply, theirs) {
		s.Violation("accepted a space it does not know")
		return ErrRefused
	}
	if mb.g.Admit != nil && !mb.g.Admit(s.Peer()) {
		s.Close(ReasonRefused)
		return ErrRefused
	}
	return nil
}

// postpone makes the next try at a device wait.
func (mb *Membership) postpone(device identity.PublicKey) {
	if w := mb.wants[device]; w != nil {
		w.due = mb.m.now().Add(w.backoff.next(mb.m))
	}
}

// install makes s the current stream of its device and serves it. Under Mesh.mu.
func (mb *Membership) install(device identity.PublicKey, s *Stream) {
	m := mb.m
	s.space = mb.g.Space
	if old := mb.peers[device]; old != nil {
		m.later(func() { old.Close(ReasonSuperseded) })
	}
	mb.peers[device] = s
	s.served = m.now()
	mb.notify()
	m.tasks.run(func() {
		mb.g.Serve(mb.ctx, s)
		s.abandon(ReasonDone)
	})
	m.later(func() {
		if isClosed(s.done) { // before it was here: over came too early
			m.over(s)
		}
	})
}

// opened answers an opening by a peer; see linkOwner.
func (m *Mesh) opened(s *Stream, p purpose, t tag) {
	switch p {
	case purposeSpace:
		m.spaceOpened(s, t)
	case purposeLookup:
		m.lookupOpened(s, t)
	default:
		m.unknownTag(s)
	}
}

// unknownTag refuses, and ends a channel on which somebody keeps guessing.
func (m *Mesh) unknownTag(s *Stream) {
	m.mu.Lock()
	m.counters.Unknown++
	m.unlock()
	l := s.link
	l.mu.Lock()
	guess := l.tries.take(l.clock.Now())
	l.unlock()
	if !guess {
		l.violation("too many openings with an unknown tag")
		return
	}
	s.refuse(ReasonRefused)
}

func (m *Mesh) spaceOpened(s *Stream, t tag) {
	device := s.link.ch.peer.device()
	m.mu.Lock()
	mb := m.groupOf(s.link, t)
	if mb == nil {
		m.unlock()
		m.unknownTag(s)
		return
	}
	if r := mb.conflict(device, s); r != ReasonDone {
		m.unlock()
		s.refuse(r)
		return
	}
	if mb.g.Admit == nil && mb.g.Known == nil {
		mb.receive(device, s)
		m.unlock()
		return
	}
	mb.admitting[device] = s
	m.unlock()
	m.tasks.run(func() { mb.judge(device, s) })
}

// judge asks the application about a peer.
func (mb *Membership) judge(device identity.PublicKey, s *Stream) {
	ok := mb.g.Admit == nil || mb.g.Admit(s.Peer())
	if ok {
		mb.recognise(device, s)
	}
	m := mb.m
	m.mu.Lock()
	defer m.unlock()
	if mb.admitting[device] == s {
		delete(mb.admitting, device)
	}
	r := mb.conflict(device, s)
	if !ok || mb.left {
		r = ReasonRefused
	}
	if r != ReasonDone {
		m.later(func() { s.refuse(r) })
		return
	}
	mb.receive(device, s)
}

// receive takes a peer's opening if there is room for it.
func (mb *Membership) receive(device identity.PublicKey, s *Stream) {
	if !mb.makeRoom(device, s) {
		mb.m.later(func() { s.refuse(ReasonFull) })
		return
	}
	mb.take(device, s)
}

// conflict decides whether an opening by a peer is taken: ReasonDone, or why not.
func (mb *Membership) conflict(device identity.PublicKey, s *Stream) Reason {
	cur := mb.peers[device]
	if mb.m.decides(device) {
		inUse := cur != nil && cur.link != s.link && cur.link.usable()
		if inUse || mb.pending[device] != nil {
			return ReasonDuplicate
		}
	}
	return ReasonDone
}

// take accepts an opening; a stream being opened here gives way.
func (mb *Membership) take(device identity.PublicKey, s *Stream) {
	m := mb.m
	if own := mb.pending[device]; own != nil && own != placeholder {
		delete(mb.pending, device)
		m.later(func() { own.Close(ReasonDuplicate) })
	}
	reply := mb.tagsOn(s.link).ours
	mb.install(device, s)
	m.later(func() { s.accept(reply) })
	mb.refresh()
	mb.poke()
}

// over forgets a stream that has ended; see linkOwner.
func (m *Mesh) over(s *Stream) {
	m.mu.Lock()
	defer m.unlock()
	if s.space.IsZero() {
		return
	}
	mb := m.groups[s.space]
	device := s.link.ch.peer.device()
	if mb == nil || mb.peers[device] != s {
		return
	}
	delete(mb.peers, device)
	mb.failed = true
	if w := mb.wants[device]; w != nil && m.now().Sub(s.served) > m.lim.BackoffMax {
		w.backoff.reset()
	}
	mb.postpone(device)
	mb.refresh()
	mb.notify()
	mb.poke()
}
