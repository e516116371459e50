package replica

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/internal/order"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/store"
)

// load reads what a space keeps in memory: the runs of its graph, one record
// per author, and who acknowledged what. None of it grows with the history of
// a space whose authors take turns.
func (s *Space) load() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.node.view(func(r store.Reader) error {
		if err := s.loadGraph(r); err != nil {
			return err
		}
		if err := s.loadOwed(r); err != nil {
			return err
		}
		if s.graph.Len() == 0 {
			return nil
		}
		if err := s.loadFounding(r); err != nil {
			return err
		}
		if err := s.loadChains(r); err != nil {
			return err
		}
		if err := s.loadAcks(r); err != nil {
			return err
		}
		if err := s.loadTotals(r); err != nil {
			return err
		}
		return s.loadHeads(r)
	})
}

// loadOwed reads what this device wrote last before it left the space.
func (s *Space) loadOwed(r store.Reader) error {
	v, err := r.Get(leftKey(s.id, s.node.device()))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil
	case err != nil:
		return err
	case len(v) != 32:
		return fmt.Errorf("what was written before leaving: %w", store.ErrCorrupt)
	}
	s.owed = object.IDFromDigest(object.DagCBOR, [32]byte(v))
	return nil
}

// scan calls f with the rest of the key and the value of every record of a kind.
func (s *Space) scan(r store.Reader, sub byte, f func(key, value []byte) error) error {
	prefix := s.keys.key(sub, 0)
	for kv, err := range r.Scan(prefix, end(prefix), false) {
		if err == nil {
			err = f(kv.Key[len(prefix):], kv.Value)
		}
		if err != nil {
			return err
		}
		s.node.cfg.Pace()
	}
	return nil
}

func (s *Space) loadGraph(r store.Reader) error {
	var failed error
	runs := iter.Seq[history.Run](func(yield func(history.Run) bool) {
		prefix := s.keys.key(subRun, 0)
		for kv, err := range r.Scan(prefix, end(prefix), false) {
			var run history.Run
			if err == nil {
				if key := kv.Key[len(prefix):]; len(key) != 8 {
					err = store.ErrCorrupt
				} else {
					run, err = history.DecodeRun(binary.BigEndian.Uint64(key), kv.Value)
				}
			}
			if err != nil {
				failed = fmt.Errorf("load graph: %w", err)
				return
			}
			if !yield(run) {
				return
			}
		}
	})
	g, err := history.LoadGraph(runs)
	if failed != nil {
		return failed
	}
	if err != nil {
		return fmt.Errorf("load graph: %w: %w", store.ErrCorrupt, err)
	}
	s.graph = g
	return nil
}

func (s *Space) loadFounding(r store.Reader) error {
	rec, err := s.readCommit(r, 0)
	if err != nil {
		return fmt.Errorf("load first commit: %w", err)
	}
	if rec.commit.ID != s.id {
		return fmt.Errorf("load first commit: it is not the one the space is named after: %w", store.ErrCorrupt)
	}
	f, err := authority.Genesis(rec.commit, checkField)
	if err != nil {
		return fmt.Errorf("load first commit: %w: %w", store.ErrCorrupt, err)
	}
	k, err := s.newKind(f)
	if err != nil {
		return fmt.Errorf("load first commit: %w", err)
	}
	s.kind.Store(k)
	return nil
}

func (s *Space) loadChains(r store.Reader) error {
	return s.scan(r, subChain, func(key, value []byte) error {
		if len(key) != keySize+8 {
			return fmt.Errorf("load authors: %w", store.ErrCorrupt)
		}
		device, err := identity.PublicKeyFromBytes(key[:keySize])
		if err != nil {
			return fmt.Errorf("load authors: %w: %w", store.ErrCorrupt, err)
		}
		b, err := decodeBranch(binary.BigEndian.Uint64(key[keySize:]), value)
		if err != nil {
			return fmt.Errorf("load author %s: %w", device.Short(), err)
		}
		c := s.chains[device]
		if c == nil {
			c = &chain{}
		}
		c.branches = append(c.branches, b)
		s.setChain(device, c)
		return nil
	})
}

// setChain keeps an author's record; it needs mu.
func (s *Space) setChain(device identity.PublicKey, c *chain) {
	s.chains[device] = c
	if len(c.branches) > 1 && !slices.Contains(s.forks, device) {
		s.forks = append(s.forks, device)
	}
}

func (s *Space) loadAcks(r store.Reader) error {
	return s.scan(r, subAck, func(key, value []byte) error {
		device, err := identity.PublicKeyFromBytes(key)
		if err != nil || len(value)%8 != 0 {
			return fmt.Errorf("load acknowledgements: %w", store.ErrCorrupt)
		}
		var nums []history.Num
		for ; len(value) > 0; value = value[8:] {
			if n := binary.BigEndian.Uint64(value); n < s.graph.Len() {
				nums = append(nums, n)
			}
		}
		s.acks[device] = nums
		return nil
	})
}

func (s *Space) loadHeads(r store.Reader) error {
	var heads []object.ID
	for _, n := range s.graph.Heads() {
		rec, err := s.readCommit(r, n)
		if err != nil {
			return fmt.Errorf("load head %d: %w", n, err)
		}
		heads = append(heads, rec.commit.ID)
	}
	order.By(heads, object.ID.Compare)
	s.heads.Store(&heads)
	return nil
}
