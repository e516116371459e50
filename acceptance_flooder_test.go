//go:build !js

package hhs_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/mesh"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/syncer"
	"github.com/hyperhyperspace/hhs-go/transport"
	"github.com/hyperhyperspace/hhs-go/transport/ws"
)

// floodPlan makes the test binary a process of members that flood a node: what they take of memory is not the node's.
const floodPlan = "HHS_TEST_FLOOD"

// plan is what the flooders are told.
type plan struct {
	URL     string
	Space   object.ID
	Genesis object.ID
	Blob    object.ID     // that the space names
	Members int           // how many flood
	Slot    time.Duration // for which a member does one thing, at most
	Enough  int64         // after so many of them it does the next; 0: when the slot is over
	Slots   int
	Commits int // of a batch
	Authors int // told of by who asks for a history
	Batches int // made before the flood begins, for each member
}

// abuses are what a member can do, each for as long as its session lasts.
var abuses = []struct {
	name string
	do   func(*flooder, context.Context, *mesh.Stream) error
}{
	{"commits", (*flooder).commits},
	{"rejected", (*flooder).rejected},
	{"repeats", (*flooder).repeats},
	{"histories", (*flooder).histories},
	{"heads", (*flooder).heads},
	{"blobs", (*flooder).blobs},
	{"stalls", (*flooder).stalls},
	{"streams", (*flooder).streams},
}

// flooding is the process: it says "ready", floods from the first line of its input on, and says at the end what it did.
func flooding(text string) int {
	var p plan
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		fmt.Println("error", err)
		return 1
	}
	members := make([]*flooder, p.Members)
	for i := range members {
		f, err := newFlooder(p)
		if err != nil {
			fmt.Println("error", err)
			return 1
		}
		members[i] = f
	}
	fmt.Println("ready")
	in := bufio.NewScanner(os.Stdin)
	in.Scan()
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		in.Scan() // nothing: the test is over
		cancel()
	}()
	var all sync.WaitGroup
	for i, f := range members {
		all.Go(func() { f.run(ctx, i) })
	}
	all.Wait()
	total := map[string]int64{}
	for _, f := range members {
		for name, n := range f.did {
			total[name] += n.Load()
		}
	}
	for _, name := range slices.Sorted(maps.Keys(total)) {
		fmt.Println("did", name, total[name])
	}
	return 0
}

// flooder is a member that floods.
type flooder struct {
	plan plan
	dev  identity.Device
	did  map[string]*atomic.Int64
	slot atomic.Pointer[slot]

	seq  uint64
	last object.ID
	made [][]byte // batches of a chain, to be sent in their order
	bad  []byte   // refused for its last commit
	old  []byte   // was sent before
}

// slot is what a flooder does now.
type slot struct {
	left atomic.Int64 // until it is enough
	over func()
}

// count notes that the flooder has done something.
func (f *flooder) count(name string) {
	f.did[name].Add(1)
	if s := f.slot.Load(); s.left.Add(-1) == 0 {
		s.over()
	}
}

func newFlooder(p plan) (*flooder, error) {
	f := &flooder{plan: p, did: map[string]*atomic.Int64{}}
	for _, a := range abuses {
		f.did[a.name] = &atomic.Int64{}
	}
	if err := f.renew(); err != nil {
		return nil, err
	}
	bad, err := f.batch(true)
	if err != nil {
		return nil, err
	}
	f.bad = bad
	for range p.Batches {
		b, err := f.batch(false)
		if err != nil {
			return nil, err
		}
		f.made = append(f.made, b)
	}
	f.old = f.made[0]
	return f, nil
}

// renew makes the flooder another device.
func (f *flooder) renew() (err error) {
	_, f.dev, err = identity.NewDevice(context.Background(), rand.Reader, "flood", 1)
	f.seq, f.last, f.made = 0, object.ID{}, nil
	return err
}

// batch is the next stretch of the device's chain, under one signature. Of a bad one the last commit attaches an object that
// nobody has.
func (f *flooder) batch(bad bool) ([]byte, error) {
	b := &history.Batch{}
	seq, last := f.seq, f.last
	for i := range f.plan.Commits {
		env := history.Envelope{Version: history.Version, Author: f.dev.Signer.Public(), Seq: seq + 1, Prev: last, Time: 1}
		if seq == 0 {
			op, err := authority.DeviceOp(f.dev.Certificate)
			if err != nil {
				return nil, err
			}
			env.Parents, env.Ops = []object.ID{f.plan.Genesis}, []history.Op{op}
		}
		var parts [][]byte
		if last := i == f.plan.Commits-1; i%8 == 0 || last {
			line, err := object.Encode("x")
			if err != nil {
				return nil, err
			}
			part := history.Part{Payloads: [][]byte{line}}
			if bad && last {
				part.Attached = unknownHeads()[:1]
			}
			raw, err := part.Encode()
			if err != nil {
				return nil, err
			}
			parts, env.Parts = [][]byte{raw}, [][32]byte{history.PartDigest(raw)}
			env.Ops = append(env.Ops, history.Op{Field: "lines", Action: "append", Part: 0, Size: len(line)})
		}
		c, err := history.NewCommit(&env, parts)
		if err != nil {
			return nil, err
		}
		b.Commits = append(b.Commits, c)
		seq, last = env.Seq, c.ID
	}
	sig, err := f.dev.Signer.Sign(context.Background(), history.AttestationStatement(f.plan.Space, seq, last))
	if err != nil {
		return nil, err
	}
	b.Attestations = []history.Attestation{{Commit: last, Sig: sig}}
	if !bad {
		f.seq, f.last = seq, last
	}
	return history.EncodeBatch(b)
}

// run does one thing after the other: in half of the slots all members do the same, in the others each something else.
func (f *flooder) run(ctx context.Context, member int) {
	for slot := range f.plan.Slots {
		kind := slot / 2
		if slot%2 == 1 {
			kind += member * 2
		}
		f.act(ctx, kind%len(abuses))
	}
}

// act does one thing for a slot. Who is thrown out comes back as another device at once.
func (f *flooder) act(ctx context.Context, kind int) {
	ctx, cancel := context.WithTimeout(ctx, f.plan.Slot)
	defer cancel()
	now := &slot{over: cancel}
	now.left.Store(f.plan.Enough)
	f.slot.Store(now)
	for ctx.Err() == nil {
		ended := make(chan error, 1)
		err := f.connect(ctx, func(st *mesh.Stream) {
			err := abuses[kind].do(f, ctx, st)
			var closed *mesh.ClosedError
			if errors.As(err, &closed) && closed.Reason == mesh.ReasonViolation {
				select {
				case ended <- err:
				default:
				}
			}
		}, kind == len(abuses)-1, ended)
		if err == nil {
			err = f.renew()
		}
		if err != nil && ctx.Err() == nil {
			fmt.Println("error", err)
			return
		}
	}
}

// connect serves streams of the space until the slot is over or the device is thrown out.
func (f *flooder) connect(ctx context.Context, serve func(*mesh.Stream), many bool, ended chan error) error {
	m, err := mesh.New(mesh.Config{Device: f.dev, Dialers: map[string]transport.Dialer{"ws": &ws.Dialer{}}, Limits: quick})
	if err != nil {
		return err
	}
	defer m.Close()
	g := mesh.Group{Space: f.plan.Space, Endpoints: []string{f.plan.URL}, Serve: func(_ context.Context, st *mesh.Stream) { serve(st) }}
	if _, err := m.Join(g); err != nil {
		return err
	}
	for i := range 256 {
		if !many {
			break
		}
		unknown := mesh.Group{Space: object.Sum(object.DagCBOR, []byte{byte(i)}), Endpoints: g.Endpoints, Serve: func(context.Context, *mesh.Stream) {}}
		if _, err := m.Join(unknown); err != nil {
			return err
		}
	}
	select {
	case <-ctx.Done():
	case <-ended:
	}
	return nil
}

// hello says what the flooder pretends to hold.
func hello(ctx context.Context, st *mesh.Stream, heads ...object.ID) error {
	return st.Send(ctx, syncer.Encode(&syncer.Hello{Version: syncer.Version, Heads: syncer.HeadsOf(heads)}))
}

// listening takes all that comes and tells of receipts; it ends with the stream.
func listening(ctx context.Context, st *mesh.Stream, have func(*syncer.Have)) error {
	for {
		msg, err := st.Receive(ctx)
		if err != nil {
			return err
		}
		if m, err := syncer.Decode(msg); err == nil && have != nil {
			if h, ok := m.(*syncer.Have); ok {
				have(h)
			}
		}
	}
}

// batches sends batches while two are on the way.
func (f *flooder) batches(ctx context.Context, st *mesh.Stream, name string, next func() ([]byte, error)) error {
	if err := hello(ctx, st, f.plan.Genesis); err != nil {
		return err
	}
	room := make(chan struct{}, 1<<16)
	for range syncer.MaxInFlight {
		room <- struct{}{}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		acked := uint64(0)
		cancel(listening(ctx, st, func(h *syncer.Have) {
			for ; acked < h.Acked; acked++ {
				room <- struct{}{}
			}
		}))
	}()
	for {
		select {
		case <-room:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		data, err := next()
		if err != nil {
			return err
		}
		if err := st.Send(ctx, syncer.Encode(&syncer.Batch{Data: append([]byte{0}, data...)})); err != nil {
			<-ctx.Done()
			return context.Cause(ctx)
		}
		f.count(name)
	}
}

// commits sends valid ones.
func (f *flooder) commits(ctx context.Context, st *mesh.Stream) error {
	return f.batches(ctx, st, "commits", func() ([]byte, error) {
		if len(f.made) == 0 {
			return f.batch(false)
		}
		b := f.made[0]
		f.made = f.made[1:]
		return b, nil
	})
}

// rejected sends a batch that is good up to its last commit.
func (f *flooder) rejected(ctx context.Context, st *mesh.Stream) error {
	return f.batches(ctx, st, "rejected", func() ([]byte, error) { return f.bad, nil })
}

// repeats sends what is there already.
func (f *flooder) repeats(ctx context.Context, st *mesh.Stream) error {
	return f.batches(ctx, st, "repeats", func() ([]byte, error) { return f.old, nil })
}

// histories asks for everything, as somebody whose authors nobody knows, and comes again.
func (f *flooder) histories(ctx context.Context, st *mesh.Stream) error {
	if err := hello(ctx, st, unknownHeads()...); err != nil {
		return err
	}
	if err := st.Send(ctx, syncer.Encode(&syncer.Chains{Chains: f.unknownChains()})); err != nil {
		return err
	}
	for {
		msg, err := st.Receive(ctx)
		if err != nil {
			return err
		}
		if m, err := syncer.Decode(msg); err == nil {
			if _, first := m.(*syncer.Batch); first {
				f.count("histories")
				return nil
			}
		}
	}
}

func (f *flooder) unknownChains() []syncer.Chain {
	list := make([]syncer.Chain, f.plan.Authors)
	key := f.dev.Signer.Public()
	for i := range list {
		list[i] = syncer.Chain{Author: key, Seq: uint64(i + 1), Tip: unknownHeads()[i%syncer.MaxHeads]}
	}
	return list
}

// unknownHeads are as many as a message holds.
var unknownHeads = sync.OnceValue(func() []object.ID {
	list := make([]object.ID, syncer.MaxHeads)
	for i := range list {
		list[i] = object.Sum(object.DagCBOR, fmt.Append(nil, "unknown ", i))
	}
	slices.SortFunc(list, object.ID.Compare)
	return list
})

// heads tells of commits that do not exist, again and again.
func (f *flooder) heads(ctx context.Context, st *mesh.Stream) error {
	if err := hello(ctx, st, f.plan.Genesis); err != nil {
		return err
	}
	go listening(ctx, st, nil)
	have := syncer.Encode(&syncer.Have{Heads: syncer.HeadsOf(unknownHeads())})
	for {
		if err := st.Send(ctx, have); err != nil {
			return err
		}
		f.count("heads")
	}
}

// blobs asks for a block again as soon as one has come, as many at once as may be.
func (f *flooder) blobs(ctx context.Context, st *mesh.Stream) error {
	if err := hello(ctx, st, f.plan.Genesis); err != nil {
		return err
	}
	number := uint64(0)
	ask := func() error {
		number++
		at := syncer.BlockAt{Root: f.plan.Blob, Depth: 1, Index: number % 4}
		return st.Send(ctx, syncer.Encode(&syncer.Ask{Number: number, Block: at}))
	}
	for range 16 {
		if err := ask(); err != nil {
			return err
		}
	}
	for {
		msg, err := st.Receive(ctx)
		if err != nil {
			return err
		}
		if m, err := syncer.Decode(msg); err == nil {
			if b, ok := m.(*syncer.Block); ok {
				if b.Status == syncer.BlockHere {
					f.count("blobs")
				}
				if err := ask(); err != nil {
					return err
				}
			}
		}
	}
}

// stalls asks for everything and reads nothing.
func (f *flooder) stalls(ctx context.Context, st *mesh.Stream) error {
	if err := hello(ctx, st); err != nil {
		return err
	}
	for number := range uint64(16) {
		at := syncer.BlockAt{Root: f.plan.Blob, Depth: 1, Index: number % 4}
		if err := st.Send(ctx, syncer.Encode(&syncer.Ask{Number: number + 1, Block: at})); err != nil {
			return err
		}
		f.count("stalls")
	}
	select {
	case <-ctx.Done():
	case <-st.Done():
	}
	return ctx.Err()
}

// streams sends the smallest messages there are, beside openings of spaces that do not exist.
func (f *flooder) streams(ctx context.Context, st *mesh.Stream) error {
	if err := hello(ctx, st, f.plan.Genesis); err != nil {
		return err
	}
	go listening(ctx, st, nil)
	have := syncer.Encode(&syncer.Have{Heads: syncer.HeadsOf([]object.ID{f.plan.Genesis})})
	for {
		if err := st.Send(ctx, have); err != nil {
			return err
		}
		f.count("streams")
	}
}
