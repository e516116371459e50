package replica

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/hyperhyperspace/hhs-go/blob"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/store"
)

// BlobCheck is what CheckBlobs found of one blob.
type BlobCheck struct {
	Root    object.ID
	Size    int64
	Here    int64 // bytes of chunks that are here and sound
	Damaged int   // blocks that are not as they were written, or of which the map says something else
}

// CheckBlobs reads every block of every blob of this node and compares it with the tree. With repair, damaged blocks are
// removed: they are fetched again when they are read. tell hears of each blob.
func (n *Node) CheckBlobs(ctx context.Context, repair bool, tell func(BlobCheck) error) error {
	return n.eachBlob(func(root object.ID, _ blobRecord) error {
		c, err := n.checkBlob(ctx, root, repair)
		if errors.Is(err, ErrNotHere) {
			return nil // removed meanwhile
		}
		if err == nil {
			err = tell(c)
		}
		return err
	})
}

// eachBlob calls f with the record of each blob, by root.
func (n *Node) eachBlob(f func(root object.ID, rec blobRecord) error) error {
	for from := []byte{prefixBlob}; ; {
		var root object.ID
		var rec blobRecord
		err := n.view(func(r store.Reader) error {
			for kv, err := range r.Scan(from, end([]byte{prefixBlob}), false) {
				if err == nil && len(kv.Key) != 2+digestSize {
					err = fmt.Errorf("record of a blob: %w", store.ErrCorrupt)
				}
				if err != nil {
					return err
				}
				from = append(append([]byte(nil), kv.Key...), 0)
				root = object.IDFromDigest(object.Codec(kv.Key[1]), [digestSize]byte(kv.Key[2:]))
				rec, err = decodeBlobRecord(kv.Value)
				return err
			}
			return nil
		})
		if err == nil && !root.IsZero() {
			err = f(root, rec)
		}
		if err != nil || root.IsZero() {
			return err
		}
	}
}

func (n *Node) checkBlob(ctx context.Context, root object.ID, repair bool) (c BlobCheck, err error) {
	c.Root = root
	var bad []blob.Place
	err = n.withBlob(root, func(s *blobReading) error {
		c.Size = s.rec.size
		return s.walk(s.tree.Root(), root, func(p blob.Place, id object.ID) ([]object.ID, error) {
			n.cfg.Pace()
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			told := true
			if p.Level == 0 {
				if told, err = s.has(p); err != nil {
					return nil, err
				}
			}
			_, links, err := s.block(p, id)
			wrong := (*damagedBlock)(nil)
			switch {
			case errors.As(err, &wrong), err == nil && !told, errors.Is(err, ErrNotHere) && told && p.Level == 0:
				bad = append(bad, p)
				return nil, nil
			case errors.Is(err, ErrNotHere):
				return nil, nil
			case err == nil && p.Level == 0:
				c.Here += s.tree.Len(p)
			}
			return links, err
		})
	})
	c.Damaged = len(bad)
	for _, p := range bad {
		if err == nil && repair {
			err = n.forgetBlock(root, p)
		}
	}
	return c, err
}

// walk visits the blocks of a blob, each before those below it, as far as visit returns the links of nodes.
func (s *blobReading) walk(p blob.Place, id object.ID, visit func(p blob.Place, id object.ID) ([]object.ID, error)) error {
	links, err := visit(p, id)
	if err != nil || p.Level == 0 {
		return err
	}
	for i, id := range links {
		if err := s.walk(blob.Place{Level: p.Level - 1, Index: p.Index*blob.Fanout + int64(i)}, id, visit); err != nil {
			return err
		}
	}
	return nil
}

// Collected is what CollectBlobs removed.
type Collected struct {
	Blobs int
	Puts  int // that had not ended
	Bytes int64
}

// CollectBlobs removes the blobs that are here through no space, an hour or more after they were put, and puts that ended
// a day or more ago before their blob was whole. What a space has named stays: its history is kept, and what it names.
func (n *Node) CollectBlobs(ctx context.Context) (c Collected, err error) {
	n.settled()
	now := n.cfg.Now()
	err = n.eachBlob(func(root object.ID, rec blobRecord) error {
		if rec.time > now.Add(-blobGrace).UnixMilli() {
			return ctx.Err()
		}
		removed, err := n.collectBlob(ctx, root)
		if removed {
			c.Blobs, c.Bytes = c.Blobs+1, c.Bytes+rec.here
		}
		return errors.Join(err, ctx.Err())
	})
	if err != nil {
		return c, fmt.Errorf("collect blobs: %w", err)
	}
	n.blobs.mu.Lock()
	defer n.blobs.mu.Unlock()
	var b store.Batch
	err = n.view(func(r store.Reader) error {
		list, err := unfinishedPuts(r)
		for _, u := range list {
			if u.time <= now.Add(-putPatience).UnixMilli() && !n.blobs.putting[u.num] {
				u.drop(&b)
				c.Puts++
			}
		}
		return err
	})
	if err == nil && b.Len() > 0 {
		err = n.apply(ctx, &b)
	}
	if err != nil {
		err = fmt.Errorf("collect blobs: %w", err)
	}
	return c, err
}

// settled has every space take in what was acknowledged.
func (n *Node) settled() {
	n.mu.Lock()
	spaces := slices.Collect(maps.Values(n.spaces))
	n.mu.Unlock()
	for _, s := range spaces {
		s.settled()
	}
}

// collectBlob removes a blob that is here through no space.
func (n *Node) collectBlob(ctx context.Context, root object.ID) (removed bool, err error) {
	n.blobs.mu.Lock()
	defer n.blobs.mu.Unlock()
	var b store.Batch
	err = n.view(func(r store.Reader) error {
		rec, ok, err := readBlobRecord(r, root)
		if err != nil || !ok {
			return err
		}
		for kv, err := range r.Scan([]byte{prefixSpaceIndex}, end([]byte{prefixSpaceIndex}), false) {
			if err == nil && len(kv.Key) != 1+digestSize {
				err = store.ErrCorrupt
			}
			if err != nil {
				return err
			}
			if known, err := isHeld(r, object.IDFromDigest(object.DagCBOR, [digestSize]byte(kv.Key[1:])), root); err != nil || known {
				return err
			}
		}
		b.DeleteRange(blocksOf(rec.num), end(blocksOf(rec.num)))
		b.Delete(blobKey(root))
		b.Delete(heldKey(object.ID{}, root))
		removed = true
		return nil
	})
	if err == nil && removed {
		err = n.apply(ctx, &b)
	}
	return removed && err == nil, err
}
