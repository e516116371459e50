package replica

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/hyperhyperspace/hhs-go/store"
)

// totals are kept with each batch so that they cost nothing to ask for.
type totals struct {
	bytes  uint64 // of envelopes, parts and attached objects
	active int64  // when the last batch entered, in ms since 1970
}

func (t totals) with(bytes int, now time.Time) totals {
	return totals{t.bytes + uint64(bytes), now.UnixMilli()}
}

func (t totals) encode() []byte {
	return binary.AppendVarint(binary.AppendUvarint(nil, t.bytes), t.active)
}

func (s *Space) loadTotals(r store.Reader) error {
	v, err := r.Get(s.keys.key(subTotals, 0))
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	bytes, n := binary.Uvarint(v)
	if n <= 0 {
		return store.ErrCorrupt
	}
	active, m := binary.Varint(v[n:])
	if m <= 0 {
		return store.ErrCorrupt
	}
	s.totals = totals{bytes, active}
	return nil
}

// Bytes is how much the commits of the space and the objects they attach take,
// without what is derived from them.
func (s *Space) Bytes() int64 {
	s.settled()
	s.mu.Lock()
	defer s.mu.Unlock()
	return int64(s.totals.bytes)
}

// Active is when something last entered this copy, by this node's clock; zero
// while it is empty.
func (s *Space) Active() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.totals.active == 0 {
		return time.Time{}
	}
	return time.UnixMilli(s.totals.active)
}
