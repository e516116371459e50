package replica

import (
	"context"
	"errors"
	"fmt"

	"github.com/hyperhyperspace/hhs-go/blob"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/store"
)

// BlobCopy is what this node has of a blob that a space names. Its methods may be called from any goroutine.
type BlobCopy struct {
	space *Space
	node  *Node
	blob  blob.Blob
}

// Blob returns the copy of a blob. The descriptor is not believed: a *blob.Malformed says that it is no blob. It is here
// through this space, so that its peers are given it, once its root was taken for it, from a peer or a file: who only
// names what this node has of other spaces does not have it served.
func (s *Space) Blob(b blob.Blob) (*BlobCopy, error) {
	s.settled()
	err := b.Check()
	if err == nil {
		err = s.node.view(func(r store.Reader) error {
			rec, ok, err := readBlobRecord(r, b.Root)
			if ok && rec.size != b.Size {
				err = otherSize(b.Root, rec.size, b.Size)
			}
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("open blob %s: %w", b.Root.Short(), err)
	}
	return &BlobCopy{s, s.node, b}, nil
}

// Unproven tells whether a blob is here and not through this space, which names it: then its root is to be asked for.
func (c *BlobCopy) Unproven() (root Block, ok bool, err error) {
	err = c.node.view(func(r store.Reader) error {
		held, err := isHeld(r, c.space.id, c.blob.Root)
		if err == nil && !held {
			ok, err = c.space.named(r, c.blob.Root)
		}
		if err == nil && ok {
			_, ok, err = readBlobRecord(r, c.blob.Root)
		}
		return err
	})
	return c.root(), ok, err
}

func (c *BlobCopy) root() Block {
	return Block{Root: c.blob.Root, Place: c.blob.Tree().Root(), ID: c.blob.Root}
}

// hold notes that a blob is here through this space, if an op that counts names it.
func (s *Space) hold(ctx context.Context, root object.ID) error {
	s.node.blobs.mu.Lock()
	defer s.node.blobs.mu.Unlock()
	return s.node.view(func(r store.Reader) error {
		named, err := s.named(r, root)
		if err != nil || !named {
			return err
		}
		known, err := isHeld(r, s.id, root)
		if err != nil || known {
			return err
		}
		var batch store.Batch
		batch.Put(heldKey(s.id, root), []byte{})
		return s.node.cfg.Store.Apply(ctx, &batch, store.Written)
	})
}

// Blob is the descriptor.
func (c *BlobCopy) Blob() blob.Blob { return c.blob }

// Here is how many bytes of it are here.
func (c *BlobCopy) Here() (n int64, err error) {
	err = c.node.withBlob(c.blob.Root, func(s *blobReading) error {
		n = s.rec.here
		return nil
	})
	if errors.Is(err, ErrNotHere) {
		return 0, nil
	}
	return n, err
}

// Chunk is the chunk at a place, compared with the tree; ErrNotHere when it is to be fetched first.
func (c *BlobCopy) Chunk(index int64) (data []byte, err error) {
	err = c.node.withBlob(c.blob.Root, func(s *blobReading) error {
		data, err = s.read(blob.Place{Index: index})
		return err
	})
	return data, err
}

// Block is a block that is to be fetched.
type Block struct {
	Root  object.ID // of the blob
	Depth int       // of the block in it: 0 is the root
	Place blob.Place
	ID    object.ID
}

// Missing is the first block on the way from the root to a chunk that is not here; ok is false when all are, the chunk
// included.
func (c *BlobCopy) Missing(index int64) (b Block, ok bool, err error) {
	t := c.blob.Tree()
	if !t.Has(blob.Place{Index: index}) {
		return b, false, nil
	}
	b = c.root()
	err = c.node.withBlob(c.blob.Root, func(s *blobReading) error {
		for level := t.Height(); level >= 0; level-- {
			p := blob.Place{Level: level, Index: index}
			for range level {
				p.Index /= blob.Fanout
			}
			id, err := s.id(p)
			if err != nil {
				return err
			}
			b.Place, b.ID, b.Depth = p, id, t.Height()-level
			if here, err := s.has(p); err != nil {
				return err
			} else if !here {
				return ErrNotHere
			}
		}
		return nil
	})
	if errors.Is(err, ErrNotHere) {
		return b, true, nil
	}
	return b, false, err
}

// Take keeps a block that Missing or Unproven told, if data is that block: else it is a *blob.WrongBytes, or a *blob.Malformed when the
// blob is none.
func (c *BlobCopy) Take(ctx context.Context, b Block, data []byte) error {
	err := c.node.take(ctx, c.blob.Root, c.blob.Tree(), b.Place, b.ID, data)
	if err == nil && b == c.root() {
		err = c.space.hold(ctx, b.ID)
	}
	return err
}

// Sync makes what was taken durable.
func (c *BlobCopy) Sync(ctx context.Context) error {
	return c.node.apply(ctx, &store.Batch{})
}

// BlobHere is what this node has of a blob.
type BlobHere struct {
	Root object.ID
	Size int64
	Runs [][2]int64 // stretches of chunks, first and count, ascending and apart
}

// BlobsHere lists what is here, through this space, of the blobs that it names.
func (s *Space) BlobsHere() (list []BlobHere, err error) {
	s.settled()
	err = s.node.view(func(r store.Reader) error {
		return s.eachNamed(r, func(root object.ID) error {
			ok, err := isHeld(r, s.id, root)
			if err != nil || !ok {
				return err
			}
			rec, ok, err := readBlobRecord(r, root)
			if err != nil || !ok {
				return err
			}
			b := &blobReading{s.node, r, root, rec, blob.Tree{Size: rec.size}}
			runs, err := b.runs()
			list = append(list, BlobHere{root, rec.size, runs})
			return err
		})
	})
	return list, err
}

// runs lists the stretches of chunks that are here.
func (s *blobReading) runs() (list [][2]int64, err error) {
	for page := int64(0); page*pageChunks < s.tree.Chunks(); page++ {
		bits, err := s.page(page)
		if err != nil {
			return nil, err
		}
		for i := range int64(pageChunks) {
			if bits[i/8]&(1<<(i%8)) == 0 {
				continue
			}
			at, last := page*pageChunks+i, len(list)-1
			if last >= 0 && list[last][0]+list[last][1] == at {
				list[last][1]++
			} else {
				list = append(list, [2]int64{at, 1})
			}
		}
	}
	return list, nil
}

// BlobBlock reads a block of a blob for this node's owner, with its links. ErrNotHere when it is not here.
func (n *Node) BlobBlock(root object.ID, p blob.Place) (data []byte, links []object.ID, err error) {
	err = n.withBlob(root, func(s *blobReading) error {
		if !s.tree.Has(p) {
			return ErrNotHere
		}
		id, err := s.id(p)
		if err == nil {
			data, links, err = s.block(p, id)
		}
		return err
	})
	return data, links, err
}

// Named tells whether an op of this space that counts names a blob.
func (s *Space) Named(root object.ID) (ok bool, err error) {
	s.settled()
	err = s.node.view(func(r store.Reader) error {
		ok, err = s.named(r, root)
		return err
	})
	return ok, err
}
