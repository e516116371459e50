package replica_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/replica"
	"github.com/hyperhyperspace/hhs-go/store"
)

// person makes device keys for one identity.
type person struct {
	id     identity.PrivateKey
	device identity.Device
	seed   uint64        // of the keys it makes
	done   chan struct{} // one for each renewal

	mu   sync.Mutex
	made int
	fail error
}

func newPerson(t testing.TB, seed uint64) *person {
	t.Helper()
	id, d, err := identity.NewDevice(context.Background(), seeded(seed), "test", 1)
	if err != nil {
		t.Fatal(err)
	}
	return &person{id: id, device: d, seed: 500, done: make(chan struct{}, 8)}
}

func (p *person) renew(ctx context.Context) (identity.Device, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fail != nil {
		return identity.Device{}, p.fail
	}
	p.made++
	key, err := identity.NewKey(seeded(p.seed + uint64(p.made)))
	if err != nil {
		return identity.Device{}, err
	}
	cert, err := identity.Certify(ctx, p.id, key.Public(), "test", 2)
	p.device = identity.Device{Signer: key, Certificate: cert}
	return p.device, err
}

func (p *person) node(t testing.TB, mem store.Store) *replica.Node {
	t.Helper()
	return newNode(t, 77, func(c *replica.Config) {
		c.Store, c.Device, c.Renew, c.OnRenew = mem, p.device, p.renew, func() { p.done <- struct{}{} }
	})
}

// copied is a store with what another one holds.
func copied(t testing.TB, mem store.Store) *store.Mem {
	t.Helper()
	to := store.NewMem()
	for _, kv := range dump(t, mem) {
		put(t, to, kv.Key, kv.Value)
	}
	return to
}

// A copy of a node that hears of its own commits goes on under a fresh key, for
// the same person, also when it was closed in between; nobody's chain forks.
func TestCopyRenewsItsKey(t *testing.T) {
	for _, reopen := range []bool{false, true} {
		mem := store.NewMem()
		one, two := newPerson(t, 1), newPerson(t, 1)
		two.seed = 600
		a := create(t, one.node(t, mem))
		line(t, a, "before")
		second := copied(t, mem)
		line(t, a, "there")
		n := two.node(t, second)
		b := mustSpace(t, n, a.ID())
		pull(t, b, a, 1<<12)
		<-two.done // without an edit
		if reopen {
			n.Close()
			n = two.node(t, second)
			b = mustSpace(t, n, a.ID())
		}
		line(t, b, "here")
		line(t, b, "and here")
		line(t, a, "there 2")
		pull(t, a, b, 1<<12)
		pull(t, b, a, 1<<12)
		same(t, a, b)
		if len(a.Forks())+len(b.Forks()) != 0 || two.made != 1 || one.made != 0 {
			t.Errorf("reopen %v: forks %v, fresh keys %d and %d", reopen, b.Forks(), one.made, two.made)
		}
		if n.Device().Certificate.Identity != a.Node().Device().Certificate.Identity || n.Device().Signer.Public() == a.Node().Device().Signer.Public() {
			t.Errorf("reopen %v: it is another person, or the same device", reopen)
		}
	}
}

// A chain that forked already is not written on either; without an identity key
// at hand the node says so.
func TestForkRenewsTheKey(t *testing.T) {
	mem := store.NewMem()
	one, two := newPerson(t, 1), newPerson(t, 1)
	two.seed = 600
	a := create(t, one.node(t, mem))
	b := mustSpace(t, two.node(t, copied(t, mem)), a.ID())
	line(t, a, "there")
	line(t, b, "here")
	pull(t, a, b, 1<<12)
	two.fail = errors.New("the identity key is kept elsewhere")
	pull(t, b, a, 1<<12)
	if _, err := b.Update(context.Background(), say("no")); !errors.Is(err, replica.ErrForked) || !errors.Is(err, two.fail) {
		t.Errorf("written: %v", err)
	}
	two.mu.Lock()
	two.fail = nil
	two.mu.Unlock()
	line(t, a, "there 2")
	line(t, b, "here 2")
	pull(t, a, b, 1<<12)
	pull(t, b, a, 1<<12)
	same(t, a, b)
	if len(a.Forks()) != 1 || one.made != 1 || two.made != 1 {
		t.Errorf("forks %v, fresh keys %d and %d", a.Forks(), one.made, two.made)
	}
}

// An edit renews the key in its turn; a space that is left meanwhile waits for the
// turn, and the renewal not for it.
func TestLeaveWhileRenewing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := store.NewMem()
		one, two := newPerson(t, 1), newPerson(t, 1)
		two.seed = 600
		a := create(t, one.node(t, mem))
		line(t, a, "before")
		var n *replica.Node
		left := make(chan error, 1)
		refused, closing := errors.New("not yet"), false
		n = newNode(t, 77, func(c *replica.Config) {
			c.Store, c.Device = copied(t, mem), two.device
			c.Renew = func(ctx context.Context) (identity.Device, error) {
				if !closing {
					return identity.Device{}, refused
				}
				go func() { left <- n.Leave(context.Background(), a.ID()) }()
				synctest.Wait() // it waits for the turn
				return two.renew(ctx)
			}
		})
		line(t, a, "there")
		b := mustSpace(t, n, a.ID())
		pull(t, b, a, 1<<12)
		synctest.Wait()
		closing = true
		if _, err := b.Update(context.Background(), say("here")); err != nil && !errors.Is(err, replica.ErrClosed) {
			t.Error(err) // it may be left before what was made is signed
		}
		if err := <-left; err != nil {
			t.Error(err)
		}
		if two.made != 1 {
			t.Errorf("%d fresh keys", two.made)
		}
	})
}

// Nothing is made in a space while it is left; what is being made may ask the
// node, and is not waited for longer than who leaves it wants to.
func TestLeaveWhileEditing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := create(t, newNode(t, 1))
		n := a.Node()
		other := create(t, n)
		left, asked, editing, hurry := make(chan error), make(chan struct{}), make(chan struct{}), make(chan struct{})
		go a.Update(context.Background(), func(*replica.Tx) error {
			close(editing)
			<-asked
			if _, err := n.Space(other.ID()); err != nil {
				t.Error(err)
			}
			<-hurry
			return nil
		})
		<-editing
		ctx, cancel := context.WithCancel(context.Background())
		go func() { left <- n.Leave(ctx, a.ID()) }()
		synctest.Wait()
		close(asked)
		synctest.Wait()
		cancel()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("given up: %v", err)
		}
		go func() { left <- n.Leave(context.Background(), a.ID()) }()
		synctest.Wait()
		close(hurry)
		if err := <-left; err != nil {
			t.Error(err)
		}
		if _, err := n.Space(a.ID()); !errors.Is(err, replica.ErrUnknownSpace) {
			t.Errorf("after leaving: %v", err)
		}
	})
}

// What this device wrote before it left a space is no sign of another copy.
func TestLeaveKeepsTheKey(t *testing.T) {
	one := newPerson(t, 1)
	a := create(t, one.node(t, store.NewMem()))
	b := join(t, newNode(t, 2), a)
	line(t, a, "one")
	pull(t, b, a, 1<<12)
	if err := a.Acked(context.Background(), b.Node().Device().Signer.Public(), b.Heads()); err != nil {
		t.Fatal(err)
	}
	if err := a.Node().Leave(context.Background(), a.ID()); err != nil {
		t.Fatal(err)
	}
	back := join(t, a.Node(), b)
	pull(t, back, b, 1<<12)
	line(t, back, "two")
	if one.made != 0 || len(back.Forks()) != 0 {
		t.Errorf("fresh keys %d, forks %v", one.made, back.Forks())
	}
}

// Where the end of the own chain is lost for good, writing goes on under a fresh key.
func TestRotAtOwnEndRenews(t *testing.T) {
	mem := store.NewMem()
	one := newPerson(t, 1)
	n := one.node(t, mem)
	a := create(t, n)
	line(t, a, "one")
	line(t, a, "two")
	list := ofSpace(t, mem, "c")
	flip(t, mem, list[2], len(list[2].Value)-1)
	if _, err := n.Rebuild(context.Background(), a.ID(), nil); err != nil {
		t.Fatal(err)
	}
	s := mustSpace(t, n, a.ID())
	line(t, s, "three")
	if got := lines(t, s); len(got) != 2 || one.made != 1 {
		t.Errorf("lines %q, fresh keys %d", got, one.made)
	}
}
