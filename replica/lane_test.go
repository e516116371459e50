package replica_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
	"github.com/hyperhyperspace/hhs-go/store"
)

// stuckSigner answers when it is released, whatever ctx says.
type stuckSigner struct {
	identity.Signer
	mu    sync.Mutex
	gate  chan struct{}
	asked chan struct{}
}

func (s *stuckSigner) Sign(ctx context.Context, st identity.Statement) ([]byte, error) {
	s.mu.Lock()
	gate := s.gate
	s.mu.Unlock()
	if gate != nil {
		s.asked <- struct{}{}
		<-gate
	}
	return s.Signer.Sign(context.WithoutCancel(ctx), st)
}

// hold makes it not answer until release is called.
func (s *stuckSigner) hold() (release func()) {
	gate := make(chan struct{})
	s.mu.Lock()
	s.gate = gate
	s.mu.Unlock()
	return func() {
		s.mu.Lock()
		s.gate = nil
		s.mu.Unlock()
		close(gate)
	}
}

func stuckSpace(t *testing.T, opts ...func(*replica.Config)) (*replica.Space, *stuckSigner) {
	signer := &stuckSigner{asked: make(chan struct{}, 1000)}
	opts = append(opts, func(c *replica.Config) {
		signer.Signer = c.Device.Signer
		c.Device.Signer = signer
	})
	return create(t, newNode(t, 1, opts...)), signer
}

func say(text string) func(*replica.Tx) error {
	return func(tx *replica.Tx) error {
		b, err := object.Encode(text)
		if err != nil {
			return err
		}
		return tx.Do("lines", crdt.LogAppend(b))
	}
}

// A space can be left while a signer does not answer.
func TestLeaveWhileSigning(t *testing.T) {
	s, signer := stuckSpace(t)
	release := signer.hold()
	defer release()
	done := make(chan error, 1)
	go func() { _, err := s.Update(context.Background(), say("never")); done <- err }()
	<-signer.asked
	if err := s.Node().Leave(context.Background(), s.ID()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, replica.ErrClosed) {
		t.Errorf("the edit under way: %v", err)
	}
}

// A signer that never answers keeps nobody who gives up, and nothing else.
func TestSignerNeverAnswers(t *testing.T) {
	a, signer := stuckSpace(t)
	release := signer.hold()
	defer release()
	bg := context.Background()
	first, giveUp := context.WithCancelCause(bg)
	errs := make(chan error, 10)
	go func() { _, err := a.Update(first, say("first")); errs <- err }()
	<-signer.asked
	// These wait in the queue; their callers may leave at once.
	for range 5 {
		ctx, cancel := context.WithCancel(bg)
		go func() { _, err := a.Update(ctx, say("queued")); errs <- err }()
		cancel()
		if err := <-errs; !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	// Reading and receiving go on.
	f := newForger(t, 50)
	c := f.first("other", a.Heads()...).commit(t)
	if _, err := a.Ingest(bg, f.signed(a.ID(), c), peer); err != nil {
		t.Fatal(err)
	}
	if got := lines(t, a); !slices.Equal(got, []string{"other"}) {
		t.Fatalf("lines %q", got)
	}
	giveUp(nil)
	if err := <-errs; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

// An update that the lane took but has not run may be given up, too.
func TestGivingUpBehindALargeOne(t *testing.T) {
	a, signer := stuckSpace(t)
	release := signer.hold()
	bg := context.Background()
	big := func(tx *replica.Tx) error {
		for range 10 {
			if err := tx.Do("title", crdt.Draft{Action: "set", Payload: enc(t, strings.Repeat("x", 60_000))}); err != nil {
				return err
			}
		}
		return nil
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := a.Update(bg, say("first")); err != nil {
			t.Error(err)
		}
	})
	<-signer.asked
	for range 2 {
		wg.Go(func() { // over the size of a group: the second waits for the first one's signature
			if _, err := a.Update(bg, big); err != nil {
				t.Error(err)
			}
		})
	}
	ctx, cancel := context.WithCancel(bg)
	left := make(chan error)
	go func() { _, err := a.Update(ctx, say("left")); left <- err }()
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	release()
	wg.Wait()
	if got := lines(t, a); !slices.Equal(got, []string{"first"}) {
		t.Fatalf("lines %q", got)
	}
}

// Closing the node ends updates that wait for a signature or for their turn.
func TestCloseWhileUpdatesWait(t *testing.T) {
	mem := store.NewMem()
	a, signer := stuckSpace(t, func(c *replica.Config) { c.Store = mem })
	release := signer.hold()
	before := digest(t, mem)
	errs := make(chan error, 10)
	for range 5 {
		go func() { _, err := a.Update(context.Background(), say("never")); errs <- err }()
	}
	<-signer.asked
	a.Node().Close()
	for range 5 {
		if err := <-errs; !errors.Is(err, replica.ErrClosed) {
			t.Fatal(err)
		}
	}
	release()
	if digest(t, mem) != before {
		t.Fatal("a late signature was used")
	}
	if _, err := a.Update(context.Background(), say("closed")); !errors.Is(err, replica.ErrClosed) {
		t.Fatal(err)
	}
	for _, err := range a.Watch(context.Background()) {
		if !errors.Is(err, replica.ErrClosed) {
			t.Fatal(err)
		}
	}
}

// The bound on updates that wait is told, not felt.
func TestLaneIsBounded(t *testing.T) {
	a, signer := stuckSpace(t)
	release := signer.hold()
	var wg sync.WaitGroup
	busy := make(chan struct{}, 3000)
	ctx, cancel := context.WithCancel(context.Background())
	for range 3000 {
		wg.Go(func() {
			_, err := a.Update(ctx, say("x"))
			switch {
			case errors.Is(err, replica.ErrBusy):
				busy <- struct{}{}
			case !errors.Is(err, context.Canceled):
				t.Error(err)
			}
		})
	}
	<-busy
	cancel()
	wg.Wait()
	release()
	line(t, a, "after")
}

func TestPanicGoesOnInTheCaller(t *testing.T) {
	a := create(t, newNode(t, 1))
	for range 3 {
		func() {
			defer func() {
				if p := recover(); p != "mine" {
					t.Errorf("recovered %v", p)
				}
			}()
			_, err := a.Update(context.Background(), func(tx *replica.Tx) error {
				if err := say("half")(tx); err != nil {
					return err
				}
				panic("mine")
			})
			t.Errorf("returned %v", err)
		}()
		line(t, a, "next")
	}
	if got := lines(t, a); !slices.Equal(got, []string{"next", "next", "next"}) {
		t.Fatalf("lines %q", got)
	}
}

// A function that ends its goroutine does not end the lane.
func TestGoexitInUpdate(t *testing.T) {
	a := create(t, newNode(t, 1))
	_, err := a.Update(context.Background(), func(tx *replica.Tx) error {
		runtime.Goexit()
		return nil
	})
	if err == nil {
		t.Fatal("no error")
	}
	line(t, a, "next")
}

// One transaction over the limits is refused by name and takes no other with it.
func TestTransactionLimits(t *testing.T) {
	ctx := context.Background()
	a, signer := stuckSpace(t)
	n := a.Node()
	put := func(v any) object.ID {
		id, err := n.Put(ctx, v)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	half := put(slices.Repeat([]byte{1}, replica.MaxAttachBytes/2))
	other := put(slices.Repeat([]byte{2}, replica.MaxAttachBytes/2))
	var links []any
	for i := range replica.MaxAttachObjects {
		links = append(links, put(int64(i)))
	}
	many := put(links)
	release := signer.hold()
	var wg sync.WaitGroup
	var mu sync.Mutex
	errs := map[string]error{}
	do := func(name string, f func(tx *replica.Tx) error) {
		wg.Go(func() {
			_, err := a.Update(ctx, f)
			mu.Lock()
			errs[name] = err
			mu.Unlock()
		})
	}
	do("first", say("first"))
	<-signer.asked
	do("two halves", func(tx *replica.Tx) error {
		if err := tx.Attach(half); err != nil {
			return err
		}
		return tx.Attach(other)
	})
	do("many", func(tx *replica.Tx) error { return tx.Attach(many) })
	do("nothing", func(tx *replica.Tx) error { return tx.Attach(object.Sum(object.DagCBOR, []byte("x"))) })
	do("payload", func(tx *replica.Tx) error {
		return tx.Do("title", crdt.Draft{Action: "set", Payload: enc(t, strings.Repeat("x", replica.MaxPayload))})
	})
	do("all payloads", func(tx *replica.Tx) error {
		for range 40 {
			if err := tx.Do("title", crdt.Draft{Action: "set", Payload: enc(t, strings.Repeat("x", 60_000))}); err != nil {
				return err
			}
		}
		return nil
	})
	do("field", func(tx *replica.Tx) error { return tx.Do("price", crdt.LogAppend(enc(t, "x"))) })
	do("schema", say("more than ten characters"))
	do("fine", say("fine"))
	do("half", func(tx *replica.Tx) error { return tx.Attach(half) })
	release()
	wg.Wait()
	for name, mention := range map[string]string{"two halves": "objects or", "many": "objects or", "nothing": "Put it first",
		"payload": "blob", "all payloads": "transaction", "field": "price", "schema": "lines"} {
		if err := errs[name]; err == nil || !strings.Contains(err.Error(), mention) {
			t.Errorf("%s: %v, want a mention of %q", name, err, mention)
		}
	}
	for _, name := range []string{"first", "fine", "half"} {
		if errs[name] != nil {
			t.Errorf("%s: %v", name, errs[name])
		}
	}
	if counts, _ := a.Refused(); len(counts) != 0 {
		t.Errorf("the door refused own batches: %v", counts)
	}
	copied := join(t, newNode(t, 2), a)
	pull(t, copied, a, 1<<20)
	same(t, a, copied)
	if _, err := copied.Object(half); err != nil {
		t.Fatal(err)
	}
}

// Changes come in the order of the door, though many write at once.
func TestWatchOrder(t *testing.T) {
	a := create(t, newNode(t, 1))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	changes := a.Watch(ctx)
	const writers, each = 8, 50
	var wg sync.WaitGroup
	for w := range writers {
		f := newForger(t, uint64(100+w))
		root := a.ID()
		wg.Go(func() {
			var prev object.ID
			for i := range uint64(each) {
				d := f.next("", prev, i+1)
				if i == 0 {
					d = f.first("", root)
				}
				d.env.Ops = d.env.Ops[:len(d.env.Ops)-1]
				d.payloads = nil
				d.op(history.Op{Field: "title", Action: "set"}, enc(t, int64(i)))
				c := d.commit(t)
				if _, err := a.Ingest(ctx, f.signed(root, c), peer); err != nil {
					t.Error(err)
				}
				prev = c.ID
			}
		})
	}
	go func() { wg.Wait(); line(t, a, "end") }()
	var last []byte
	known := false
	for c, err := range changes {
		if err != nil {
			t.Fatal(err)
		}
		if c.Resync {
			t.Fatal("fell behind")
		}
		if c.Field == "lines" {
			break
		}
		if known && !slices.Equal(c.Before, last) {
			t.Fatalf("a change from %x follows one to %x", c.Before, last)
		}
		last, known = c.After, true
	}
	v, err := a.View()
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	env, err := v.Env("title")
	if err != nil {
		t.Fatal(err)
	}
	e, ok, err := crdt.RegisterValue(env)
	if err != nil || !ok || !slices.Equal(e.Value, last) {
		t.Fatalf("the last change is to %x, the value is %x, %v", last, e.Value, err)
	}
}
