//go:build !js

package signalling

import (
	"encoding/binary"
	"io"
	"sync"

	"github.com/hyperhyperspace/hhs-go/identity"
)

// hub knows who listens on what.
//
//  1. A key listens on a topic at most once; a later listening takes the place
//     of an earlier one.
//  2. Introductions are mutual: a is in b.known exactly if b is in a.known.
//  3. A listener is told Present once for each introduction and Gone once when
//     it ends, in this order, unless its own connection is ending.
//  4. Only introduced listeners can send to each other.
//  5. No work grows with the number of listeners of a topic.
type hub struct {
	srv *Server

	mu     sync.Mutex
	topics map[Topic]*room
	total  int // listenings
}

// room is one topic.
type room struct {
	listeners []*listening // in no order
	byKey     map[identity.PublicKey]*listening
}

// listening is one listener on one topic.
type listening struct {
	session *session
	room    *room
	topic   Topic
	key     identity.PublicKey
	handle  Handle
	expiry  int64                 // milliseconds since 1970
	index   int                   // in room.listeners
	known   map[Handle]*listening // introduced
}

func newHub(s *Server) *hub { return &hub{srv: s, topics: make(map[Topic]*room)} }

func (h *hub) size() (listenings, topics int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.total, len(h.topics)
}

// listen enters or renews a listening that has been proven. It returns the
// code and words of a refusal, or "".
func (h *hub) listen(s *session, m *message) (Code, string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	own := s.mine[m.topic]
	if own != nil && own.key != m.key {
		h.leave(own)
		own = nil
	}
	if own != nil {
		own.expiry = m.expiry
		s.tell(&message{kind: kindListening, topic: m.topic, handle: own.handle, expiry: m.expiry})
		h.introduce(own)
		return "", ""
	}
	r := h.topics[m.topic]
	if r != nil {
		if old := r.byKey[m.key]; old != nil {
			old.session.tell(&message{kind: kindError, code: CodeReplaced, text: "the key listens over another connection", topic: m.topic, hasTopic: true})
			h.leave(old)
			r = h.topics[m.topic]
		}
	}
	switch {
	case len(s.mine) >= h.srv.opts.Topics:
		return CodeTopics, "too many topics on one connection"
	case h.total >= h.srv.opts.Listenings:
		return CodeFull, "the server is full"
	case r != nil && len(r.listeners) >= h.srv.opts.TopicListeners:
		return CodeFull, "the topic is full"
	}
	l := &listening{session: s, topic: m.topic, key: m.key, expiry: m.expiry, known: make(map[Handle]*listening)}
	if _, err := io.ReadFull(h.srv.opts.Rand, l.handle[:]); err != nil {
		return CodeFull, "the server has no randomness"
	}
	if r == nil {
		r = &room{byKey: make(map[identity.PublicKey]*listening)}
		h.topics[m.topic] = r
	}
	l.room, l.index = r, len(r.listeners)
	r.listeners = append(r.listeners, l)
	r.byKey[l.key] = l
	s.mine[l.topic] = l
	h.total++
	s.tell(&message{kind: kindListening, topic: l.topic, handle: l.handle, expiry: l.expiry})
	h.introduce(l)
	return "", ""
}

// introduce makes l and some of the others known to each other, so that l
// knows Introductions of them. The caller holds mu.
func (h *hub) introduce(l *listening) {
	want := h.srv.opts.Introductions
	most := want * introduceMax
	others := l.room.listeners
	offset, stride := h.walk(len(others))
	// A random start and a random step that visits each once; looking at more
	// than a few times as many as wanted finds hardly more.
	for i := range min(len(others), 4*want) {
		if len(l.known) >= want {
			return
		}
		o := others[(offset+i*stride)%len(others)]
		if o == l || o.session == l.session || len(o.known) >= most || l.known[o.handle] != nil {
			continue
		}
		l.known[o.handle], o.known[l.handle] = o, l
		l.session.tell(&message{kind: kindPresent, topic: l.topic, handle: o.handle, existing: true})
		o.session.tell(&message{kind: kindPresent, topic: l.topic, handle: l.handle})
	}
}

// walk returns a random start and a step coprime to n.
func (h *hub) walk(n int) (offset, stride int) {
	var b [8]byte
	if _, err := io.ReadFull(h.srv.opts.Rand, b[:]); err != nil || n < 2 {
		return 0, 1
	}
	offset = int(binary.BigEndian.Uint32(b[:4])) % n
	stride = 1 + int(binary.BigEndian.Uint32(b[4:]))%(n-1)
	for gcd(stride, n) != 1 {
		stride++
	}
	return offset, stride
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// leave removes a listening and tells those who know it. The caller holds mu.
func (h *hub) leave(l *listening) {
	r := l.room
	last := r.listeners[len(r.listeners)-1]
	r.listeners[l.index], last.index = last, l.index
	r.listeners = r.listeners[:len(r.listeners)-1]
	delete(r.byKey, l.key)
	if len(r.listeners) == 0 {
		delete(h.topics, l.topic)
	}
	delete(l.session.mine, l.topic)
	h.total--
	for _, o := range l.known {
		delete(o.known, l.handle)
		o.session.tell(&message{kind: kindGone, topic: l.topic, handle: l.handle})
	}
	l.known = nil
}

// unlisten ends one listening of a session.
func (h *hub) unlisten(s *session, topic Topic) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if l := s.mine[topic]; l != nil {
		h.leave(l)
	}
}

// leaveAll ends all listenings of a session.
func (h *hub) leaveAll(s *session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, l := range s.mine {
		h.leave(l)
	}
}

// expire ends the listenings of a session whose time is up, and tells how many
// are left.
func (h *hub) expire(s *session, nowMS int64) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, l := range s.mine {
		if l.expiry <= nowMS {
			s.tell(&message{kind: kindError, code: CodeExpired, text: "not renewed in time", topic: l.topic, hasTopic: true})
			h.leave(l)
		}
	}
	return len(s.mine)
}

// pass delivers a message from one listener to another. It returns the code
// and words of a refusal, or "".
func (h *hub) pass(s *session, m *message) (Code, string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	l := s.mine[m.topic]
	if l == nil {
		return CodeUnknown, "this connection does not listen on the topic"
	}
	to := l.known[m.handle]
	if to == nil {
		return CodeUnknown, "no such listener, or gone"
	}
	if !to.session.out.put((&message{kind: kindMessage, topic: m.topic, handle: l.handle, body: m.body}).encode(), outboxBody) {
		return CodeBusy, "the listener does not read fast enough"
	}
	return "", ""
}
