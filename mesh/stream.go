package mesh

import (
	"cmp"
	"context"
	"encoding/binary"
	"slices"
	"time"

	"github.com/hyperhyperspace/hhs-go/internal/order"
	"github.com/hyperhyperspace/hhs-go/object"
)

// Stream carries messages of one space between two devices, in order, each
// once. Messages have 0 to MaxMessage bytes.
//
// At most one goroutine sends and one receives at a time; the other methods may
// be called from anywhere. What Send accepted is delivered before an orderly
// Close is seen at the other end; a cut connection may lose the end of it.
type Stream struct {
	link   *link
	id     uint32
	opener bool
	space  object.ID
	served time.Time // since when; of the owner
	known  bool      // the application knows the device; of the owner

	sendWake, recvWake chan struct{}
	done               chan struct{}

	// Under link.mu from here on.
	open    bool          // accepted
	answer  chan struct{} // closed when the peer has answered
	reply   tag
	refused *ClosedError

	out       [][]byte // accepted by Send, the first one perhaps partly sent
	outBytes  int
	outPos    int
	credit    int
	isReady   bool
	sendEnd   *ClosedError // what Send returns from now on
	closeDue  bool
	closeSent bool
	closedAt  time.Time

	inbox       []received
	granted     int // what the peer may still send
	held        int // what waits here
	window      int // what granted and held may be together
	grant       int // to be announced
	partial     []byte
	partialCost int
	total       int // length of the message in partial; 0: none
	wantsLarge  bool
	discard     bool
	recvEnd     *ClosedError // what Receive returns once inbox is empty
	heard       int          // bytes of messages, up to a little over smallTalk
	useful      time.Time    // when the last byte beyond smallTalk came
}

type received struct {
	msg  []byte
	cost int
}

func newStream(l *link, id uint32) *Stream {
	return &Stream{
		link: l, id: id,
		sendWake: make(chan struct{}, 1), recvWake: make(chan struct{}, 1), done: make(chan struct{}),
		credit: initialCredit, granted: initialCredit, window: initialCredit,
	}
}

func sortStreams(list []*Stream) {
	order.By(list, func(a, b *Stream) int { return cmp.Compare(a.id, b.id) })
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Peer says who is at the other end.
func (s *Stream) Peer() PeerInfo { return s.link.peerInfo() }

// Space returns the space the stream belongs to.
func (s *Stream) Space() object.ID { return s.space }

// Opener reports whether this side opened the stream. It is true on exactly one
// of its two ends.
func (s *Stream) Opener() bool { return s.opener }

// Done is closed when the stream has ended in both directions. Messages may
// still wait to be received.
func (s *Stream) Done() <-chan struct{} { return s.done }

// Send queues one message and returns when it is queued, which waits while the
// peer does not take what was sent before. msg may be changed afterwards. The
// error matches ErrClosed when the stream is over, is ErrTooLarge, or ctx's.
func (s *Stream) Send(ctx context.Context, msg []byte) error {
	if len(msg) > MaxMessage {
		return ErrTooLarge
	}
	for {
		s.link.mu.Lock()
		if s.sendEnd != nil {
			err := s.sendEnd
			s.link.unlock()
			signal(s.sendWake)
			return err
		}
		if s.outBytes < s.link.lim.SendQueue && ctx.Err() == nil {
			s.out = append(s.out, slices.Clone(msg))
			s.outBytes += len(msg) + messageCost
			s.markReady()
			s.link.unlock()
			return nil
		}
		s.link.unlock()
		select {
		case <-s.sendWake:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Receive returns the next message, which belongs to the caller. After the end
// it first returns what was received before, then a *ClosedError.
func (s *Stream) Receive(ctx context.Context) ([]byte, error) {
	for {
		s.link.mu.Lock()
		if len(s.inbox) > 0 {
			r := s.inbox[0]
			s.inbox[0] = received{}
			s.inbox = s.inbox[1:]
			s.held -= r.cost
			s.replenish()
			s.link.unlock()
			return r.msg, nil
		}
		err := s.recvEnd
		s.link.unlock()
		if err != nil {
			signal(s.recvWake)
			return nil, err
		}
		select {
		case <-s.recvWake:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Close ends the stream in order: what Send accepted is still delivered, then
// the peer sees reason. Receive goes on until the peer has closed too. Closing
// twice does nothing.
func (s *Stream) Close(reason Reason) {
	s.link.mu.Lock()
	defer s.link.unlock()
	s.closeLocked(reason, "")
}

// CloseText is Close with words for people, at most 128 bytes.
func (s *Stream) CloseText(reason Reason, text string) {
	s.link.mu.Lock()
	defer s.link.unlock()
	s.closeLocked(reason, text)
}

// Violation reports that the peer broke the protocol inside the stream. Its
// channel is closed and the device refused for a while, longer each time.
func (s *Stream) Violation(rule string) { s.link.violation(rule) }

// abandon ends a stream nobody reads any more.
func (s *Stream) abandon(reason Reason) {
	s.link.mu.Lock()
	defer s.link.unlock()
	s.closeLocked(reason, "")
	s.discard = true
	for _, r := range s.inbox {
		s.held -= r.cost
	}
	s.inbox = nil
	s.replenish()
}

func (s *Stream) closeLocked(reason Reason, text string) {
	if s.sendEnd == nil {
		s.sendEnd = &ClosedError{Reason: reason, Text: text}
		s.scheduleClose()
	}
}

func (s *Stream) scheduleClose() {
	if !s.open && !(s.opener && isClosed(s.answer)) {
		s.abort(s.sendEnd)
		return
	}
	s.closeDue = true
	s.closedAt = s.link.clock.Now()
	signal(s.sendWake)
	s.markReady()
}

// abort ends the stream at once in both directions.
func (s *Stream) abort(err *ClosedError) {
	kind := frameReset
	if !s.open && !s.opener {
		kind = frameRefuse
	}
	if s.link.streams[s.id] == s {
		s.link.say(frame{kind, s.id, appendReason(err.Reason, err.Text)})
	}
	s.finish(err)
}

// finish removes the stream from its link.
func (s *Stream) finish(err *ClosedError) {
	l := s.link
	if l.streams[s.id] != s {
		return
	}
	if s.sendEnd == nil {
		s.sendEnd = err
	}
	if s.recvEnd == nil {
		s.recvEnd = err
	}
	if s.opener && !isClosed(s.answer) {
		s.refused = err
		l.openings--
		close(s.answer)
	}
	s.out, s.partial, s.total = nil, nil, 0
	delete(l.streams, s.id)
	if !s.opener {
		l.foreign--
	}
	l.reserved -= s.window - initialCredit
	s.window = initialCredit
	s.dropLarge()
	signal(s.sendWake)
	signal(s.recvWake)
	close(s.done)
	l.times.active = l.clock.Now()
	if s.open {
		l.times.served = l.times.active
	}
	l.notice(func() { l.owner.over(s) })
	l.quiet()
}

// accept answers an opening by the peer with the proof of this side.
func (s *Stream) accept(reply tag) {
	s.link.mu.Lock()
	defer s.link.unlock()
	if s.link.streams[s.id] != s || s.open {
		return
	}
	s.open = true
	s.link.say(frame{frameAccept, s.id, reply[:]})
	s.widen()
	s.markReady()
}

// refuse answers an opening with a reason.
func (s *Stream) refuse(reason Reason) {
	s.link.mu.Lock()
	defer s.link.unlock()
	if !s.open {
		s.abort(&ClosedError{Reason: reason})
	}
}

// confirm is called by the opener once the reply proved right; only then may
// anything be sent.
func (s *Stream) confirm() {
	s.link.mu.Lock()
	defer s.link.unlock()
	if s.link.streams[s.id] == s {
		s.open = true
		s.widen()
		s.markReady()
	}
}

// await returns the peer's reply to an opening.
func (s *Stream) await(ctx context.Context) (tag, error) {
	select {
	case <-s.answer:
	case <-ctx.Done():
		s.Close(ReasonCancelled)
		return tag{}, context.Cause(ctx)
	}
	s.link.mu.Lock()
	defer s.link.unlock()
	if s.refused != nil {
		return tag{}, s.refused
	}
	return s.reply, nil
}

func (s *Stream) answered(f frame) string {
	if !s.opener || s.open || isClosed(s.answer) {
		return "answer to nothing"
	}
	if f.kind == frameAccept {
		s.reply = tag(f.payload)
		s.link.openings--
		close(s.answer)
		return ""
	}
	r, text, err := readReason(f.payload)
	if err != nil {
		return err.Error()
	}
	s.finish(&ClosedError{Reason: r, Text: text, Remote: true})
	return ""
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func (s *Stream) remoteClose(f frame) string {
	if s.recvEnd != nil || s.total > 0 {
		return "closed twice or within a message"
	}
	r, text, err := readReason(f.payload)
	if err != nil {
		return err.Error()
	}
	s.recvEnd = &ClosedError{Reason: r, Text: text, Remote: true}
	signal(s.recvWake)
	if s.sendEnd == nil {
		s.sendEnd = s.recvEnd
		s.scheduleClose()
	}
	if s.closeSent {
		s.finish(s.recvEnd)
	}
	return ""
}

// markReady puts the stream in the writer's queue if it has something to send.
func (s *Stream) markReady() {
	l := s.link
	if s.isReady || !s.open || s.closeSent || l.err != nil || (len(s.out) == 0 && !s.closeDue) {
		return
	}
	if len(s.out) > 0 && !s.mayPack() {
		return
	}
	s.isReady = true
	l.ready = append(l.ready, s)
	l.poke()
}

// minFragment keeps a sender that is short of credit from making tiny frames.
// It must stay well below initialCredit: a receiver that has read everything
// has granted at least three quarters of that.
const minFragment = 512

// mayPack reports whether credit suffices for the next frame.
func (s *Stream) mayPack() bool {
	rest := len(s.out[0]) - s.outPos
	need := min(rest, minFragment)
	if s.outPos == 0 {
		need += messageCost
		if rest > minFragment {
			need += binary.MaxVarintLen32
		}
	}
	return s.credit >= need
}

// maxEarned bounds the grants a peer can save up.
const maxEarned = 1 << 16

// pack appends the stream's next frame to a record. more says that there is
// another; if nothing was appended, it did not fit.
func (s *Stream) pack(buf []byte) (_ []byte, more bool) {
	if s.link.streams[s.id] != s || s.closeSent {
		return buf, false
	}
	if len(s.out) == 0 {
		if s.closeDue && len(buf)+frameSize(3+maxReasonText) > maxRecord {
			return buf, true
		}
		return s.packClose(buf), false
	}
	if !s.mayPack() {
		return buf, false
	}
	room := maxRecord - len(buf) - maxFrameHead
	msg := s.out[0]
	before := len(buf)
	switch {
	case s.outPos == 0 && len(msg) <= room && len(msg)+messageCost <= s.credit:
		buf = appendFrame(buf, frame{frameMessage, s.id, msg})
		s.credit -= len(msg) + messageCost
		s.outPos = len(msg)
	case room < minFragment+binary.MaxVarintLen32, s.outPos == 0 && len(msg) < maxRecord/2 && len(msg) > room:
		return buf, true
	case s.outPos == 0:
		payload := binary.AppendUvarint(nil, uint64(len(msg)))
		n := min(room-len(payload), s.credit-messageCost-len(payload), len(msg)-1)
		payload = append(payload, msg[:n]...)
		buf = appendFrame(buf, frame{frameBegin, s.id, payload})
		s.credit -= len(payload) + messageCost
		s.outPos = n
	default:
		n := min(room, s.credit, len(msg)-s.outPos)
		buf = appendFrame(buf, frame{frameMore, s.id, msg[s.outPos : s.outPos+n]})
		s.credit -= n
		s.outPos += n
	}
	if len(buf) > before {
		s.link.earned = min(s.link.earned+2, maxEarned)
	}
	if s.outPos == len(msg) {
		s.packed()
	}
	return buf, len(s.out) > 0 && s.mayPack() || len(s.out) == 0 && s.closeDue
}

// packed is called when the first message has left.
func (s *Stream) packed() {
	s.outBytes -= len(s.out[0]) + messageCost
	s.out[0] = nil
	s.out = s.out[1:]
	s.outPos = 0
	if s.outBytes < s.link.lim.SendQueue {
		signal(s.sendWake)
	}
}

func (s *Stream) packClose(buf []byte) []byte {
	if !s.closeDue {
		return buf
	}
	reason, text := s.sendEnd.Reason, s.sendEnd.Text
	if s.sendEnd.Remote {
		reason, text = ReasonDone, ""
	}
	buf = appendFrame(buf, frame{frameClose, s.id, appendReason(reason, text)})
	s.closeSent = true
	if s.recvEnd != nil {
		s.finish(s.recvEnd)
	}
	return buf
}
