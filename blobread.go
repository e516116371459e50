package hhs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/hyperhyperspace/hhs-go/blob"
	"github.com/hyperhyperspace/hhs-go/mesh"
	"github.com/hyperhyperspace/hhs-go/replica"
	"github.com/hyperhyperspace/hhs-go/syncer"
)

const (
	// readAhead is how many chunks after the one that is read are on the way: what one peer is asked for at once.
	readAhead = 8
	// keepAhead is the same where nobody waits for one chunk: enough for several peers.
	keepAhead = 32
	// maxTries bounds how often one chunk is fetched because what was stored is not what is read: the disk fails.
	maxTries = 8
)

// BlobReader reads the bytes of a blob: what is here from the store, the rest from peers of the space that have it, chunk
// by chunk, each verified before any of it is given out, and kept. It is an io.ReadSeekCloser and an io.ReaderAt; only
// ReadAt may be called from several goroutines at once.
type BlobReader struct {
	space *AnySpace
	ctx   context.Context
	stop  context.CancelFunc
	copy  *replica.BlobCopy
	tree  blob.Tree
	at    int64

	mu     sync.Mutex
	last   int64 // the chunk read last; -1: none
	data   []byte
	window map[int64]*syncer.Want // on the way

	proof *syncer.Want // of a root that is here and was not given by this space's peers; may be nil
}

// OpenBlob opens a blob that a value of this space holds. It fetches nothing yet; of one that is here through another space
// it asks for the root, and from when a peer of this space has given that, they are served the blob. ctx bounds all reading: a Read that
// waits for peers ends with it. A *MalformedBlob, here or when reading, says that the descriptor stands for no blob.
func (s *AnySpace) OpenBlob(ctx context.Context, b Blob) (*BlobReader, error) {
	c, err := s.rep.Blob(b)
	if err != nil {
		return nil, err
	}
	root, unproven, err := c.Unproven()
	if err != nil {
		return nil, err
	}
	r := &BlobReader{space: s, copy: c, tree: b.Tree(), last: -1, window: map[int64]*syncer.Want{}}
	r.ctx, r.stop = context.WithCancel(ctx)
	if unproven {
		r.proof = r.want(root)
	}
	return r, nil
}

// Blob is the descriptor.
func (r *BlobReader) Blob() Blob { return r.copy.Blob() }

// Size is how many bytes the blob has.
func (r *BlobReader) Size() int64 { return r.tree.Size }

// Here is how many of its bytes are on this device.
func (r *BlobReader) Here() (int64, error) { return r.copy.Here() }

// Read implements io.Reader. It waits for what is not here.
func (r *BlobReader) Read(p []byte) (int, error) {
	n, err := r.ReadAt(p[:min(len(p), blob.ChunkSize)], r.at)
	r.at += int64(n)
	if n > 0 {
		err = nil
	}
	return n, err
}

// Seek implements io.Seeker.
func (r *BlobReader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += r.Size()
	case io.SeekStart:
	default:
		return 0, errors.New("seek in a blob: unknown whence")
	}
	if offset < 0 {
		return 0, errors.New("seek in a blob: before its beginning")
	}
	r.at = offset
	return offset, nil
}

// ReadAt implements io.ReaderAt: bytes in the middle are read before the rest is here.
func (r *BlobReader) ReadAt(p []byte, off int64) (n int, err error) {
	return r.ReadRange(r.ctx, p, off)
}

// ReadRange is ReadAt that waits no longer than ctx.
func (r *BlobReader) ReadRange(ctx context.Context, p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, errors.New("read blob: before its beginning")
	}
	for n < len(p) {
		if off >= r.Size() {
			return n, io.EOF
		}
		data, err := r.chunk(ctx, r.tree.Chunk(off).Index)
		if err != nil {
			return n, fmt.Errorf("read blob %s: %w", r.Blob().Root.Short(), err)
		}
		k := copy(p[n:], data[off%blob.ChunkSize:])
		n, off = n+k, off+int64(k)
	}
	return n, nil
}

// chunk reads a chunk, fetching it first if it is not here.
func (r *BlobReader) chunk(ctx context.Context, i int64) ([]byte, error) {
	r.mu.Lock()
	if r.last == i {
		defer r.mu.Unlock()
		return r.data, nil
	}
	r.mu.Unlock()
	for range maxTries {
		data, err := r.copy.Chunk(i)
		if err == nil {
			r.mu.Lock()
			r.last, r.data = i, data
			r.mu.Unlock()
			return data, nil
		}
		if errors.Is(err, replica.ErrNotHere) {
			err = r.fetch(ctx, i, readAhead)
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("chunk %d was fetched and is not there: %w", i, ErrCorrupt)
}

// fetch brings a chunk here, and has those after it on the way.
func (r *BlobReader) fetch(ctx context.Context, i, ahead int64) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		b, missing, err := r.copy.Missing(i)
		if err != nil || !missing {
			return err
		}
		w := r.want(b)
		if b.Place.Level == 0 {
			err = r.ahead(i, ahead)
		}
		if err == nil {
			err = r.wait(ctx, w)
		}
		w.Drop()
		if err != nil && !errors.Is(err, replica.ErrNotHere) {
			return err
		}
	}
}

// want asks the peers for a block.
func (r *BlobReader) want(b replica.Block) *syncer.Want {
	at := syncer.BlockAt{Root: b.Root, Depth: uint64(b.Depth), Index: uint64(b.Place.Index)}
	return r.space.peer.blobs.Want(at, b.ID, r.tree.Size, func(data []byte) error {
		err := r.copy.Take(context.WithoutCancel(r.ctx), b, data)
		if err == nil {
			r.space.tookBlock()
		}
		return err
	})
}

// BlobsChanged returns a channel that is closed when more of some blob of the space is here: ask again then.
func (s *AnySpace) BlobsChanged() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.peer.took == nil {
		s.peer.took = make(chan struct{})
	}
	return s.peer.took
}

func (s *AnySpace) tookBlock() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.peer.took != nil {
		close(s.peer.took)
		s.peer.took = nil
	}
}

func (r *BlobReader) wait(ctx context.Context, w *syncer.Want) error {
	select {
	case <-w.Done():
		return w.Err()
	case <-ctx.Done():
		return ctx.Err()
	case <-r.ctx.Done():
		return r.ctx.Err()
	case <-r.space.rep.Done():
		return ErrClosed
	}
}

// ahead has the chunks after one on the way, and lets go of what is far from it.
func (r *BlobReader) ahead(i, n int64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for j, w := range r.window {
		select {
		case <-w.Done():
			w.Drop()
			delete(r.window, j)
		default:
			if j < i || j > i+keepAhead {
				w.Drop()
				delete(r.window, j)
			}
		}
	}
	for j := i + 1; j <= i+n && r.tree.Has(blob.Place{Index: j}); j++ {
		if r.window[j] != nil {
			continue
		}
		b, missing, err := r.copy.Missing(j)
		if err != nil {
			return err
		}
		if missing && b.Place.Level == 0 && r.ctx.Err() == nil {
			r.window[j] = r.want(b)
		}
	}
	return nil
}

// Keep fetches all of the blob that is not here, so that it can be read, and served to others, without any peer. It
// returns when everything is here, durably, or ctx ends; what was fetched stays, and the next Keep goes on from there.
// tell hears how many bytes are here.
func (r *BlobReader) Keep(ctx context.Context, tell func(here int64)) error {
	for i := range r.tree.Chunks() {
		_, missing, err := r.copy.Missing(i)
		if err == nil && missing {
			err = r.fetch(ctx, i, keepAhead)
		}
		if err == nil && tell != nil && (missing || i+1 == r.tree.Chunks()) {
			var here int64
			if here, err = r.Here(); err == nil {
				tell(here)
			}
		}
		if err != nil {
			return fmt.Errorf("keep blob %s: %w", r.Blob().Root.Short(), err)
		}
	}
	return r.copy.Sync(ctx)
}

// Close ends the reading. What is on the way for nobody else is not asked for any more.
func (r *BlobReader) Close() error {
	r.stop()
	if r.proof != nil {
		r.proof.Drop()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, w := range r.window {
		w.Drop()
	}
	clear(r.window)
	r.last, r.data = -1, nil
	return nil
}

// serveBlob reads a block for a peer of the space. Whom the application turns away gets none, also while a session goes on.
func (s *AnySpace) serveBlob(peer mesh.PeerInfo, at syncer.BlockAt) ([]byte, syncer.BlockStatus) {
	if admit := s.opts.peers.Admit; admit != nil && !admit(PeerDevice{Device: peer.Device.String(), Identity: Identity(peer.Identity.String())}) {
		return nil, syncer.BlobAbsent
	}
	data, err := s.rep.ServeBlob(at.Root, int(at.Depth), at.Index)
	switch {
	case err == nil:
		return data, syncer.BlockHere
	case errors.Is(err, replica.ErrNotHere):
		return nil, syncer.BlockAbsent
	case !errors.Is(err, replica.ErrNotFound):
		s.node.opts.log.Warn("a block of a blob could not be read for a peer", "space", s.ID(), "error", err)
	}
	return nil, syncer.BlobAbsent
}
