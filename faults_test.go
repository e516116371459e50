//go:build !js

package hhs_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
	"github.com/hyperhyperspace/hhs-go/store"
)

var errTrap = errors.New("the store fails once")

// trap is a Store whose nth call fails: a snapshot, a Get, the beginning of a Scan, each of its steps, an Apply.
type trap struct {
	*store.Mem
	mu   sync.Mutex
	left int // calls until one fails; 0: none will
}

func (p *trap) arm(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left = n
}

// disarm tells whether the trap was never reached.
func (p *trap) disarm() (missed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	missed, p.left = p.left > 0, 0
	return missed
}

func (p *trap) call() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left > 0 {
		if p.left--; p.left == 0 {
			return errTrap
		}
	}
	return nil
}

func (p *trap) Apply(ctx context.Context, b *store.Batch, d store.Durability) error {
	if err := p.call(); err != nil {
		return err
	}
	return p.Mem.Apply(ctx, b, d)
}

func (p *trap) Snapshot() (store.Snapshot, error) {
	if err := p.call(); err != nil {
		return nil, err
	}
	s, err := p.Mem.Snapshot()
	return trapSnapshot{s, p}, err
}

type trapSnapshot struct {
	store.Snapshot
	trap *trap
}

func (s trapSnapshot) Get(key []byte) ([]byte, error) {
	if err := s.trap.call(); err != nil {
		return nil, err
	}
	return s.Snapshot.Get(key)
}

func (s trapSnapshot) Scan(lo, hi []byte, reverse bool) iter.Seq2[store.KV, error] {
	return func(yield func(store.KV, error) bool) {
		if err := s.trap.call(); err != nil {
			yield(store.KV{}, err)
			return
		}
		for kv, err := range s.Snapshot.Scan(lo, hi, reverse) {
			if err == nil {
				if err = s.trap.call(); err != nil {
					kv = store.KV{}
				}
			}
			if !yield(kv, err) || err != nil {
				return
			}
		}
	}
}

// stage is a store with something of everything in it, and what else the calls need.
type stage struct {
	device  identity.Device
	pairs   []store.KV
	space   object.ID
	waiting object.ID // a space that was joined and of which nothing has come
	kept    object.ID // an object that is on the node alone
	commit  object.ID
	batch   *history.Batch // of another device, not here yet
	from    identity.PublicKey
}

// sevens is a source of one random number, so that a call made again makes the same commit.
type sevens struct{}

func (sevens) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 7
	}
	return len(p), nil
}

// options are those of every opening: equal calls leave equal stores.
func (g *stage) options(s store.Store) []hhs.Option {
	return []hhs.Option{hhs.Kinds(desk), hhs.Offline(), hhs.WithStore(s), hhs.WithDevice(g.device),
		hhs.WithClock(func() time.Time { return time.UnixMilli(1_700_000_000_000) })}
}

func newStage(t *testing.T) *stage {
	ctx := within(t)
	g := &stage{device: newDevice(t)}
	mem := store.NewMem()
	node := must(hhs.Open(ctx, "", g.options(mem)...))(t)
	defer node.Close()
	s := must(hhs.Create(ctx, node, desk))(t)
	g.space = s.ID()
	ok(t, node.SetName(ctx, "Ana"))
	ok(t, s.AddAddresses(ctx, []string{"ws://host/signal"}, nil))
	g.kept = must(node.Put(ctx, "on the node"))(t)
	writeDesk(t, s, "here", 4)
	g.commit = must(s.Commit(ctx, func(tx *hhs.Tx, d Desk) error { return d.Lines.Append(tx, "the last") }))(t).Commit

	other := must(hhs.Open(ctx, "", hhs.Kinds(desk), hhs.Offline()))(t)
	defer other.Close()
	theirs := exchange(t, other, s.AnySpace, nil)
	ok(t, other.SetName(ctx, "Bo"))
	writeDesk(t, theirs, "there", 2)
	writeDesk(t, s, "here, too", 2) // not having seen it
	exchange(t, node, theirs.AnySpace, s.AnySpace)
	g.from = fromDevice(t, theirs.AnySpace)
	ok(t, s.Replica().Acked(ctx, g.from, []object.ID{g.commit}))
	exchange(t, other, s.AnySpace, theirs.AnySpace)
	writeDesk(t, theirs, "later", 3)
	for b, err := range theirs.Replica().Batches(s.Replica().Heads(), 1<<20) {
		ok(t, err)
		g.batch = b
	}
	g.waiting = object.Sum(object.DagCBOR, []byte("another space"))
	must(node.JoinSpace(ctx, g.waiting.String()))(t)

	snap := must(mem.Snapshot())(t)
	defer snap.Close()
	for kv, err := range snap.Scan(nil, nil, false) {
		ok(t, err)
		g.pairs = append(g.pairs, store.KV{Key: slices.Clone(kv.Key), Value: slices.Clone(kv.Value)})
	}
	return g
}

// set is one node over a copy of the stage's store.
type set struct {
	*stage
	trap  *trap
	node  *hhs.Node
	space *hhs.Space[Desk]
}

func (g *stage) open(t *testing.T) *set {
	t.Helper()
	var b store.Batch
	for _, kv := range g.pairs {
		b.Put(kv.Key, kv.Value)
	}
	p := &trap{Mem: store.NewMem()}
	ok(t, p.Mem.Apply(within(t), &b, store.Memory))
	one := &set{stage: g, trap: p}
	one.enter(t)
	return one
}

func (s *set) reopen(ctx context.Context) (*hhs.Node, error) {
	return hhs.Open(ctx, "", append(s.options(s.trap), hhs.WithRand(sevens{}))...)
}

// enter opens the node.
func (s *set) enter(t *testing.T) {
	t.Helper()
	s.node = must(s.reopen(within(t)))(t)
}

func (s *set) bind() error {
	one, err := s.node.Space(s.stage.space)
	if err == nil {
		s.space, err = hhs.As(one, desk)
	}
	return err
}

// state is all that the node holds.
func (s *set) state(t *testing.T) string {
	t.Helper()
	return string(must(json.Marshal(describe(t, s.node, s.kept)))(t))
}

// reading makes text of what a call returns.
func reading[T any](v T, err error) (string, error) {
	return fmt.Sprintf("%+v", v), err
}

// all makes text of what an iteration yields.
func all[T any](list iter.Seq2[T, error]) (string, error) {
	var texts []string
	for v, err := range list {
		if err != nil {
			return "", err
		}
		texts = append(texts, fmt.Sprintf("%+v", v))
	}
	return strings.Join(texts, ", "), nil
}

// nothing is for calls that return only an error.
func nothing(err error) (string, error) { return "", err }

// calls are the public calls of this package that come to the store, and of package replica those that sessions make.
var calls = map[string]func(ctx context.Context, s *set) (string, error){
	"Open": func(ctx context.Context, s *set) (string, error) {
		if err := s.node.Close(); err != nil {
			return "", err
		}
		node, err := s.reopen(ctx)
		if err != nil {
			s.trap.disarm()
			s.node, _ = s.reopen(ctx)
			return "", err
		}
		s.node = node
		return "", nil
	},

	"Node.CreateSpace": func(ctx context.Context, s *set) (string, error) {
		m, err := desk.Manifest()
		if err != nil {
			return "", err
		}
		_, err = s.node.CreateSpace(ctx, m)
		return "", err
	},
	"Node.JoinSpace": func(ctx context.Context, s *set) (string, error) {
		_, err := s.node.JoinSpace(ctx, "hhs:"+object.Sum(object.DagCBOR, []byte("x")).String()+"?s=ws://host/signal")
		return "", err
	},
	"Node.JoinSpace again": func(ctx context.Context, s *set) (string, error) {
		_, err := s.node.JoinSpace(ctx, "hhs:"+s.stage.space.String()+"?s=ws://elsewhere/signal")
		return "", err
	},
	"Join": func(ctx context.Context, s *set) (string, error) {
		_, err := hhs.Join(ctx, s.node, desk, s.stage.space.String())
		return "", err
	},
	"Node.Leave":         func(ctx context.Context, s *set) (string, error) { return nothing(s.node.Leave(ctx, s.stage.space)) },
	"Node.Leave waiting": func(ctx context.Context, s *set) (string, error) { return nothing(s.node.Leave(ctx, s.waiting)) },
	"Node.SetName":       func(ctx context.Context, s *set) (string, error) { return nothing(s.node.SetName(ctx, "Ann")) },
	"Node.Put":           func(ctx context.Context, s *set) (string, error) { return reading(s.node.Put(ctx, "new")) },
	"Node.PutValue":      func(ctx context.Context, s *set) (string, error) { return reading(s.node.PutValue(ctx, "newer")) },
	"Node.Get":           func(_ context.Context, s *set) (string, error) { return reading(s.node.Get(s.kept)) },
	"Node.Name":          func(_ context.Context, s *set) (string, error) { return reading(s.node.Name()) },
	"Node.Space": func(_ context.Context, s *set) (string, error) {
		one, err := s.node.Space(s.waiting)
		if err != nil {
			return "", err
		}
		return reading(one.Link().String(), nil)
	},
	"Node.Spaces": func(_ context.Context, s *set) (string, error) {
		list, err := s.node.Spaces()
		return fmt.Sprint(len(list)), err
	},
	"Spaces": func(_ context.Context, s *set) (string, error) {
		list, err := hhs.Spaces(s.node, desk)
		return fmt.Sprint(len(list)), err
	},

	"AnySpace.SetName": func(ctx context.Context, s *set) (string, error) { return nothing(s.space.SetName(ctx, "Annie")) },
	"AnySpace.AddAddresses": func(ctx context.Context, s *set) (string, error) {
		return nothing(s.space.AddAddresses(ctx, []string{"ws://second/signal"}, nil))
	},
	"AnySpace.AddLink": func(ctx context.Context, s *set) (string, error) {
		return nothing(s.space.AddLink(ctx, hhs.Link{Space: s.stage.space, Endpoints: []string{"ws://third"}}))
	},
	"AnySpace.Apply": func(ctx context.Context, s *set) (string, error) {
		r, err := s.space.Apply(ctx, []hhs.Op{{Field: "note", Action: "set", Value: s.kept}, {Field: "tags", Action: "add", Value: "t"}}, s.kept)
		return r.Commit.String(), err
	},
	"Space.Update": func(ctx context.Context, s *set) (string, error) {
		return nothing(s.space.Update(ctx, func(tx *hhs.Tx, d Desk) error {
			_, _, err := d.Title.Get()
			return errors.Join(err, d.Title.Set(tx, "set"), d.Lines.Append(tx, "set"), d.Tags.Remove(tx, "here 0"), d.Tags.Add(tx, "here 1"), d.Votes.Add(tx, "v"))
		}))
	},
	"AnySpace.Flush":    func(ctx context.Context, s *set) (string, error) { return nothing(s.space.Flush(ctx)) },
	"AnySpace.Wait":     func(ctx context.Context, s *set) (string, error) { return nothing(s.space.Wait(ctx)) },
	"AnySpace.Manifest": func(_ context.Context, s *set) (string, error) { return reading(s.space.Manifest()) },
	"AnySpace.Creator": func(_ context.Context, s *set) (string, error) {
		who, when, err := s.space.Creator()
		return fmt.Sprint(who, when), err
	},
	"AnySpace.HeldBy":  func(_ context.Context, s *set) (string, error) { return reading(s.space.HeldBy(s.commit)) },
	"AnySpace.Names":   func(_ context.Context, s *set) (string, error) { return all(s.space.Names()) },
	"AnySpace.NameOf":  func(_ context.Context, s *set) (string, error) { return reading(s.space.NameOf(s.node.Identity())) },
	"AnySpace.SetHas":  func(_ context.Context, s *set) (string, error) { return reading(s.space.SetHas("tags", "here 1")) },
	"AnySpace.SetPage": func(_ context.Context, s *set) (string, error) { return reading(s.space.SetPage("tags", nil, 3)) },
	"AnySpace.LogPage": func(_ context.Context, s *set) (string, error) {
		return reading(s.space.LogPage("lines", nil, 3, true))
	},
	"AnySpace.Register": func(_ context.Context, s *set) (string, error) {
		return reading(s.space.Register("title"))
	},
	"AnySpace.Object": func(_ context.Context, s *set) (string, error) {
		id, _, err := s.space.Root().Note.Get()
		if err != nil {
			return "", err
		}
		return reading(s.space.Object(id))
	},
	"AnySpace.Link":   func(_ context.Context, s *set) (string, error) { return s.space.Link().String(), nil },
	"AnySpace.Status": func(_ context.Context, s *set) (string, error) { return fmt.Sprintf("%+v", s.space.Status()), nil },
	"AnySpace.Ready":  func(_ context.Context, s *set) (string, error) { return fmt.Sprint(s.space.Ready()), nil },
	"Register.Get": func(_ context.Context, s *set) (string, error) {
		v, there, err := s.space.Root().Title.Get()
		return fmt.Sprint(v, there), err
	},
	"Register.Entry": func(_ context.Context, s *set) (string, error) {
		e, there, err := s.space.Root().Title.Entry()
		return fmt.Sprint(e, there), err
	},
	"Register.Conflicts": func(_ context.Context, s *set) (string, error) { return reading(s.space.Root().Title.Conflicts()) },
	"Log.All":            func(_ context.Context, s *set) (string, error) { return all(s.space.Root().Lines.All()) },
	"Log.Backward":       func(_ context.Context, s *set) (string, error) { return all(s.space.Root().Lines.Backward()) },
	"Log.Last":           func(_ context.Context, s *set) (string, error) { return reading(s.space.Root().Lines.Last(3)) },
	"Log.Len":            func(_ context.Context, s *set) (string, error) { return reading(s.space.Root().Lines.Len()) },
	"Set.All":            func(_ context.Context, s *set) (string, error) { return all(s.space.Root().Tags.All()) },
	"Set.Has":            func(_ context.Context, s *set) (string, error) { return reading(s.space.Root().Tags.Has("here 1")) },
	"Set.Len":            func(_ context.Context, s *set) (string, error) { return reading(s.space.Root().Tags.Len()) },
	"GrowSet.All":        func(_ context.Context, s *set) (string, error) { return all(s.space.Root().Votes.All()) },
	"GrowSet.Has":        func(_ context.Context, s *set) (string, error) { return reading(s.space.Root().Votes.Has("here 1")) },
	"GrowSet.Len":        func(_ context.Context, s *set) (string, error) { return reading(s.space.Root().Votes.Len()) },

	"replica.Space.Ingest": func(ctx context.Context, s *set) (string, error) {
		return reading(s.space.Replica().Ingest(ctx, s.batch, replica.Source{Device: s.from}))
	},
	"replica.Space.Acked": func(ctx context.Context, s *set) (string, error) {
		return nothing(s.space.Replica().Acked(ctx, s.from, s.space.Replica().Heads()))
	},
	"replica.Space.Batches": func(_ context.Context, s *set) (string, error) {
		n := 0
		for b, err := range s.space.Replica().Batches(nil, 2000) {
			if err != nil {
				return "", err
			}
			n += len(b.Commits)
		}
		return fmt.Sprint(n), nil
	},
	"replica.Space.Commit": func(_ context.Context, s *set) (string, error) {
		c, err := s.space.Replica().Commit(s.commit)
		return fmt.Sprint(c != nil), err
	},
	"replica.Space.Attested": func(_ context.Context, s *set) (string, error) {
		b, err := s.space.Replica().Attested()
		return fmt.Sprint(b != nil), err
	},
	"replica.Space.Chains": func(_ context.Context, s *set) (string, error) { return reading(s.space.Replica().Chains(nil)) },
	"replica.Space.CountMissing": func(_ context.Context, s *set) (string, error) {
		return reading(s.space.Replica().CountMissing([]object.ID{s.commit}))
	},
}

// inSteps are the calls that are several transactions: a fault may leave the first ones done, and the next try does the rest.
var inSteps = []string{"Node.SetName"}

// Each public call meets a store that fails once, at each of the call's reads and writes in turn. The call returns that
// error and has done nothing, or it has done all. Then it can be made again, and the node, now and opened anew, holds
// what it would hold had nothing failed.
func TestFaults(t *testing.T) {
	g := newStage(t)
	total := 0
	for _, name := range slices.Sorted(maps.Keys(calls)) {
		t.Run(name, func(t *testing.T) {
			bound := func(ctx context.Context, s *set) (string, error) {
				if err := s.bind(); err != nil {
					return "", err
				}
				return calls[name](ctx, s)
			}
			steps := slices.Contains(inSteps, name)
			total += faults(t, g, (*set).bind, calls[name], steps)               // of a space that is open
			total += faults(t, g, func(*set) error { return nil }, bound, steps) // of one that is not
		})
	}
	t.Logf("%d faults in %d calls", total, len(calls))
	if total < 800 {
		t.Errorf("only %d faults", total)
	}
}

// faults tries one call with every fault it can meet and returns how many there are.
func faults(t *testing.T, g *stage, prepare func(*set) error, call func(context.Context, *set) (string, error), steps bool) int {
	calm := g.open(t)
	before := calm.state(t)
	ok(t, prepare(calm))
	want, err := call(within(t), calm)
	ok(t, err)
	after := calm.state(t)
	ok(t, calm.node.Close())
	for at := 1; ; at++ {
		s := g.open(t)
		ok(t, prepare(s))
		s.trap.arm(at)
		got, err := call(within(t), s)
		missed := s.trap.disarm()
		switch {
		case err != nil && !errors.Is(err, errTrap):
			t.Fatalf("fault %d: %v", at, err)
		case err != nil:
			if now := s.state(t); now != before && !steps {
				t.Fatalf("fault %d: the call failed (%v) and left\n%s\nbefore it was\n%s", at, err, now, before)
			}
			ok(t, prepare(s))
			if got, err = call(within(t), s); err != nil {
				t.Fatalf("fault %d: made again, the call fails: %v", at, err)
			}
		}
		if got != want {
			t.Fatalf("fault %d: the call returned\n%s\nnot\n%s", at, got, want)
		}
		for _, when := range []string{"then", "opened again"} {
			if now := s.state(t); now != after {
				t.Fatalf("fault %d: %s the node holds\n%s\nnot\n%s", at, when, now, after)
			}
			ok(t, s.node.Close())
			s.enter(t)
		}
		ok(t, s.node.Close())
		if missed {
			return at - 1
		}
	}
}
