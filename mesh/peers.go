package mesh

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/internal/address"
	"github.com/hyperhyperspace/hhs-go/internal/order"
	"github.com/hyperhyperspace/hhs-go/transport"
)

// PeerInfo describes a connected peer. Device and Identity are proven; Label is
// the identity's own word for the device.
type PeerInfo struct {
	Device, Identity identity.PublicKey
	Label            string
	Transport        string // "ws", "rtc" or "pipe"
	Remote           string // as the transport knows it; for people
	Dialled          bool   // by this side
	// Direct says that no server at all stands between: a data channel or a
	// pipe. A WebSocket ends at the peer too, but whatever serves its URL (a
	// proxy) forwards the encrypted records.
	Direct bool
	RTT    time.Duration // of the last sign of life asked for; 0: not measured yet
	Since  time.Time
}

func (l *link) peerInfo() PeerInfo {
	l.mu.Lock()
	rtt := l.times.rtt
	l.mu.Unlock()
	c := l.ch.peer.certificate
	return PeerInfo{
		Device: c.Device, Identity: c.Identity, Label: c.Label,
		Transport: l.info.Kind, Remote: l.info.Remote, Dialled: l.ch.initiator,
		Direct: l.info.Kind != "ws", RTT: rtt, Since: l.since,
	}
}

// Links returns the number of secure channels.
func (m *Mesh) Links() int {
	m.mu.Lock()
	defer m.unlock()
	return m.linkCount
}

// Accept takes a connection somebody opened to this node. It returns at once;
// the mesh owns conn from now on.
func (m *Mesh) Accept(conn transport.Conn) {
	address := addressGroup(conn.Info().Remote)
	m.mu.Lock()
	defer m.unlock()
	now := m.now()
	switch {
	case m.closed:
	case m.penalties.active(address, now):
		m.counters.Penalised++
	case !m.enter(conn, address, now):
		m.counters.Busy++
	default:
		return
	}
	m.tasks.run(func() { _ = conn.Close() })
}

// enter begins a handshake that another side asked for, unless they come too
// fast. One that has been under way for long may have to end for it.
func (m *Mesh) enter(conn transport.Conn, address string, now time.Time) bool {
	ctx, cancel := context.WithCancelCause(m.ctx)
	k := &knock{address: address, evict: func() { cancel(ErrBusy) }}
	evicted, ok := m.gate.enter(k, now)
	if !ok {
		cancel(ErrBusy)
		return false
	}
	if evicted != nil {
		m.counters.Busy++
		m.later(evicted.evict)
	}
	m.tasks.run(func() {
		_, err := m.connect(ctx, conn, func() { m.heardOf(k) })
		m.mu.Lock()
		m.gate.leave(k)
		m.unlock()
		cancel(nil)
		if err != nil {
			m.cfg.Log.Debug("inbound connection", "remote", conn.Info().Remote, "error", err)
		}
	})
	return true
}

// heardOf notes that a handshake goes on.
func (m *Mesh) heardOf(k *knock) {
	m.mu.Lock()
	defer m.unlock()
	k.heard = m.now()
}

// Serve accepts connections from a listener until ctx ends or it closes.
func (m *Mesh) Serve(ctx context.Context, from transport.Listener) error {
	for {
		conn, err := from.Accept(ctx)
		if errors.Is(err, transport.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		m.Accept(conn)
	}
}

// dial opens a URL and makes it a link.
func (m *Mesh) dial(ctx context.Context, url string) (*link, error) {
	u, err := address.ParseURL(url)
	if err != nil {
		return nil, err
	}
	d := m.cfg.Dialers[u.Scheme]
	if d == nil {
		return nil, ErrNoDialer
	}
	dctx, cancel := within(ctx, m.cfg.Clock, m.lim.DialTime)
	conn, err := d.Dial(dctx, url)
	if err != nil {
		if cause := context.Cause(dctx); cause != nil && ctx.Err() == nil {
			err = cause
		}
		cancel()
		return nil, err
	}
	cancel()
	return m.connect(ctx, conn, nil)
}

// connect runs the handshake on a connection and registers the link. heard, if
// not nil, is called for each message of the handshake that comes.
func (m *Mesh) connect(ctx context.Context, conn transport.Conn, heard func()) (*link, error) {
	hctx, cancel := within(ctx, m.cfg.Clock, m.lim.HandshakeTime)
	defer cancel()
	ch, err := m.hands.shake(hctx, conn, heard)
	if err != nil {
		m.mu.Lock()
		m.counters.HandshakeFailures++
		if errors.Is(err, ErrTwin) && m.cfg.Twin != nil && !m.closed {
			go m.cfg.Twin()
		}
		m.unlock()
		return nil, err
	}
	l := newLink(ch, &m.lim, m.cfg.Clock, m, m.tasks.run)
	if err := m.register(l); err != nil {
		l.cancel()
		_ = conn.Close()
		return nil, err
	}
	transport.Proven(conn)
	l.start()
	return l, nil
}

// register adds a link to those of its device.
func (m *Mesh) register(l *link) error {
	device := l.ch.peer.device()
	m.mu.Lock()
	defer m.unlock()
	list := m.links[device]
	switch {
	case m.closed:
		return &ClosedError{Reason: ReasonShutdown}
	case m.penalties.active(deviceKey(device), m.now()):
		m.counters.Penalised++
		return ErrPenalised
	case len(list) >= m.lim.ChannelsPerDevice || !m.room(l):
		m.counters.Busy++
		return ErrBusy
	}
	for _, old := range list {
		if old.ch.peer.static != l.ch.peer.static {
			// The device has started anew; what this link belonged to is gone.
			m.later(func() { old.end(&ClosedError{Reason: ReasonSuperseded}) })
		}
	}
	m.links[device] = append(list, l)
	m.linkCount++
	m.counters.Handshakes++
	if len(list) > 0 && m.decides(device) && !m.settling[device] {
		m.settling[device] = true
		m.later(func() { m.tasks.run(func() { m.settle(device) }) })
	}
	m.wakeAll()
	return nil
}

// unusedFor is how long an inbound channel without streams is safe from having
// to make room for another.
// One from an address group with more than half of the channels is safe for
// unusedInCrowd only: enough to open a stream.
const (
	unusedFor     = 5 * time.Second
	unusedInCrowd = time.Second
)

// room reports whether there is a place for a link; the longest unused inbound
// one may have to go for it.
func (m *Mesh) room(l *link) bool {
	most := m.lim.Channels
	if !l.ch.initiator {
		most -= m.lim.KeptOut
	}
	if m.linkCount < most {
		return true
	}
	count := map[string]int{}
	for _, list := range m.links {
		for _, o := range list {
			count[addressGroup(o.info.Remote)]++
		}
	}
	var victim *link
	for _, list := range m.links {
		for _, o := range list {
			safe := unusedFor
			if 2*count[addressGroup(o.info.Remote)] > m.linkCount {
				safe = unusedInCrowd
			}
			unused := !o.ch.initiator && o.unused() > safe
			if unused && (victim == nil || o.since.Before(victim.since)) {
				victim = o
			}
		}
	}
	if victim == nil {
		return false
	}
	m.later(func() { victim.end(&ClosedError{Reason: ReasonBusy}) })
	return true
}

// decides reports whether this side chooses among the channels to a device.
func (m *Mesh) decides(device identity.PublicKey) bool { return m.self.Compare(device) < 0 }

// usableLinks returns the links to a device that may carry new streams, those
// this side would keep first: dialled by the lower device key, then older.
func (m *Mesh) usableLinks(device identity.PublicKey) []*link {
	var list []*link
	for _, l := range m.links[device] {
		if l.usable() {
			list = append(list, l)
		}
	}
	order.Stably(list, func(a, b *link) int {
		if m.preferred(a) != m.preferred(b) {
			if m.preferred(a) {
				return -1
			}
			return 1
		}
		return a.since.Compare(b.since)
	})
	return list
}

// preferred reports whether the lower device key dialled the link.
func (m *Mesh) preferred(l *link) bool { return l.ch.initiator == m.decides(l.ch.peer.device()) }

// settle leaves one link to a device: the preferred one if it answers. The
// others are retired; the spaces on them move before they end.
func (m *Mesh) settle(device identity.PublicKey) {
	for {
		m.mu.Lock()
		list := m.usableLinks(device)
		if len(list) < 2 {
			delete(m.settling, device)
			m.unlock()
			return
		}
		m.unlock()
		if !m.mustAnswer(list[0]) {
			continue
		}
		for _, l := range list[1:] {
			l.retire()
		}
		m.mu.Lock()
		m.wakeAll()
		m.unlock()
	}
}

// ended removes a link; see linkOwner.
func (m *Mesh) ended(l *link) {
	device := l.ch.peer.device()
	m.mu.Lock()
	defer m.unlock()
	m.links[device] = slices.DeleteFunc(m.links[device], func(o *link) bool { return o == l })
	if len(m.links[device]) == 0 {
		delete(m.links, device)
	}
	m.linkCount--
	var broke *ProtocolError
	switch {
	case errors.As(l.err.Cause, &broke):
		m.counters.Violations++
		m.penalties.add(deviceKey(device), m.now())
		m.penalties.add(addressGroup(l.info.Remote), m.now())
		m.cfg.Log.Warn("peer broke the protocol", "device", device.Short(), "rule", broke.Rule)
	case errors.Is(l.err, ErrTampered):
		m.counters.Tampered++
	case l.err.Reason == ReasonDead:
		m.counters.Dead++
	}
	for _, mb := range m.groups {
		delete(mb.tags, l)
	}
	m.wakeAll()
}

// retired wakes whoever has streams there; see linkOwner.
func (m *Mesh) retired(*link) {
	m.mu.Lock()
	defer m.unlock()
	m.wakeAll()
}

// reserve and release count the large messages of all links. They are called
// with a link's lock held and take none.
func (m *Mesh) reserve() bool {
	for {
		n := m.larges.Load()
		if n >= int64(m.lim.LargeMessages) {
			return false
		}
		if m.larges.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (m *Mesh) release() { m.larges.Add(-1) }
