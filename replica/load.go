package replica

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math"

	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/store"
)

// load reads what an open space keeps in memory: its kind, its heads and the
// last run of its graph. All else is read when it is asked for, so that opening
// a space costs the same whatever its history and the number of its authors.
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
		return s.loadTotals(r)
	})
}

// owed is what a key of this node wrote last before it left the space and has not
// come back. Under another key it is no matter.
type owed struct {
	device identity.PublicKey
	tip    object.ID
}

// loadOwed reads what this device wrote last before it left the space.
func (s *Space) loadOwed(r store.Reader) error {
	device := s.node.device()
	v, err := r.Get(leftKey(s.id, device))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil
	case err != nil:
		return err
	case len(v) != 32:
		return fmt.Errorf("what was written before leaving: %w", store.ErrCorrupt)
	}
	s.owed = owed{device, object.IDFromDigest(object.DagCBOR, [32]byte(v))}
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

// loadGraph opens the graph: the last run and the heads are read.
func (s *Space) loadGraph(r store.Reader) error {
	list, err := s.readHeads(r)
	if err != nil {
		return fmt.Errorf("load graph: %w", err)
	}
	nums := make([]history.Num, len(list))
	for i := range list {
		nums[i] = list[i].num
	}
	g, err := history.OpenGraph(s.runs, nums)
	var damaged *history.RunError
	if errors.As(err, &damaged) {
		err = fmt.Errorf("%w: %w", store.ErrCorrupt, err)
	}
	if err != nil {
		return fmt.Errorf("load graph: %w", err)
	}
	s.graph, s.headList = g, list
	ids := list.ids()
	s.heads.Store(&ids)
	return nil
}

// runs is the history.Source of the space's graph.
func (s *Space) runs(n history.Num) iter.Seq2[history.Run, error] {
	prefix := s.keys.key(subRun, 0)
	to := end(prefix)
	if n != math.MaxUint64 {
		to = s.keys.run(n + 1)
	}
	return func(yield func(history.Run, error) bool) {
		stopped := false
		err := s.node.view(func(r store.Reader) error {
			for kv, err := range r.Scan(prefix, to, true) {
				if err != nil {
					return err
				}
				key := kv.Key[len(prefix):]
				if len(key) != 8 {
					return store.ErrCorrupt
				}
				run, err := history.DecodeRun(binary.BigEndian.Uint64(key), kv.Value)
				if err != nil {
					return fmt.Errorf("%w: %w", store.ErrCorrupt, err)
				}
				if stopped = !yield(run, nil); stopped {
					return nil
				}
			}
			return nil
		})
		if err != nil && !stopped {
			yield(history.Run{}, fmt.Errorf("read graph: %w", err))
		}
	}
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
	k := s.newKind(f)
	return s.loadKind(r, k)
}

// acknowledged is what each device acknowledged; it is read when it is first
// asked for. It needs mu.
func (s *Space) acknowledged() (map[identity.PublicKey][]history.Num, error) {
	if s.acks != nil {
		return s.acks, nil
	}
	acks := map[identity.PublicKey][]history.Num{}
	err := s.node.view(func(r store.Reader) error {
		return s.scan(r, subAck, func(key, value []byte) error {
			device, err := identity.PublicKeyFromBytes(key)
			if err != nil || len(value)%8 != 0 {
				return fmt.Errorf("read acknowledgements: %w", store.ErrCorrupt)
			}
			var nums []history.Num
			for ; len(value) > 0; value = value[8:] {
				if n := binary.BigEndian.Uint64(value); n < s.graph.Len() {
					nums = append(nums, n)
				}
			}
			acks[device] = nums
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	s.acks = acks
	return acks, nil
}
