package replica

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/internal/log"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/store"
)

// Config is what a node needs. Store and Device are required; the zero value
// of everything else is replaced by a default.
type Config struct {
	Store    store.Store
	Device   identity.Device
	Verifier identity.Verifier // default identity.Serial behind a small cache
	Now      func() time.Time  // default time.Now; only stamps commits, never orders them
	Rand     io.Reader         // default crypto/rand
	Pace     func()            // called in long loops; a page gives way to its event loop here
	Log      log.Logger        // default discards
	Durable  store.Durability  // when Update and Ingest return; the zero value is store.Synced
	// Renew makes a fresh device key for the same person, and keeps it, for when the
	// present one turns out to be in use elsewhere. Without it such a node
	// writes no more (ErrForked).
	Renew    func(context.Context) (identity.Device, error)
	OnRenew  func()          // told on a goroutine of its own when the node writes under another key
	OnDamage func(object.ID) // told once, on a goroutine of its own, that something of a space was found damaged
	Progress func(Progress)  // told how far Open has come where it must rebuild spaces
}

// Node holds the copies of spaces that one device keeps in one store.
// Its methods may be called from any goroutine.
type Node struct {
	cfg     Config
	dev     atomic.Pointer[identity.Device]
	cache   *identity.Cache
	recent  recent
	blobs   blobs
	signing chan struct{} // holds one for each signature that is asked for

	behind    map[object.ID]error // why a space is not in the present version; set by Open
	renewing  sync.Mutex
	elsewhere atomic.Bool     // the key's chain goes on elsewhere
	ctx       context.Context // ends with Close
	cancel    context.CancelFunc
	soon      sync.WaitGroup // renewals that no edit waits for

	mu     sync.Mutex
	spaces map[object.ID]*Space
	closed bool
}

// Entry is one line of a node's registry of spaces.
type Entry struct {
	Space object.ID
	// Note is kept for package hhs: how the space is reached.
	Note []byte
	num  uint32
}

// Open takes a store and a device and returns a node. It reads nothing but
// the registry: a space is loaded when it is first asked for.
func Open(ctx context.Context, cfg Config) (*Node, error) {
	if cfg.Store == nil || cfg.Device.Signer == nil {
		return nil, errors.New("open replica: a store and a device are required")
	}
	if cfg.Verifier == nil {
		cfg.Verifier = identity.Serial{}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	if cfg.Pace == nil {
		cfg.Pace = func() {}
	}
	if cfg.Log == nil {
		cfg.Log = log.Discard
	}
	if err := cfg.Device.Certificate.Verify(); err != nil {
		return nil, fmt.Errorf("open replica: the device's certificate: %w", err)
	}
	n := &Node{cfg: cfg, cache: identity.NewCache(cfg.Verifier, 8192), signing: make(chan struct{}, maxSigning), spaces: map[object.ID]*Space{}}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	n.dev.Store(&cfg.Device)
	if err := n.care(ctx); err != nil {
		return nil, fmt.Errorf("open replica: %w", err)
	}
	if err := n.loadElsewhere(); err != nil {
		return nil, fmt.Errorf("open replica: %w", err)
	}
	if _, err := n.Entries(); err != nil {
		return nil, fmt.Errorf("open replica: %w", err)
	}
	return n, nil
}

// Close ends all spaces and watches. It does not close the store.
func (n *Node) Close() error {
	n.mu.Lock()
	spaces := n.spaces
	n.spaces, n.closed = map[object.ID]*Space{}, true
	n.mu.Unlock()
	for _, s := range spaces {
		s.close()
	}
	n.cancel()
	n.soon.Wait() // none begins any more: the doors are closed
	return nil
}

// view runs f on a snapshot of the store.
func (n *Node) view(f func(r store.Reader) error) error {
	snap, err := n.cfg.Store.Snapshot()
	if err != nil {
		return closedError(err)
	}
	defer snap.Close()
	return closedError(f(snap))
}

// Entries lists the spaces of this node, by id.
func (n *Node) Entries() ([]Entry, error) {
	var list []Entry
	err := n.view(func(r store.Reader) error {
		for kv, err := range r.Scan([]byte{prefixSpaceIndex}, end([]byte{prefixSpaceIndex}), false) {
			if err != nil {
				return err
			}
			e, err := decodeEntry(kv.Key, kv.Value)
			if err != nil {
				return err
			}
			list = append(list, e)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list spaces: %w", err)
	}
	return list, nil
}

func decodeEntry(key, value []byte) (Entry, error) {
	if len(key) != 33 || len(value) < 4 {
		return Entry{}, fmt.Errorf("registry of spaces: %w", store.ErrCorrupt)
	}
	id := object.IDFromDigest(object.DagCBOR, [32]byte(key[1:]))
	return Entry{Space: id, num: binary.BigEndian.Uint32(value), Note: append([]byte(nil), value[4:]...)}, nil
}

func (n *Node) entry(id object.ID) (Entry, error) {
	var e Entry
	err := n.view(func(r store.Reader) error {
		key := spaceIndexKey(id)
		v, err := r.Get(key)
		if errors.Is(err, store.ErrNotFound) {
			return ErrUnknownSpace
		}
		if err != nil {
			return err
		}
		e, err = decodeEntry(key, v)
		return err
	})
	return e, err
}

// Space returns this node's copy of a space, or ErrUnknownSpace.
func (n *Node) Space(id object.ID) (*Space, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.spaceLocked(id)
}

func (n *Node) spaceLocked(id object.ID) (*Space, error) {
	if n.closed {
		return nil, ErrClosed
	}
	if s := n.spaces[id]; s != nil {
		return s, nil
	}
	e, err := n.entry(id)
	if err != nil {
		return nil, fmt.Errorf("open space %s: %w", id.Short(), err)
	}
	s, err := n.loadSpace(e)
	if err != nil {
		return nil, fmt.Errorf("open space %s: %w", id.Short(), err)
	}
	n.spaces[id] = s
	return s, nil
}

// Join makes an empty copy of a space whose id is known. It becomes readable
// when a batch with its first commit passes the door. Joining a space that is
// already here returns it.
func (n *Node) Join(ctx context.Context, id object.ID) (*Space, error) {
	s, _, err := n.JoinNoted(ctx, id, nil)
	return s, err
}

// JoinNoted is Join that keeps a note, as SetNote does, beside a space that was
// not here before: a fresh one.
func (n *Node) JoinNoted(ctx context.Context, id object.ID, note []byte) (s *Space, fresh bool, err error) {
	if id.IsZero() || id.Codec() != object.DagCBOR {
		return nil, false, fmt.Errorf("join space: %q is not the id of a space", id)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if s, err = n.spaceLocked(id); !errors.Is(err, ErrUnknownSpace) {
		return s, false, err
	}
	num, err := n.nextNumber()
	if err != nil {
		return nil, false, fmt.Errorf("join space %s: %w", id.Short(), err)
	}
	// It is loaded first, so that nothing can fail once it is listed.
	if s, err = n.loadSpace(Entry{Space: id, num: num}); err != nil {
		return nil, false, fmt.Errorf("join space %s: %w", id.Short(), err)
	}
	var b store.Batch
	list(&b, id, num, note)
	if err := n.apply(ctx, &b); err != nil {
		return nil, false, fmt.Errorf("join space %s: %w", id.Short(), err)
	}
	n.spaces[id] = s
	return s, true, nil
}

// nextNumber is the local number of the next space.
func (n *Node) nextNumber() (num uint32, err error) {
	err = n.view(func(r store.Reader) error {
		v, err := r.Get([]byte{prefixNextSpace})
		if err == nil && len(v) == 4 {
			num = binary.BigEndian.Uint32(v)
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		// What a damaged store lost of its counter must not mix two spaces.
		for kv, err := range r.Scan([]byte{prefixSpace}, end([]byte{prefixSpace}), true) {
			if err != nil || len(kv.Key) < len(keyspace{}) {
				return errors.Join(err, store.ErrCorrupt)
			}
			num = max(num, binary.BigEndian.Uint32(kv.Key[1:])+1)
			break
		}
		return nil
	})
	return num, err
}

// putter is a store.Batch or store.Tx.
type putter interface{ Put(key, value []byte) }

// list puts a space with a fresh local number into the registry.
func list(to putter, id object.ID, num uint32, note []byte) {
	putVersion(to)
	putFormat(to, newKeyspace(num))
	to.Put([]byte{prefixNextSpace}, binary.BigEndian.AppendUint32(nil, num+1))
	to.Put(spaceIndexKey(id), append(binary.BigEndian.AppendUint32(nil, num), note...))
}

// SetNote keeps bytes beside the registry entry of a space.
func (n *Node) SetNote(ctx context.Context, id object.ID, note []byte) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	e, err := n.entry(id)
	if err != nil {
		return fmt.Errorf("note on space %s: %w", id.Short(), err)
	}
	var b store.Batch
	b.Put(spaceIndexKey(id), append(binary.BigEndian.AppendUint32(nil, e.num), note...))
	return n.apply(ctx, &b)
}

// Note returns the bytes kept by SetNote.
func (n *Node) Note(id object.ID) ([]byte, error) {
	e, err := n.entry(id)
	return e.Note, err
}

// lockPaused takes mu while nothing is made in the space that get, which has mu,
// returns, if any. The turn of its edits comes first: who has that may be asking
// the node for something.
func (n *Node) lockPaused(ctx context.Context, get func() (*Space, error)) (s *Space, unlock func(), err error) {
	for {
		n.mu.Lock()
		if s, err = get(); err != nil {
			n.mu.Unlock()
			return nil, nil, err
		}
		if s == nil {
			return nil, n.mu.Unlock, nil
		}
		n.mu.Unlock()
		resume, err := s.pause(ctx)
		if err != nil {
			return nil, nil, err
		}
		unlock := func() { n.mu.Unlock(); resume() }
		n.mu.Lock()
		if now, err := get(); err == nil && now == s {
			return s, unlock, nil
		}
		unlock() // it was left or rebuilt meanwhile
	}
}

// Leave forgets a space: its copy is deleted from this node in one
// transaction. The objects it attached stay on the node: other spaces may
// attach them, too. What this device wrote last of what others hold is
// remembered: should the space be joined again, the device must not begin
// another chain beside that one (see Update). When Leave fails the space is here
// as before.
func (n *Node) Leave(ctx context.Context, id object.ID) error {
	var e Entry
	s, unlock, err := n.lockPaused(ctx, func() (s *Space, err error) {
		if e, err = n.entry(id); err != nil {
			return nil, err
		}
		s, err = n.spaceLocked(id)
		if errors.Is(err, store.ErrCorrupt) || errors.Is(err, store.ErrNotFound) {
			return nil, nil // what is damaged can still be deleted
		}
		return s, err
	})
	if err != nil {
		return fmt.Errorf("leave space %s: %w", id.Short(), err)
	}
	defer unlock()
	if s != nil { // nothing enters while it is deleted, and nothing of it is lost if that fails
		s.mu.Lock()
		defer s.mu.Unlock()
	}
	k := newKeyspace(e.num)
	var b store.Batch
	b.DeleteRange(k[:], end(k[:]))
	b.DeleteRange(heldKeys(id), end(heldKeys(id)))
	b.Delete(spaceIndexKey(id))
	if err := n.dropCare(&b, id); err != nil {
		return fmt.Errorf("leave space %s: %w", id.Short(), err)
	}
	if s != nil {
		tip, err := s.heldEnd()
		if err != nil {
			return fmt.Errorf("leave space %s: %w", id.Short(), err)
		}
		if !tip.IsZero() {
			b.Put(leftKey(id, n.device()), appendDigest(nil, tip))
		}
	}
	if err := n.apply(ctx, &b); err != nil {
		return fmt.Errorf("leave space %s: %w", id.Short(), err)
	}
	if s != nil {
		s.closed = true
		delete(n.spaces, id)
		s.ended()
	}
	return nil
}

// apply writes a batch of the node's own.
func (n *Node) apply(ctx context.Context, b *store.Batch) error {
	return closedError(n.cfg.Store.Apply(ctx, b, n.cfg.Durable))
}

// closedError makes a closed store a closed node: who closed it closed both.
func closedError(err error) error {
	if errors.Is(err, store.ErrClosed) {
		return fmt.Errorf("%w: %w", ErrClosed, err)
	}
	return err
}

// SetMeta keeps a small named value of the node itself, in no space.
func (n *Node) SetMeta(ctx context.Context, name string, value []byte) error {
	var b store.Batch
	b.Put(metaKey(name), value)
	return n.apply(ctx, &b)
}

// Meta returns what SetMeta kept, or ErrNotFound.
func (n *Node) Meta(name string) (value []byte, err error) {
	err = n.view(func(r store.Reader) error {
		value, err = r.Get(metaKey(name))
		if errors.Is(err, store.ErrNotFound) {
			return ErrNotFound
		}
		return err
	})
	return value, err
}
