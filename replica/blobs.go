package replica

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/hyperhyperspace/hhs-go/blob"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/store"
)

// Blobs (docs/spec/blob.md) are kept once per node, under a local number, block by block at their places. Chunks may be
// missing; a block is only there when the node above it is, so what is here was verified from the root on. A record says
// where a blob is, and is made with its root: before that, of a blob only somebody's word is known.

// ErrNotHere means that a block of a blob is not on this node (yet).
var ErrNotHere = errors.New("not on this device")

// blobs is what a node knows of blobs besides the store.
type blobs struct {
	mu      sync.Mutex // held while a record is changed, and while a blob is noted to be here through a space
	loaded  bool
	next    uint64 // local number
	putting map[uint64]bool

	nodesMu sync.Mutex
	nodes   map[nodeAt][]object.ID // links of nodes that are here
}

// nodeAt is where a node is kept. Numbers are not used again, and blobs with equal nodes each keep their own.
type nodeAt struct {
	num   uint64 // of the blob
	place blob.Place
}

// blobRecord says where a blob is and how much of it.
type blobRecord struct {
	num        uint64
	size, here int64 // bytes; of chunks
	time       int64 // milliseconds since 1970: when the record was made
}

func (r blobRecord) encode() []byte {
	b := binary.AppendUvarint(nil, r.num)
	for _, v := range []int64{r.size, r.here, r.time} {
		b = binary.AppendUvarint(b, uint64(v))
	}
	return b
}

func decodeBlobRecord(v []byte) (r blobRecord, err error) {
	var f [4]uint64
	for i := range f {
		n, size := binary.Uvarint(v)
		if size <= 0 {
			return r, fmt.Errorf("record of a blob: %w", store.ErrCorrupt)
		}
		f[i], v = n, v[size:]
	}
	r = blobRecord{f[0], int64(f[1]), int64(f[2]), int64(f[3])}
	if len(v) > 0 || r.size < 0 || r.size > blob.MaxSize || r.here < 0 || r.here > r.size {
		err = fmt.Errorf("record of a blob: %w", store.ErrCorrupt)
	}
	return r, err
}

// readBlobRecord reads the record of a blob; ok is false where there is none.
func readBlobRecord(r store.Reader, root object.ID) (rec blobRecord, ok bool, err error) {
	v, err := r.Get(blobKey(root))
	if errors.Is(err, store.ErrNotFound) {
		return rec, false, nil
	}
	if err == nil {
		rec, err = decodeBlobRecord(v)
	}
	return rec, err == nil, err
}

// numberLocked is a fresh local number. It is kept with the first batch that uses it.
func (n *Node) numberLocked() (uint64, error) {
	if !n.blobs.loaded {
		err := n.view(func(r store.Reader) error {
			v, err := r.Get([]byte{prefixNextBlob})
			if errors.Is(err, store.ErrNotFound) {
				v, err = make([]byte, 8), nil
			}
			if err != nil || len(v) != 8 {
				return errors.Join(err, fmt.Errorf("next number of a blob: %w", store.ErrCorrupt))
			}
			n.blobs.next = binary.BigEndian.Uint64(v)
			// What a damaged store lost of its counter must not mix two blobs.
			for kv, err := range r.Scan([]byte{prefixBlock}, end([]byte{prefixBlock}), true) {
				if err != nil || len(kv.Key) < 9 {
					return errors.Join(err, store.ErrCorrupt)
				}
				n.blobs.next = max(n.blobs.next, binary.BigEndian.Uint64(kv.Key[1:])+1)
				break
			}
			return nil
		})
		if err != nil {
			return 0, err
		}
		n.blobs.loaded = true
	}
	n.blobs.next++
	return n.blobs.next - 1, nil
}

func (n *Node) putNumberLocked(b *store.Batch) {
	b.Put([]byte{prefixNextBlob}, binary.BigEndian.AppendUint64(nil, n.blobs.next))
}

// keepNode remembers the links of a node.
func (b *blobs) keepNode(at nodeAt, links []object.ID) {
	b.nodesMu.Lock()
	defer b.nodesMu.Unlock()
	if b.nodes == nil || len(b.nodes) >= maxNodesKept {
		b.nodes = map[nodeAt][]object.ID{}
	}
	b.nodes[at] = links
}

func (b *blobs) node(at nodeAt) ([]object.ID, bool) {
	b.nodesMu.Lock()
	defer b.nodesMu.Unlock()
	links, ok := b.nodes[at]
	return links, ok
}

func (b *blobs) dropNode(at nodeAt) {
	b.nodesMu.Lock()
	defer b.nodesMu.Unlock()
	delete(b.nodes, at)
}

// blobReading is a blob as one reading of the store has it.
type blobReading struct {
	node *Node
	r    store.Reader
	root object.ID
	rec  blobRecord
	tree blob.Tree
}

// damagedBlock is a block of which the bytes are not as they were written.
type damagedBlock struct{ place blob.Place }

func (e *damagedBlock) Error() string {
	return fmt.Sprintf("block %d of level %d is damaged: %v", e.place.Index, e.place.Level, ErrNotHere)
}

// Unwrap makes it one that is not here: it is fetched again.
func (e *damagedBlock) Unwrap() error { return ErrNotHere }

// id finds the id of a block, which the node above it tells.
func (s *blobReading) id(p blob.Place) (object.ID, error) {
	if p == s.tree.Root() {
		return s.root, nil
	}
	above, i := p.Above()
	links, err := s.links(above)
	if err != nil {
		return object.ID{}, err
	}
	return links[i], nil
}

// links reads a node.
func (s *blobReading) links(p blob.Place) ([]object.ID, error) {
	at := nodeAt{s.rec.num, p}
	if links, ok := s.node.blobs.node(at); ok {
		return links, nil
	}
	id, err := s.id(p)
	if err != nil {
		return nil, err
	}
	_, links, err := s.block(p, id)
	if err == nil {
		s.node.blobs.keepNode(at, links)
	}
	return links, err
}

// block reads a block and compares it with its id.
func (s *blobReading) block(p blob.Place, id object.ID) ([]byte, []object.ID, error) {
	data, err := s.r.Get(blockKey(s.rec.num, p))
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil, ErrNotHere
	}
	if err != nil {
		return nil, nil, err
	}
	links, err := s.tree.Check(p, id, data)
	if wrong := (*blob.WrongBytes)(nil); errors.As(err, &wrong) {
		err = &damagedBlock{p}
	}
	return data, links, err
}

// read reads the block at a place.
func (s *blobReading) read(p blob.Place) ([]byte, error) {
	id, err := s.id(p)
	if err != nil {
		return nil, err
	}
	data, _, err := s.block(p, id)
	return data, err
}

// has tells whether a block is there, without reading it.
func (s *blobReading) has(p blob.Place) (bool, error) {
	if p.Level > 0 {
		_, err := s.links(p)
		if errors.Is(err, ErrNotHere) {
			return false, nil
		}
		return err == nil, err
	}
	page, err := s.page(p.Index / pageChunks)
	bit := p.Index % pageChunks
	return err == nil && page[bit/8]&(1<<(bit%8)) != 0, err
}

// page reads which of some chunks are here.
func (s *blobReading) page(i int64) ([]byte, error) {
	v, err := s.r.Get(pageKey(s.rec.num, i))
	if errors.Is(err, store.ErrNotFound) {
		return make([]byte, pageChunks/8), nil
	}
	if err == nil && len(v) != pageChunks/8 {
		err = fmt.Errorf("map of a blob: %w", store.ErrCorrupt)
	}
	return v, err
}

// withBlob runs f on a blob as it is now; ErrNotHere where nothing of it is. What f finds damaged is forgotten, to be
// fetched again.
func (n *Node) withBlob(root object.ID, f func(s *blobReading) error) error {
	err := n.view(func(r store.Reader) error {
		rec, ok, err := readBlobRecord(r, root)
		if err != nil {
			return err
		}
		if !ok {
			return ErrNotHere
		}
		return f(&blobReading{n, r, root, rec, blob.Tree{Size: rec.size}})
	})
	if bad := (*damagedBlock)(nil); errors.As(err, &bad) {
		n.cfg.Log.Warn("a block of a blob is damaged and is fetched again when it is read", "blob", root, "level", bad.place.Level, "index", bad.place.Index)
		if err := n.forgetBlock(root, bad.place); err != nil {
			return err
		}
	}
	return err
}

// forgetBlock removes a block.
func (n *Node) forgetBlock(root object.ID, p blob.Place) error {
	n.blobs.mu.Lock()
	defer n.blobs.mu.Unlock()
	var b store.Batch
	at := nodeAt{place: p}
	err := n.view(func(r store.Reader) error {
		rec, ok, err := readBlobRecord(r, root)
		if err != nil || !ok {
			return err
		}
		s := &blobReading{n, r, root, rec, blob.Tree{Size: rec.size}}
		at.num = rec.num
		b.Delete(blockKey(rec.num, p))
		if p.Level == 0 {
			return s.mark(&b, p, false)
		}
		return nil
	})
	if err != nil || b.Len() == 0 {
		return err
	}
	err = closedError(n.cfg.Store.Apply(context.Background(), &b, store.Written))
	n.blobs.dropNode(at)
	return err
}

// mark notes that a chunk is here, or is not any more.
func (s *blobReading) mark(b *store.Batch, p blob.Place, here bool) error {
	page, err := s.page(p.Index / pageChunks)
	if err != nil {
		return err
	}
	i, bit := p.Index%pageChunks/8, byte(1<<(p.Index%8))
	if page[i]&bit != 0 == here {
		return nil
	}
	page[i] ^= bit
	b.Put(pageKey(s.rec.num, p.Index/pageChunks), page)
	if here {
		s.rec.here += s.tree.Len(p)
	} else {
		s.rec.here = max(0, s.rec.here-s.tree.Len(p))
	}
	b.Put(blobKey(s.root), s.rec.encode())
	return nil
}

// take keeps a block that was asked for. It says *blob.WrongBytes when it is another one, and *blob.Malformed when the
// blob is none; then nothing is kept.
func (n *Node) take(ctx context.Context, root object.ID, t blob.Tree, p blob.Place, id object.ID, data []byte) error {
	links, err := t.Check(p, id, data)
	if err != nil {
		return err
	}
	n.blobs.mu.Lock()
	defer n.blobs.mu.Unlock()
	var b store.Batch
	at := nodeAt{place: p}
	err = n.view(func(r store.Reader) error {
		rec, ok, err := readBlobRecord(r, root)
		if err != nil {
			return err
		}
		s := &blobReading{n, r, root, rec, t}
		switch {
		case !ok && p != t.Root():
			return ErrNotHere // removed meanwhile
		case !ok:
			if s.rec.num, err = n.numberLocked(); err != nil {
				return err
			}
			s.rec.size, s.rec.time = t.Size, n.cfg.Now().UnixMilli()
			n.putNumberLocked(&b)
			b.Put(blobKey(root), s.rec.encode())
		case rec.size != t.Size:
			return otherSize(root, rec.size, t.Size)
		}
		if p.Level == 0 {
			if here, err := s.has(p); err != nil || here {
				return err
			}
			err = s.mark(&b, p, true)
		}
		at.num = s.rec.num
		b.Put(blockKey(s.rec.num, p), data)
		return err
	})
	if err == nil && b.Len() > 0 {
		err = closedError(n.cfg.Store.Apply(ctx, &b, store.Written))
	}
	if err == nil && p.Level > 0 {
		n.blobs.keepNode(at, links)
	}
	return err
}

func otherSize(root object.ID, have, told int64) error {
	return &blob.Malformed{Rule: blob.RuleSize, Place: blob.Tree{Size: told}.Root(),
		Detail: fmt.Sprintf("%s has %d bytes, and its descriptor says %d", root, have, told)}
}

// isHeld tells whether a blob is here through a space: only then that space's peers may know that it is here.
func isHeld(r store.Reader, space, root object.ID) (bool, error) {
	_, err := r.Get(heldKey(space, root))
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// ServeBlob is a block of a blob for a peer of this space, counted in depth from the root. ErrNotFound: the space names no
// such blob, or this node does not have it through this space; ErrNotHere: it has others of its blocks.
func (s *Space) ServeBlob(root object.ID, depth int, index uint64) (data []byte, err error) {
	s.settled()
	err = s.node.view(func(r store.Reader) error {
		ok, err := s.named(r, root)
		if err == nil && ok {
			ok, err = isHeld(r, s.id, root)
		}
		if err == nil && !ok {
			err = fmt.Errorf("blob %s is outside space %s: %w", root, s.id.Short(), ErrNotFound)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	err = s.node.withBlob(root, func(b *blobReading) error {
		at := blob.Place{Level: b.tree.Height() - depth, Index: int64(index)}
		if index > blob.MaxSize || !b.tree.Has(at) {
			return ErrNotHere
		}
		data, err = b.read(at)
		return err
	})
	return data, err
}
