package hhs

import (
	"context"
	"io"
	"time"

	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/internal/log"
	"github.com/hyperhyperspace/hhs-go/mesh"
	"github.com/hyperhyperspace/hhs-go/store"
	"github.com/hyperhyperspace/hhs-go/transport"
)

// Option changes what Open does by default.
type Option func(*options)

type options struct {
	kinds      []AnyKind
	store      store.Store
	device     *identity.Device
	newPerson  bool
	label      string
	servers    []string
	endpoints  []string
	durable    store.Durability
	log        log.Logger
	now        func() time.Time
	rand       io.Reader
	dialers    map[string]transport.Dialer
	rtc        *RTC
	stun       []string
	limits     Limits
	offline    bool
	keepSchema bool
	peers      Peers

	passphrase func() (string, error)
	lost       func(error)
	progress   func(Step)
}

// RTC are the hooks that make WebRTC connections. An Exchange carries their
// session descriptions through a signalling server.
type RTC = mesh.RTC

// Exchange carries the messages of one attempt at a WebRTC connection.
type Exchange = mesh.Exchange

// Kinds tells which kinds of spaces the application knows.
func Kinds(kinds ...AnyKind) Option {
	return func(o *options) { o.kinds = append(o.kinds, kinds...) }
}

// WithStore keeps all data in the given store instead of the directory. Close
// does not close it. The keys are then kept nowhere unless WithDevice gives them.
func WithStore(s store.Store) Option { return func(o *options) { o.store = s } }

// InMemory keeps data and keys in memory only: they are gone after Close.
func InMemory() Option { return func(o *options) { o.store = store.NewMem() } }

// WithDevice signs with the given device key instead of the one in the directory.
func WithDevice(d identity.Device) Option { return func(o *options) { o.device = &d } }

// WithLabel names the device when its key is made, such as "laptop".
func WithLabel(label string) Option { return func(o *options) { o.label = label } }

// WithServers gives the URLs of signalling servers (ws or wss) that new spaces
// meet at. They become part of the links of those spaces.
func WithServers(urls ...string) Option {
	return func(o *options) { o.servers = append(o.servers, urls...) }
}

// WithEndpoints gives the URLs (ws or wss) where this node accepts peers, to be
// put into links; see Node.PeerHandler.
func WithEndpoints(urls ...string) Option {
	return func(o *options) { o.endpoints = append(o.endpoints, urls...) }
}

// WithDurability changes when an edit counts as written: store.Synced, the
// default, waits until the disk has it; store.Written until the store has begun
// to write it, so that a power cut, or the end of this process within some
// milliseconds and without Close, can lose it; store.Memory until it is checked
// and made into a commit, which is signed and written a moment later, together
// with others: whoever reads in this process sees it, and AnySpace.Unkept tells if
// it was lost after all. Update takes a level for one edit.
func WithDurability(d store.Durability) Option { return func(o *options) { o.durable = d } }

// Logger is what the library needs of a logger. A *slog.Logger is one.
type Logger = log.Logger

// WithLog hands in a logger, such as a *slog.Logger; the default discards.
func WithLog(l Logger) Option { return func(o *options) { o.log = l } }

// WithClock replaces the wall clock that stamps commits.
func WithClock(now func() time.Time) Option { return func(o *options) { o.now = now } }

// WithRand replaces crypto/rand.
func WithRand(r io.Reader) Option { return func(o *options) { o.rand = r } }

// WithDialer replaces how connections to URLs of a scheme ("ws", "wss") are made.
func WithDialer(scheme string, d transport.Dialer) Option {
	return func(o *options) {
		if o.dialers == nil {
			o.dialers = map[string]transport.Dialer{}
		}
		o.dialers[scheme] = d
	}
}

// WithRTC replaces how WebRTC connections are made; nil switches them off.
func WithRTC(r *RTC) Option {
	return func(o *options) {
		if r == nil {
			r = &RTC{}
		}
		o.rtc = r
	}
}

// WithSTUN lists servers ("stun:host:port") that tell this node its address
// behind a router. There is none by default.
func WithSTUN(servers ...string) Option {
	return func(o *options) { o.stun = append(o.stun, servers...) }
}

// Limits bounds what strangers and peers can cost; zero fields mean defaults.
type Limits = mesh.Limits

// WithLimits replaces the limits of connections, such as how many handshakes a
// node that many dial answers in a second.
func WithLimits(l Limits) Option { return func(o *options) { o.limits = l } }

// WithPassphrase is asked for the passphrase of a protected key file.
func WithPassphrase(ask func() (string, error)) Option {
	return func(o *options) { o.passphrase = ask }
}

// WithLost is called when the store can be written no more until the node is
// opened again: its disk failed, or was full beyond what was kept free for that;
// in a browser, another version of the application wants it, or the user cleared
// the site's data.
func WithLost(f func(error)) Option { return func(o *options) { o.lost = f } }

// Offline makes a node that never connects to anyone.
func Offline() Option { return func(o *options) { o.offline = true } }

// SpaceOption changes how a space is created or joined.
type SpaceOption func(*spaceOptions)

type spaceOptions struct{ peers Peers }

// Peers is an application's own choice of a space's peer group. The zero value
// is the default: meet at the servers and endpoints that the link names,
// connect to a few peers, admit any device that knows the space.
type Peers struct {
	Source PeerSource                   // more addresses to try
	Admit  func(device PeerDevice) bool // false: do not connect to this device
	Degree int                          // how many peers to seek; 0: the default
	NoRTC  bool                         // use WebSocket only
	NoWS   bool                         // use WebRTC only

	// NoWords: nobody finds the space by its three words through this node. They are announced otherwise, and a signalling
	// server can try out all there are. What other peers of the space do is theirs to choose.
	NoWords bool
}

// PeerDevice names the device at the other end of a connection.
type PeerDevice struct {
	Device   string // did:key of the device key
	Identity Identity
}

// PeerSource gives the URLs (ws or wss) of peers to try, as they become known,
// until ctx ends.
type PeerSource func(ctx context.Context, yield func(url string))

// WithDefaultPeers is the peer group of spaces that are opened without WithPeers.
func WithDefaultPeers(p Peers) Option { return func(o *options) { o.peers = p } }

// WithPeers lets the application choose the space's peer group.
func WithPeers(p Peers) SpaceOption { return func(o *spaceOptions) { o.peers = p } }
