package replica

import (
	"context"
	"errors"
	"fmt"

	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/store"
)

// A device key that writes in two places makes two histories, which nobody can
// tell from a person who says one thing here and another there. It happens by
// accident: a directory was copied, or an older copy of it restored. So a node
// that learns that its chain goes on elsewhere takes a fresh key at once, for the same person, if Config.Renew can make one.

// elsewhereKey keeps the device key whose chain was seen to go on elsewhere, in
// the same batch as the commits that showed it.
func elsewhereKey() []byte { return []byte{prefixElsewhere} }

// Device is the device this node signs as.
func (n *Node) Device() identity.Device { return *n.dev.Load() }

// device is the key this node signs with, person the identity it signs for.
func (n *Node) device() identity.PublicKey { return n.dev.Load().Signer.Public() }
func (n *Node) person() identity.PublicKey { return n.dev.Load().Certificate.Identity }

// loadElsewhere reads whether the key in use was retired before.
func (n *Node) loadElsewhere() error {
	return n.view(func(r store.Reader) error {
		v, err := r.Get(elsewhereKey())
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		n.elsewhere.Store(err == nil && string(v) == string(n.device().Bytes()))
		return err
	})
}

// Retire says that this node's device key may be in use elsewhere, as after an
// older copy of its data was restored: from now on it writes under a fresh one.
// ErrForked when none could be made; it then writes no more.
func (n *Node) Retire(ctx context.Context) error {
	own := n.device()
	n.elsewhere.Store(true)
	var b store.Batch
	b.Put(elsewhereKey(), own.Bytes())
	if err := n.apply(ctx, &b); err != nil {
		return fmt.Errorf("retire device key: %w", err)
	}
	return n.renew(ctx, own)
}

// goesOn tells whether a batch from a peer or a file holds commits of this device that it
// does not know and did not give away itself: what it wrote before it left the
// space, or what it lost.
func (d *door) goesOn() bool {
	s := d.space
	own := s.node.device()
	if s.node.cfg.Renew == nil || d.from.here() || s.owed.device == own || s.trouble.Load() != nil {
		return false
	}
	for _, in := range d.fresh {
		if in.commit.Env.Author == own {
			return true
		}
	}
	return false
}

// renewSoon renews without waiting for an edit: peers keep one connection for each
// device key, so that copies take each other's place. Should it fail, the next
// edit tries again. It is for the door, once for each key.
func (n *Node) renewSoon(old identity.PublicKey) {
	n.soon.Go(func() {
		if err := n.renew(n.ctx, old); err != nil && n.ctx.Err() == nil {
			n.cfg.Log.Error("the device key is in use elsewhere, too", "device", old, "error", err)
		}
	})
}

// errRenewed answers an Update that was under way, under the old key, when the key
// was found to be in use elsewhere.
var errRenewed = fmt.Errorf("%w: the next edit is made under a fresh one; try again", ErrForked)

// renew makes this node write under a fresh device key. Of calls at the same time
// one does; old is the key that the caller saw.
func (n *Node) renew(ctx context.Context, old identity.PublicKey) error {
	n.renewing.Lock()
	defer n.renewing.Unlock()
	if n.device() != old {
		return nil
	}
	if n.cfg.Renew == nil {
		return ErrForked
	}
	fresh, err := n.cfg.Renew(ctx)
	if err == nil {
		err = fresh.Verify()
	}
	if err == nil && (fresh.Certificate.Identity != n.person() || fresh.Signer.Public() == old) {
		err = errors.New("it is not a fresh key of the same person")
	}
	if err != nil {
		return fmt.Errorf("%w, and no fresh one could be made: %w", ErrForked, err)
	}
	n.dev.Store(&fresh)
	n.elsewhere.Store(false)
	if f := n.cfg.OnRenew; f != nil {
		go f()
	}
	n.cfg.Log.Warn("this node writes under a fresh device key: the one before was used elsewhere, too", "before", old, "now", fresh.Signer.Public())
	return nil
}
