package replica

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/store"
)

// Put keeps an object on this node, in no space: it travels nowhere until a
// commit attaches it. The value must be an object value (see package object).
func (n *Node) Put(ctx context.Context, value any) (object.ID, error) {
	block, err := object.Encode(value)
	if err != nil {
		return object.ID{}, fmt.Errorf("put object: %w", err)
	}
	id := object.Sum(object.DagCBOR, block)
	var b store.Batch
	b.Put(objectKey(id), block)
	if err := n.apply(ctx, &b); err != nil {
		return object.ID{}, fmt.Errorf("put object: %w", err)
	}
	return id, nil
}

// Block returns the canonical bytes of an object on this node, or ErrNotFound.
// It is for this node's owner: peers are served only through a space.
func (n *Node) Block(id object.ID) (block []byte, err error) {
	err = n.view(func(r store.Reader) error {
		block, err = r.Get(objectKey(id))
		if errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("object %s: %w", id, ErrNotFound)
		}
		return err
	})
	if err == nil && object.Sum(id.Codec(), block) != id {
		return nil, fmt.Errorf("object %s: %w: its bytes have another hash", id, store.ErrCorrupt)
	}
	return block, err
}

// closure collects root and every object on this node that it reaches through
// links, breadth first. A link to an object that is not here stays a link to
// something outside the space. It refuses a closure over the attach limits.
func closure(r store.Reader, root object.ID) (ids []object.ID, blocks [][]byte, err error) {
	seen := map[object.ID]bool{root: true}
	size := 0
	for queue := []object.ID{root}; len(queue) > 0; queue = queue[1:] {
		id := queue[0]
		block, err := r.Get(objectKey(id))
		if errors.Is(err, store.ErrNotFound) {
			if id == root {
				return nil, nil, fmt.Errorf("attach object %s: %w on this node; Put it first", id, ErrNotFound)
			}
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		size += len(block)
		ids, blocks = append(ids, id), append(blocks, block)
		if len(ids) > MaxAttachObjects || size > MaxAttachBytes {
			return nil, nil, fmt.Errorf("attach object %s: it reaches more than %d objects or %d bytes; use a Blob for large data",
				root, MaxAttachObjects, MaxAttachBytes)
		}
		if id.Codec() != object.DagCBOR {
			continue
		}
		links, err := object.Links(block)
		if err != nil {
			return nil, nil, fmt.Errorf("attach object %s: %w", id, err)
		}
		for _, l := range links {
			if !seen[l] {
				seen[l] = true
				queue = append(queue, l)
			}
		}
	}
	return ids, blocks, nil
}

// Object returns an object that this space attaches, or ErrNotFound when no
// commit of the space does, even if the node has it for another reason.
func (s *Space) Object(id object.ID) (block []byte, err error) {
	s.settled()
	err = s.node.view(func(r store.Reader) error {
		if _, err := r.Get(s.keys.attached(id)); errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("object %s is outside space %s: %w", id, s.id.Short(), ErrNotFound)
		} else if err != nil {
			return err
		}
		block, err = s.block(r, id)
		return err
	})
	return block, s.Damaged(err)
}

// block reads an object that the space attaches.
func (s *Space) block(r store.Reader, id object.ID) ([]byte, error) {
	block, err := r.Get(objectKey(id))
	if errors.Is(err, store.ErrNotFound) || err == nil && object.Sum(id.Codec(), block) != id {
		err = &Damage{Space: s.id, What: "attached object " + id.String(), Cause: cmp.Or(err, errOtherHash)}
	}
	return block, err
}
