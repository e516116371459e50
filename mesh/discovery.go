package mesh

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"
	"time"

	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/internal/address"
	"github.com/hyperhyperspace/hhs-go/internal/order"
	"github.com/hyperhyperspace/hhs-go/signalling"
)

// maxServers bounds the signalling servers of one group: links name few.
const maxServers = 8

// patience is how long a newcomer on a topic may take to begin an introduction
// before those already there try themselves.
const patience = 10 * time.Second

// meeting is someone's interest in a server: a group's space, a group's words,
// or a lookup.
type meeting struct {
	server *server
	mb     *Membership // nil for a lookup
	lookup *lookup
	words  bool
	bits   uint64
	topics []*topic // listened on, by day
}

func (mt *meeting) secret() []byte {
	if mt.words {
		return binary.BigEndian.AppendUint64(nil, mt.bits)
	}
	return mt.mb.g.Space.Bytes()
}

func (mt *meeting) topic(host string, day int64) signalling.Topic {
	if mt.words {
		return wordsMeeting(mt.bits, host, day)
	}
	return spaceTopic(mt.mb.g.Space, host, day)
}

// server is one signalling server, for all meetings that use it.
type server struct {
	m      *Mesh
	url    string
	host   string
	cancel context.CancelFunc
	wake   chan struct{}

	// Under Mesh.mu.
	meetings []*meeting
	client   Signalling
	up       bool
	tried    bool // dialled at least once, with an answer or without
	topics   map[signalling.Topic]*topic
}

// topic is a topic listened on.
type topic struct {
	server    *server
	id        signalling.Topic
	key       [32]byte
	meetings  []*meeting
	handles   map[signalling.Handle]*handle
	asked     bool      // Listen was called and has not failed
	listening time.Time // since when, or zero
	backoff   backoff
	due       time.Time
}

// handle is another listener on a topic.
type handle struct {
	topic   *topic
	name    signalling.Handle
	device  identity.PublicKey // once it has told
	attempt *attempt           // begun by us
	backoff backoff
	due     time.Time
}

func (m *Mesh) addMeeting(url string, mt *meeting) *meeting {
	s := m.servers[url]
	if s == nil {
		s = &server{m: m, url: url, wake: make(chan struct{}, 1), topics: map[signalling.Topic]*topic{}}
		m.servers[url] = s
		ctx, cancel := context.WithCancel(m.ctx)
		s.cancel = cancel
		m.tasks.run(func() { s.run(ctx) })
	}
	mt.server = s
	s.meetings = append(s.meetings, mt)
	signal(s.wake)
	return mt
}

func (m *Mesh) dropMeeting(mt *meeting) {
	s := mt.server
	s.meetings = slices.DeleteFunc(s.meetings, func(o *meeting) bool { return o == mt })
	if len(s.meetings) == 0 && m.servers[s.url] == s {
		delete(m.servers, s.url)
		s.cancel()
	}
	signal(s.wake)
}

// notify lets everyone with an interest look again.
func (s *server) notify() {
	for _, mt := range s.meetings {
		if mt.mb != nil {
			mt.mb.refresh()
			mt.mb.poke()
		} else {
			signal(mt.lookup.wake)
		}
	}
}

// run keeps a connection to the server.
func (s *server) run(ctx context.Context) {
	host, err := meetingHost(s.url)
	if err != nil {
		s.m.cfg.Log.Warn("signalling server", "url", s.url, "error", err)
		s.setClient(nil)
		return
	}
	s.host = host
	var b backoff
	for ctx.Err() == nil {
		began := s.m.now()
		c, err := s.m.dialServer(ctx, s.url)
		if err == nil {
			s.setClient(c)
			s.session(ctx, c)
		} else {
			s.m.cfg.Log.Debug("signalling server not reached", "url", s.url, "error", err)
		}
		s.setClient(nil)
		if s.m.now().Sub(began) > steady && err == nil {
			b.reset()
		}
		t, stop := s.m.cfg.Clock.Timer(b.next(s.m))
		select {
		case <-t:
		case <-s.m.changedNetwork():
			b.reset()
		case <-ctx.Done():
		}
		stop()
	}
}

func (m *Mesh) dialServer(ctx context.Context, url string) (Signalling, error) {
	ctx, cancel := within(ctx, m.cfg.Clock, m.lim.DialTime)
	defer cancel()
	if m.cfg.Signalling != nil {
		return m.cfg.Signalling(ctx, url)
	}
	u, err := address.ParseURL(url)
	if err != nil {
		return nil, err
	}
	d := m.cfg.Dialers[u.Scheme]
	if d == nil {
		return nil, ErrNoDialer
	}
	c, err := signalling.Dial(ctx, d, url, signalling.Config{})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// setClient notes that the server is there, or is not; all handles are void.
func (s *server) setClient(c Signalling) {
	s.m.mu.Lock()
	defer s.m.unlock()
	if s.up && c == nil {
		for _, mt := range s.meetings {
			if mt.mb != nil {
				mt.mb.failed = true
			}
		}
	}
	s.client, s.up, s.tried = c, c != nil, true
	s.topics = map[signalling.Topic]*topic{}
	for _, mt := range s.meetings {
		mt.topics = nil
	}
	s.notify()
}

// session serves one connection until it ends.
func (s *server) session(ctx context.Context, c Signalling) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	listening := make(chan struct{})
	s.m.tasks.run(func() {
		defer close(listening)
		s.listen(ctx, c)
	})
	for ev := range c.Events() {
		s.event(ev)
	}
	cancel()
	stop()
	_ = c.Close()
	<-listening
}

// listen keeps the right topics listened on.
func (s *server) listen(ctx context.Context, c Signalling) {
	for ctx.Err() == nil {
		begin, end, next := s.plan()
		for _, t := range end {
			_ = c.Unlisten(ctx, t.id) // it was of no use any more; events for it are ignored
		}
		for _, t := range begin {
			s.begin(ctx, c, t)
		}
		if len(begin) > 0 {
			continue
		}
		timer, stop := s.m.cfg.Clock.Timer(next)
		select {
		case <-timer:
		case <-s.wake:
		case <-ctx.Done():
		}
		stop()
	}
}

// plan decides which topics to begin and to end now, and when to look again.
func (s *server) plan() (begin, end []*topic, wait time.Duration) {
	s.m.mu.Lock()
	defer s.m.unlock()
	now := s.m.now()
	list, next := days(now)
	old := s.topics
	s.topics = map[signalling.Topic]*topic{}
	for _, mt := range s.meetings {
		before := mt.topics
		mt.topics = nil
		for _, day := range list {
			t := s.use(mt, mt.topic(s.host, day), old)
			if t == nil {
				continue
			}
			if mt.lookup != nil && !slices.Contains(before, t) {
				mt.lookup.foundAll(t) // the topic may be listened on for a group already
			}
			if t.asked {
				continue
			}
			if now.Before(t.due) {
				next = earlier(next, t.due)
			} else {
				t.asked = true
				begin = append(begin, t)
			}
		}
	}
	for id, t := range old {
		if s.topics[id] == nil {
			end = append(end, t)
		}
	}
	order.By(end, func(a, b *topic) int { return bytes.Compare(a.id[:], b.id[:]) })
	return begin, end, next.Sub(now)
}

// use finds or makes a topic for a meeting.
func (s *server) use(mt *meeting, id signalling.Topic, old map[signalling.Topic]*topic) *topic {
	t := s.topics[id]
	if t == nil {
		if t = old[id]; t != nil {
			t.meetings = nil
		} else {
			key, err := sealKey(mt.secret(), id)
			if err != nil {
				return nil
			}
			t = &topic{server: s, id: id, key: key, handles: map[signalling.Handle]*handle{}}
		}
		s.topics[id] = t
	}
	t.meetings = append(t.meetings, mt)
	mt.topics = append(mt.topics, t)
	return t
}

// begin listens on a topic under a key made for this: the server cannot tell by
// keys that two topics, or two days, are one peer.
func (s *server) begin(ctx context.Context, c Signalling, t *topic) {
	key, err := identity.NewKey(s.m.random)
	if err == nil {
		lctx, cancel := within(ctx, s.m.cfg.Clock, s.m.lim.DialTime)
		err = c.Listen(lctx, t.id, key)
		cancel()
	}
	s.m.mu.Lock()
	defer s.m.unlock()
	if err != nil {
		s.m.cfg.Log.Debug("topic not listened on", "server", s.url, "error", err)
		t.again()
	} else {
		t.listening = s.m.now()
	}
	s.notify()
}

// again makes the topic be listened on anew, after a while.
func (t *topic) again() {
	t.asked, t.listening = false, time.Time{}
	t.due = t.server.m.now().Add(t.backoff.next(t.server.m))
	clear(t.handles)
	signal(t.server.wake)
}

// event handles what the server tells.
func (s *server) event(ev signalling.Event) {
	s.m.mu.Lock()
	defer s.m.unlock()
	t := s.topics[ev.Topic]
	if t == nil {
		return
	}
	switch ev.Kind {
	case signalling.Present:
		t.present(ev)
	case signalling.Gone:
		delete(t.handles, ev.Handle)
	case signalling.Message:
		s.m.signalled(t, ev)
		return
	case signalling.Undelivered:
		if h := t.handles[ev.Handle]; h != nil && h.attempt != nil {
			h.attempt.cancel(ev.Err)
		}
	case signalling.Ended:
		t.again()
	}
	s.notify()
}

func (t *topic) present(ev signalling.Event) {
	m := t.server.m
	if t.handles[ev.Handle] != nil || len(t.handles) >= m.lim.Handles {
		return
	}
	h := &handle{topic: t, name: ev.Handle}
	if !ev.Existing {
		h.due = m.now().Add(patience + m.jitter(patience))
	}
	t.handles[ev.Handle] = h
	for _, mt := range t.meetings {
		if mt.lookup != nil {
			mt.lookup.found(h)
		}
	}
}

// callable returns the listeners a group may begin an introduction with, in
// random order: those not known to be connected.
func (mb *Membership) callable() []*handle {
	var list []*handle
	for _, mt := range mb.meetings {
		if mt.words {
			continue
		}
		for _, t := range mt.topics {
			for _, h := range t.handles {
				if h.attempt == nil && (h.device.IsZero() || len(mb.m.links[h.device]) == 0) {
					list = append(list, h)
				}
			}
		}
	}
	order.By(list, func(a, b *handle) int { return bytes.Compare(a.name[:], b.name[:]) })
	mb.m.shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}
