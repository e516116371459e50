package replica

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/hyperhyperspace/hhs-go/blob"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/store"
)

// BlobPut writes bytes of any size into the store, a chunk at a time. What is written stays when the put does not end, as
// when the program is killed: a put that begins with the same chunk goes on where that one stopped, and compares instead
// of writing. It is used by one goroutine at a time. Without Finish or Abort it counts as under way.
type BlobPut struct {
	node    *Node
	ctx     context.Context
	told    blob.Blob // what is said of it
	num     uint64
	begun   bool
	resumed bool
	again   int64 // bytes that were here already
	build   blob.Builder
	buf     []byte
	batch   store.Batch
	err     error
}

// NewBlob begins a put of bytes that have a media type and a name, both of which may be "". ctx bounds all of it.
func (n *Node) NewBlob(ctx context.Context, media, name string) (*BlobPut, error) {
	p := &BlobPut{node: n, ctx: ctx, told: blob.Blob{Root: object.Sum(object.Raw, nil), Media: media, Name: name}}
	if err := p.told.Check(); err != nil {
		return nil, fmt.Errorf("put blob: %w", &object.ValueError{Reason: err.Error()})
	}
	p.build.Put = p.put
	return p, nil
}

// Write takes the next bytes.
func (p *BlobPut) Write(data []byte) (int, error) {
	took := 0
	for len(data) > 0 && p.err == nil {
		n := min(len(data), blob.ChunkSize-len(p.buf))
		p.buf = append(p.buf, data[:n]...)
		data, took = data[n:], took+n
		if len(p.buf) == blob.ChunkSize {
			p.chunk()
		}
	}
	return took, p.err
}

// chunk gives the buffer to the tree.
func (p *BlobPut) chunk() {
	p.err = p.ctx.Err()
	if p.err == nil {
		p.err = p.build.Chunk(p.buf)
	}
	p.buf = p.buf[:0]
	if p.err == nil && p.batch.Size() >= putBatch {
		p.err = p.flush()
	}
	p.node.cfg.Pace()
}

// Taken is how many bytes are in the tree, and how many of them had been written by a put before.
func (p *BlobPut) Taken() (size, again int64) { return p.build.Size(), p.again }

// put keeps a block, unless a put before this one did.
func (p *BlobPut) put(at blob.Place, id object.ID, block []byte) error {
	if !p.begun {
		if err := p.begin(id); err != nil {
			return err
		}
	}
	key := blockKey(p.num, at)
	if p.resumed {
		var have []byte
		err := p.node.view(func(r store.Reader) (err error) {
			have, err = r.Get(key)
			return err
		})
		if err == nil && bytes.Equal(have, block) {
			if at.Level == 0 {
				p.again += int64(len(block))
			}
			return nil
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	p.batch.Put(key, block)
	return nil
}

func (p *BlobPut) flush() error {
	err := closedError(p.node.cfg.Store.Apply(p.ctx, &p.batch, store.Written))
	p.batch.Reset()
	return err
}

// begin finds the put to go on with, or takes a number.
func (p *BlobPut) begin(first object.ID) error {
	n := p.node
	n.blobs.mu.Lock()
	defer n.blobs.mu.Unlock()
	var list []unfinished
	err := n.view(func(r store.Reader) (err error) {
		list, err = unfinishedPuts(r)
		return err
	})
	if err != nil {
		return err
	}
	for _, u := range list {
		if u.first == first && !n.blobs.putting[u.num] {
			p.num, p.resumed = u.num, true
		}
	}
	if !p.resumed {
		for ; len(list) >= maxPuts; list = list[1:] { // the oldest comes first
			if !n.blobs.putting[list[0].num] {
				list[0].drop(&p.batch)
			}
		}
		if p.num, err = n.numberLocked(); err != nil {
			return err
		}
		n.putNumberLocked(&p.batch)
		p.batch.Put(putKey(p.num), appendDigest(appendNum(nil, uint64(n.cfg.Now().UnixMilli())), first))
	}
	if n.blobs.putting == nil {
		n.blobs.putting = map[uint64]bool{}
	}
	p.begun, n.blobs.putting[p.num] = true, true
	return nil
}

// Finish ends the put: the blob is here, durably, and can be named in a value. The rest of what Write got is its last
// chunk. A put that has failed says why, and can be taken up again by another one.
func (p *BlobPut) Finish() (b blob.Blob, err error) {
	defer func() {
		p.end()
		if err != nil {
			err = fmt.Errorf("put blob: %w", err)
		}
	}()
	if p.err == nil && len(p.buf) > 0 {
		p.chunk()
	}
	if p.err != nil {
		return b, p.err
	}
	b = p.told
	if b.Root, err = p.build.Root(); err != nil {
		return b, err
	}
	b.Size = p.build.Size()
	return b, p.keep(b)
}

// keep makes what was written the blob of its root. Whatever was here of it before gives way.
func (p *BlobPut) keep(b blob.Blob) error {
	n, t := p.node, b.Tree()
	for page := int64(0); page*pageChunks < t.Chunks(); page++ {
		bits := make([]byte, pageChunks/8)
		for i := range min(pageChunks, t.Chunks()-page*pageChunks) {
			bits[i/8] |= 1 << (i % 8)
		}
		p.batch.Put(pageKey(p.num, page), bits)
	}
	n.blobs.mu.Lock()
	defer n.blobs.mu.Unlock()
	if p.resumed {
		p.cut(t)
	}
	err := n.view(func(r store.Reader) error {
		old, ok, err := readBlobRecord(r, b.Root)
		if ok {
			p.batch.DeleteRange(blocksOf(old.num), end(blocksOf(old.num)))
		}
		return err
	})
	if err != nil {
		return err
	}
	p.batch.Put(blobKey(b.Root), blobRecord{p.num, b.Size, b.Size, n.cfg.Now().UnixMilli()}.encode())
	p.batch.Put(heldKey(object.ID{}, b.Root), []byte{})
	p.batch.Delete(putKey(p.num))
	return closedError(n.cfg.Store.Apply(p.ctx, &p.batch, store.Synced))
}

// cut removes what a longer put that this one went on with has left beyond the tree: the end of each level, and the levels above.
func (p *BlobPut) cut(t blob.Tree) {
	for level := 0; level <= t.Height(); level++ {
		p.batch.DeleteRange(blockKey(p.num, blob.Place{Level: level, Index: t.Blocks(level)}), blockKey(p.num, blob.Place{Level: level + 1}))
	}
	p.batch.DeleteRange(blockKey(p.num, blob.Place{Level: t.Height() + 1}), pageKey(p.num, 0))
}

// Abort removes what was written.
func (p *BlobPut) Abort() error {
	var b store.Batch
	if p.begun {
		unfinished{num: p.num}.drop(&b)
	}
	p.end()
	return closedError(p.node.cfg.Store.Apply(context.Background(), &b, store.Written))
}

// Leave ends the put without an outcome: another one can go on where it stopped.
func (p *BlobPut) Leave() {
	if p.err == nil && p.batch.Len() > 0 {
		_ = p.flush() // what is not kept is written again
	}
	p.end()
}

func (p *BlobPut) end() {
	if p.err == nil {
		p.err = ErrClosed
	}
	if p.begun {
		p.node.blobs.mu.Lock()
		delete(p.node.blobs.putting, p.num)
		p.node.blobs.mu.Unlock()
	}
}

// PutBlob keeps all that r gives on this node, in no space: it travels nowhere until a value names it, and then to who
// reads it. Memory is bounded. When it fails, PutBlob of the same bytes goes on where it stopped. tell hears how many
// bytes are done.
func (n *Node) PutBlob(ctx context.Context, r io.Reader, media, name string, tell func(done int64)) (blob.Blob, error) {
	p, err := n.NewBlob(ctx, media, name)
	if err != nil {
		return blob.Blob{}, err
	}
	buf := make([]byte, blob.ChunkSize)
	for {
		k, err := io.ReadFull(r, buf)
		if _, werr := p.Write(buf[:k]); werr != nil {
			p.Leave()
			return blob.Blob{}, fmt.Errorf("put blob: %w", werr)
		}
		if tell != nil {
			size, _ := p.Taken()
			tell(size + int64(len(p.buf)))
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return p.Finish()
		}
		if err != nil {
			p.Leave()
			return blob.Blob{}, fmt.Errorf("put blob: read: %w", err)
		}
	}
}

// unfinished is a put that has not ended.
type unfinished struct {
	num   uint64
	time  int64
	first object.ID // of its first chunk
}

// unfinishedPuts lists them by their numbers: the oldest first.
func unfinishedPuts(r store.Reader) (list []unfinished, err error) {
	prefix := []byte{prefixPut}
	for kv, err := range r.Scan(prefix, end(prefix), false) {
		if err == nil && (len(kv.Key) != 9 || len(kv.Value) != 8+digestSize) {
			err = fmt.Errorf("record of a put: %w", store.ErrCorrupt)
		}
		if err != nil {
			return nil, err
		}
		list = append(list, unfinished{binary.BigEndian.Uint64(kv.Key[1:]), int64(binary.BigEndian.Uint64(kv.Value)),
			object.IDFromDigest(object.Raw, [digestSize]byte(kv.Value[8:]))})
	}
	return list, nil
}

func (u unfinished) drop(b *store.Batch) {
	b.DeleteRange(blocksOf(u.num), end(blocksOf(u.num)))
	b.Delete(putKey(u.num))
}
