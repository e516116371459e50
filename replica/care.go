package replica

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/store"
)

// care makes a store fit for use when a node is opened: it deletes what a
// rebuild left that was cut short, and rebuilds the spaces that an older version
// wrote or in which damage was found. Cut short itself, it goes on at the next
// opening.
func (n *Node) care(ctx context.Context) error {
	var f format
	var left []leftover
	var mend []object.ID
	unfinished := false
	err := n.view(func(r store.Reader) (err error) {
		if f, err = checkVersion(r); err != nil {
			return err
		}
		if left, err = leftovers(r); err != nil {
			return err
		}
		if mend, err = inNeed(r); err != nil {
			return err
		}
		_, err = r.Get(migratingKey())
		if unfinished = err == nil; errors.Is(err, store.ErrNotFound) {
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	if err := n.mend(ctx, left, mend); err != nil {
		return err
	}
	if f != present || unfinished {
		return n.migrate(ctx, f)
	}
	return nil
}

// mend deletes leftovers and rebuilds damaged spaces. Without room for that the
// store is opened all the same.
func (n *Node) mend(ctx context.Context, left []leftover, damaged []object.ID) error {
	for _, l := range left {
		var b store.Batch
		if l.known {
			dropKeyspace(&b, newKeyspace(l.num))
		}
		b.Delete(rebuildKey(l.space))
		if err := n.apply(ctx, &b); errors.Is(err, store.ErrFull) || errors.Is(err, store.ErrReadOnly) {
			n.cfg.Log.Warn("what a rebuild left cannot be deleted yet", "error", err)
			return nil
		} else if err != nil {
			return fmt.Errorf("delete what a rebuild left: %w", err)
		}
	}
	for _, id := range damaged {
		if _, err := n.Rebuild(ctx, id, n.cfg.Progress); errors.Is(err, store.ErrFull) || errors.Is(err, store.ErrReadOnly) {
			n.cfg.Log.Warn("a damaged space cannot be rebuilt yet", "error", err)
		} else if errors.Is(err, store.ErrCorrupt) || errors.Is(err, ErrUnknownSpace) {
			n.cfg.Log.Error("a damaged space cannot be rebuilt", "error", err)
		} else if err != nil {
			return err
		}
	}
	return nil
}

// dropCare deletes what is kept beside a space because of damage.
func (n *Node) dropCare(b *store.Batch, id object.ID) error {
	return n.view(func(r store.Reader) error {
		t, known, err := readTrouble(r, id)
		if err != nil {
			return err
		}
		for _, a := range t.asides {
			dropKeyspace(b, newKeyspace(a.num))
		}
		if known {
			b.Delete(troubleKey(id))
		}
		return nil
	})
}

// migrate brings the spaces of an older version up to the present one. Which
// of them are is said in each, so it goes on where it was cut short; that it is
// not done is said by a record of its own.
func (n *Node) migrate(ctx context.Context, from format) error {
	entries, err := n.Entries()
	if err != nil {
		return err
	}
	n.cfg.Log.Info("the store is brought up to date", "from", from.data, "to", dataVersion, "spaces", len(entries))
	var b store.Batch
	b.Put(migratingKey(), from.encode())
	if from.data < dataVersion { // from here on the older program is refused
		putVersion(&b)
	}
	if err := n.apply(ctx, &b); err != nil {
		return err
	}
	behind := map[object.ID]error{}
	for _, e := range entries {
		var f format
		err := n.view(func(r store.Reader) (err error) {
			f, err = readFormat(r, newKeyspace(e.num))
			return err
		})
		if err == nil && f != present {
			_, err = n.Rebuild(ctx, e.Space, n.cfg.Progress)
		}
		if errors.Is(err, store.ErrCorrupt) { // it keeps no other space from being opened
			n.cfg.Log.Error("a space cannot be brought up to date", "error", err)
			behind[e.Space] = err
		} else if err != nil {
			return err
		}
	}
	if len(behind) > 0 {
		n.behind = behind
		return nil // it is tried again at the next opening
	}
	b.Reset()
	putVersion(&b)
	b.Delete(migratingKey())
	return n.apply(ctx, &b)
}

func rebuildKey(id object.ID) []byte { return appendDigest([]byte{prefixRebuild}, id) }
func troubleKey(id object.ID) []byte { return appendDigest([]byte{prefixTrouble}, id) }
func migratingKey() []byte           { return []byte{prefixMigrating} }

// leftover is a keyspace that a rebuild was filling.
type leftover struct {
	space object.ID
	num   uint32
	known bool
}

func leftovers(r store.Reader) (list []leftover, err error) {
	prefix := []byte{prefixRebuild}
	for kv, err := range r.Scan(prefix, end(prefix), false) {
		if err != nil {
			return nil, err
		}
		if len(kv.Key) != 33 {
			continue
		}
		l := leftover{space: object.IDFromDigest(object.DagCBOR, [32]byte(kv.Key[1:]))}
		if l.known = len(kv.Value) == 4; l.known { // else it is damaged: what it names stays, and is no harm
			l.num = binary.BigEndian.Uint32(kv.Value)
		}
		list = append(list, l)
	}
	return list, nil
}

// inNeed lists the spaces that are to be rebuilt because of damage.
func inNeed(r store.Reader) (list []object.ID, err error) {
	prefix := []byte{prefixTrouble}
	for kv, err := range r.Scan(prefix, end(prefix), false) {
		if err != nil {
			return nil, err
		}
		if len(kv.Key) != 33 {
			continue
		}
		if troubleFrom(kv.Value).repair {
			list = append(list, object.IDFromDigest(object.DagCBOR, [32]byte(kv.Key[1:])))
		}
	}
	return list, nil
}

// loadSpace loads a space. One whose own records cannot be loaded is rebuilt
// from its commits first; it needs mu.
func (n *Node) loadSpace(e Entry) (*Space, error) {
	if err := n.behind[e.Space]; err != nil {
		return nil, err
	}
	s := newSpace(n, e.Space, e.num)
	err := s.load()
	if err == nil {
		return s, s.loadTrouble()
	}
	var run *history.RunError
	if !errors.Is(err, store.ErrCorrupt) && !errors.Is(err, store.ErrNotFound) && !errors.As(err, &run) {
		return nil, err
	}
	n.cfg.Log.Error("a space is damaged and is rebuilt", "space", e.Space, "error", err)
	ctx := context.Background()
	b, rerr := n.beginRebuildLocked(ctx, e.Space, n.cfg.Progress)
	if rerr != nil {
		return nil, errors.Join(err, rerr)
	}
	defer b.end()
	if rerr := b.replaceLocked(ctx, nil); rerr != nil {
		return nil, errors.Join(err, rerr, b.drop(ctx))
	}
	if e, err = n.entry(e.Space); err != nil {
		return nil, err
	}
	s = newSpace(n, e.Space, e.num)
	return s, errors.Join(s.load(), s.loadTrouble())
}
