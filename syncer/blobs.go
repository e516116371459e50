package syncer

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
)

// Blobs are the blocks of blobs that are wanted in one space, and the peers that may have them: the sessions of the
// space share one. Each session takes from what is wanted as much as its peer can be asked for at once, so that all peers
// give, and a fast one gives more.
//
//  1. A block is asked of one peer at a time.
//  2. What a peer says it does not have is left to others, and asked there again after lackDelay.
//  3. From a peer that has been asked and sends no block for BlockTimeout, everything is taken back for the others. It
//     is asked again when it has answered.
//  4. A block with another hash ends the session; the device is asked for none any more.
//  5. At most blockWindow blocks are asked of a peer and not answered.
//
// It has no clock and no goroutine: a session tells the time. The zero value is ready.
type Blobs struct {
	mu     sync.Mutex
	wanted []*wanted // in the order in which they were asked for
	peers  []*blobPeer
	liars  map[identity.PublicKey]bool
}

// wanted is a block that somebody waits for.
type wanted struct {
	at   BlockAt
	id   object.ID
	size int64 // of the blob, as who waits was told
	take func(data []byte) error
	refs int
	by   *blobPeer // who was asked, or whose answer is being taken
	done chan struct{}
	err  error
}

// blobPeer is what is known of one session's peer.
type blobPeer struct {
	device  identity.PublicKey
	wake    func()
	number  uint64
	open    map[uint64]*wanted    // asked and not answered
	heard   time.Time             // when it last answered, or was asked after having answered all
	stalled bool                  // invariant 3
	lacks   map[BlockAt]time.Time // until when not to ask for a block
	without map[object.ID]time.Time
	liar    bool
}

// Want is a block being fetched.
type Want struct {
	blobs *Blobs
	w     *wanted
	once  sync.Once
}

// Want asks the peers for a block that has an id, of a blob of some size. Readers share what is asked for, but not with
// those who were told another size: what is right for one descriptor is wrong for the other. take gets its bytes, which
// have that id, once, from some goroutine, and keeps them before it returns; they are not valid afterwards. Who does not
// wait any more calls Drop.
func (x *Blobs) Want(at BlockAt, id object.ID, size int64, take func(data []byte) error) *Want {
	x.mu.Lock()
	defer x.mu.Unlock()
	i := slices.IndexFunc(x.wanted, func(w *wanted) bool { return w.at == at && w.id == id && w.size == size })
	if i < 0 {
		i = len(x.wanted)
		x.wanted = append(x.wanted, &wanted{at: at, id: id, size: size, take: take, done: make(chan struct{})})
		x.wakeLocked()
	}
	x.wanted[i].refs++
	return &Want{blobs: x, w: x.wanted[i]}
}

// Done is closed when the block was taken, or cannot be: Err says which.
func (w *Want) Done() <-chan struct{} { return w.w.done }

// Err is what take returned, after Done.
func (w *Want) Err() error { return w.w.err }

// Drop says that nobody waits any more. It may be called again, and after Done.
func (w *Want) Drop() {
	w.once.Do(func() {
		w.blobs.mu.Lock()
		defer w.blobs.mu.Unlock()
		if w.w.refs--; w.w.refs == 0 {
			w.blobs.removeLocked(w.w)
		}
	})
}

func (x *Blobs) removeLocked(w *wanted) {
	if i := slices.Index(x.wanted, w); i >= 0 {
		x.wanted = slices.Delete(x.wanted, i, i+1)
	}
}

// wakeLocked has every session look again.
func (x *Blobs) wakeLocked() {
	for _, p := range x.peers {
		p.wake()
	}
}

// join adds the peer of a session; wake must not wait.
func (x *Blobs) join(device identity.PublicKey, wake func()) *blobPeer {
	x.mu.Lock()
	defer x.mu.Unlock()
	p := &blobPeer{device: device, wake: wake, open: map[uint64]*wanted{}, lacks: map[BlockAt]time.Time{}, without: map[object.ID]time.Time{}, liar: x.liars[device]}
	x.peers = append(x.peers, p)
	return p
}

// leave gives what a peer was asked for to the others.
func (x *Blobs) leave(p *blobPeer) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if i := slices.Index(x.peers, p); i >= 0 {
		x.peers = slices.Delete(x.peers, i, i+1)
	}
	x.releaseLocked(p)
}

func (x *Blobs) releaseLocked(p *blobPeer) {
	for _, w := range p.open {
		if w.by == p {
			w.by = nil
		}
	}
	x.wakeLocked()
}

// next says what to ask a peer now, and when to look again if nothing happens before; the zero time: not at all.
func (x *Blobs) next(p *blobPeer, now time.Time) (asks []*Ask, again time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(p.open) > 0 && !p.stalled && !now.Before(p.heard.Add(BlockTimeout)) {
		p.stalled = true
		x.releaseLocked(p)
	}
	if p.liar || p.stalled {
		return nil, time.Time{}
	}
	for _, w := range x.wanted {
		if w.by != nil {
			continue
		}
		if until := p.lacking(w.at); now.Before(until) {
			again = sooner(again, until)
			continue
		}
		if len(p.open) >= blockWindow {
			break
		}
		if len(p.open) == 0 {
			p.heard = now
		}
		p.number++
		w.by, p.open[p.number] = p, w
		asks = append(asks, &Ask{p.number, w.at})
	}
	if len(p.open) > 0 {
		again = sooner(again, p.heard.Add(BlockTimeout))
	}
	return asks, again
}

// lacking is until when a peer is not asked for a block.
func (p *blobPeer) lacking(at BlockAt) time.Time {
	a, b := p.lacks[at], p.without[at.Root]
	if a.After(b) {
		return a
	}
	return b
}

func sooner(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// answer takes what a peer answered. The error is a *MessageError that ends its session.
func (x *Blobs) answer(p *blobPeer, m *Block, now time.Time) error {
	x.mu.Lock()
	w := p.open[m.Number]
	if w == nil {
		x.mu.Unlock()
		return &MessageError{CodeProtocol, "it answers what was not asked"}
	}
	delete(p.open, m.Number)
	p.heard, p.stalled = now, false
	defer p.wake()
	if m.Status != BlockHere {
		x.absentLocked(p, w, m.Status, now.Add(lackDelay))
		x.mu.Unlock()
		return nil
	}
	waits := w.refs > 0 && slices.Contains(x.wanted, w)
	if waits {
		w.by = p // nobody else is asked meanwhile
	}
	x.mu.Unlock()
	if object.Sum(w.id.Codec(), m.Data) != w.id {
		x.lied(p, w)
		return &MessageError{CodeBadBlock, fmt.Sprintf("block %d at depth %d of blob %s has another hash than %s", w.at.Index, w.at.Depth, w.at.Root, w.id)}
	}
	if waits {
		x.finish(w, w.take(m.Data))
	}
	return nil
}

// absentLocked notes what a peer does not have.
func (x *Blobs) absentLocked(p *blobPeer, w *wanted, status BlockStatus, until time.Time) {
	if len(p.lacks)+len(p.without) >= maxLacks {
		clear(p.lacks)
		clear(p.without)
	}
	if status == BlobAbsent {
		p.without[w.at.Root] = until
	} else {
		p.lacks[w.at] = until
	}
	if w.by == p {
		w.by = nil
		x.wakeLocked()
	}
}

// lied notes who sent a wrong block.
func (x *Blobs) lied(p *blobPeer, w *wanted) {
	x.mu.Lock()
	defer x.mu.Unlock()
	p.liar = true
	if x.liars == nil || len(x.liars) >= maxLiars {
		x.liars = map[identity.PublicKey]bool{}
	}
	if !p.device.IsZero() {
		x.liars[p.device] = true
	}
	if w.by == p {
		w.by = nil
	}
	x.releaseLocked(p)
}

// finish tells all who wait for a block.
func (x *Blobs) finish(w *wanted, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	select {
	case <-w.done: // another peer's late answer came first
	default:
		w.err = err
		close(w.done)
	}
	x.removeLocked(w)
}
