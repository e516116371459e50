package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/blob"
	"github.com/hyperhyperspace/hhs-go/object"
)

// openBlobs are the puts under way, and the readers used lately.
type openBlobs struct {
	mu      sync.Mutex
	next    int64
	puts    map[int64]*pagePut
	readers map[readerKey]*pageReader
}

// pagePut is a put into which a page writes.
type pagePut struct {
	mu   sync.Mutex
	put  *hhs.BlobPut
	idle *time.Timer
}

// readerKey names a blob as its descriptor tells it, where another size is another claim, in one copy of a space: that
// which was left and joined again, or rebuilt, has another.
type readerKey struct {
	space *hhs.AnySpace
	root  object.ID
	size  int64
}

type pageReader struct {
	*hhs.BlobReader
	users int
	idle  *time.Timer
}

// clear ends everything.
func (o *openBlobs) clear() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for id, p := range o.puts {
		p.idle.Stop()
		delete(o.puts, id)
	}
	for key, r := range o.readers {
		r.idle.Stop()
		r.Close()
		delete(o.readers, key)
	}
}

// collectBlobs removes what nothing names; what goes wrong shows when the store is next used.
func collectBlobs(n *hhs.Node) { _, _ = n.CollectBlobs(context.Background()) }

func (e *engine) blobBegin(ctx context.Context, a *args) (result, error) {
	media, name := a.optText("media"), a.optText("name")
	n, err := e.running()
	if err == nil {
		err = a.end()
	}
	if err != nil {
		return nil, err
	}
	put, err := n.NewBlob(ctx, media, name)
	if err != nil {
		return nil, err
	}
	o := &e.blobs
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.puts) >= maxPuts {
		return nil, fmt.Errorf("%w: %d blobs are being put", hhs.ErrBusy, maxPuts)
	}
	o.next++
	id := o.next
	if o.puts == nil {
		o.puts = map[int64]*pagePut{}
	}
	o.puts[id] = &pagePut{put: put, idle: time.AfterFunc(putIdle, func() {
		if p, err := o.take(id); err == nil {
			p.put.Leave()
			p.mu.Unlock()
		}
	})}
	return result{"put": id}, nil
}

// putting finds a put, locked; it is unlocked with its mutex.
func (e *engine) putting(a *args) (*pagePut, error) {
	id, _ := arg[int64](a, "put", true)
	if err := a.end(); err != nil {
		return nil, err
	}
	e.blobs.mu.Lock()
	p := e.blobs.puts[id]
	e.blobs.mu.Unlock()
	if p == nil {
		return nil, errNoPut
	}
	p.mu.Lock()
	p.idle.Reset(putIdle)
	return p, nil
}

var errNoPut = &callError{code: "engine_restarted", message: "this put has ended; begin again: what was kept is not written twice"}

// take removes a put, locked.
func (o *openBlobs) take(id int64) (*pagePut, error) {
	o.mu.Lock()
	p := o.puts[id]
	delete(o.puts, id)
	o.mu.Unlock()
	if p == nil {
		return nil, errNoPut
	}
	p.mu.Lock()
	p.idle.Stop()
	return p, nil
}

func (e *engine) blobWrite(_ context.Context, a *args) (result, error) {
	data, _ := arg[[]byte](a, "data", true)
	p, err := e.putting(a)
	if err != nil {
		return nil, err
	}
	defer p.mu.Unlock()
	if _, err := p.put.Write(data); err != nil {
		return nil, err
	}
	size, again := p.put.Taken()
	return result{"size": size, "again": again}, nil
}

func (e *engine) blobEnd(_ context.Context, a *args) (result, error) {
	id, _ := arg[int64](a, "put", true)
	if err := a.end(); err != nil {
		return nil, err
	}
	p, err := e.blobs.take(id)
	if err != nil {
		return nil, err
	}
	defer p.mu.Unlock()
	b, err := p.put.Finish()
	if err != nil {
		return nil, err
	}
	return result{"blob": b.Value()}, nil
}

func (e *engine) blobAbort(_ context.Context, a *args) (result, error) {
	id, _ := arg[int64](a, "put", true)
	if err := a.end(); err != nil {
		return nil, err
	}
	p, err := e.blobs.take(id)
	if err != nil {
		return nil, nil // it has ended
	}
	defer p.mu.Unlock()
	p.put.Leave()
	return nil, nil
}

// reading opens a blob, or finds it among those that are open. done lets go of it.
func (e *engine) reading(a *args) (r *hhs.BlobReader, done func(), err error) {
	b, err := blob.FromValue(a.value("blob"))
	if err != nil {
		a.fail("blob", err.Error())
	}
	s, err := e.space(a)
	if err == nil {
		err = a.end()
	}
	if err != nil {
		return nil, nil, err
	}
	o, key := &e.blobs, readerKey{s, b.Root, b.Size}
	open := o.use(key, nil)
	if open == nil {
		r, err := s.OpenBlob(context.Background(), b) // reads the store: others go on meanwhile
		if err != nil {
			return nil, nil, err
		}
		if open = o.use(key, r); open == nil {
			r.Close()
			return nil, nil, fmt.Errorf("%w: %d blobs are being read", hhs.ErrBusy, maxReaders)
		}
	}
	return open.BlobReader, func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		if open.users--; open.users == 0 {
			open.idle.Reset(readerIdle)
		}
	}, nil
}

// use counts one more who reads a blob, with the reader that is open or else the fresh one; nil when there is none, or no room.
func (o *openBlobs) use(key readerKey, fresh *hhs.BlobReader) *pageReader {
	o.mu.Lock()
	defer o.mu.Unlock()
	open := o.readers[key]
	switch {
	case open != nil && fresh != nil:
		fresh.Close()
	case open == nil:
		if fresh == nil || len(o.readers) >= maxReaders {
			return nil
		}
		open = &pageReader{BlobReader: fresh}
		open.idle = time.AfterFunc(readerIdle, func() { o.drop(key, open) })
		if o.readers == nil {
			o.readers = map[readerKey]*pageReader{}
		}
		o.readers[key] = open
	}
	open.users++
	return open
}

// drop closes a reader that nobody uses.
func (o *openBlobs) drop(key readerKey, r *pageReader) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if r.users == 0 && o.readers[key] == r {
		r.Close()
		delete(o.readers, key)
	}
}

func (e *engine) blobRead(ctx context.Context, a *args) (result, error) {
	from, _ := arg[int64](a, "from", true)
	length := a.optInt("length", blob.ChunkSize)
	r, done, err := e.reading(a)
	if err != nil {
		return nil, err
	}
	defer done()
	if from < 0 || length > blob.ChunkSize {
		return nil, invalid(fmt.Sprintf("a blob is read from 0 on, %d bytes at once", blob.ChunkSize))
	}
	ctx, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	data := make([]byte, max(0, min(int64(length), r.Size()-from)))
	n, err := r.ReadRange(ctx, data, from)
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, io.EOF) {
		err = nil
	}
	return result{"data": data[:n]}, err
}

func (e *engine) blobHave(_ context.Context, a *args) (result, error) {
	r, done, err := e.reading(a)
	if err != nil {
		return nil, err
	}
	defer done()
	have, err := r.Here()
	return result{"have": have}, err
}

func (e *engine) blobKeep(ctx context.Context, a *args) (result, error) {
	r, done, err := e.reading(a)
	if err != nil {
		return nil, err
	}
	defer done()
	ctx, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	err = r.Keep(ctx, nil)
	whole := err == nil
	if errors.Is(err, context.DeadlineExceeded) {
		err = nil
	}
	have, hereErr := r.Here()
	return result{"have": have, "done": whole}, errors.Join(err, hereErr)
}
