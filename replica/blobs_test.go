package replica_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hyperhyperspace/hhs-go/blob"
	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
	"github.com/hyperhyperspace/hhs-go/store"
)

// noise is n bytes that repeat nowhere.
func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = seeded(uint64(n)).Read(b)
	return b
}

func putBlob(t testing.TB, n *replica.Node, data []byte) blob.Blob {
	t.Helper()
	b, err := n.PutBlob(context.Background(), bytes.NewReader(data), "text/plain", "a.txt", nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// setTitle names a blob, or whatever v is.
func setTitle(t testing.TB, s *replica.Space, v any) replica.Receipt {
	t.Helper()
	r, err := s.Update(context.Background(), func(tx *replica.Tx) error {
		env, err := tx.Env("title")
		if err != nil {
			return err
		}
		d, err := crdt.RegisterSet(env, enc(t, v))
		if err != nil {
			return err
		}
		return tx.Do("title", d)
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func openBlob(t testing.TB, s *replica.Space, b blob.Blob) *replica.BlobCopy {
	t.Helper()
	c, err := s.Blob(b)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// takeRoot gives a copy the root of a blob, as a peer does.
func takeRoot(t testing.TB, from *replica.Node, c *replica.BlobCopy) {
	t.Helper()
	root, _, err := c.Unproven()
	if err != nil {
		t.Fatal(err)
	}
	data, _, err := from.BlobBlock(root.Root, root.Place)
	if err == nil {
		err = c.Take(context.Background(), root, data)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// fetch brings chunk i from one copy to another, as a session does, and returns how many blocks that took.
func fetch(t testing.TB, c *replica.BlobCopy, from *replica.Space, i int64) (blocks int) {
	t.Helper()
	for {
		b, more, err := c.Missing(i)
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			return blocks
		}
		data, err := from.ServeBlob(b.Root, b.Depth, uint64(b.Place.Index))
		if err == nil {
			err = c.Take(context.Background(), b, data)
		}
		if err != nil {
			t.Fatalf("block %v: %v", b.Place, err)
		}
		blocks++
	}
}

func TestBlobPutAndRead(t *testing.T) {
	n := newNode(t, 1)
	s := create(t, n)
	for _, size := range []int{0, 1, blob.ChunkSize, blob.ChunkSize + 1, 3*blob.ChunkSize - 7} {
		data := noise(size)
		b := putBlob(t, n, data)
		if b.Size != int64(size) || b.Name != "a.txt" || b.Media != "text/plain" {
			t.Fatalf("%+v", b)
		}
		c := openBlob(t, s, b)
		var got []byte
		for i := range b.Tree().Chunks() {
			chunk, err := c.Chunk(i)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, chunk...)
		}
		here, err := c.Here()
		if !bytes.Equal(got, data) || here != int64(size) || err != nil {
			t.Errorf("%d bytes: read %d, %d are here, %v", size, len(got), here, err)
		}
	}
}

// failing ends with an error after some bytes.
type failing struct {
	r    io.Reader
	left int
}

var errTorn = errors.New("torn")

func (f *failing) Read(p []byte) (int, error) {
	if f.left == 0 {
		return 0, errTorn
	}
	n, err := f.r.Read(p[:min(len(p), f.left)])
	f.left -= n
	return n, err
}

// countingBytes counts what is written into a store.
type countingBytes struct {
	store.Store
	bytes int
}

func (c *countingBytes) Apply(ctx context.Context, b *store.Batch, d store.Durability) error {
	c.bytes += b.Size()
	return c.Store.Apply(ctx, b, d)
}

// A put that was cut short, also by the end of the program, goes on: what is there is not written again.
func TestBlobPutResumes(t *testing.T) {
	mem := &countingBytes{Store: store.NewMem()}
	with := func(c *replica.Config) { c.Store = mem }
	n := newNode(t, 1, with)
	data := noise(12 * blob.ChunkSize)
	if _, err := n.PutBlob(context.Background(), &failing{bytes.NewReader(data), 10*blob.ChunkSize + 5}, "", "", nil); !errors.Is(err, errTorn) {
		t.Fatal(err)
	}
	n.Close()
	n = newNode(t, 1, with)
	mem.bytes = 0
	var done int64
	b, err := n.PutBlob(context.Background(), bytes.NewReader(data), "", "", func(d int64) { done = d })
	if err != nil || done != int64(len(data)) {
		t.Fatal(done, err)
	}
	if mem.bytes > 3*blob.ChunkSize {
		t.Errorf("%d bytes were written again", mem.bytes)
	}
	if _, want := blobRoot(t, data); b.Root != want {
		t.Error("another root")
	}
	// The same bytes again are the same blob, and other bytes that begin alike are another one.
	if again := putBlob(t, n, data); again.Root != b.Root {
		t.Error("equal bytes, another root")
	}
	other := bytes.Clone(data)
	other[11*blob.ChunkSize] ^= 1
	if _, err := n.PutBlob(context.Background(), &failing{bytes.NewReader(data), 12 * blob.ChunkSize}, "", "", nil); !errors.Is(err, errTorn) {
		t.Fatal(err)
	}
	if o := putBlob(t, n, other); o.Root == b.Root {
		t.Error("other bytes, the same root")
	} else if c, err := openBlob(t, create(t, n), o).Chunk(11); err != nil || !bytes.Equal(c, other[11*blob.ChunkSize:]) {
		t.Error("what was left of another put is read")
	}
}

// A put that goes on with a longer one, and ends before it, leaves nothing of that.
func TestBlobPutShorter(t *testing.T) {
	data := noise(9 * blob.ChunkSize)
	for _, size := range []int{blob.ChunkSize, 3*blob.ChunkSize + 1} {
		mem := store.NewMem()
		n := newNode(t, 1, func(c *replica.Config) { c.Store = mem })
		if _, err := n.PutBlob(context.Background(), &failing{bytes.NewReader(data), 8 * blob.ChunkSize}, "", "", nil); !errors.Is(err, errTorn) {
			t.Fatal(err)
		}
		if stored := blocksIn(t, mem); stored != 8 {
			t.Fatalf("%d blocks are left of the longer one", stored)
		}
		putBlob(t, n, data[:size])
		blocks, _ := blobRoot(t, data[:size])
		if stored := blocksIn(t, mem); stored != blocks+1 { // and the map of what is here
			t.Errorf("%d values are stored for %d blocks", stored, blocks)
		}
	}
}

// blocksIn counts what a store has of blobs, beside their records.
func blocksIn(t testing.TB, st store.Store) (n int) {
	t.Helper()
	snap, err := st.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	for _, err := range snap.Scan([]byte{'b'}, []byte{'b' + 1}, false) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

func blobRoot(t testing.TB, data []byte) (int, object.ID) {
	t.Helper()
	n := 0
	b := blob.Builder{Put: func(blob.Place, object.ID, []byte) error { n++; return nil }}
	for len(data) > 0 {
		k := min(len(data), blob.ChunkSize)
		if err := b.Chunk(data[:k]); err != nil {
			t.Fatal(err)
		}
		data = data[k:]
	}
	root, err := b.Root()
	if err != nil {
		t.Fatal(err)
	}
	return n, root
}

// A blob is served only through a space of which an op that counts names it, and through which it is here.
func TestBlobServed(t *testing.T) {
	n := newNode(t, 1)
	s, other := create(t, n), create(t, n)
	b := putBlob(t, n, noise(2*blob.ChunkSize))
	serves := func(what string, s *replica.Space, want bool) {
		t.Helper()
		_, err := s.ServeBlob(b.Root, 1, 1)
		if want && err != nil || !want && !errors.Is(err, replica.ErrNotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
	serves("named nowhere", s, false)
	r := setTitle(t, s, map[string]any{"files": []any{b.Value()}})
	serves("named", s, true)
	serves("named in another space", other, false)
	undo, err := s.Update(context.Background(), func(tx *replica.Tx) error { return tx.Undo(r.Commit) })
	if err != nil {
		t.Fatal(err)
	}
	serves("taken back", s, false)
	if _, err := s.Update(context.Background(), func(tx *replica.Tx) error { return tx.Redo(history.OpRef{Commit: undo.Commit}) }); err != nil {
		t.Fatal(err)
	}
	serves("made again", s, true)
	setTitle(t, s, "no blob")
	serves("overwritten", s, true)

	// What a stranger names does not tell it whether this node has it.
	m := newNode(t, 2)
	theirs, err := m.Join(context.Background(), other.ID())
	if err != nil {
		t.Fatal(err)
	}
	pull(t, theirs, other, 1<<20)
	setTitle(t, theirs, b.Value())
	pull(t, other, theirs, 1<<20)
	serves("named by a peer", other, false)
	setTitle(t, other, map[string]any{"written": "back", "file": b.Value()})
	serves("written back", other, false)
	c := openBlob(t, other, b)
	if _, ok, err := c.Unproven(); err != nil || !ok {
		t.Errorf("opened: proven, %v", err)
	}
	serves("opened", other, false)
	takeRoot(t, n, c)
	serves("opened, and its root given", other, true)
	if _, ok, err := c.Unproven(); err != nil || ok {
		t.Errorf("its root given: not proven, %v", err)
	}
	// Who puts a file and names it is not kept from serving it by who named it before.
	again := create(t, n)
	if theirs, err = m.Join(context.Background(), again.ID()); err != nil {
		t.Fatal(err)
	}
	pull(t, theirs, again, 1<<20)
	setTitle(t, theirs, b.Value())
	pull(t, again, theirs, 1<<20)
	putBlob(t, n, noise(2*blob.ChunkSize))
	setTitle(t, again, b.Value())
	serves("put again", again, true)
	if _, err := s.ServeBlob(b.Root, 1, 2); !errors.Is(err, replica.ErrNotHere) {
		t.Errorf("a place it does not have: %v", err)
	}
	if _, err := s.ServeBlob(b.Root, 1, 1<<63); !errors.Is(err, replica.ErrNotHere) {
		t.Errorf("a place beyond all: %v", err)
	}
}

// Chunks are fetched one by one, by range, and what is here stays when the node is opened again.
func TestBlobFetched(t *testing.T) {
	n, mem := newNode(t, 1), store.NewMem()
	m := newNode(t, 2, func(c *replica.Config) { c.Store = mem })
	data := noise(5*blob.ChunkSize + 1)
	s := create(t, n)
	b := putBlob(t, n, data)
	setTitle(t, s, b.Value())
	theirs, err := m.Join(context.Background(), s.ID())
	if err != nil {
		t.Fatal(err)
	}
	pull(t, theirs, s, 1<<20)
	c := openBlob(t, theirs, b)
	if blocks := fetch(t, c, s, 4); blocks != 2 {
		t.Errorf("%d blocks for a chunk", blocks)
	}
	m.Close()
	m = newNode(t, 2, func(c *replica.Config) { c.Store = mem })
	if theirs, err = m.Space(s.ID()); err != nil {
		t.Fatal(err)
	}
	c = openBlob(t, theirs, b)
	chunk, err := c.Chunk(4)
	if here, _ := c.Here(); err != nil || !bytes.Equal(chunk, data[4*blob.ChunkSize:5*blob.ChunkSize]) || here != blob.ChunkSize {
		t.Errorf("%d bytes are here, %v", here, err)
	}
	if _, err := c.Chunk(1); !errors.Is(err, replica.ErrNotHere) {
		t.Errorf("a chunk that is not here: %v", err)
	}
	if _, err := theirs.ServeBlob(b.Root, 1, 4); err != nil {
		t.Errorf("what is here is not served: %v", err)
	}
	if _, err := theirs.ServeBlob(b.Root, 1, 1); !errors.Is(err, replica.ErrNotHere) {
		t.Errorf("what is not here: %v", err)
	}
	for i := range b.Tree().Chunks() {
		fetch(t, c, s, i)
	}
	if here, err := c.Here(); here != b.Size || err != nil {
		t.Errorf("%d bytes are here, %v", here, err)
	}
}

// What is no block of the blob is not kept, and a lie about the size is refused at the root.
func TestBlobRefused(t *testing.T) {
	n, m := newNode(t, 1), newNode(t, 2)
	s := create(t, n)
	b := putBlob(t, n, noise(3*blob.ChunkSize))
	setTitle(t, s, b.Value())
	theirs := create(t, m)
	c := openBlob(t, theirs, b)
	first, _, err := c.Missing(0)
	if err != nil {
		t.Fatal(err)
	}
	root, err := s.ServeBlob(b.Root, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	wrong := bytes.Clone(root)
	wrong[9] ^= 1
	if err := c.Take(context.Background(), first, wrong); !errors.As(err, new(*blob.WrongBytes)) {
		t.Errorf("wrong bytes: %v", err)
	}
	lie := b
	lie.Size -= 5
	l := openBlob(t, theirs, lie)
	bad := (*blob.Malformed)(nil)
	if err := l.Take(context.Background(), first, root); !errors.As(err, &bad) || bad.Rule != blob.RuleSize {
		t.Errorf("a lie about the size: %v", err)
	}
	if here, _, _ := l.Missing(0); here.Depth != 0 {
		t.Error("something of it was kept")
	}
	if err := c.Take(context.Background(), first, root); err != nil {
		t.Fatal(err)
	}
	if _, err := theirs.Blob(lie); !errors.As(err, &bad) {
		t.Errorf("a lie about a blob that is here: %v", err)
	}
}

// rot changes the values of the keys that begin so.
func rot(t testing.TB, st store.Store, prefix []byte, size int) (changed int) {
	t.Helper()
	snap, err := st.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	var b store.Batch
	for kv, err := range snap.Scan(prefix, nil, false) {
		if err != nil || !bytes.HasPrefix(kv.Key, prefix) {
			break
		}
		if len(kv.Value) == size {
			v := bytes.Clone(kv.Value)
			v[len(v)/2] ^= 1
			b.Put(kv.Key, v)
			if changed++; changed == 2 {
				break
			}
		}
	}
	if err := st.Apply(context.Background(), &b, store.Synced); err != nil {
		t.Fatal(err)
	}
	return changed
}

// Damaged chunks are found, never served or read, and fetched again.
func TestBlobDamage(t *testing.T) {
	mem := store.NewMem()
	n, m := newNode(t, 1), newNode(t, 2, func(c *replica.Config) { c.Store = mem })
	data := noise(4 * blob.ChunkSize)
	s := create(t, n)
	b := putBlob(t, n, data)
	setTitle(t, s, b.Value())
	theirs, err := m.Join(context.Background(), s.ID())
	if err != nil {
		t.Fatal(err)
	}
	pull(t, theirs, s, 1<<20)
	c := openBlob(t, theirs, b)
	for i := range int64(4) {
		fetch(t, c, s, i)
	}
	check := func(repair bool) (found replica.BlobCheck) {
		t.Helper()
		if err := m.CheckBlobs(context.Background(), repair, func(c replica.BlobCheck) error { found = c; return nil }); err != nil {
			t.Fatal(err)
		}
		return found
	}
	if f := check(false); f.Damaged != 0 || f.Here != b.Size {
		t.Fatalf("%+v", f)
	}
	if rot(t, mem, []byte{'b'}, blob.ChunkSize) != 2 {
		t.Fatal("nothing was damaged")
	}
	if f := check(false); f.Damaged != 2 || f.Here != b.Size/2 {
		t.Errorf("%+v", f)
	}
	if _, err := c.Chunk(0); !errors.Is(err, replica.ErrNotHere) {
		t.Errorf("a damaged chunk: %v", err)
	}
	if f := check(true); f.Damaged != 1 {
		t.Errorf("%+v", f)
	}
	if f := check(false); f.Damaged != 0 || f.Here != b.Size/2 {
		t.Errorf("after repair: %+v", f)
	}
	for i := range int64(4) {
		fetch(t, c, s, i)
	}
	if f := check(false); f.Damaged != 0 || f.Here != b.Size {
		t.Errorf("after fetching: %+v", f)
	}
}

// A node of a tree that is damaged while its links are remembered is removed, and fetched again.
func TestBlobDamagedNode(t *testing.T) {
	mem := store.NewMem()
	n, m := newNode(t, 1), newNode(t, 2, func(c *replica.Config) { c.Store = mem })
	s := create(t, n)
	b := putBlob(t, n, noise(3*blob.ChunkSize+5))
	setTitle(t, s, b.Value())
	theirs, err := m.Join(context.Background(), s.ID())
	if err != nil {
		t.Fatal(err)
	}
	pull(t, theirs, s, 1<<20)
	c := openBlob(t, theirs, b)
	fetch(t, c, s, 0)
	root, err := theirs.ServeBlob(b.Root, 0, 0)
	if err != nil || rot(t, mem, []byte{'b'}, len(root)) != 1 {
		t.Fatalf("nothing was damaged: %v", err)
	}
	if _, err := theirs.ServeBlob(b.Root, 0, 0); !errors.Is(err, replica.ErrNotHere) {
		t.Errorf("a damaged node: %v", err)
	}
	fetch(t, c, s, 1)
	if again, err := theirs.ServeBlob(b.Root, 0, 0); err != nil || !bytes.Equal(again, root) {
		t.Errorf("what was read again is not served: %v", err)
	}
}

// What no space brought here goes, after a while; what one named stays as long as the space.
func TestBlobsCollected(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	mem := store.NewMem()
	n := newNode(t, 1, func(c *replica.Config) { c.Now, c.Store = func() time.Time { return now }, mem })
	s := create(t, n)
	named, loose := putBlob(t, n, noise(2*blob.ChunkSize)), putBlob(t, n, noise(3*blob.ChunkSize))
	setTitle(t, s, named.Value())
	if _, err := n.PutBlob(context.Background(), &failing{bytes.NewReader(noise(9 * blob.ChunkSize)), 8 * blob.ChunkSize}, "", "", nil); !errors.Is(err, errTorn) {
		t.Fatal(err)
	}
	collect := func(want replica.Collected) {
		t.Helper()
		got, err := n.CollectBlobs(context.Background())
		if err != nil || got != want {
			t.Errorf("collected %+v, %v; want %+v", got, err, want)
		}
	}
	collect(replica.Collected{})
	now = now.Add(61 * time.Minute)
	collect(replica.Collected{Blobs: 1, Bytes: loose.Size})
	now = now.Add(24 * time.Hour)
	collect(replica.Collected{Puts: 1})
	collect(replica.Collected{})
	if _, err := openBlob(t, s, named).Chunk(1); err != nil {
		t.Error(err)
	}
	if err := n.Leave(context.Background(), s.ID()); err != nil {
		t.Fatal(err)
	}
	collect(replica.Collected{Blobs: 1, Bytes: named.Size})
	if blocksIn(t, mem) != 0 {
		t.Error("blocks are left")
	}
}

// onHold is a store that lets something happen just before a blob is noted to be here through a space.
type onHold struct {
	store.Store
	before func()
}

func (o *onHold) Apply(ctx context.Context, b *store.Batch, level store.Durability) error {
	held := false
	b.Each(func(_ store.Op, key, _ []byte) { held = held || key[0] == 'K' })
	if f := o.before; held && f != nil {
		o.before = nil
		f()
	}
	return o.Store.Apply(ctx, b, level)
}

// Nothing is collected between the look whether a space has a blob and the moment from which one does.
func TestBlobsCollectedMeanwhile(t *testing.T) {
	for _, opened := range []bool{false, true} {
		now := time.UnixMilli(1_700_000_000_000)
		st := &onHold{Store: store.NewMem()}
		n, m := newNode(t, 1, func(c *replica.Config) { c.Now, c.Store = func() time.Time { return now }, st }), newNode(t, 2)
		s := create(t, n)
		b := putBlob(t, n, noise(2*blob.ChunkSize))
		now = now.Add(61 * time.Minute)
		if opened { // what another one named
			theirs, err := m.Join(context.Background(), s.ID())
			if err != nil {
				t.Fatal(err)
			}
			pull(t, theirs, s, 1<<20)
			setTitle(t, theirs, b.Value())
			pull(t, s, theirs, 1<<20)
		}
		collected := make(chan replica.Collected, 1)
		st.before = func() {
			collect := func() {
				c, err := n.CollectBlobs(context.Background())
				if err != nil {
					t.Error(err)
				}
				collected <- c
			}
			if n.Collectable() {
				collect()
			} else {
				go collect()
			}
		}
		if opened {
			takeRoot(t, n, openBlob(t, s, b))
		} else {
			setTitle(t, s, b.Value())
		}
		if c := <-collected; c != (replica.Collected{}) {
			t.Errorf("opened %v: collected %+v", opened, c)
		}
		if _, err := openBlob(t, s, b).Chunk(1); err != nil {
			t.Errorf("opened %v: %v", opened, err)
		}
	}
}

// What an edit names that was acknowledged in memory stays.
func TestBlobsNamedInMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, 1, func(c *replica.Config) { c.Now, c.Durable = time.Now, store.Memory })
		s := create(t, n)
		b := putBlob(t, n, noise(2*blob.ChunkSize))
		time.Sleep(61 * time.Minute) // of the bubble's clock
		setTitle(t, s, b.Value())
		if c, err := n.CollectBlobs(context.Background()); c != (replica.Collected{}) || err != nil {
			t.Errorf("collected %+v, %v", c, err)
		}
		n.Close()
	})
}
