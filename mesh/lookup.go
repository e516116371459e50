package mesh

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/internal/order"
)

// Candidate is a space that may be the one somebody's three words mean. The
// record is what a stranger sent: check it before showing it.
type Candidate struct {
	Record []byte
	Peer   PeerInfo // who sent it
	Server string   // the signalling server or endpoint it was found at
}

// ErrWords says that the number has more than the 36 bits of three words.
var ErrWords = errors.New("mesh: three words have 36 bits")

// quietTime is how long nothing new must turn up for a lookup to end early.
const quietTime = time.Second

// againTime is how long a lookup waits before it tries a listener again: whose
// channel was just ending, once, since the other side learns of that within a round
// trip; with which an introduction in the other direction goes on, glareTries times,
// since that may take some seconds.
const (
	againTime  = 500 * time.Millisecond
	glareTries = 12
)

// lookup asks for spaces by words.
type lookup struct {
	m      *Mesh
	bits   uint64
	ctx    context.Context
	cancel context.CancelFunc
	wake   chan struct{}

	// Under Mesh.mu.
	meetings []*meeting
	asked    map[identity.PublicKey]bool
	retried  map[*handle]int
	peers    int // introductions and dials begun
	running  int
	last     time.Time // when something happened
	results  []Candidate
	err      error
}

// Lookup asks the listeners of the words' topic at the servers, and the
// endpoints, for spaces with these words, and returns what they tell, at most
// Limits.Answers records. The result may be empty; it is an error only if
// nobody could be asked. It takes at most Limits.LookupTime.
func (m *Mesh) Lookup(ctx context.Context, bits uint64, servers, endpoints []string) ([]Candidate, error) {
	if bits >= 1<<36 {
		return nil, ErrWords
	}
	if len(endpoints) == 0 && len(servers) > 0 && m.cfg.RTC == nil {
		return nil, ErrNoRTC
	}
	lk := &lookup{m: m, bits: bits, wake: make(chan struct{}, 1), asked: map[identity.PublicKey]bool{}, retried: map[*handle]int{}}
	if err := lk.begin(ctx, servers, endpoints); err != nil {
		return nil, err
	}
	defer lk.end()
	for !lk.done() {
		t, stop := m.cfg.Clock.Timer(quietTime)
		select {
		case <-t:
		case <-lk.wake:
		case <-lk.ctx.Done():
		}
		stop()
	}
	m.mu.Lock()
	defer m.unlock()
	if ctx.Err() != nil && len(lk.results) == 0 {
		return nil, ctx.Err()
	}
	if len(lk.results) == 0 && len(lk.asked) == 0 && lk.err != nil {
		return nil, lk.err
	}
	return slices.Clone(lk.results), nil
}

func (lk *lookup) begin(ctx context.Context, servers, endpoints []string) error {
	m := lk.m
	m.mu.Lock()
	defer m.unlock()
	if m.closed {
		return &ClosedError{Reason: ReasonShutdown}
	}
	var cancel context.CancelFunc
	lk.ctx, cancel = within(ctx, m.cfg.Clock, m.lim.LookupTime)
	detach := context.AfterFunc(m.ctx, cancel)
	lk.cancel = func() { detach(); cancel() }
	lk.last = m.now()
	for _, u := range servers[:min(len(servers), maxServers)] {
		if m.cfg.RTC != nil {
			lk.meetings = append(lk.meetings, m.addMeeting(u, &meeting{lookup: lk, words: true, bits: lk.bits}))
		}
	}
	for _, u := range endpoints[:min(len(endpoints), m.lim.LookupPeers)] {
		lk.running++
		m.tasks.run(func() { lk.askEndpoint(u) })
	}
	return nil
}

func (lk *lookup) end() {
	lk.m.mu.Lock()
	defer lk.m.unlock()
	for _, mt := range lk.meetings {
		lk.m.dropMeeting(mt)
	}
	lk.cancel()
}

// done reports whether nothing more is to be expected.
func (lk *lookup) done() bool {
	m := lk.m
	m.mu.Lock()
	defer m.unlock()
	if lk.ctx.Err() != nil || len(lk.results) >= m.lim.Answers {
		return true
	}
	if lk.running > 0 || m.now().Sub(lk.last) < quietTime {
		return false
	}
	for _, mt := range lk.meetings {
		if !mt.server.tried {
			return false
		}
		for _, t := range mt.topics {
			if t.asked && (t.listening.IsZero() || m.now().Sub(t.listening) < quietTime) {
				return false
			}
		}
		if mt.server.up && len(mt.topics) == 0 {
			return false
		}
	}
	return true
}

// foundAll is found for the listeners that are known already. Under mu.
func (lk *lookup) foundAll(t *topic) {
	list := slices.Collect(maps.Values(t.handles))
	order.By(list, func(a, b *handle) int { return bytes.Compare(a.name[:], b.name[:]) })
	for _, h := range list {
		lk.found(h)
	}
}

// found begins an introduction with a listener of the words' topic. Under mu.
func (lk *lookup) found(h *handle) {
	if lk.peers >= lk.m.lim.LookupPeers || lk.ctx.Err() != nil || h.attempt != nil {
		return
	}
	lk.peers++
	lk.running++
	lk.last = lk.m.now()
	lk.m.introduce(lk.ctx, h, lk)
	if h.attempt == nil {
		lk.running--
	}
}

// introduced asks the listener, or notes that it cannot be asked. Under mu.
func (lk *lookup) introduced(h *handle, err error) {
	where := h.topic.server.url
	if err != nil {
		if !lk.again(h, err) {
			lk.finished(err)
		}
		return
	}
	lk.m.tasks.run(func() {
		err := lk.ask(h.device, where)
		lk.m.mu.Lock()
		defer lk.m.unlock()
		if err != nil && lk.again(h, err) {
			delete(lk.asked, h.device)
			return
		}
		lk.finished(err)
	})
}

// tries is how often a listener is tried again after an error: if the channel to
// it was just ending (one side still had it, or had it and lost it), or is just
// being made.
func tries(err error) int {
	var no *declined
	var gone *ClosedError
	switch declined := errors.As(err, &no); {
	case declined && no.reason == ReasonGlare:
		return glareTries
	case declined && no.reason == ReasonHave, errors.As(err, &gone):
		return 1
	}
	return 0
}

// again tries a listener once more, a moment later, if that may help. Under mu.
func (lk *lookup) again(h *handle, err error) bool {
	if lk.retried[h] >= tries(err) || lk.ctx.Err() != nil {
		return false
	}
	lk.retried[h]++
	lk.peers-- // it is the same listener
	lk.m.tasks.run(func() {
		t, stop := lk.m.cfg.Clock.Timer(againTime)
		defer stop()
		select {
		case <-t:
		case <-lk.ctx.Done():
		}
		lk.m.mu.Lock()
		defer lk.m.unlock()
		lk.found(h)
		lk.finished(nil) // what failed; found counts what it begins
	})
	return true
}

// finished notes that one of the running inquiries is over. Under mu.
func (lk *lookup) finished(err error) {
	if err != nil && lk.err == nil {
		lk.err = err
	}
	lk.running--
	lk.last = lk.m.now()
	signal(lk.wake)
}

func (lk *lookup) askEndpoint(url string) {
	l, err := lk.m.dial(lk.ctx, url)
	if err == nil {
		err = lk.ask(l.ch.peer.device(), url)
	}
	lk.m.mu.Lock()
	defer lk.m.unlock()
	lk.finished(err)
}

// ask takes the records a device has. The channel to it may just be giving way
// to another; then that one is used.
func (lk *lookup) ask(device identity.PublicKey, where string) error {
	lk.m.mu.Lock()
	again := lk.asked[device]
	lk.asked[device] = true
	lk.m.unlock()
	if again {
		return nil
	}
	var err error
	for range lk.m.lim.ChannelsPerDevice {
		lk.m.mu.Lock()
		links := lk.m.usableLinks(device)
		lk.m.unlock()
		if len(links) == 0 {
			break
		}
		err = lk.askOn(links[0], where)
		var gone *ClosedError
		if !errors.As(err, &gone) || lk.ctx.Err() != nil {
			return err
		}
	}
	return err
}

// askOn opens a lookup stream on a link and takes the records it brings.
func (lk *lookup) askOn(l *link, where string) error {
	s, err := l.open(purposeLookup, wordsTag(lk.bits, l.ch.hash, l.ch.initiator))
	if err != nil {
		return err
	}
	reply, err := s.await(lk.ctx)
	var no *ClosedError
	if errors.As(err, &no) && no.Remote && no.Reason == ReasonRefused {
		return nil // an answer: nothing here with these words
	}
	if err != nil {
		return err
	}
	if !equalTags(reply, wordsTag(lk.bits, l.ch.hash, !l.ch.initiator)) {
		s.Violation("accepted words it does not know")
		return ErrRefused
	}
	s.confirm()
	defer s.abandon(ReasonDone)
	for range lk.m.lim.AnswersPerPeer {
		b, err := s.Receive(lk.ctx)
		if err != nil {
			return listEnd(err)
		}
		if len(b) == 0 || len(b) > maxCandidate {
			s.Violation("candidate record of a wrong size")
			return ErrRefused
		}
		lk.add(Candidate{Record: b, Peer: s.Peer(), Server: where})
	}
	return nil
}

// listEnd says whether a peer came to the end of its records.
func listEnd(err error) error {
	var end *ClosedError
	if errors.As(err, &end) && end.Remote && end.Reason == ReasonDone {
		return nil
	}
	return err
}

func (lk *lookup) add(c Candidate) {
	lk.m.mu.Lock()
	defer lk.m.unlock()
	known := slices.ContainsFunc(lk.results, func(o Candidate) bool { return string(o.Record) == string(c.Record) })
	if !known && len(lk.results) < lk.m.lim.Answers {
		lk.results = append(lk.results, c)
		lk.last = lk.m.now()
	}
	signal(lk.wake)
}

// lookupOpened answers a lookup by a peer.
func (m *Mesh) lookupOpened(s *Stream, t tag) {
	hash, initiator := s.link.ch.hash, s.link.ch.initiator
	m.mu.Lock()
	var found []*Membership
	var reply tag
	for _, mb := range m.sortedGroups() {
		if !mb.g.Announce || mb.g.Candidate == nil {
			continue
		}
		if equalTags(t, wordsTag(mb.g.Words, hash, !initiator)) {
			found = append(found, mb)
			reply = wordsTag(mb.g.Words, hash, initiator)
		}
	}
	m.unlock()
	if len(found) == 0 {
		m.unknownTag(s)
		return
	}
	s.accept(reply)
	m.tasks.run(func() {
		ctx, cancel := within(m.ctx, m.cfg.Clock, m.lim.LookupTime)
		defer cancel()
		for _, mb := range found[:min(len(found), m.lim.AnswersPerPeer)] {
			b := mb.g.Candidate()
			if len(b) == 0 || len(b) > maxCandidate {
				continue
			}
			if err := s.Send(ctx, b); err != nil {
				break
			}
		}
		s.abandon(ReasonDone)
	})
}
