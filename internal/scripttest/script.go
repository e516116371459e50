// Package scripttest runs random scripts over replicas of one space and tells what came of them, so that two ways of
// running one can be held against each other: one store and another, native code and WebAssembly.
//
//	outcome, err := scripttest.Run(ctx, 42, scripttest.Mem())
//
// A seed is a script: three replicas write to fields of every type and to values inside maps and records, take back what
// they wrote and make it again, attach objects, give each other batches in their wire form, are closed and opened again from their stores, and in the end have everything of each other. Keys, salts and
// times follow from the seed, and signatures are Ed25519, so everything is the same wherever it runs, commit ids included.
//
// Run itself holds what is left to the same from scratch: all replicas show the same, one that was given everything at once
// shows it too, and so does one whose state was made anew from its commits.
package scripttest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/crdt/crdttest"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
	"github.com/hyperhyperspace/hhs-go/store"
)

const (
	peers = 3
	steps = 60
)

// Open opens the store of a peer: an empty one the first time, later the one that was closed before.
type Open func(ctx context.Context, peer int) (store.Store, error)

// Outcome is what came of a script. Digests are SHA-256 in hexadecimal.
type Outcome struct {
	Commits int
	Ops     int
	Undos   int    // undos and redos
	Empty   string // names of fields that show nothing
	Heads   string // digest of the ids of all heads
	Values  string // digest of what every field shows, with who wrote it, when and in which op

	// Stores are digests of all that each peer's store holds. They are equal for all engines, and not part of any format:
	// they change whenever the layout of what is stored does.
	Stores [peers]string
}

// Mem opens stores in memory, which stay what they are when they are closed and opened.
func Mem() Open {
	stores := map[int]*store.Mem{}
	return func(_ context.Context, peer int) (store.Store, error) {
		if stores[peer] == nil {
			stores[peer] = store.NewMem()
		}
		return kept{stores[peer]}, nil
	}
}

// kept is a store in memory that survives Close.
type kept struct{ *store.Mem }

// Close implements store.Store.
func (kept) Close() error { return nil }

// text is the schema of all values that have one.
var text = map[string]any{"type": "string", "max": int64(200)}

// manifest has a field of every type, of maps and of records with others inside.
var manifest = &authority.Manifest{Kind: "test.example/script", Version: 1, Policy: authority.PolicyOpen, Fields: []authority.Field{
	{Name: "title", Type: "register", Schema: text}, {Name: "tags", Type: "set", Schema: text},
	{Name: "lines", Type: "log", Schema: text}, {Name: "seen", Type: "growset", Schema: text},
	{Name: "owner", Type: "once", Schema: text}, {Name: "votes", Type: "counter"},
	{Name: "todo", Type: "list", Schema: text}, {Name: "note", Type: "text"},
	{Name: "sale", Type: authority.TypeFold, Fold: "test.example/sale", Version: 1, Schema: text},
	{Name: "stock", Type: authority.TypeMap, Of: &authority.Field{Type: authority.TypeRecord, Fields: []authority.Field{
		{Name: "name", Type: "register", Schema: text}, {Name: "count", Type: "counter"}, {Name: "about", Type: "text"},
		{Name: "marks", Type: authority.TypeMap, Of: &authority.Field{Type: "set", Schema: text}}}}},
	{Name: "plan", Type: authority.TypeRecord, Fields: []authority.Field{
		{Name: "steps", Type: "list", Schema: text}, {Name: "state", Type: "register", Schema: text},
		{Name: "when", Type: authority.TypeMap, Of: &authority.Field{Type: "register", Schema: text}}}},
}}

// fields are those of the manifest and the one that every space has.
var fields = append(slices.Clone(manifest.Fields), authority.Field{Name: replica.ProfileField, Type: "profile"})

// script is one run.
type script struct {
	ctx   context.Context
	seed  uint64
	rnd   *rand.Rand
	now   time.Time
	peers []*peer
	space object.ID
	ops   int
	undos int
}

// peer is one device with its replica.
type peer struct {
	device identity.Device
	open   func(context.Context) (store.Store, error)
	store  store.Store
	node   *replica.Node
	space  *replica.Space
	number int
	opens  int
}

// Run runs the script of a seed.
func Run(ctx context.Context, seed uint64, open Open) (out Outcome, err error) {
	s := &script{ctx: ctx, seed: seed, rnd: rand.New(rand.NewPCG(seed, 0x736372)), now: time.UnixMilli(1_700_000_000_000)}
	defer func() {
		for _, p := range s.peers {
			if closing := p.close(); err == nil {
				err = closing
			}
		}
		if err != nil {
			err = fmt.Errorf("script %d: %w", seed, err)
		}
	}()
	for i := range peers {
		if err := s.add(func(ctx context.Context) (store.Store, error) { return open(ctx, i) }); err != nil {
			return out, err
		}
	}
	for range steps {
		if err := s.step(); err != nil {
			return out, err
		}
	}
	return s.end()
}

// add makes a peer with the next number.
func (s *script) add(open func(context.Context) (store.Store, error)) error {
	p := &peer{open: open, number: len(s.peers)}
	_, device, err := identity.NewDevice(s.ctx, s.source(p), "script", 1)
	if err != nil {
		return err
	}
	p.device = device
	s.peers = append(s.peers, p)
	if err := s.enter(p); err != nil {
		return err
	}
	if p.number == 0 {
		p.space, err = p.node.Create(s.ctx, manifest)
		if err == nil {
			s.space = p.space.ID()
		}
		return err
	}
	p.space, err = p.node.Join(s.ctx, s.space)
	if err == nil {
		err = s.give(s.peers[0], p)
	}
	return err
}

// source is the randomness of one opening of a peer.
func (s *script) source(p *peer) *rand.ChaCha8 {
	seed := [32]byte{byte(p.number), byte(p.opens), byte(p.opens >> 8)}
	for i := range 8 {
		seed[8+i] = byte(s.seed >> (8 * i))
	}
	return rand.NewChaCha8(seed)
}

// enter opens a peer's store and node, and its space if there is one.
func (s *script) enter(p *peer) (err error) {
	p.opens++
	if p.store, err = p.open(s.ctx); err != nil {
		return err
	}
	p.node, err = replica.Open(s.ctx, replica.Config{Store: p.store, Device: p.device, Rand: s.source(p), Now: func() time.Time { return s.now }})
	if err == nil && p.space != nil {
		p.space, err = p.node.Space(s.space)
	}
	return err
}

// close ends the node and its store.
func (p *peer) close() error {
	if p.node != nil {
		p.node.Close()
		p.node = nil
	}
	if p.store == nil {
		return nil
	}
	st := p.store
	p.store = nil
	return st.Close()
}

// step does one thing.
func (s *script) step() error {
	s.now = s.now.Add(time.Duration(1+s.rnd.IntN(5000)) * time.Millisecond)
	p := s.peers[s.rnd.IntN(len(s.peers))]
	switch s.rnd.IntN(10) {
	case 0:
		if err := p.close(); err != nil {
			return err
		}
		if err := s.enter(p); err != nil {
			return fmt.Errorf("open peer %d again: %w", p.number, err)
		}
	case 1, 2, 3:
		if q := s.peers[s.rnd.IntN(len(s.peers))]; p != q {
			return s.give(p, q)
		}
	case 4:
		return s.undo(p)
	default:
		return s.write(p)
	}
	return nil
}

// undo takes back the latest edit of a peer, or makes it again.
func (s *script) undo(p *peer) error {
	redo := s.rnd.IntN(3) == 0
	_, err := p.space.Update(s.ctx, func(tx *replica.Tx) error {
		if redo {
			step, err := tx.NextRedo()
			if err != nil || len(step.Commits) == 0 {
				return err
			}
			s.undos++
			return tx.Redo(step.Undo)
		}
		step, err := tx.NextUndo(0)
		if err != nil || len(step.Commits) == 0 {
			return err
		}
		s.undos++
		return tx.Undo(step.Commits...)
	})
	return err
}

// write makes one transaction.
func (s *script) write(p *peer) error {
	var attached object.ID
	if s.rnd.IntN(6) == 0 {
		var err error
		if attached, err = p.node.Put(s.ctx, map[string]any{"number": s.rnd.Int64N(1 << 20)}); err != nil {
			return err
		}
	}
	_, err := p.space.Update(s.ctx, func(tx *replica.Tx) error {
		for range 1 + s.rnd.IntN(8) {
			if err := s.draft(tx, p); err != nil {
				return err
			}
		}
		if !attached.IsZero() {
			return tx.Attach(attached)
		}
		return nil
	})
	return err
}

// draft adds one op that fits what is there.
func (s *script) draft(tx *replica.Tx, p *peer) error {
	f := fields[s.rnd.IntN(len(fields))]
	env, err := tx.Env(f.Name)
	if err != nil {
		return err
	}
	gen, err := generator(env.Shape)
	if err != nil {
		return err
	}
	me := p.device.Certificate.Identity
	d, fits := gen.Draft(s.rnd, env, me)
	if !fits || f.Type == "profile" && len(d.Payload) > 80 { // its schema is not the generator's
		return nil
	}
	if env.Shape.Field().Check(env.Schema, crdt.Op{Identity: me, Action: d.Action, Refs: d.Refs, Payload: d.Payload}) != nil {
		return nil // the generator also makes what no honest writer may
	}
	s.ops++
	return tx.Do(f.Name, d)
}

func generator(shape *crdt.Shape) (crdttest.Gen, error) {
	if shape.Type == nil {
		return crdttest.Composed(shape), nil
	}
	gen, ok := crdttest.For(shape.Type)
	if !ok {
		return gen, fmt.Errorf("type %s has no generator", shape.Type.Name())
	}
	return gen, nil
}

// give passes on all that another peer lacks, in its wire form.
func (s *script) give(from, to *peer) error {
	for b, err := range from.space.Batches(to.space.Heads(), 1<<(9+s.rnd.IntN(8))) {
		if err != nil {
			return err
		}
		wire, err := history.EncodeBatch(b)
		if err == nil {
			b, err = history.DecodeBatch(wire, 0)
		}
		if err == nil {
			_, err = to.space.Ingest(s.ctx, b, replica.Source{Device: from.device.Certificate.Device})
		}
		if err != nil {
			return fmt.Errorf("peer %d to peer %d: %w", from.number, to.number, err)
		}
	}
	return nil
}

// end makes all peers equal and adds up what they have.
func (s *script) end() (out Outcome, err error) {
	for range 2 {
		for _, p := range s.peers {
			for _, q := range s.peers {
				if p != q {
					if err := s.give(p, q); err != nil {
						return out, err
					}
				}
			}
		}
	}
	first := s.peers[0]
	out.Commits, out.Ops, out.Undos = first.space.Len(), s.ops, s.undos
	if out.Heads, out.Values, out.Empty, err = said(first.space); err != nil {
		return out, err
	}
	for _, p := range s.peers {
		if out.Stores[p.number], err = holds(p.store); err != nil {
			return out, err
		}
	}
	mem := store.NewMem()
	if err := s.add(func(context.Context) (store.Store, error) { return kept{mem}, nil }); err != nil {
		return out, err
	}
	for _, p := range s.peers {
		if err := s.same(p, out, "has everything"); err != nil {
			return out, err
		}
	}
	if _, err := first.node.Rebuild(s.ctx, s.space, nil); err != nil {
		return out, err
	}
	if first.space, err = first.node.Space(s.space); err != nil {
		return out, err
	}
	return out, s.same(first, out, "is made anew from its commits")
}

// same compares a peer with the outcome.
func (s *script) same(p *peer, out Outcome, when string) error {
	heads, values, _, err := said(p.space)
	if err == nil && (heads != out.Heads || values != out.Values || p.space.Len() != out.Commits) {
		err = fmt.Errorf("peer %d, when it %s, has %d commits, heads %s and values %s; peer 0 had %d, %s and %s",
			p.number, when, p.space.Len(), heads, values, out.Commits, out.Heads, out.Values)
	}
	return err
}

// said are the digests of what a replica says, and the fields that say nothing.
func said(space *replica.Space) (heads, values, empty string, err error) {
	h := sha256.New()
	for _, id := range space.Heads() {
		h.Write(id.Bytes())
	}
	heads = sum(h)
	view, err := space.View()
	if err != nil {
		return "", "", "", err
	}
	defer view.Close()
	h.Reset()
	for _, f := range fields {
		n, err := show(h, space, view, f.Name)
		if err != nil {
			return "", "", "", fmt.Errorf("read %s: %w", f.Name, err)
		}
		if n == 0 {
			empty += " " + f.Name
		}
	}
	return heads, sum(h), empty, nil
}

// show writes what a field shows, and tells how many values that are.
func show(to hash.Hash, space *replica.Space, view *replica.View, name string) (int, error) {
	env, err := view.Env(name)
	if err != nil {
		return 0, err
	}
	gen, err := generator(env.Shape)
	if err != nil {
		return 0, err
	}
	var list []crdttest.Shown
	if gen.ReadAll == nil {
		list, err = gen.Read(env)
	} else {
		var ops []crdttest.Fact
		if ops, err = opsOn(space, name); err == nil {
			list, err = gen.ReadAll(env, ops)
		}
	}
	if err != nil {
		return 0, err
	}
	fmt.Fprintf(to, "%s %d\n", name, len(list))
	for _, e := range list {
		fmt.Fprintf(to, "%s %x %s/%d %d %s %s %d", env.Shape.PathText(e.Path), e.Value, e.Ref.Commit, e.Ref.Index, e.Height, e.Author, e.Identity, e.Time)
		for _, o := range e.Others {
			fmt.Fprintf(to, " %s/%d", o.Commit, o.Index)
		}
		fmt.Fprintln(to)
	}
	return len(list), nil
}

// opsOn are the ops on a field, which tell what there may be in it: a maker before those who name it.
func opsOn(space *replica.Space, name string) (facts []crdttest.Fact, err error) {
	number := uint64(0)
	for b, err := range space.Batches(nil, 1<<20) {
		if err != nil {
			return nil, err
		}
		for _, c := range b.Commits {
			number++
			payloads, err := c.Payloads()
			if err != nil {
				return nil, err
			}
			for i, op := range c.Env.Ops {
				if op.Field == name {
					facts = append(facts, crdttest.Fact{Effective: true, Op: crdt.Op{Ref: history.OpRef{Commit: c.ID, Index: uint32(i)}, Height: number,
						Action: op.Action, Refs: op.Refs, Payload: payloads[i]}})
				}
			}
		}
	}
	return facts, nil
}

// holds is the digest of everything in a store. It reads it in both directions.
func holds(st store.Store) (string, error) {
	snap, err := st.Snapshot()
	if err != nil {
		return "", err
	}
	defer snap.Close()
	h := sha256.New()
	var keys [][]byte
	for kv, err := range snap.Scan(nil, nil, false) {
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%x %x\n", kv.Key, kv.Value)
		keys = append(keys, bytes.Clone(kv.Key))
	}
	for kv, err := range snap.Scan(nil, nil, true) {
		last := len(keys) - 1
		if err != nil || last < 0 || !bytes.Equal(keys[last], kv.Key) {
			return "", fmt.Errorf("the store backwards is not the store forwards at key %x: %w", kv.Key, err)
		}
		keys = keys[:last]
	}
	if len(keys) > 0 {
		return "", fmt.Errorf("the store backwards has %d keys less", len(keys))
	}
	return sum(h), nil
}

func sum(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }
