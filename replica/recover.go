package replica

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/store"
)

// Recover lists spaces again whose line in the registry was lost when a damaged
// store was salvaged: their first commit says which they are. It returns them; how
// they are reached (their note) is lost. Nothing else is changed.
func (n *Node) Recover(ctx context.Context) (found []object.ID, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	entries, err := n.Entries()
	if err != nil {
		return nil, err
	}
	known, used := map[object.ID]bool{}, map[uint32]bool{}
	for _, e := range entries {
		known[e.Space], used[e.num] = true, true
	}
	var b store.Batch
	err = n.view(func(r store.Reader) error {
		if err := keptAside(r, used); err != nil {
			return err
		}
		return eachKeyspace(r, func(num uint32) error {
			if used[num] {
				return nil
			}
			k := newKeyspace(num)
			f, err := readFormat(r, k)
			if err != nil {
				return err
			}
			st, err := (&Space{}).readStored(r, k, f.data, 0)
			if err != nil || st.commit == nil || known[st.commit.ID] {
				return err // of no use without its first commit
			}
			known[st.commit.ID] = true
			found = append(found, st.commit.ID)
			b.Put(spaceIndexKey(st.commit.ID), binary.BigEndian.AppendUint32(nil, num))
			return nil
		})
	})
	if err == nil && b.Len() > 0 {
		err = n.apply(ctx, &b)
	}
	if err != nil {
		return nil, fmt.Errorf("recover spaces: %w", err)
	}
	return found, nil
}

// keptAside adds the keyspaces that notes of damage and of rebuilds name.
func keptAside(r store.Reader, used map[uint32]bool) error {
	prefix := []byte{prefixTrouble}
	for kv, err := range r.Scan(prefix, end(prefix), false) {
		if err != nil {
			return err
		}
		for _, a := range troubleFrom(kv.Value).asides {
			used[a.num] = true
		}
	}
	list, err := leftovers(r)
	for _, l := range list {
		if l.known {
			used[l.num] = true
		}
	}
	return err
}

// eachKeyspace calls f for every number that has records.
func eachKeyspace(r store.Reader, f func(num uint32) error) error {
	limit := end([]byte{prefixSpace})
	for lo := []byte{prefixSpace}; lo != nil; {
		next := []byte(nil)
		for kv, err := range r.Scan(lo, limit, false) {
			if err != nil {
				return err
			}
			if len(kv.Key) < len(keyspace{}) {
				return store.ErrCorrupt
			}
			num := binary.BigEndian.Uint32(kv.Key[1:])
			k := newKeyspace(num)
			next = end(k[:])
			if err := f(num); err != nil {
				return err
			}
			break
		}
		lo = next
	}
	return nil
}
