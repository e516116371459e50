package replica

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
)

// Create makes a space of the given kind. Its first commit is signed by this
// device and enters through the door like any other.
func (n *Node) Create(ctx context.Context, m *authority.Manifest) (*Space, error) {
	return n.CreateNoted(ctx, m, func(object.ID) []byte { return nil })
}

// CreateNoted is Create that keeps a note beside the space, as SetNote does, in
// the same transaction.
func (n *Node) CreateNoted(ctx context.Context, m *authority.Manifest, note func(id object.ID) []byte) (*Space, error) {
	for _, f := range m.Fields {
		if err := checkField(f); err != nil {
			return nil, fmt.Errorf("create space: field %s: %w", f.Name, err)
		}
	}
	var salt [authority.SaltSize]byte
	if _, err := io.ReadFull(n.cfg.Rand, salt[:]); err != nil {
		return nil, fmt.Errorf("create space: %w", err)
	}
	cert := n.Device().Certificate
	ops, err := authority.FoundingOps(m, salt, []identity.PublicKey{cert.Identity}, cert)
	if err != nil {
		return nil, fmt.Errorf("create space: %w", err)
	}
	c, err := history.NewCommit(&history.Envelope{Version: history.Version, Author: n.device(), Seq: 1,
		Grant: history.GrantRef{Index: history.NoGrant}, Time: n.cfg.Now().UnixMilli(), Ops: ops}, nil)
	if err != nil {
		return nil, fmt.Errorf("create space: %w", err)
	}
	sig, err := n.sign(ctx, history.AttestationStatement(c.ID, 1, c.ID))
	if err != nil {
		return nil, fmt.Errorf("create space: %w", err)
	}
	batch := &history.Batch{Commits: []*history.Commit{c}, Attestations: []history.Attestation{{Commit: c.ID, Sig: sig}}}
	s, err := n.found(context.WithoutCancel(ctx), batch, note(c.ID), Source{})
	if err != nil {
		return nil, fmt.Errorf("create space: %w", err)
	}
	return s, nil
}

// found lets a first commit enter together with the space's line in the
// registry: either both are kept or neither.
func (n *Node) found(ctx context.Context, b *history.Batch, note []byte, from Source) (*Space, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil, ErrClosed
	}
	num, err := n.nextNumber()
	if err != nil {
		return nil, err
	}
	id := b.Commits[0].ID
	if _, err := n.entry(id); !errors.Is(err, ErrUnknownSpace) {
		return nil, errors.Join(errFounded, err)
	}
	s, err := n.loadSpace(Entry{Space: id, num: num}) // it may be one that was left
	if err != nil {
		return nil, err
	}
	s.unlisted = func(to putter) { list(to, id, num, note) }
	if _, err := s.Ingest(ctx, b, from); err != nil {
		s.end()
		return nil, err
	}
	n.spaces[id] = s
	return s, nil
}

// sign asks the signer and checks its answer before anything is built on it. It
// returns when ctx ends even if the signer ignores it; a signature that comes
// later is thrown away, so its seq can be used again.
func (n *Node) sign(ctx context.Context, st identity.Statement) ([]byte, error) {
	signer := n.Device().Signer
	if key, inProcess := signer.(identity.PrivateKey); inProcess {
		sig, err := key.Sign(ctx, st)
		if err == nil {
			n.cache.Trust(identity.Check{Key: signer.Public(), Statement: st, Sig: sig})
		}
		return sig, err
	}
	type answer struct {
		sig []byte
		err error
	}
	select {
	case n.signing <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	ch := make(chan answer, 1)
	go func() {
		sig, err := signer.Sign(ctx, st)
		<-n.signing
		ch <- answer{sig, err}
	}()
	select {
	case a := <-ch:
		if a.err == nil {
			a.err = n.cache.Verify(ctx, []identity.Check{{Key: signer.Public(), Statement: st, Sig: a.sig}})
		}
		if a.err != nil {
			return nil, fmt.Errorf("sign: %w", a.err)
		}
		return a.sig, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
