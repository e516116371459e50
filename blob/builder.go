package blob

import (
	"fmt"

	"github.com/hyperhyperspace/hhs-go/object"
)

// Builder makes the tree of bytes that come one chunk after another, with the links of two nodes in memory. The zero value
// with a function in Put is ready.
type Builder struct {
	// Put takes a block when it is complete, in an order in which no node comes before what it links to. It must not keep it.
	Put func(p Place, id object.ID, block []byte) error

	levels [maxHeight]pending // what has no node above it yet
	size   int64
	ended  bool
}

// pending are the blocks of one level that wait for a node above them, and how many nodes of that were made.
type pending struct {
	links []object.ID
	size  int64
	nodes int64
}

// Size is how many bytes came so far.
func (b *Builder) Size() int64 { return b.size }

// Chunk takes the next chunk. All but the last have ChunkSize bytes.
func (b *Builder) Chunk(data []byte) error {
	switch {
	case b.ended || len(data) > ChunkSize:
		return fmt.Errorf("blob: a chunk of %d bytes that no tree has", len(data))
	case b.size+int64(len(data)) > MaxSize:
		return fmt.Errorf("blob: more than %d bytes", int64(MaxSize))
	}
	b.ended = len(data) < ChunkSize
	id := object.Sum(object.Raw, data)
	if err := b.Put(Place{Index: b.size / ChunkSize}, id, data); err != nil {
		return err
	}
	b.size += int64(len(data))
	return b.add(0, id, int64(len(data)))
}

// add takes a block of a level. A node is made when it is certain that it is not the root.
func (b *Builder) add(level int, id object.ID, size int64) error {
	p := &b.levels[level]
	if len(p.links) == Fanout {
		if _, err := b.node(level); err != nil {
			return err
		}
	}
	p.links, p.size = append(p.links, id), p.size+size
	return nil
}

// node makes the node above what waits on a level.
func (b *Builder) node(level int) (id object.ID, err error) {
	p := &b.levels[level]
	block, err := encodeNode(p.size, p.links)
	if err != nil {
		return id, err
	}
	id = object.Sum(object.DagCBOR, block)
	if err := b.Put(Place{level + 1, p.nodes}, id, block); err != nil {
		return id, err
	}
	size := p.size
	p.links, p.size, p.nodes = p.links[:0], 0, p.nodes+1
	if level+1 < maxHeight {
		err = b.add(level+1, id, size)
	}
	return id, err
}

// Root makes what is left of the tree and returns its id: the identity of the bytes.
func (b *Builder) Root() (object.ID, error) {
	if b.size == 0 && !b.ended {
		if err := b.Chunk(nil); err != nil {
			return object.ID{}, err
		}
	}
	for level := 0; ; level++ {
		p := &b.levels[level]
		if p.nodes == 0 && len(p.links) == 1 {
			return p.links[0], nil
		}
		id, err := b.node(level)
		if err != nil || level+1 == maxHeight {
			return id, err
		}
	}
}
