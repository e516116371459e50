//go:build unix

package replica_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
)

// R9: what 64 KiB from a member may cost its peers.
const (
	bombSize = 64 << 10
	bombRoom = 32 << 20
	bombTime = 250 * time.Millisecond
	maxOps   = 4000 // of a commit, and a little less
)

// bomb is a batch that costs more to take in than to make.
type bomb struct {
	name string
	make func(w *world, n int) *history.Batch
}

// empty is a further commit without ops: as few bytes as there can be.
func (f forger) empty(prev object.ID, seq uint64, parents ...object.ID) *draft {
	return &draft{env: history.Envelope{Version: history.Version, Author: f.key(), Seq: seq, Prev: prev, Parents: sorted(parents...), Time: 1}}
}

// rivals are n commits that follow the same one, each with an op.
func rivals(w *world, n int, op func(i int) (history.Op, []byte)) *history.Batch {
	first := w.bad.first("a", w.root).commit(w.t)
	b := batch([]*history.Commit{first})
	for i := range n {
		d := w.bad.empty(first.ID, 2)
		d.env.Time = int64(i)
		if op != nil {
			d.op(op(i))
		}
		c := d.commit(w.t)
		b.Commits, b.Attestations = append(b.Commits, c), append(b.Attestations, w.bad.attest(w.id(), c))
	}
	return b
}

// inOneCommit are n ops of one commit.
func inOneCommit(w *world, n int, op func(i int) (history.Op, []byte)) *history.Batch {
	b, _ := w.after(func(d *draft) {
		for i := range min(n, maxOps) {
			d.op(op(i))
		}
	})
	return b
}

func bombs(t *testing.T) []bomb {
	x := enc(t, "x")
	key := enc(t, crdt.SetKey(x))
	addAndRemove := func(i int) (history.Op, []byte) {
		if i%2 == 0 {
			return history.Op{Field: "tags", Action: crdt.ActionAdd}, x
		}
		return history.Op{Field: "tags", Action: crdt.ActionRemove}, key
	}
	write := func(i int) (history.Op, []byte) {
		return history.Op{Field: "title", Action: crdt.ActionSet}, enc(t, fmt.Sprint(i))
	}
	return []bomb{
		{"deep", func(w *world, n int) *history.Batch {
			last := w.bad.first("a", w.root).commit(w.t)
			b := batch([]*history.Commit{last})
			for i := range n {
				last = w.bad.empty(last.ID, uint64(i)+2).commit(w.t)
				b.Commits = append(b.Commits, last)
			}
			b.Attestations = []history.Attestation{w.bad.attest(w.id(), last)}
			return b
		}},
		{"wide, by one device", func(w *world, n int) *history.Batch { return rivals(w, n, nil) }},
		{"wide, by as many devices", crowdOf},
		{"diamonds", func(w *world, n int) *history.Batch {
			last := [2]*history.Commit{w.bad.first("a", w.root).commit(w.t), w.good.first("b", w.root).commit(w.t)}
			b := batch(last[:])
			for i := range n / 2 {
				next := [2]*history.Commit{
					w.bad.empty(last[0].ID, uint64(i)+2, last[1].ID).commit(w.t), w.good.empty(last[1].ID, uint64(i)+2, last[0].ID).commit(w.t)}
				b.Commits, last = append(b.Commits, next[:]...), next
			}
			b.Attestations = []history.Attestation{w.bad.attest(w.id(), last[0]), w.good.attest(w.id(), last[1])}
			return b
		}},
		{"one element added and removed in one commit", func(w *world, n int) *history.Batch { return inOneCommit(w, n, addAndRemove) }},
		{"one element added and removed by rivals", func(w *world, n int) *history.Batch { return rivals(w, n, addAndRemove) }},
		{"one register written in one commit", func(w *world, n int) *history.Batch { return inOneCommit(w, n, write) }},
		{"one register written by rivals", func(w *world, n int) *history.Batch { return rivals(w, n, write) }},
	}
}

// crowdOf are first commits of n devices of one person.
func crowdOf(w *world, n int) *history.Batch {
	ctx := context.Background()
	who, _, err := identity.NewDevice(ctx, seeded(4000), "crowd", 1)
	if err != nil {
		w.t.Fatal(err)
	}
	b := &history.Batch{}
	for i := range n {
		key, err := identity.NewKey(seeded(uint64(5000 + i)))
		if err != nil {
			w.t.Fatal(err)
		}
		cert, err := identity.Certify(ctx, who, key.Public(), "d", 1)
		if err != nil {
			w.t.Fatal(err)
		}
		f := forger{w.t, identity.Device{Signer: key, Certificate: cert}}
		c := f.first("x", w.root).commit(w.t)
		b.Commits, b.Attestations = append(b.Commits, c), append(b.Attestations, f.attest(w.id(), c))
	}
	return b
}

// encoded is a bomb of nearly bombSize.
func (b bomb) encoded(w *world) []byte {
	const few = 16
	wire := func(n int) []byte {
		v, err := history.EncodeBatch(b.make(w, n))
		if err != nil {
			w.t.Fatal(err)
		}
		return v
	}
	one := (len(wire(2*few)) - len(wire(few))) / few // in bytes
	for n := bombSize / max(1, one); ; n -= n / 50 {
		if v := wire(n); len(v) <= bombSize {
			return v
		}
	}
}

// cpuTime is what this process used of all processors.
func cpuTime(t *testing.T) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// peak returns what the heap held more at most while work ran: what lived when garbage was collected, which is all the
// time.
func peak(work func()) uint64 {
	defer debug.SetGCPercent(debug.SetGCPercent(5))
	var most, over atomic.Uint64
	seen := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	var watch func()
	watch = func() { // each collection finds one more that nobody has
		runtime.SetFinalizer(&[64]byte{}, func(*[64]byte) {
			if most.Store(max(most.Load(), seen())); over.Load() == 0 {
				watch()
			}
		})
	}
	runtime.GC()
	before := seen()
	watch()
	work()
	over.Store(1)
	return max(most.Load(), seen()) - before
}

// blast takes a bomb in, in a world of its own.
func (b bomb) blast(t *testing.T, w *world, wire []byte) int {
	in, err := history.DecodeBatch(wire, history.MaxBatchSize)
	var res replica.Result
	if err == nil {
		res, err = w.space.Ingest(context.Background(), in, peer)
	}
	if refused := (*replica.Reject)(nil); err != nil && !errors.As(err, &refused) {
		t.Fatalf("%s: %v", b.name, err)
	}
	return res.New
}

// TestBombs is R9. Processor time is judged only when HHS_BOMBS is set: other tests of this process count in it.
func TestBombs(t *testing.T) {
	var most uint64
	var longest time.Duration
	all := bombs(t)
	for _, b := range all {
		w := newWorld(t)
		wire := b.encoded(w)
		begun := cpuTime(t)
		commits := b.blast(t, w, wire)
		took := cpuTime(t) - begun
		w = newWorld(t)
		wire = b.encoded(w)
		room := peak(func() { b.blast(t, w, wire) })
		if room > bombRoom {
			t.Errorf("%s: %d bytes for %d, at most %d", b.name, room, len(wire), bombRoom)
		}
		if took > bombTime && os.Getenv("HHS_BOMBS") != "" {
			t.Errorf("%s: %v for %d bytes, at most %v", b.name, took, len(wire), bombTime)
		}
		t.Logf("%s: %d bytes, %d commits taken in, %v of CPU, %d kB", b.name, len(wire), commits, took, room>>10)
		most, longest = max(most, room), max(longest, took)
	}
	t.Logf("%d bombs, the worst took %d ms of CPU and %d kB", len(all), longest.Milliseconds(), most>>10)
}
