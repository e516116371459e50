package replica

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/store"
)

// stored is a commit as it lies in a keyspace, whatever version wrote it.
type stored struct {
	num     history.Num
	commit  *history.Commit // nil when the envelope cannot be read
	sig     []byte          // its attestation; nil when a later one vouches for it
	objects [][]byte        // that it attaches
	size    int
	at      int     // how much was read before it, as history.CommitSize counts it
	damage  *Damage // why it cannot be used as it is
}

// errLost marks what is not as it was written, against a store that fails.
type errLost struct {
	what string
	err  error
	id   object.ID // of the commit, if that can still be told
}

func (e *errLost) Error() string { return e.what + ": " + e.err.Error() }
func (e *errLost) Unwrap() error { return e.err }

// lost is damage, unless the store as a whole has failed.
func lost(what string, err error) error {
	if errors.Is(err, store.ErrClosed) {
		return err
	}
	return &errLost{what: what, err: err}
}

// readStored reads the commit with a number and checks all of it that has a
// hash. It reads what any version of this software has written.
func (s *Space) readStored(r store.Reader, k keyspace, version uint64, n history.Num) (stored, error) {
	st := stored{num: n}
	var err error
	switch version {
	case 1:
		st.commit, st.sig, err = readStoredV1(r, k, n)
	case dataVersion:
		st.commit, st.sig, err = readStoredCommit(r, k, n)
	default:
		return st, fmt.Errorf("commits of data version %d cannot be read", version)
	}
	if err == nil {
		err = st.readObjects(r)
	}
	if st.commit != nil {
		st.size += len(st.commit.Raw)
		for _, p := range st.commit.Parts {
			st.size += len(p)
		}
	}
	var broken *errLost
	if errors.As(err, &broken) {
		st.damage = &Damage{Space: s.id, Num: n, What: broken.what, Cause: broken.err}
		if st.damage.Commit = broken.id; st.commit != nil {
			st.damage.Commit = st.commit.ID
		}
		return st, nil
	}
	return st, err
}

func (st *stored) readObjects(r store.Reader) error {
	for _, id := range st.commit.Attached() {
		block, err := r.Get(objectKey(id))
		if err == nil && object.Sum(id.Codec(), block) != id {
			err = errOtherHash
		}
		if err != nil {
			return lost("attached object "+id.String(), err)
		}
		st.objects = append(st.objects, block)
		st.size += len(block)
	}
	return nil
}

// storedEnd is the number after the last commit of a keyspace, by the records
// of commits and by those of the graph, of which one may be damaged.
func storedEnd(r store.Reader, k keyspace) (history.Num, error) {
	commits, err := lastNumber(r, k.key(subCommit, 0), func(history.Num, []byte) (uint64, error) { return 1, nil })
	runs, runsErr := lastNumber(r, k.key(subRun, 0), func(n history.Num, v []byte) (uint64, error) {
		length, size := binary.Uvarint(v) // in every version
		if size <= 0 {
			return 0, store.ErrCorrupt
		}
		return length, nil
	})
	if err != nil && runsErr != nil {
		return 0, fmt.Errorf("end of the history: %w", errors.Join(err, runsErr))
	}
	return max(commits, runs), nil
}

// lastNumber is the number after what the last record under a prefix holds.
func lastNumber(r store.Reader, prefix []byte, holds func(n history.Num, v []byte) (uint64, error)) (history.Num, error) {
	for kv, err := range r.Scan(prefix, end(prefix), true) {
		if err != nil {
			return 0, err
		}
		if len(kv.Key) != len(prefix)+8 {
			return 0, store.ErrCorrupt
		}
		n := binary.BigEndian.Uint64(kv.Key[len(prefix):])
		count, err := holds(n, kv.Value)
		return n + count, err
	}
	return 0, nil
}
