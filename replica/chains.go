package replica

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/internal/order"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/store"
)

// ChainTip is the end of one author branch.
type ChainTip struct {
	Author identity.PublicKey
	Seq    uint64
	Tip    object.ID
}

// Chains lists the ends of all author branches that are not in the past of
// since, by author and then seq. Ids in since that are not here are ignored.
func (s *Space) Chains(since []object.ID) ([]ChainTip, error) {
	s.settled()
	s.mu.Lock()
	defer s.mu.Unlock()
	var version []history.Num
	for _, id := range since {
		n, ok, err := s.lookup(id)
		if err != nil {
			return nil, err
		}
		if ok {
			version = append(version, n)
		}
	}
	moved, _, err := s.graph.Diff(s.graph.Heads(), version)
	if err != nil {
		return nil, err
	}
	var list []ChainTip
	err = s.node.view(func(r store.Reader) error {
		if list, err = s.tipsByAuthor(r, moved); errors.Is(err, errTooMany) {
			list, err = s.tipsByCommit(r, moved)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	order.By(list, func(a, b ChainTip) int {
		if c := a.Author.Compare(b.Author); c != 0 {
			return c
		}
		if a.Seq != b.Seq {
			return int(min(a.Seq, 1<<62)) - int(min(b.Seq, 1<<62))
		}
		return a.Tip.Compare(b.Tip)
	})
	return list, nil
}

// errTooMany ends a walk through the authors that reading what moved would be
// cheaper than. It never leaves this file.
var errTooMany = errors.New("too many")

// tipsByAuthor goes through all authors for those whose chains end in what moved.
func (s *Space) tipsByAuthor(r store.Reader, moved []history.Span) (list []ChainTip, err error) {
	// A commit takes several times as long to read as an author.
	patience := 64
	for _, span := range moved {
		patience += 4 * int(min(span.Len(), 1<<40))
	}
	err = s.scan(r, subChain, func(key, value []byte) error {
		if patience--; patience < 0 {
			return errTooMany
		}
		if len(key) != keySize+8 {
			return fmt.Errorf("authors: %w", store.ErrCorrupt)
		}
		b, err := decodeBranch(binary.BigEndian.Uint64(key[keySize:]), value)
		if err != nil {
			return fmt.Errorf("authors: %w", err)
		}
		if !holds(moved, b.tipNum) {
			return nil
		}
		author, err := identity.PublicKeyFromBytes(key[:keySize])
		list = append(list, ChainTip{author, b.seq, b.tip})
		return err
	})
	return list, err
}

// tipsByCommit goes through the commits that moved for those that end a chain.
func (s *Space) tipsByCommit(r store.Reader, moved []history.Span) (list []ChainTip, err error) {
	for _, span := range moved {
		for n := span.Start; n < span.End; n++ {
			rec, err := s.readCommit(r, n)
			if err != nil {
				return nil, fmt.Errorf("read commit %d: %w", n, err)
			}
			c, err := s.chain(r, rec.commit.Env.Author)
			if err != nil {
				return nil, err
			}
			if c.at(rec.commit.ID) >= 0 {
				list = append(list, ChainTip{rec.commit.Env.Author, rec.commit.Env.Seq, rec.commit.ID})
			}
			s.node.cfg.Pace()
		}
	}
	return list, nil
}

// holds tells whether ascending spans hold a number.
func holds(spans []history.Span, n history.Num) bool {
	_, in := slices.BinarySearchFunc(spans, n, func(s history.Span, n history.Num) int {
		switch {
		case s.End <= n:
			return -1
		case s.Start > n:
			return 1
		}
		return 0
	})
	return in
}

// HasAuthor reports whether a device has written in the space, as far as is known
// here. A store that cannot be read knows nobody.
func (s *Space) HasAuthor(device identity.PublicKey) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.chainOf(device)
	return err == nil && c != nil
}

// heldEnd is the last commit of this device that another one acknowledged, zero
// when there is none; it needs mu.
func (s *Space) heldEnd() (object.ID, error) {
	c, err := s.chainOf(s.node.device())
	if err != nil || c == nil {
		return object.ID{}, err
	}
	acks, err := s.acknowledged()
	if err != nil || len(acks) == 0 {
		return object.ID{}, err
	}
	var held []history.Num
	for _, nums := range acks {
		held = append(held, nums...)
	}
	if held, err = s.maximal(held); err != nil {
		return object.ID{}, err
	}
	last := c.branches[0]
	for _, b := range c.branches {
		if b.seq > last.seq {
			last = b
		}
	}
	for id := last.tip; !id.IsZero(); {
		n, _, err := s.lookup(id)
		if err != nil {
			return id, err
		}
		if in, err := s.graph.Contains(held, n); in || err != nil {
			return id, err
		}
		rec, err := s.commitAt(n)
		if err != nil {
			return object.ID{}, err
		}
		id = rec.commit.Env.Prev
	}
	return object.ID{}, nil
}

// Forks lists the device keys that are known to have signed two commits with
// one seq. It goes through all authors; a store that cannot be read knows none.
func (s *Space) Forks() (forks []identity.PublicKey) {
	var last []byte
	_ = s.node.view(func(r store.Reader) error {
		return s.scan(r, subChain, func(key, _ []byte) error {
			if len(key) != keySize+8 {
				return store.ErrCorrupt
			}
			if device := key[:keySize]; string(device) != string(last) {
				last = bytes.Clone(device)
			} else if known, err := identity.PublicKeyFromBytes(device); err == nil && (len(forks) == 0 || forks[len(forks)-1] != known) {
				forks = append(forks, known)
			}
			return nil
		})
	})
	return forks
}

// Acks returns the heads that a device acknowledged as durable, nil when it
// never did. A session uses them as what the pair last had in common.
func (s *Space) Acks(device identity.PublicKey) []object.ID {
	s.mu.Lock()
	acks, err := s.acknowledged()
	nums := slices.Clone(acks[device])
	s.mu.Unlock()
	if err != nil {
		return nil // it only saves work
	}
	var ids []object.ID
	for _, n := range nums {
		rec, err := s.commitAt(n)
		if err != nil {
			return nil // it only saves work
		}
		ids = append(ids, rec.commit.ID)
	}
	return ids
}
