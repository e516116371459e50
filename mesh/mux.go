package mesh

import (
	"context"
	"encoding/binary"
	"errors"
	"runtime"
	"sync"
	"time"

	"github.com/hyperhyperspace/hhs-go/transport"
)

// linkOwner is what a link needs from the mesh. The methods are called without
// the link's lock, except reserve and release; none may wait.
type linkOwner interface {
	// opened: the peer opened s and waits for accept or refuse.
	opened(s *Stream, p purpose, t tag)
	// over: s has ended in both directions.
	over(s *Stream)
	// retired: the peer opens no more streams on l.
	retired(l *link)
	// ended: l is over; once, after all its streams.
	ended(l *link)
	// reserve takes (or gives back) the right to hold one large message.
	reserve() bool
	release()
}

// link carries streams over a channel. Three goroutines serve it: one reads,
// one writes, one watches the time. All state, that of its streams included, is
// under mu.
type link struct {
	ch    *channel
	info  transport.Info
	lim   *Limits
	clock Clock
	owner linkOwner
	run   func(func()) // starts a goroutine the owner waits for
	since time.Time

	ctx    context.Context
	cancel context.CancelFunc
	wake   chan struct{} // something to send
	done   chan struct{} // closed when the link is over

	mu       sync.Mutex
	notices  []func() // run after unlock
	err      *ClosedError
	streams  map[uint32]*Stream
	nextID   uint32 // of the next stream opened here
	last     uint32 // highest id the peer has opened
	foreign  int    // streams opened by the peer
	openings int    // opened here and not answered

	control []frame   // to send before data
	pong    []byte    // to answer
	ready   []*Stream // have data that may be sent
	grants  []*Stream // have credit to announce
	bye     *ClosedError
	byeSent bool

	retiredHere, retiredThere bool

	reserved   int // windows beyond initialCredit
	large      *Stream
	largeQueue []*Stream

	controlRate bucket
	earned      int    // grants that data sent entitles the peer to
	tries       bucket // the peer's openings with an unknown tag
	retries     bucket // our openings that may be refused again
	refusals    int
	times       liveness
}

// newLink makes a link of a channel whose handshake is done. run starts a
// function on a goroutine that the owner waits for.
func newLink(ch *channel, lim *Limits, clock Clock, owner linkOwner, run func(func())) *link {
	now := clock.Now()
	ctx, cancel := context.WithCancel(context.Background())
	l := &link{
		ch: ch, info: ch.conn.Info(), lim: lim, clock: clock, owner: owner, run: run, since: now,
		ctx: ctx, cancel: cancel,
		wake: make(chan struct{}, 1), done: make(chan struct{}),
		streams:     map[uint32]*Stream{},
		nextID:      2,
		controlRate: newBucket(lim.ControlBurst, time.Second/time.Duration(lim.Control), now),
		tries:       newBucket(lim.Tries, lim.TriesEvery, now),
		retries:     newBucket(retryBurst, retryEvery, now),
		times:       liveness{heard: now, ticked: now, active: now, served: now},
	}
	if ch.initiator {
		l.nextID = 1
	}
	return l
}

// start runs the link's goroutines.
func (l *link) start() {
	l.run(l.read)
	l.run(l.write)
	l.run(l.watch)
}

func (l *link) unlock() {
	n := l.notices
	l.notices = nil
	l.mu.Unlock()
	for _, f := range n {
		f()
	}
}

func (l *link) notice(f func()) { l.notices = append(l.notices, f) }

// poke wakes the writer.
func (l *link) poke() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *link) alive() bool {
	select {
	case <-l.done:
		return false
	default:
		return true
	}
}

// end is the one way a link ends: everything on it gets err.
func (l *link) end(err *ClosedError) {
	l.mu.Lock()
	defer l.unlock()
	l.endLocked(err)
}

func (l *link) endLocked(err *ClosedError) {
	if l.err != nil {
		return
	}
	if l.bye != nil && err.Reason == ReasonLost {
		err = l.bye
	}
	l.err = err
	for _, s := range l.ordered() {
		s.finish(err)
	}
	l.control, l.ready, l.grants = nil, nil, nil
	close(l.done)
	l.cancel()
	l.notice(func() {
		l.run(func() { // a transport may take a while to deliver the last words
			_ = l.ch.conn.Close()
			l.owner.ended(l)
		})
	})
}

// goodbye ends the link after everything queued has been sent.
func (l *link) goodbye(r Reason) {
	l.mu.Lock()
	defer l.unlock()
	l.goodbyeLocked(&ClosedError{Reason: r})
}

func (l *link) goodbyeLocked(err *ClosedError) {
	if l.bye == nil && l.err == nil {
		l.bye = err
		l.times.bye = l.clock.Now()
		l.poke()
	}
}

// violation ends the link because of what the peer did.
func (l *link) violation(rule string) {
	l.mu.Lock()
	defer l.unlock()
	l.violationLocked(rule)
}

func (l *link) violationLocked(rule string) {
	l.ready, l.control = nil, nil // say goodbye at once
	l.goodbyeLocked(&ClosedError{Reason: ReasonViolation, Cause: &ProtocolError{Peer: l.ch.peer.device(), Rule: rule}})
}

// write sends records until the link is over.
func (l *link) write() {
	buf := make([]byte, 0, maxRecord)
	for {
		select {
		case <-l.wake:
		case <-l.done:
			return
		}
		runtime.Gosched() // let whoever has more small messages add them
		for {
			l.mu.Lock()
			buf = l.fill(buf[:0])
			if len(buf) > 0 {
				l.times.sending = l.clock.Now()
			}
			l.unlock()
			if len(buf) == 0 {
				break
			}
			err := l.ch.send(l.ctx, buf)
			l.mu.Lock()
			l.times.sending = time.Time{}
			bye := l.bye
			sent := l.byeSent
			l.unlock()
			if err != nil {
				l.unsendable(err)
				return
			}
			if sent {
				l.end(bye)
				return
			}
		}
	}
}

func lost(err error) *ClosedError {
	r := ReasonLost
	if errors.Is(err, ErrTampered) {
		r = ReasonViolation
	}
	return &ClosedError{Reason: r, Cause: err}
}

// unsendable is called when the transport takes nothing more. The reader still
// gets what the peer said before, a goodbye perhaps, and ends the link.
func (l *link) unsendable(err error) {
	l.mu.Lock()
	defer l.unlock()
	l.goodbyeLocked(lost(err))
	l.byeSent = true
}

// fill packs one record: control first, then one message or fragment from each
// ready stream in turn, until nothing is left or the record is full.
func (l *link) fill(buf []byte) []byte {
	if l.err != nil || l.byeSent {
		return buf
	}
	buf = l.fillControl(buf)
	for len(l.ready) > 0 {
		s := l.ready[0]
		n := len(buf)
		var more bool
		buf, more = s.pack(buf)
		if len(buf) == n && more {
			return buf // does not fit any more
		}
		l.ready = l.ready[1:]
		s.isReady = false
		if more {
			s.markReady()
		}
	}
	if l.bye != nil && len(buf)+frameSize(3+maxReasonText) <= maxRecord {
		buf = appendFrame(buf, frame{kind: frameGoodbye, payload: appendReason(l.bye.Reason, l.bye.Text)})
		l.byeSent = true
	}
	return buf
}

func (l *link) fillControl(buf []byte) []byte {
	if l.pong != nil {
		buf = appendFrame(buf, frame{kind: framePong, payload: l.pong})
		l.pong = nil
	}
	for len(l.control) > 0 && len(buf)+frameSize(len(l.control[0].payload)) <= maxRecord {
		buf = appendFrame(buf, l.control[0])
		l.control = l.control[1:]
	}
	for len(l.grants) > 0 && len(buf)+frameSize(5) <= maxRecord {
		s := l.grants[0]
		l.grants = l.grants[1:]
		if s.grant > 0 {
			buf = appendFrame(buf, frame{frameCredit, s.id, binary.AppendUvarint(nil, uint64(s.grant))})
			s.grant = 0
		}
	}
	return buf
}

// say queues a control frame. A peer that makes us answer and does not read is
// cut off.
func (l *link) say(f frame) {
	if l.err != nil || l.bye != nil {
		return
	}
	if len(l.control) >= l.lim.ControlBurst {
		l.violationLocked("does not read answers")
		return
	}
	l.control = append(l.control, f)
	l.poke()
}

// read handles records until the link is over.
func (l *link) read() {
	for {
		record, err := l.ch.receive(l.ctx)
		if err != nil {
			l.end(lost(err))
			return
		}
		l.mu.Lock()
		l.times.heard = l.clock.Now()
		rule := l.record(record)
		if rule != "" {
			l.violationLocked(rule)
		}
		over := l.err != nil || l.bye != nil && l.bye.Reason == ReasonViolation
		l.unlock()
		if over {
			return
		}
	}
}

// record handles the frames of one record; it returns the rule that was broken.
func (l *link) record(b []byte) string {
	if len(b) == 0 {
		return "empty record"
	}
	for len(b) > 0 && l.err == nil {
		f, rest, err := nextFrame(b)
		if err != nil {
			return err.Error()
		}
		if !l.affordable(f.kind) {
			return "too many control frames"
		}
		if rule := l.frame(f); rule != "" {
			return rule
		}
		b = rest
	}
	return ""
}

// affordable meters control frames. A data frame of ours brings at most two
// grants of credit: one on arrival, one when it is read.
func (l *link) affordable(k frameKind) bool {
	switch {
	case k <= frameMore:
		return true
	case k == frameCredit && l.earned > 0:
		l.earned--
		return true
	}
	return l.controlRate.take(l.times.heard)
}

func (l *link) frame(f frame) string {
	switch f.kind {
	case framePing:
		l.pong = append([]byte(nil), f.payload...)
		l.poke()
	case framePong:
		l.times.pong(f.payload, l.times.heard)
	case frameRetire:
		if !l.retiredThere {
			l.retiredThere = true
			l.notice(func() { l.owner.retired(l) })
		}
	case frameGoodbye:
		r, text, err := readReason(f.payload)
		if err != nil {
			return err.Error()
		}
		l.endLocked(&ClosedError{Reason: r, Text: text, Remote: true})
	case frameOpen:
		return l.remoteOpen(f)
	default:
		return l.streamFrame(f)
	}
	return ""
}

// remoteOpen handles a stream opened by the peer.
func (l *link) remoteOpen(f frame) string {
	if f.stream%2 == l.nextID%2 || f.stream <= l.last {
		return "stream number out of order"
	}
	if l.retiredThere {
		return "stream opened on a retired channel"
	}
	l.last = f.stream
	p, t := purpose(f.payload[0]), tag(f.payload[1:])
	if l.foreign >= l.lim.Streams || l.bye != nil {
		l.say(frame{frameRefuse, f.stream, appendReason(ReasonBusy, "")})
		return ""
	}
	s := newStream(l, f.stream)
	l.streams[s.id] = s
	l.foreign++
	l.times.active = l.times.heard
	l.notice(func() { l.owner.opened(s, p, t) })
	return ""
}

// streamFrame handles what belongs to an existing stream. Frames for one that
// ended here while they were under way are dropped.
func (l *link) streamFrame(f frame) string {
	s := l.streams[f.stream]
	if s == nil {
		known := f.stream <= l.last
		if f.stream%2 == l.nextID%2 {
			known = f.stream < l.nextID
		}
		if !known {
			return "frame for a stream that was never opened"
		}
		return ""
	}
	switch f.kind {
	case frameAccept, frameRefuse:
		return s.answered(f)
	case frameCredit:
		v, rest, err := uvarint(f.payload)
		if err != nil || len(rest) > 0 || v == 0 || v > maxCredit || s.credit+int(v) > maxCredit {
			return "bad credit"
		}
		s.credit += int(v)
		s.markReady()
	case frameClose:
		return s.remoteClose(f)
	case frameReset:
		r, text, err := readReason(f.payload)
		if err != nil {
			return err.Error()
		}
		s.finish(&ClosedError{Reason: r, Text: text, Remote: true})
	default:
		return s.data(f)
	}
	return ""
}

// open opens a stream and returns without waiting for the answer.
func (l *link) open(p purpose, t tag) (*Stream, error) {
	l.mu.Lock()
	defer l.unlock()
	switch {
	case l.err != nil:
		return nil, l.err
	case l.bye != nil || l.retiredHere || l.retiredThere:
		return nil, &ClosedError{Reason: ReasonSuperseded}
	case l.openings >= l.lim.Openings || len(l.streams) >= 2*l.lim.Streams || l.nextID > maxStreamID-2:
		return nil, ErrBusy
	}
	s := newStream(l, l.nextID)
	l.nextID += 2
	s.opener = true
	s.answer = make(chan struct{})
	l.openings++
	l.streams[s.id] = s
	l.times.active = l.clock.Now()
	l.say(frame{frameOpen, s.id, append([]byte{byte(p)}, t[:]...)})
	return s, nil
}

// retire says that no more streams will be opened here on this link.
func (l *link) retire() {
	l.mu.Lock()
	defer l.unlock()
	if !l.retiredHere && l.err == nil {
		l.retiredHere = true
		l.say(frame{kind: frameRetire})
		l.quiet()
	}
}

// usable reports whether streams may be opened on the link.
func (l *link) usable() bool {
	l.mu.Lock()
	defer l.unlock()
	return l.err == nil && l.bye == nil && !l.retiredHere && !l.retiredThere
}

// quiet ends a retired link once nothing is left on it. Only the side that
// retired it does, so that the other's last frames arrive.
func (l *link) quiet() {
	if l.retiredHere && len(l.streams) == 0 {
		l.goodbyeLocked(&ClosedError{Reason: ReasonSuperseded})
	}
}

// ordered returns the streams by id, so that nothing depends on map order.
func (l *link) ordered() []*Stream {
	list := make([]*Stream, 0, len(l.streams))
	for _, s := range l.streams {
		list = append(list, s)
	}
	sortStreams(list)
	return list
}
