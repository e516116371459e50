package mesh

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/internal/log"
	"github.com/hyperhyperspace/hhs-go/mesh/internal/noise"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/signalling"
	"github.com/hyperhyperspace/hhs-go/transport"
)

// Exchange carries the messages of one introduction (offer, answer, network
// candidates) to the other peer and back, sealed from the server between.
// Messages have at most 15 KiB.
type Exchange interface {
	Send(ctx context.Context, msg []byte) error
	Receive(ctx context.Context) ([]byte, error)
}

// RTC makes direct connections by an exchange of descriptions: package
// transport/rtc, or a fake. Both functions honour ctx; the Conn of Dial is the
// initiator.
type RTC struct {
	Dial   func(ctx context.Context, x Exchange) (transport.Conn, error)
	Answer func(ctx context.Context, x Exchange) (transport.Conn, error)
}

// Signalling is a connection to a signalling server; *signalling.Client is one.
type Signalling interface {
	Listen(ctx context.Context, topic signalling.Topic, key identity.Signer) error
	Unlisten(ctx context.Context, topic signalling.Topic) error
	Send(ctx context.Context, topic signalling.Topic, to signalling.Handle, body []byte) error
	Events() <-chan signalling.Event
	Close() error
}

var _ Signalling = (*signalling.Client)(nil)

// Config is what a Mesh is made of. Only Device is required.
type Config struct {
	// Device is who this node is to its peers. Its Signer may be slow.
	Device identity.Device
	// Verifier checks the peers' proofs; nil: identity.Serial.
	Verifier identity.Verifier
	// Clock and Rand are where time and chance come from; nil: the system's.
	Clock Clock
	Rand  io.Reader
	// Log gets what happens, without contents or secrets; nil: nothing.
	Log log.Logger
	// Dialers open URLs by scheme ("ws", "wss").
	Dialers map[string]transport.Dialer
	// RTC makes the connections that signalling introduces; nil: signalling
	// servers are not used.
	RTC *RTC
	// Signalling connects to a server; nil: signalling.Dial over Dialers.
	Signalling func(ctx context.Context, url string) (Signalling, error)
	// Twin is told, on a goroutine of its own, that another program proved to have
	// this device's key.
	Twin func()
	// Limits bounds everything; zero fields mean defaults.
	Limits Limits
}

// Mesh holds a node's connections. All methods may be called from anywhere;
// Close not from Serve or Admit.
type Mesh struct {
	cfg    Config
	lim    Limits
	hands  hands
	self   identity.PublicKey
	random *lockedReader
	ctx    context.Context
	cancel context.CancelFunc
	tasks  tracker
	larges atomic.Int64 // messages beyond a window being received

	mu        sync.Mutex
	gate      gate
	laters    []func() // run after unlock
	closed    bool
	links     map[identity.PublicKey][]*link
	linkCount int
	settling  map[identity.PublicKey]bool
	groups    map[object.ID]*Membership
	endpoints map[string]*endpoint
	servers   map[string]*server
	attempts  map[attemptID]*attempt
	seen      seenIDs
	penalties penalties
	counters  Counters
	network   chan struct{} // closed when the network changed
}

// Counters count what went wrong or was refused since New.
type Counters struct {
	Handshakes        uint64 // done
	HandshakeFailures uint64 // whoever caused them
	Busy              uint64 // connections refused by a limit
	Penalised         uint64 // connections refused after misbehaviour
	Violations        uint64 // channels closed because the peer broke the protocol
	Tampered          uint64 // channels closed because a record did not open
	Unknown           uint64 // openings with an unknown tag
	Signals           uint64 // signalling messages dropped: not sealed for us, late, repeated
	Dead              uint64 // channels given up in silence
}

// New makes a mesh. It opens nothing until something is joined, accepted or
// looked up. Every start makes a fresh channel key.
func New(cfg Config) (*Mesh, error) {
	if err := cfg.Device.Verify(); err != nil {
		return nil, err
	}
	if cfg.Clock == nil {
		cfg.Clock = SystemClock{}
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	if cfg.Verifier == nil {
		cfg.Verifier = identity.Serial{}
	}
	if cfg.Log == nil {
		cfg.Log = log.Discard
	}
	random := &lockedReader{r: cfg.Rand}
	static, err := noise.NewKey(random)
	if err != nil {
		return nil, err
	}
	m := &Mesh{
		cfg: cfg, lim: cfg.Limits.withDefaults(), random: random,
		self:      cfg.Device.Certificate.Device,
		links:     map[identity.PublicKey][]*link{},
		settling:  map[identity.PublicKey]bool{},
		groups:    map[object.ID]*Membership{},
		endpoints: map[string]*endpoint{},
		servers:   map[string]*server{},
		attempts:  map[attemptID]*attempt{},
		network:   make(chan struct{}),
	}
	m.tasks.init()
	m.penalties = newPenalties(&m.lim)
	m.gate = newGate(&m.lim, cfg.Clock.Now())
	m.ctx, m.cancel = context.WithCancel(context.Background())
	m.hands = hands{
		device: cfg.Device, static: static, verifier: cfg.Verifier, random: random,
		sign: (&patientSigner{signer: cfg.Device.Signer}).sign,
	}
	return m, nil
}

// unlock releases mu and then runs what must not run under it.
func (m *Mesh) unlock() {
	f := m.laters
	m.laters = nil
	m.mu.Unlock()
	for _, f := range f {
		f()
	}
}

func (m *Mesh) later(f func()) { m.laters = append(m.laters, f) }

func (m *Mesh) now() time.Time { return m.cfg.Clock.Now() }

// Counters returns the counters.
func (m *Mesh) Counters() Counters {
	m.mu.Lock()
	defer m.unlock()
	return m.counters
}

// Device returns this node's device key.
func (m *Mesh) Device() identity.PublicKey { return m.self }

// NetworkChanged says that the machine's network is another now: waits are cut
// short and every channel must show that it still works.
func (m *Mesh) NetworkChanged() {
	m.mu.Lock()
	defer m.unlock()
	close(m.network)
	m.network = make(chan struct{})
	for _, list := range m.links {
		for _, l := range list {
			m.tasks.run(func() { m.mustAnswer(l) })
		}
	}
}

// changedNetwork returns a channel closed at the next change of network.
func (m *Mesh) changedNetwork() <-chan struct{} {
	m.mu.Lock()
	defer m.unlock()
	return m.network
}

// answerTime is how long a channel in doubt has to show a sign of life.
const answerTime = 3 * time.Second

// mustAnswer ends a link that does not answer; it reports whether it did.
func (m *Mesh) mustAnswer(l *link) bool {
	t, stop := m.cfg.Clock.Timer(answerTime)
	defer stop()
	select {
	case <-l.probe():
		return true
	case <-l.done:
	case <-t:
		l.end(&ClosedError{Reason: ReasonDead})
	}
	return false
}

// Close leaves all spaces, says goodbye to all peers and waits until nothing of
// the mesh runs; Serve functions must therefore return when their ctx ends.
func (m *Mesh) Close() error {
	m.mu.Lock()
	if m.closed {
		m.unlock()
		m.tasks.wait()
		return nil
	}
	m.closed = true
	for _, mb := range m.sortedGroups() {
		mb.leaveLocked(ReasonShutdown)
	}
	var all []*link
	for _, list := range m.links {
		all = append(all, list...)
	}
	m.unlock()
	for _, l := range all {
		l.goodbye(ReasonShutdown)
	}
	m.cancel()
	m.tasks.run(func() { m.force(all) })
	m.tasks.wait()
	return nil
}

// force ends links that do not get their goodbye out.
func (m *Mesh) force(all []*link) {
	t, stop := m.cfg.Clock.Timer(transport.CloseLinger)
	defer stop()
	for _, l := range all {
		select {
		case <-l.done:
		case <-t:
			for _, l := range all {
				l.end(&ClosedError{Reason: ReasonShutdown})
			}
			return
		}
	}
}

// backoff is a growing wait with jitter.
type backoff struct{ last time.Duration }

func (b *backoff) next(m *Mesh) time.Duration {
	b.last = min(max(2*b.last, m.lim.BackoffMin), m.lim.BackoffMax)
	return b.last/2 + m.jitter(b.last/2)
}

func (b *backoff) reset() { b.last = 0 }

// jitter returns a random duration below d.
func (m *Mesh) jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return time.Duration(m.number() % uint64(d))
}

func (m *Mesh) number() uint64 {
	var b [8]byte
	if _, err := io.ReadFull(m.random, b[:]); err != nil {
		return 0 // only spreads waits and choices
	}
	return binary.BigEndian.Uint64(b[:])
}

// shuffle orders n things at random.
func (m *Mesh) shuffle(n int, swap func(i, j int)) {
	for i := n - 1; i > 0; i-- {
		swap(i, int(m.number()%uint64(i+1)))
	}
}

// lockedReader makes any source of randomness safe for concurrent use.
type lockedReader struct {
	mu sync.Mutex
	r  io.Reader
}

func (r *lockedReader) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.r.Read(p)
}

// tracker counts goroutines so that Close can wait for them. Unlike a WaitGroup
// it may grow while it is waited for.
type tracker struct {
	mu   sync.Mutex
	n    int
	zero sync.Cond
}

func (t *tracker) init() { t.zero.L = &t.mu }

func (t *tracker) run(f func()) {
	t.mu.Lock()
	t.n++
	t.mu.Unlock()
	go func() {
		defer func() {
			t.mu.Lock()
			defer t.mu.Unlock()
			if t.n--; t.n == 0 {
				t.zero.Broadcast()
			}
		}()
		f()
	}()
}

func (t *tracker) wait() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.n > 0 {
		t.zero.Wait()
	}
}

// maxSigning bounds signatures asked for and not answered. A signer should
// honour ctx; one that never answers must not pile up goroutines.
const maxSigning = 16

var errSigner = errors.New("mesh: the device's signer does not answer")

// patientSigner asks a signer without being held up by it.
type patientSigner struct {
	signer identity.Signer
	mu     sync.Mutex
	asked  int
}

func (p *patientSigner) sign(ctx context.Context, s identity.Statement) ([]byte, error) {
	p.mu.Lock()
	if p.asked >= maxSigning {
		p.mu.Unlock()
		return nil, errSigner
	}
	p.asked++
	p.mu.Unlock()
	type result struct {
		sig []byte
		err error
	}
	c := make(chan result, 1)
	go func() {
		sig, err := p.signer.Sign(ctx, s)
		p.mu.Lock()
		p.asked--
		p.mu.Unlock()
		c <- result{sig, err}
	}()
	select {
	case r := <-c:
		return r.sig, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
