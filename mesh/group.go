package mesh

import (
	"context"
	"crypto/subtle"
	"slices"
	"time"

	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/internal/order"
	"github.com/hyperhyperspace/hhs-go/object"
)

// Group says which space to find peers for, and how. Space and Serve are
// required. Without Servers, Endpoints, Source and Anchors nothing is opened;
// peers may still come through Mesh.Accept.
type Group struct {
	Space object.ID
	// Servers are the URLs of signalling servers (ws, wss): peers that use the
	// same one meet there and connect by WebRTC.
	Servers []string
	// Endpoints are the URLs of peers that can be dialled.
	Endpoints []string
	// Serve speaks on one stream: one call for each, on its own goroutine; the
	// stream ends when it returns. The end of the stream is seen in Receive and
	// Done; ctx ends only when the space is left.
	Serve func(ctx context.Context, s *Stream)
	// Out bounds the peers dialled, In those taken from others (DefaultOut,
	// DefaultIn). When more come, one that has been there makes room.
	Out, In int
	// Source proposes further URLs; nil: none.
	Source PeerSource
	// Admit decides, after a peer has proven its device and the space id,
	// whether to serve it; nil: all. It may be slow and is called from any
	// goroutine.
	Admit func(PeerInfo) bool
	// Known tells devices the application has reason to trust a little, those
	// that wrote in the space for example; nil: none. A quarter of In is kept
	// for them. It should not wait long and is called from any goroutine.
	Known func(device identity.PublicKey) bool
	// Anchors remembers endpoints that worked, over restarts; nil: none.
	Anchors Anchors
	// Announce makes the space findable by its three words: Words are their 36
	// bits, Candidate returns the record to show (at most 64 KiB; nil: none).
	Announce  bool
	Words     uint64
	Candidate func() []byte
}

// PeerSource proposes places to dial.
type PeerSource interface {
	// Next waits for another URL. An error ends the source.
	Next(ctx context.Context) (string, error)
}

// Anchors remembers the last good endpoints of a space, at most MaxAnchors, the
// best first. The methods may be called from any goroutine and should not wait
// long.
type Anchors interface {
	Load(space object.ID) []string
	Save(space object.ID, urls []string)
}

// MaxAnchors is how many endpoints are remembered: two survive the loss of one,
// and an attacker who fills all other slots does not get these.
const MaxAnchors = 2

// maxEndpoints bounds the URLs of one group; sources and links may be generous.
const maxEndpoints = 64

// maxWants bounds the devices a group tries to open its space with.
const maxWants = 256

// State is what Status says in one word.
type State uint8

// The states.
const (
	Offline    State = iota // nobody is connected and nothing answers
	Connecting              // nobody is connected yet, but a server or a peer may be about to answer
	Connected               // at least one peer is connected
)

// String returns the state's word.
func (s State) String() string {
	return [...]string{"offline", "connecting", "connected"}[min(s, Connected)]
}

// Status is where a group stands.
type Status struct {
	State   State
	Peers   int // connected
	Servers int // signalling servers connected
	Others  int // listeners seen at servers, connected or not
}

// connectingTime is how long a first attempt counts as Connecting when nothing
// has answered.
const connectingTime = 5 * time.Second

// Membership is a joined group.
type Membership struct {
	m      *Mesh
	g      Group
	ctx    context.Context
	cancel context.CancelFunc
	wake   chan struct{}

	// Under Mesh.mu from here on.
	left      bool
	joined    time.Time
	failed    bool // something that was up went down since
	peers     map[identity.PublicKey]*Stream
	pending   map[identity.PublicKey]*Stream // being opened by us; placeholder at first
	admitting map[identity.PublicKey]*Stream // being judged by Admit
	wants     map[identity.PublicKey]*want
	dialling  int
	tags      map[*link]tags
	endpoints []*endpoint
	meetings  []*meeting
	anchors   []string
	servers   []string
	changed   chan struct{}
	status    Status
}

// tags of one space on one link.
type tags struct{ ours, theirs tag }

// want is a device to open the space with, as long as a link to it exists.
type want struct {
	backoff backoff
	due     time.Time
	refused bool // it did not know the space
}

// Join starts to find peers for a space.
func (m *Mesh) Join(g Group) (*Membership, error) {
	if g.Out <= 0 {
		g.Out = DefaultOut
	}
	if g.In <= 0 {
		g.In = DefaultIn
	}
	mb := &Membership{
		m: m, g: g, wake: make(chan struct{}, 1),
		peers:     map[identity.PublicKey]*Stream{},
		pending:   map[identity.PublicKey]*Stream{},
		admitting: map[identity.PublicKey]*Stream{},
		wants:     map[identity.PublicKey]*want{},
		tags:      map[*link]tags{},
		changed:   make(chan struct{}),
		joined:    m.now(),
	}
	if g.Anchors != nil {
		mb.anchors = slices.Clone(g.Anchors.Load(g.Space))
		mb.anchors = mb.anchors[:min(len(mb.anchors), MaxAnchors)]
	}
	m.mu.Lock()
	defer m.unlock()
	if m.closed {
		return nil, &ClosedError{Reason: ReasonShutdown}
	}
	if m.groups[g.Space] != nil {
		return nil, ErrJoined
	}
	mb.ctx, mb.cancel = context.WithCancel(m.ctx)
	m.groups[g.Space] = mb
	mb.addEndpoints(slices.Concat(mb.anchors, g.Endpoints))
	mb.addServers(g.Servers)
	mb.refresh()
	m.tasks.run(mb.run)
	if g.Source != nil {
		m.tasks.run(mb.follow)
	}
	return mb, nil
}

// Leave stops the group: its streams end with ReasonLeft, nothing more is
// dialled for it. It does not wait for Serve to return.
func (mb *Membership) Leave() {
	mb.m.mu.Lock()
	defer mb.m.unlock()
	mb.leaveLocked(ReasonLeft)
}

func (mb *Membership) leaveLocked(r Reason) {
	if mb.left {
		return
	}
	mb.left = true
	delete(mb.m.groups, mb.g.Space)
	for _, set := range []map[identity.PublicKey]*Stream{mb.peers, mb.pending, mb.admitting} {
		for _, s := range set {
			if s != nil && s != placeholder {
				mb.m.later(func() { s.Close(r) })
			}
		}
		clear(set)
	}
	for _, e := range mb.endpoints {
		e.drop(mb)
	}
	for _, mt := range mb.meetings {
		mb.m.dropMeeting(mt)
	}
	mb.m.later(mb.cancel)
	mb.refresh()
	mb.notify()
}

// AddEndpoints adds URLs of peers to dial.
func (mb *Membership) AddEndpoints(urls ...string) {
	mb.m.mu.Lock()
	defer mb.m.unlock()
	mb.addEndpoints(urls)
	mb.refresh()
	mb.poke()
}

// AddServers adds URLs of signalling servers.
func (mb *Membership) AddServers(urls ...string) {
	mb.m.mu.Lock()
	defer mb.m.unlock()
	mb.addServers(urls)
	mb.refresh()
	mb.poke()
}

func (mb *Membership) addEndpoints(urls []string) {
	for _, u := range urls {
		known := slices.ContainsFunc(mb.endpoints, func(e *endpoint) bool { return e.url == u })
		if !mb.left && !known && len(mb.endpoints) < maxEndpoints {
			mb.endpoints = append(mb.endpoints, mb.m.useEndpoint(u, mb))
		}
	}
}

func (mb *Membership) addServers(urls []string) {
	if mb.m.cfg.RTC == nil || mb.left {
		return
	}
	for _, u := range urls {
		if slices.Contains(mb.servers, u) || len(mb.servers) >= maxServers {
			continue
		}
		mb.servers = append(mb.servers, u)
		mb.meetings = append(mb.meetings, mb.m.addMeeting(u, &meeting{mb: mb}))
		if mb.g.Announce {
			mb.meetings = append(mb.meetings, mb.m.addMeeting(u, &meeting{mb: mb, words: true, bits: mb.g.Words}))
		}
	}
}

func (mb *Membership) follow() {
	for {
		u, err := mb.g.Source.Next(mb.ctx)
		if err != nil {
			return
		}
		mb.AddEndpoints(u)
	}
}

// Space returns the space.
func (mb *Membership) Space() object.ID { return mb.g.Space }

// Peers returns the connected peers, by device key.
func (mb *Membership) Peers() []PeerInfo {
	mb.m.mu.Lock()
	var list []*Stream
	for _, s := range mb.peers {
		list = append(list, s)
	}
	mb.m.unlock()
	infos := make([]PeerInfo, len(list))
	for i, s := range list {
		infos[i] = s.Peer()
	}
	order.By(infos, func(a, b PeerInfo) int { return a.Device.Compare(b.Device) })
	return infos
}

// Status returns where the group stands now.
func (mb *Membership) Status() Status {
	mb.m.mu.Lock()
	defer mb.m.unlock()
	mb.refresh()
	return mb.status
}

// Changed returns a channel that is closed when Peers or Status change next;
// ask for it before reading them.
func (mb *Membership) Changed() <-chan struct{} {
	mb.m.mu.Lock()
	defer mb.m.unlock()
	return mb.changed
}

func (mb *Membership) notify() {
	close(mb.changed)
	mb.changed = make(chan struct{})
}

// refresh works the status out anew and notifies if it changed.
func (mb *Membership) refresh() {
	st := Status{Peers: len(mb.peers)}
	for _, mt := range mb.meetings {
		if mt.words {
			continue
		}
		if mt.server.up {
			st.Servers++
		}
		for _, t := range mt.topics {
			st.Others += len(t.handles)
		}
	}
	// A dial may hang for long when the network is silent: only the first ones
	// count as a hope.
	fresh := !mb.failed && mb.m.now().Sub(mb.joined) < connectingTime && len(mb.endpoints)+len(mb.meetings) > 0
	switch {
	case mb.left:
	case st.Peers > 0:
		st.State = Connected
	case st.Servers > 0, len(mb.pending) > 0, fresh:
		st.State = Connecting
	}
	if st != mb.status {
		mb.status = st
		mb.notify()
	}
}

func (mb *Membership) poke() { signal(mb.wake) }

// run plans again whenever something has changed or time has come.
func (mb *Membership) run() {
	for mb.ctx.Err() == nil {
		mb.m.mu.Lock()
		wait := mb.plan(mb.m.now())
		mb.refresh()
		network := mb.m.network
		mb.m.unlock()
		t, stop := mb.m.cfg.Clock.Timer(wait)
		select {
		case <-mb.wake:
		case <-network:
			mb.m.mu.Lock()
			mb.hurry()
			mb.m.unlock()
		case <-t:
		case <-mb.ctx.Done():
		}
		stop()
	}
}

// hurry forgets all waits.
func (mb *Membership) hurry() {
	mb.joined, mb.failed = mb.m.now(), false
	for _, w := range mb.wants {
		*w = want{}
	}
	for _, mt := range mb.meetings {
		for _, t := range mt.topics {
			for _, h := range t.handles {
				h.backoff.reset()
				h.due = time.Time{}
			}
		}
	}
}

// planEvery bounds how long the plan stands without being looked at.
const planEvery = time.Minute

// plan is the one place that decides what a group does next; it returns how
// long that holds if nothing happens.
func (mb *Membership) plan(now time.Time) time.Duration {
	next := now.Add(planEvery)
	if d := mb.joined.Add(connectingTime); d.After(now) {
		next = d
	}
	for _, device := range mb.wanted() {
		w := mb.wants[device]
		links := mb.m.usableLinks(device)
		switch {
		case len(links) == 0 || mb.pending[device] != nil || !mb.needs(device):
		case now.Before(w.due):
			next = earlier(next, w.due)
		case mb.peers[device] == nil && mb.out()+len(mb.pending) >= mb.g.Out:
			// Enough; the channel ends when it is idle.
		case !links[0].openable():
			next = earlier(next, now.Add(nextTurn))
		case !links[0].mayTry(w.refused):
			w.due = now.Add(mb.m.lim.BackoffMax/2 + mb.m.jitter(mb.m.lim.BackoffMax))
			next = earlier(next, w.due)
		default:
			mb.open(device, links[0])
		}
	}
	if mb.short() {
		for _, e := range mb.endpoints {
			e.poke()
		}
		for _, h := range mb.callable() {
			if now.Before(h.due) {
				next = earlier(next, h.due)
			} else if mb.short() {
				mb.m.introduce(mb.ctx, h, nil)
			}
		}
	}
	return next.Sub(now)
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// wanted returns the wanted devices in order of their keys, and forgets those
// that no link leads to.
func (mb *Membership) wanted() []identity.PublicKey {
	var list []identity.PublicKey
	for d := range mb.wants {
		if len(mb.m.links[d]) == 0 {
			delete(mb.wants, d)
			continue
		}
		list = append(list, d)
	}
	for d, s := range mb.peers {
		// A peer on a channel that was retired here moves to the one kept.
		if s.link.retiring() && mb.wants[d] == nil && len(mb.wants) < maxWants {
			mb.wants[d] = &want{}
			list = append(list, d)
		}
	}
	order.By(list, identity.PublicKey.Compare)
	return list
}

// needs reports whether a stream to the device has to be opened.
func (mb *Membership) needs(device identity.PublicKey) bool {
	cur := mb.peers[device]
	return cur == nil || cur.link.retiring()
}

// out counts the peers we dialled.
func (mb *Membership) out() int {
	n := 0
	for _, s := range mb.peers {
		if s.link.ch.initiator {
			n++
		}
	}
	return n
}

// short reports whether the group wants to dial more peers. Those dialled but
// not open yet count, unless they have refused.
func (mb *Membership) short() bool {
	opening, now := 0, mb.m.now()
	for d, w := range mb.wants {
		if mb.peers[d] == nil && !now.Before(w.due) {
			opening++
		}
	}
	return !mb.left && mb.out()+mb.dialling+opening < mb.g.Out
}

// want makes a device known as one to open the space with.
func (mb *Membership) want(device identity.PublicKey) {
	if mb.wants[device] == nil && len(mb.wants) < maxWants {
		mb.wants[device] = &want{}
	}
	mb.poke()
}

// remember makes a URL that worked an anchor.
func (mb *Membership) remember(url string) {
	if mb.g.Anchors == nil || len(mb.anchors) > 0 && mb.anchors[0] == url {
		return
	}
	list := append([]string{url}, slices.DeleteFunc(mb.anchors, func(u string) bool { return u == url })...)
	mb.anchors = list[:min(len(list), MaxAnchors)]
	saved := slices.Clone(mb.anchors)
	mb.m.later(func() { mb.g.Anchors.Save(mb.g.Space, saved) })
}

// tagsOn returns the space's tags on a link.
func (mb *Membership) tagsOn(l *link) tags {
	t, ok := mb.tags[l]
	if !ok {
		t = tags{
			ours:   spaceTag(mb.g.Space, l.ch.hash, l.ch.initiator),
			theirs: spaceTag(mb.g.Space, l.ch.hash, !l.ch.initiator),
		}
		if l.alive() {
			mb.tags[l] = t
		}
	}
	return t
}

// groupOf finds the space a peer's tag stands for. It compares with all, each
// in constant time.
func (m *Mesh) groupOf(l *link, t tag) *Membership {
	var found *Membership
	for _, mb := range m.groups {
		want := mb.tagsOn(l).theirs
		if subtle.ConstantTimeCompare(want[:], t[:]) == 1 {
			found = mb
		}
	}
	return found
}

func (m *Mesh) sortedGroups() []*Membership {
	var list []*Membership
	for _, mb := range m.groups {
		list = append(list, mb)
	}
	order.By(list, func(a, b *Membership) int { return a.g.Space.Compare(b.g.Space) })
	return list
}

// wakeAll lets everyone look at the connections again.
func (m *Mesh) wakeAll() {
	for _, mb := range m.groups {
		mb.poke()
	}
	for _, e := range m.endpoints {
		e.poke()
	}
}

func equalTags(a, b tag) bool { return subtle.ConstantTimeCompare(a[:], b[:]) == 1 }
