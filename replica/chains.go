package replica

import (
	"slices"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/internal/order"
	"github.com/hyperhyperspace/hhs-go/object"
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
	var list []ChainTip
	for author, c := range s.chains {
		for _, b := range c.branches {
			if !s.graph.Contains(version, b.tipNum) {
				list = append(list, ChainTip{author, b.seq, b.tip})
			}
		}
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

// HasAuthor reports whether a device has written in the space, as far as is known
// here.
func (s *Space) HasAuthor(device identity.PublicKey) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.chains[device] != nil
}

// heldEnd is the last commit of this device that another one acknowledged, zero
// when there is none; it needs mu.
func (s *Space) heldEnd() (object.ID, error) {
	c := s.chains[s.node.device()]
	if c == nil || len(s.acks) == 0 {
		return object.ID{}, nil
	}
	var held []history.Num
	for _, nums := range s.acks {
		held = append(held, nums...)
	}
	held = s.maximal(held)
	last := c.branches[0]
	for _, b := range c.branches {
		if b.seq > last.seq {
			last = b
		}
	}
	for id := last.tip; !id.IsZero(); {
		n, _, err := s.lookup(id)
		if err != nil || s.graph.Contains(held, n) {
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
// one seq.
func (s *Space) Forks() []identity.PublicKey {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.forks)
}

// Acks returns the heads that a device acknowledged as durable, nil when it
// never did. A session uses them as what the pair last had in common.
func (s *Space) Acks(device identity.PublicKey) []object.ID {
	s.mu.Lock()
	nums := slices.Clone(s.acks[device])
	s.mu.Unlock()
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
