package hhs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hyperhyperspace/hhs-go/internal/order"
	"github.com/hyperhyperspace/hhs-go/mesh"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/syncer"
	"github.com/hyperhyperspace/hhs-go/transport"
	"github.com/hyperhyperspace/hhs-go/transport/rtc"
	"github.com/hyperhyperspace/hhs-go/words"
)

// network is a node's part in the mesh. The mesh is made when the first space
// is opened and opens nothing by itself.
type network struct {
	node   *Node
	ctx    context.Context
	cancel context.CancelFunc
	turns  syncer.Turns

	mu   sync.Mutex
	mesh *mesh.Mesh
	stun []string // of the links of open spaces
}

// maxSTUN bounds the STUN servers asked at once; a second one is for when the
// first is away.
const maxSTUN = 8

// learn notes STUN servers for connections to come. Those of a space stay until
// the node is closed.
func (w *network) learn(l Link) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, addr := range l.stunServers() {
		if len(w.stun) < maxSTUN && !contains(w.stun, addr) {
			w.stun = append(w.stun, addr)
		}
	}
}

// rtcConfig is how a WebRTC connection is made now.
func (w *network) rtcConfig(o *options) rtc.Config {
	w.mu.Lock()
	defer w.mu.Unlock()
	return rtc.Config{STUN: append(slices.Clone(o.stun), w.stun...)}
}

func (w *network) init(n *Node) {
	w.node = n
	w.ctx, w.cancel = context.WithCancel(context.Background())
}

func (w *network) open() (*mesh.Mesh, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.mesh != nil || w.node.opts.offline {
		return w.mesh, nil
	}
	if w.ctx.Err() != nil {
		return nil, ErrClosed
	}
	o := &w.node.opts
	device := w.node.device()
	cfg := mesh.Config{Device: device, Verifier: platformVerifier(), Rand: o.rand, Log: o.log, Dialers: o.dialers, Limits: o.limits, Twin: func() { w.node.twin(device) }}
	if o.rtc != nil && o.rtc.Dial != nil {
		cfg.RTC = o.rtc
	}
	m, err := mesh.New(cfg)
	w.mesh = m
	return m, err
}

func (w *network) close() {
	w.cancel()
	w.mu.Lock()
	m := w.mesh
	w.mesh = nil
	w.mu.Unlock()
	if m != nil {
		m.Close()
	}
}

// Accept takes a connection that a peer made to this node, over any transport,
// and serves it until it ends. PeerHandler does this for WebSockets.
func (n *Node) Accept(conn transport.Conn) error {
	m, err := n.net.open()
	if err == nil && m == nil {
		err = ErrOffline
	}
	if err != nil {
		conn.Close()
		return err
	}
	m.Accept(conn)
	return nil
}

// Serve takes connections from a listener until ctx, the listener or the node
// ends.
func (n *Node) Serve(ctx context.Context, l transport.Listener) error {
	if m, err := n.net.open(); err != nil {
		return err
	} else if m == nil {
		return ErrOffline
	}
	for { // each by the mesh of that moment: see restart
		conn, err := l.Accept(ctx)
		if errors.Is(err, transport.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := n.Accept(conn); err != nil {
			return err
		}
	}
}

// restart connects anew, with the device key of now. What was connected was so
// under the one before, which is in use elsewhere.
func (w *network) restart() {
	w.mu.Lock()
	m := w.mesh
	w.mesh = nil
	w.mu.Unlock()
	if m == nil {
		return
	}
	w.node.mu.Lock()
	spaces := slices.Collect(maps.Values(w.node.spaces))
	w.node.mu.Unlock()
	for _, s := range spaces {
		w.remove(s)
	}
	m.Close()
	for _, s := range spaces {
		if !s.gone() {
			w.add(s)
			s.poke(nil)
		}
	}
}

// membership is a space's part in the mesh.
type membership struct {
	group    *mesh.Membership
	sessions map[*mesh.Stream]syncer.Status
	changed  chan struct{} // closed when sessions changed
	stop     context.CancelFunc
	relay    syncer.Relay
	blobs    syncer.Blobs
	took     chan struct{} // closed when a block of a blob came
}

// add starts to look for peers of a space.
func (w *network) add(s *AnySpace) {
	s.mu.Lock()
	s.peer.sessions = map[*mesh.Stream]syncer.Status{}
	if s.peer.changed == nil {
		s.peer.changed = make(chan struct{})
	}
	s.mu.Unlock()
	m, err := w.open()
	if err != nil || m == nil {
		return
	}
	l := s.Link()
	w.learn(l)
	p := s.opts.peers
	g := mesh.Group{Space: s.ID(), Servers: l.Servers, Endpoints: l.Endpoints, Out: p.Degree, Serve: s.serve,
		Known: s.rep.HasAuthor, Announce: !p.NoWords, Words: words.FromID(s.ID()), Candidate: s.candidate}
	if p.NoRTC {
		g.Servers = nil
	}
	if p.NoWS {
		g.Endpoints = nil
	}
	if p.Admit != nil {
		g.Admit = func(i mesh.PeerInfo) bool {
			return p.Admit(PeerDevice{Device: i.Device.String(), Identity: Identity(i.Identity.String())})
		}
	}
	ctx, stop := context.WithCancel(w.ctx)
	if p.Source != nil {
		g.Source = newSource(ctx, p.Source)
	}
	group, err := m.Join(g)
	if err != nil {
		stop()
		w.node.opts.log.Warn("space stays offline", "space", s.ID(), "error", err)
		return
	}
	s.mu.Lock()
	s.peer.group, s.peer.stop = group, stop
	s.mu.Unlock()
	go s.follow(ctx, group)
}

// follow passes changes of the group on to who waits for the status.
func (s *AnySpace) follow(ctx context.Context, g *mesh.Membership) {
	for {
		changed := g.Changed()
		s.poke(nil)
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}

func (w *network) remove(s *AnySpace) {
	s.mu.Lock()
	group, stop := s.peer.group, s.peer.stop
	s.peer.group = nil
	s.mu.Unlock()
	if group != nil {
		stop()
		group.Leave()
	}
}

// update tells the group of new addresses.
func (w *network) update(s *AnySpace) {
	l := s.Link()
	w.learn(l)
	s.mu.Lock()
	group := s.peer.group
	s.mu.Unlock()
	if group == nil {
		return
	}
	if !s.opts.peers.NoRTC {
		group.AddServers(l.Servers...)
	}
	if !s.opts.peers.NoWS {
		group.AddEndpoints(l.Endpoints...)
	}
}

// poke changes the sessions and wakes who waits for the status.
func (s *AnySpace) poke(change func()) {
	s.mu.Lock()
	if change != nil {
		change()
	}
	close(s.peer.changed)
	s.peer.changed = make(chan struct{})
	s.mu.Unlock()
}

// sourceFeed turns a PeerSource into the mesh's form of it.
type sourceFeed struct{ urls chan string }

func newSource(ctx context.Context, f PeerSource) *sourceFeed {
	feed := &sourceFeed{make(chan string)}
	go func() {
		defer close(feed.urls)
		f(ctx, func(url string) {
			select {
			case feed.urls <- url:
			case <-ctx.Done():
			}
		})
	}()
	return feed
}

// Next implements mesh.PeerSource.
func (f *sourceFeed) Next(ctx context.Context) (string, error) {
	select {
	case url, ok := <-f.urls:
		if !ok {
			return "", errors.New("the source has no more addresses")
		}
		return url, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// State says in one word how a space stands with its peers.
type State string

// The states.
const (
	StateOffline    State = "offline"    // no contact with any peer or server
	StateConnecting State = "connecting" // a server or peer is being tried, or a server is reached and no peer
	StateSyncing    State = "syncing"    // a connected peer is ahead, or being compared
	StateSynced     State = "synced"     // every connected peer is known to be equal, and there is one
)

// Status is what is true of a space's connections now.
type Status struct {
	State   State
	ToGo    int // commits known to be on their way here
	Peers   int // connected
	Synced  int // of them, known to be equal to this copy
	Direct  int // of them, with no server between
	Servers int // signalling servers reached
}

// Peer is one connected device.
type Peer struct {
	PeerDevice
	Transport string // "ws" or "rtc"
	Direct    bool
	Synced    bool
	ToGo      int
	RTT       time.Duration
	Since     time.Time
}

// Status returns how the space stands with its peers. It never claims "synced"
// while a connected peer is known to hold a commit this copy lacks.
func (s *AnySpace) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Status{State: StateOffline}
	if s.peer.group == nil {
		return st
	}
	g := s.peer.group.Status()
	st.Servers = g.Servers
	if g.State != mesh.Offline {
		st.State = StateConnecting
	}
	for _, p := range s.peersLocked() {
		st.Peers++
		st.ToGo += p.ToGo
		if p.Synced {
			st.Synced++
		}
		if p.Direct {
			st.Direct++
		}
	}
	switch {
	case st.Peers > 0 && st.Synced == st.Peers:
		st.State = StateSynced
	case st.Peers > 0:
		st.State = StateSyncing
	}
	return st
}

// StatusChanged returns a channel that is closed when Status or Peers may
// answer otherwise than now.
func (s *AnySpace) StatusChanged() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.peer.changed
}

// Peers lists the connected devices.
func (s *AnySpace) Peers() []Peer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.peersLocked()
}

// peersLocked lists each device once: while a connection takes the place of
// another one there are two sessions, of which the newer counts.
func (s *AnySpace) peersLocked() []Peer {
	list := make([]Peer, 0, len(s.peer.sessions))
	for stream, session := range s.peer.sessions {
		i := stream.Peer()
		at := slices.IndexFunc(list, func(p Peer) bool { return p.Device == i.Device.String() })
		if at >= 0 {
			if list[at].Since.After(i.Since) {
				continue
			}
			list = slices.Delete(list, at, at+1)
		}
		list = append(list, Peer{PeerDevice: PeerDevice{i.Device.String(), Identity(i.Identity.String())},
			Transport: i.Transport, Direct: i.Direct, Synced: session.Synced, ToGo: session.Receiving, RTT: i.RTT, Since: i.Since})
	}
	order.By(list, func(a, b Peer) int { return strings.Compare(a.Device, b.Device) })
	return list
}

// Flush waits until every device connected now holds durably what this copy
// holds, or ctx ends. With nobody connected it returns at once. A program that
// is about to close can so let its last words be heard.
func (s *AnySpace) Flush(ctx context.Context) error {
	wake := make(chan struct{}, 1)
	defer s.rep.OnChange(func() {
		select {
		case wake <- struct{}{}:
		default:
		}
	})()
	heads := s.rep.Heads()
	for {
		changed := s.StatusChanged()
		held, err := s.heldByPeers(heads)
		if held || err != nil {
			return err
		}
		select {
		case <-wake:
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// WaitSynced returns when this copy and those of all devices connected now, of
// which there is one at least, are equal: what they had is here, and they hold
// durably what was here when it was called. ctx bounds the wait; ErrClosed when
// the space was left or its node closed, ErrOffline when the node never
// connects. A space that knows no address is found by nobody and waits in vain.
func (s *AnySpace) WaitSynced(ctx context.Context) error {
	if s.node.opts.offline {
		return ErrOffline
	}
	wake := make(chan struct{}, 1)
	defer s.rep.OnChange(func() {
		select {
		case wake <- struct{}{}:
		default:
		}
	})()
	heads := s.rep.Heads()
	for {
		changed := s.StatusChanged()
		if s.Ready() && s.Status().State == StateSynced {
			held, err := s.heldByPeers(heads)
			if held || err != nil {
				return err
			}
		}
		select {
		case <-wake:
		case <-changed:
		case <-s.rep.Done():
			return ErrClosed
		case <-ctx.Done():
			return fmt.Errorf("wait until space %s is synced (%s, %d connected): %w", s.ID().Short(), s.Status().State, s.Status().Peers, ctx.Err())
		}
	}
}

// heldByPeers tells whether every connected device acknowledged the commits.
func (s *AnySpace) heldByPeers(commits []object.ID) (bool, error) {
	peers := s.Peers()
	if len(peers) == 0 {
		return true, nil
	}
	for _, c := range commits {
		holders, err := s.HeldBy(c)
		if err != nil {
			return false, err
		}
		for _, p := range peers {
			if !slices.Contains(holders, p.Device) {
				return false, nil
			}
		}
	}
	return true, nil
}

// Candidate is a space that answers to three words. Anyone can make one that
// does: compare the creator's key with the one you expect before joining.
type Candidate struct {
	Link    Link
	Kind    string
	Version int
	Creator Identity
	Created time.Time
}

// Lookup asks the given signalling servers, or the node's own, for spaces that
// answer to three words. The words may name a server themselves, as in
// "one two three @ host:port". ErrOffline when no server was reached.
func (n *Node) Lookup(ctx context.Context, threeWords string, servers ...string) ([]Candidate, error) {
	threeWords, server, named := strings.Cut(threeWords, "@")
	bits, err := words.Decode(threeWords)
	if err != nil {
		return nil, err
	}
	if named {
		if server, err = serverURL(server); err != nil {
			return nil, err
		}
		servers = append(servers, server)
	}
	if len(servers) == 0 {
		servers, _ = n.addresses()
	}
	m, err := n.net.open()
	if err != nil {
		return nil, err
	}
	if m == nil || len(servers) == 0 {
		return nil, fmt.Errorf("look up %q: %w: none is known; give the address of the server where the words were shown", threeWords, ErrOffline)
	}
	found, err := m.Lookup(ctx, bits, servers, nil)
	list := candidates(bits, found)
	if len(list) == 0 && err != nil {
		return nil, fmt.Errorf("look up %q: %w: %w", threeWords, ErrOffline, err)
	}
	return list, nil
}
