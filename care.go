package hhs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
	"github.com/hyperhyperspace/hhs-go/store"
)

// Damage is something stored that is not as it was written; see replica.Damage.
type Damage = replica.Damage

// Step is how far a job has come that takes long.
type Step struct {
	What            string // such as "space abcdefgh"
	Items, AllItems int64  // commits or files, 0 where they are not counted
	Bytes, AllBytes int64  // AllBytes is 0 where it is not known before
}

// WithProgress hears how far Open has come where it has to rebuild spaces: those
// that an older version wrote, and damaged ones.
func WithProgress(tell func(Step)) Option { return func(o *options) { o.progress = tell } }

func stepOf(p replica.Progress) Step {
	return Step{What: "space " + p.Space.Short(), Items: int64(p.Items), AllItems: int64(p.Total), Bytes: p.Bytes}
}

func telling(tell func(Step)) func(replica.Progress) {
	if tell == nil {
		return nil
	}
	return func(p replica.Progress) { tell(stepOf(p)) }
}

// Renewal says that this device got a fresh key, and why: the one before was in
// use elsewhere, or may be.
type Renewal struct {
	At     time.Time
	Why    string
	Before string // did:key of the device key before
}

const metaRenewed = "renewed"

// Renewed tells when this device last got a fresh key, if ever.
func (n *Node) Renewed() (r Renewal, ok bool, err error) {
	v, err := n.rep.Meta(metaRenewed)
	if errors.Is(err, replica.ErrNotFound) {
		return r, false, nil
	}
	if err != nil {
		return r, false, err
	}
	o, err := object.Decode(v)
	m, isMap := o.(map[string]any)
	at, _ := m["at"].(int64)
	r.At = time.UnixMilli(at)
	r.Why, _ = m["why"].(string)
	r.Before, ok = m["before"].(string)
	if err != nil || !isMap || !ok {
		return r, false, fmt.Errorf("note of a fresh device key: %w: %w", store.ErrCorrupt, err)
	}
	return r, true, nil
}

// whyCopied is the reason of a Renewal but for one after a restore.
const whyCopied = "this device's key is in use elsewhere, as in a copy of its data, or the end of what it wrote was lost"

// noteRenewal keeps a Renewal. It only explains: nothing depends on it.
func (n *Node) noteRenewal(ctx context.Context, before identity.PublicKey, why string) {
	body, err := object.Encode(map[string]any{"at": n.now().UnixMilli(), "why": why, "before": before.String()})
	if err == nil {
		err = n.rep.SetMeta(ctx, metaRenewed, body)
	}
	if err != nil {
		n.opts.log.Warn("why the device key was renewed could not be noted", "error", err)
	}
}

// now is the clock that stamps commits.
func (n *Node) now() time.Time {
	if n.opts.now != nil {
		return n.opts.now()
	}
	return time.Now()
}

// renewal is the replica's way to a fresh device key, nil when the keys are not
// this node's to make.
func (n *Node) renewal() func(context.Context) (identity.Device, error) {
	if n.renew == nil {
		return nil
	}
	return func(ctx context.Context) (identity.Device, error) {
		before := n.device().Signer.Public()
		d, err := n.renew(ctx)
		if err != nil {
			return d, err
		}
		n.noteRenewal(ctx, before, n.why)
		return d, nil
	}
}

// renewed connects anew once the device has another key.
func (n *Node) renewed() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.closed {
		n.caring.Go(n.net.restart)
	}
}

// twin takes a fresh device key when another program was met that has the one
// given, as on a copy of this node's data.
func (n *Node) twin(met identity.Device) {
	n.twins.Lock()
	defer n.twins.Unlock()
	n.mu.Lock()
	if n.closed || n.renew == nil || n.device().Signer.Public() != met.Signer.Public() {
		n.mu.Unlock()
		return
	}
	n.caring.Add(1)
	n.mu.Unlock()
	defer n.caring.Done()
	if err := n.rep.Retire(n.net.ctx); err != nil && n.net.ctx.Err() == nil {
		n.opts.log.Error("a copy of this node runs elsewhere", "error", err)
	}
}

// CheckResult is what Check found in one space.
type CheckResult struct {
	Space    object.ID
	Commits  int
	Damaged  []*Damage // at most a few hundred of them
	Lost     int       // damaged commits in all
	Aside    int       // intact commits that need a damaged one
	Derived  []string  // kinds of records that did not agree with the commits
	Repaired bool
}

// Sound tells that nothing is wrong.
func (r *CheckResult) Sound() bool { return r.Lost == 0 && r.Aside == 0 && len(r.Derived) == 0 }

// Check reads everything this node holds of its spaces, with every hash and
// signature, and compares what is derived from it. With repair, a space in
// which something is wrong is rebuilt: what follows from the commits is
// made anew, damaged commits and those that need them are set aside until a
// peer gives them again, and what was set aside before is tried again. Spaces can be used meanwhile; a rebuilt one has to
// be opened again with Node.Space.
func (n *Node) Check(ctx context.Context, repair bool, tell func(Step)) ([]CheckResult, error) {
	entries, err := n.rep.Entries()
	if err != nil {
		return nil, err
	}
	var list []CheckResult
	for _, e := range entries {
		s, err := n.Space(e.Space)
		if err != nil && !errors.Is(err, ErrUnknownSpace) {
			return list, err
		}
		if err == nil && repair {
			if err := s.rep.TakeBack(ctx); err != nil {
				return list, fmt.Errorf("take back what was set aside of space %s: %w", e.Space.Short(), err)
			}
		}
		r, err := n.rep.Check(ctx, e.Space, telling(tell))
		if errors.Is(err, ErrUnknownSpace) {
			continue // left in the meantime
		}
		if err == nil && repair && !r.Sound() {
			if r, err = n.rep.Rebuild(ctx, e.Space, telling(tell)); err == nil {
				_, err = n.Space(e.Space)
			}
		}
		if err != nil {
			return list, err
		}
		list = append(list, CheckResult{Space: e.Space, Commits: r.Commits, Damaged: r.Damaged, Lost: r.Lost, Aside: r.Aside,
			Derived: r.Derived, Repaired: repair && !r.Sound()})
	}
	return list, nil
}

// heal rebuilds a space in which a read met damage, and opens it again.
func (n *Node) heal(id object.ID) {
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return
	}
	n.caring.Add(1)
	n.mu.Unlock()
	defer n.caring.Done()
	_, err := n.rep.Rebuild(n.net.ctx, id, telling(n.opts.progress))
	if err == nil {
		_, err = n.Space(id)
	}
	if err != nil && !errors.Is(err, ErrClosed) && n.net.ctx.Err() == nil {
		n.opts.log.Error("a damaged space could not be rebuilt", "space", id, "error", err)
	}
}

// suspect checks a space once because a peer said that what it was sent is not
// valid: it may be the peer that errs.
func (s *AnySpace) suspect() {
	s.suspected.Do(func() {
		n := s.node
		r, err := n.rep.Check(n.net.ctx, s.ID(), nil)
		switch {
		case err != nil || r.Sound():
		case len(r.Damaged) > 0:
			err = s.rep.Damaged(r.Damaged[0])
		default:
			err = s.rep.Damaged(fmt.Errorf("%w: %v", store.ErrCorrupt, r.Derived))
		}
		if err != nil {
			n.opts.log.Debug("checked because of a peer", "space", s.ID(), "error", err)
		}
	})
}
