package hhs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/internal/log"
	"github.com/hyperhyperspace/hhs-go/internal/order"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
	"github.com/hyperhyperspace/hhs-go/store"
)

// Errors a caller branches on; test them with errors.Is.
var (
	// ErrMissing: commits this one builds on are not here yet.
	ErrMissing = replica.ErrMissing
	// ErrPending: the space was joined but nothing of it has arrived.
	ErrPending = replica.ErrPending
	// ErrUnknownSpace: this node holds no copy of the space.
	ErrUnknownSpace = replica.ErrUnknownSpace
	// ErrNotFound: the object or commit is not here.
	ErrNotFound = replica.ErrNotFound
	// ErrForked: this device's key is in use elsewhere, and no fresh one could be
	// made, as where the identity key is kept away. It writes no more in the
	// space; reading goes on.
	ErrForked = replica.ErrForked
	// ErrBusy: too many transactions wait for the device's signature.
	ErrBusy = replica.ErrBusy
	// ErrClosed: the node was closed or the space left; or the space was rebuilt
	// after damage, and Node.Space gives it anew.
	ErrClosed = replica.ErrClosed
	// ErrLocked: another process has the directory open.
	ErrLocked = store.ErrLocked
	// ErrFull: the disk or quota is exhausted; nothing of the call was kept.
	ErrFull = store.ErrFull
	// ErrNewer: the directory was written by a newer version; it was not touched.
	ErrNewer = store.ErrNewer
	// ErrCorrupt: stored bytes are not as they were written.
	ErrCorrupt = store.ErrCorrupt
	// ErrKind: the space is of another kind, or of a version Kinds did not give.
	ErrKind = errors.New("the space is of another kind")
	// ErrName: what was given as a person's name cannot be one.
	ErrName = errors.New("not a name")
	// ErrOffline: no server that could answer was reached.
	ErrOffline = errors.New("no signalling server could be reached")
)

// Reject is why a batch of commits was refused: commit, rule, cause and peer.
type Reject = replica.Reject

// Node keeps a person's copies of spaces on one device. Its methods may be
// called from any goroutine. Close it.
type Node struct {
	rep     *replica.Node
	opts    options
	closers []io.Closer
	net     network
	fresh   bool
	renew   func(context.Context) (identity.Device, error) // makes a fresh device key and keeps it; nil: nobody can
	dir     string
	engine  engine         // the store that Open made; nil: another one was given
	why     string         // the key is renewed
	caring  sync.WaitGroup // rebuilds under way
	twins   sync.Mutex     // one twin is dealt with at a time

	backingUp sync.Mutex // one backup is made at a time

	mu     sync.Mutex
	kinds  map[string]*authority.Manifest
	spaces map[object.ID]*AnySpace
	closed bool

	nameMu sync.Mutex // apart from mu: transactions ask for the name
	name   *string    // once it was read
}

// Open opens the node in a directory, making directory and keys when there are
// none. It is local only: it opens no socket. An empty dir keeps everything in
// memory. In a browser dir is the name of a database of the page's origin.
//
// One process at a time has a directory open; another one gets ErrLocked.
func Open(ctx context.Context, dir string, opts ...Option) (*Node, error) {
	o := options{}
	for _, opt := range opts {
		opt(&o)
	}
	if dir == "" && o.store == nil {
		InMemory()(&o)
	}
	if o.log == nil {
		o.log = log.Discard
	}
	n := &Node{dir: dir, why: whyCopied, kinds: map[string]*authority.Manifest{}, spaces: map[object.ID]*AnySpace{}}
	what := dir
	if what == "" {
		what = "a node"
	}
	if err := n.AddKinds(o.kinds...); err != nil {
		return nil, fmt.Errorf("open %s: %w", what, err)
	}
	if err := n.openEngine(ctx, dir, &o); err != nil {
		n.closeAll()
		return nil, fmt.Errorf("open %s: %w", what, err)
	}
	n.opts = o
	n.net.init(n)
	rep, err := replica.Open(ctx, replica.Config{Store: o.store, Device: *o.device, Verifier: platformVerifier(),
		Now: o.now, Rand: o.rand, Pace: platformPace, Log: o.log, Durable: o.durable,
		Renew: n.renewal(), OnRenew: n.renewed, OnDamage: n.heal, Progress: telling(o.progress)})
	if err != nil {
		n.closeAll()
		return nil, fmt.Errorf("open %s: %w", what, err)
	}
	n.rep = rep
	if err := n.afterRestore(ctx, dir); err != nil {
		n.rep.Close()
		n.closeAll()
		return nil, fmt.Errorf("open %s: %w", what, err)
	}
	return n, nil
}

// AddKinds tells the node of more kinds.
func (n *Node) AddKinds(kinds ...AnyKind) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, k := range kinds {
		m, err := k.Manifest()
		if err != nil {
			return err
		}
		n.kinds[kindKey(m.Kind, int(m.Version))] = m
	}
	return nil
}

func kindKey(kind string, version int) string { return fmt.Sprintf("%s %d", kind, version) }

// Close ends all connections and watches and closes the store. What was
// acknowledged is kept. Closing again does nothing.
func (n *Node) Close() error {
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return nil
	}
	n.closed = true
	n.mu.Unlock()
	n.net.close()
	n.rep.Close()
	n.caring.Wait()
	return n.closeAll()
}

func (n *Node) closeAll() error {
	var errs []error
	for _, c := range slices.Backward(n.closers) {
		errs = append(errs, c.Close())
	}
	n.closers = nil
	return errors.Join(errs...)
}

// Fresh tells whether Open made the keys: this device is new.
func (n *Node) Fresh() bool { return n.fresh }

// SetAddresses replaces the servers and endpoints given to Open. Spaces that
// exist keep theirs.
func (n *Node) SetAddresses(servers, endpoints []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.opts.servers, n.opts.endpoints = slices.Clone(servers), slices.Clone(endpoints)
}

// addresses returns the servers and endpoints new spaces meet at.
func (n *Node) addresses() (servers, endpoints []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.opts.servers, n.opts.endpoints
}

// Identity is the person this node writes as.
func (n *Node) Identity() Identity { return Identity(n.device().Certificate.Identity.String()) }

// Device is the did:key of this device's key.
func (n *Node) Device() string { return n.device().Signer.Public().String() }

func (n *Node) device() identity.Device { return n.rep.Device() }

// Put keeps an object on this node, in no space: it travels nowhere until a
// transaction attaches it (Tx.Attach). v is an object value or a Go value that
// package schema can turn into one.
func (n *Node) Put(ctx context.Context, v any) (object.ID, error) {
	o, err := objectValue(v)
	if err != nil {
		return object.ID{}, fmt.Errorf("put object: %w", err)
	}
	return n.PutValue(ctx, o)
}

// PutValue is Put of an object value alone, for programs that have no types of
// their own: a page's engine is without the reflection that Go values need.
func (n *Node) PutValue(ctx context.Context, v any) (object.ID, error) { return n.rep.Put(ctx, v) }

// Get returns an object kept on this node, as an object value.
func (n *Node) Get(id object.ID) (any, error) {
	block, err := n.rep.Block(id)
	if err != nil {
		return nil, err
	}
	return object.Decode(block)
}

const metaName = "name"

// Name is the display name this person gives themself, "" when none was given.
func (n *Node) Name() (string, error) {
	n.nameMu.Lock()
	defer n.nameMu.Unlock()
	if n.name != nil {
		return *n.name, nil
	}
	v, err := n.rep.Meta(metaName)
	if err != nil && !errors.Is(err, replica.ErrNotFound) {
		return "", err
	}
	name := string(v)
	n.name = &name
	return name, nil
}

// SetName sets the display name: kept for spaces to come, and written into the
// spaces where this person has written already.
func (n *Node) SetName(ctx context.Context, name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	if err := n.rep.SetMeta(ctx, metaName, []byte(name)); err != nil {
		return fmt.Errorf("set name: %w", err)
	}
	n.nameMu.Lock()
	n.name = &name
	n.nameMu.Unlock()
	spaces, err := n.Spaces()
	if err != nil {
		return err
	}
	for _, s := range spaces {
		wrote, err := s.rep.Wrote()
		var shown string
		if err == nil && wrote {
			shown, err = s.NameOf(n.Identity())
		}
		if err == nil && wrote && shown != name { // a call that failed half way is made again
			err = s.SetName(ctx, name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Spaces returns this node's spaces, opened, by id.
func (n *Node) Spaces() ([]*AnySpace, error) {
	entries, err := n.rep.Entries()
	if err != nil {
		return nil, err
	}
	list := make([]*AnySpace, 0, len(entries))
	for _, e := range entries {
		s, err := n.Space(e.Space)
		if errors.Is(err, ErrUnknownSpace) {
			continue // left in the meantime
		}
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

// Space opens this node's copy of a space of any kind and connects it when it
// knows where. ErrUnknownSpace when there is none.
func (n *Node) Space(id object.ID, opts ...SpaceOption) (*AnySpace, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.spaceLocked(id, opts, nil)
}

// spaceLocked opens a space. link is what its note says, if that is known; it needs mu.
func (n *Node) spaceLocked(id object.ID, opts []SpaceOption, link *Link) (*AnySpace, error) {
	if n.closed {
		return nil, ErrClosed
	}
	if s := n.spaces[id]; s != nil && !s.gone() {
		return s, nil
	}
	rep, err := n.rep.Space(id)
	if err != nil {
		return nil, err
	}
	if s := n.spaces[id]; s != nil { // left, and joined again before Leave returned
		n.net.remove(s)
	}
	s := &AnySpace{node: n, rep: rep, opts: spaceOptions{peers: n.opts.peers}}
	for _, opt := range opts {
		opt(&s.opts)
	}
	if link != nil {
		s.link = *link
	} else if err := s.loadNote(); err != nil {
		return nil, err
	}
	n.spaces[id] = s
	n.net.add(s)
	return s, nil
}

// CreateSpace makes a space of a kind given as data. Create is the typed way.
func (n *Node) CreateSpace(ctx context.Context, m *authority.Manifest, opts ...SpaceOption) (*AnySpace, error) {
	var l Link
	l.Servers, l.Endpoints = n.addresses()
	rep, err := n.rep.CreateNoted(ctx, m, func(id object.ID) []byte {
		l.Space = id
		return encodeNote(l)
	})
	if err != nil {
		return nil, err
	}
	l.Space = rep.ID()
	return n.adopt(ctx, l, true, opts)
}

// JoinSpace takes part in a space of any kind. It returns at once: the space is
// readable when its first commit has arrived, see AnySpace.Ready. Joining again
// adds what the link knows about where peers are.
func (n *Node) JoinSpace(ctx context.Context, link string, opts ...SpaceOption) (*AnySpace, error) {
	l, err := ParseLink(link)
	if err != nil {
		return nil, err
	}
	if len(l.Servers)+len(l.Endpoints) == 0 {
		l.Servers, _ = n.addresses()
	}
	_, fresh, err := n.rep.JoinNoted(ctx, l.Space, encodeNote(l))
	if err != nil {
		return nil, err
	}
	return n.adopt(ctx, l, fresh, opts)
}

// adopt opens a space and adds what a link knows about where it meets. The note of a fresh one is the link: it is not
// read, so that nothing can fail once the space is here.
func (n *Node) adopt(ctx context.Context, l Link, fresh bool, opts []SpaceOption) (*AnySpace, error) {
	var known *Link
	if fresh {
		kept, err := decodeNote(l.Space, encodeNote(l))
		if err != nil {
			return nil, err
		}
		known = &kept
	}
	n.mu.Lock()
	s, err := n.spaceLocked(l.Space, opts, known)
	n.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return s, s.addAddresses(ctx, l)
}

// Leave stops taking part in a space and deletes this node's copy of it. When
// it fails the space is here as before.
func (n *Node) Leave(ctx context.Context, id object.ID) error {
	if err := n.rep.Leave(ctx, id); err != nil {
		return err
	}
	n.mu.Lock()
	s := n.spaces[id]
	if s != nil && s.gone() {
		delete(n.spaces, id)
	}
	n.mu.Unlock()
	if s != nil && s.gone() {
		n.net.remove(s)
	}
	return nil
}

// gone tells whether the copy was left or its node closed.
func (s *AnySpace) gone() bool {
	select {
	case <-s.rep.Done():
		return true
	default:
		return false
	}
}

// KindNames lists the kinds given to Open, as "name version".
func (n *Node) KindNames() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	names := make([]string, 0, len(n.kinds))
	for name := range n.kinds {
		names = append(names, name)
	}
	order.By(names, strings.Compare)
	return names
}
