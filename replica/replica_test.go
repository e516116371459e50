package replica_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
	"github.com/hyperhyperspace/hhs-go/store"
)

// seeded is a deterministic source of randomness.
func seeded(seed uint64) *rand.ChaCha8 {
	var k [32]byte
	k[0], k[1] = byte(seed), byte(seed>>8)
	return rand.NewChaCha8(k)
}

func newDevice(t testing.TB, seed uint64) identity.Device {
	t.Helper()
	_, d, err := identity.NewDevice(context.Background(), seeded(seed), "test", 1)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func newNode(t testing.TB, seed uint64, opts ...func(*replica.Config)) *replica.Node {
	t.Helper()
	cfg := replica.Config{Store: store.NewMem(), Device: newDevice(t, seed), Rand: seeded(seed + 1000),
		Now: func() time.Time { return time.UnixMilli(1_700_000_000_000) }}
	for _, o := range opts {
		o(&cfg)
	}
	n, err := replica.Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

var manifest = &authority.Manifest{Kind: "test/notes", Version: 1, Policy: authority.PolicyOpen, Fields: []authority.Field{
	{Name: "title", Type: "register"}, {Name: "tags", Type: "set"}, {Name: "lines", Type: "log", Schema: map[string]any{"type": "string", "max": int64(10)}}}}

func create(t testing.TB, n *replica.Node) *replica.Space {
	t.Helper()
	s, err := n.Create(context.Background(), manifest)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func enc(t testing.TB, v any) []byte {
	t.Helper()
	b, err := object.Encode(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// line appends to the log.
func line(t testing.TB, s *replica.Space, text string) replica.Receipt {
	t.Helper()
	r, err := s.Update(context.Background(), func(tx *replica.Tx) error { return tx.Do("lines", crdt.LogAppend(enc(t, text))) })
	if err != nil {
		t.Fatalf("append %q: %v", text, err)
	}
	return r
}

func lines(t testing.TB, s *replica.Space) (list []string) {
	t.Helper()
	v, err := s.View()
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	env, err := v.Env("lines")
	if err != nil {
		t.Fatal(err)
	}
	for e, err := range crdt.LogScan(env, crdt.LogRange{}) {
		if err != nil {
			t.Fatal(err)
		}
		s, err := object.Decode(e.Value)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, s.(string))
	}
	return list
}

// pull gives dst everything src has, through the wire form of batches.
func pull(t testing.TB, dst, src *replica.Space, max int) {
	t.Helper()
	for b, err := range src.Batches(dst.Heads(), max) {
		if err != nil {
			t.Fatal(err)
		}
		if _, err := dst.Ingest(context.Background(), rewire(t, b), replica.Source{Device: src.Node().Device().Signer.Public()}); err != nil {
			t.Fatal(err)
		}
	}
}

func rewire(t testing.TB, b *history.Batch) *history.Batch {
	t.Helper()
	wire, err := history.EncodeBatch(b)
	if err != nil {
		t.Fatal(err)
	}
	out, err := history.DecodeBatch(wire, history.MaxBatchSize)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func join(t testing.TB, n *replica.Node, s *replica.Space) *replica.Space {
	t.Helper()
	c, err := n.Join(context.Background(), s.ID())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTwoReplicasConverge(t *testing.T) {
	a := create(t, newNode(t, 1))
	b := join(t, newNode(t, 2), a)
	if _, err := b.Update(context.Background(), func(*replica.Tx) error { return nil }); !errors.Is(err, replica.ErrPending) {
		t.Fatalf("update before the first commit: %v, want ErrPending", err)
	}
	line(t, a, "one")
	pull(t, b, a, 1)
	if x, y := a.Node().Device().Certificate.Device, b.Node().Device().Certificate.Device; !b.HasAuthor(x) || b.HasAuthor(y) {
		t.Fatalf("written: the first %v, the second %v", b.HasAuthor(x), b.HasAuthor(y))
	}
	line(t, b, "two")
	line(t, a, "three")
	pull(t, a, b, 1<<20)
	pull(t, b, a, 1<<20)
	if got, want := lines(t, a), lines(t, b); len(got) != 3 || len(want) != 3 || got[0] != "one" || got[1] != want[1] || got[2] != want[2] {
		t.Fatalf("lines differ: %q and %q", got, want)
	}
	if a.Len() != b.Len() || len(a.Heads()) != 2 {
		t.Fatalf("a has %d commits and %d heads, b %d", a.Len(), len(a.Heads()), b.Len())
	}
	line(t, b, "four")
	if len(b.Heads()) != 1 {
		t.Fatalf("a new commit leaves %d heads", len(b.Heads()))
	}
}

func TestReopen(t *testing.T) {
	mem := store.NewMem()
	keep := func(c *replica.Config) { c.Store = mem }
	n := newNode(t, 1, keep)
	a := create(t, n)
	for range 5 {
		line(t, a, "x")
	}
	heads := a.Heads()
	n.Close()
	if _, err := a.Update(context.Background(), func(*replica.Tx) error { return nil }); !errors.Is(err, replica.ErrClosed) {
		t.Fatalf("update after Close: %v", err)
	}
	n2 := newNode(t, 1, keep)
	b, err := n2.Space(a.ID())
	if err != nil {
		t.Fatal(err)
	}
	if got := b.Heads(); len(got) != 1 || got[0] != heads[0] || len(lines(t, b)) != 5 {
		t.Fatalf("reopened with heads %v and %d lines", got, len(lines(t, b)))
	}
	line(t, b, "y")
}

// slowSigner answers late, and fails now and then.
type slowSigner struct {
	key identity.Signer
	mu  sync.Mutex
	rnd *rand.Rand
	max time.Duration
}

var errSigner = errors.New("the signer refused")

func (s *slowSigner) Public() identity.PublicKey { return s.key.Public() }

func (s *slowSigner) Sign(ctx context.Context, st identity.Statement) ([]byte, error) {
	s.mu.Lock()
	wait, fail := time.Duration(s.rnd.Int64N(int64(s.max))), s.rnd.IntN(4) == 0
	s.mu.Unlock()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	<-timer.C // ignores ctx on purpose
	if fail {
		return nil, errSigner
	}
	return s.key.Sign(ctx, st)
}

func TestLaneWithUnreliableSigner(t *testing.T) {
	n := newNode(t, 1, func(c *replica.Config) {
		c.Device.Signer = &slowSigner{key: c.Device.Signer, rnd: rand.New(rand.NewPCG(7, 7)), max: 3 * time.Millisecond}
	})
	var a *replica.Space
	for a == nil {
		a, _ = n.Create(context.Background(), manifest)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	acked := map[object.ID]bool{}
	for i := range 100 {
		wg.Go(func() {
			ctx := context.Background()
			if i%10 == 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, time.Millisecond)
				defer cancel()
			}
			r, err := a.Update(ctx, func(tx *replica.Tx) error { return tx.Do("lines", crdt.LogAppend(enc(t, "x"))) })
			switch {
			case err == nil:
				mu.Lock()
				acked[r.Commit] = true
				mu.Unlock()
			case !errors.Is(err, errSigner) && !errors.Is(err, context.DeadlineExceeded):
				t.Errorf("update: %v", err)
			}
		})
	}
	wg.Wait()
	for {
		if r, err := a.Update(context.Background(), func(tx *replica.Tx) error { return tx.Do("lines", crdt.LogAppend(enc(t, "end"))) }); err == nil {
			acked[r.Commit] = true
			break
		}
	}
	b := join(t, newNode(t, 2), a)
	pull(t, b, a, 1000)
	seqs := map[uint64]int{}
	total := 0
	for batch, err := range b.Batches(nil, 1<<20) {
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range batch.Commits {
			seqs[c.Env.Seq]++
			total++
			delete(acked, c.ID)
		}
	}
	for seq := uint64(1); seq <= uint64(total); seq++ {
		if seqs[seq] != 1 {
			t.Fatalf("seq %d used %d times among %d commits", seq, seqs[seq], total)
		}
	}
	if len(acked) != 0 {
		t.Fatalf("%d acknowledged commits are missing", len(acked))
	}
}

func TestTxReadsItsOwnWrites(t *testing.T) {
	a := create(t, newNode(t, 1))
	red := enc(t, "red")
	_, err := a.Update(context.Background(), func(tx *replica.Tx) error {
		env, err := tx.Env("tags")
		if err != nil {
			return err
		}
		add := crdt.SetAdd(red)
		if err := tx.Do("tags", add); err != nil {
			return err
		}
		if has, err := crdt.SetHas(env, red); err != nil || !has {
			t.Errorf("added element is not there: %v %v", has, err)
		}
		drops, err := crdt.SetRemove(env, red)
		if err != nil {
			return err
		}
		for _, d := range drops {
			if err := tx.Do("tags", d); err != nil {
				return err
			}
		}
		if has, err := crdt.SetHas(env, red); err != nil || has {
			t.Errorf("removed element is still there: %v %v", has, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	v, err := a.View()
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	env, err := v.Env("tags")
	if err != nil {
		t.Fatal(err)
	}
	if has, err := crdt.SetHas(env, red); err != nil || has {
		t.Errorf("removed element is there after the commit: %v %v", has, err)
	}
}
