package replica

import (
	"encoding/binary"
	"math"
	"strings"

	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/store"
)

// MinCommitPrefix is how many characters of a commit's id are needed to look for it: the first seven are the same in all.
const MinCommitPrefix = 8

// CommitsLike returns commits whose ids begin so as text, at most limit: for people, who do not write ids whole. It reads
// no more than it returns.
func (s *Space) CommitsLike(prefix string, limit int) (ids []object.ID, err error) {
	rest := len(s.id.String()) - len(prefix)
	if len(prefix) < MinCommitPrefix || rest < 1 {
		return nil, nil
	}
	lo, errLo := object.ParseID(prefix + strings.Repeat("a", rest))
	hi, errHi := object.ParseID(prefix + strings.Repeat("7", rest-1) + "4") // of the last character only some bits count
	if errLo != nil || errHi != nil {
		return nil, nil
	}
	err = s.node.view(func(r store.Reader) error {
		from, to := s.keys.index(lo), append(s.keys.index(hi), 0)
		for kv, err := range r.Scan(from, to, false) {
			if err != nil {
				return err
			}
			nums, err := indexed(kv.Value)
			if err != nil {
				return err
			}
			for _, n := range nums {
				rec, err := (&commits{keys: s.keys, r: r}).get(n)
				if err != nil {
					return err
				}
				if !strings.HasPrefix(rec.id.String(), prefix) {
					continue
				}
				if ids = append(ids, rec.id); len(ids) == limit {
					return nil
				}
			}
		}
		return nil
	})
	return ids, err
}

// CommitsEnding returns commits whose ids end so as text, the latest first, at most limit. No index is by the end of an id:
// it reads the space's commits until it has as many.
func (s *Space) CommitsEnding(end string, limit int) (ids []object.ID, err error) {
	err = s.node.view(func(r store.Reader) error {
		for kv, err := range r.Scan(s.keys.commit(0), s.keys.commit(math.MaxUint64), true) {
			if err != nil {
				return err
			}
			rec, err := cutRecord(binary.BigEndian.Uint64(kv.Key[len(kv.Key)-8:]), kv.Value)
			if err != nil {
				return err
			}
			if !strings.HasSuffix(rec.id.String(), end) {
				continue
			}
			if ids = append(ids, rec.id); len(ids) == limit {
				return nil
			}
		}
		return nil
	})
	return ids, err
}
