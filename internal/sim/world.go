package sim

import (
	"container/heap"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"math/rand/v2"
	"time"

	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
)

// Report is what came of a run.
type Report struct {
	Trace     [32]byte // of everything that happened, in order
	Events    int
	Commits   int
	Ops       int            // acknowledged
	Refused   map[string]int // by rule, at honest peers
	Forks     int            // devices known to have forked
	Restarted int
	Faults    int // writes that the disk failed
}

// world is one run.
type world struct {
	opt    Options
	ctx    context.Context
	rnd    *rand.Rand
	now    time.Duration
	queue  events
	serial uint64
	trace  hash.Hash
	report Report

	ledger ledger
	peers  []*peer
	side   []int // of the partition that each peer is on
	space  object.ID

	acked    []object.ID
	authored map[object.ID]bool // by honest devices
	failed   error
}

// event is something that happens at a time; of equal times the first planned.
type event struct {
	at     time.Duration
	serial uint64
	run    func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].serial < e[j].serial
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := len(*e) - 1
	ev := (*e)[last]
	(*e)[last] = event{}
	*e = (*e)[:last]
	return ev
}

// after plans an event.
func (w *world) after(d time.Duration, run func()) {
	w.serial++
	heap.Push(&w.queue, event{w.now + d, w.serial, run})
}

// chance is true n times of 1000.
func (w *world) chance(n int) bool { return w.rnd.IntN(1000) < n }

// upTo is a random duration below d.
func (w *world) upTo(d time.Duration) time.Duration { return time.Duration(w.rnd.Int64N(int64(d) + 1)) }

// note adds to the trace.
func (w *world) note(what string, peer int, data []byte) {
	w.report.Events++
	var n [16]byte
	binary.BigEndian.PutUint64(n[:], uint64(w.now))
	binary.BigEndian.PutUint32(n[8:], uint32(peer))
	binary.BigEndian.PutUint32(n[12:], uint32(len(data)))
	w.trace.Write(n[:])
	w.trace.Write([]byte(what))
	w.trace.Write(data)
}

func (w *world) fail(format string, args ...any) {
	if w.failed == nil {
		w.failed = fmt.Errorf(format, args...)
	}
}

// ledger is the world's Verifier: a signature is good if it was made here.
type ledger map[[sha256.Size]byte]bool

func ledgerKey(c identity.Check) [sha256.Size]byte {
	return sha256.Sum256(append(append(c.Key.Bytes(), c.Statement.Bytes()...), c.Sig...))
}

// Verify implements identity.Verifier.
func (l ledger) Verify(_ context.Context, checks []identity.Check) error {
	for i, c := range checks {
		if !l[ledgerKey(c)] {
			return &identity.BadSignature{Index: i, Cause: identity.ErrSignature}
		}
	}
	return nil
}

// notary signs in the ledger's way.
type notary struct {
	ledger ledger
	key    identity.PublicKey
}

// Public implements identity.Signer.
func (n notary) Public() identity.PublicKey { return n.key }

// Sign implements identity.Signer.
func (n notary) Sign(_ context.Context, s identity.Statement) ([]byte, error) {
	half := sha256.Sum256(append(n.key.Bytes(), s.Bytes()...))
	sig := append(half[:], half[:]...)
	n.ledger[ledgerKey(identity.Check{Key: n.key, Statement: s, Sig: sig})] = true
	return sig, nil
}

var text = map[string]any{"type": "string", "max": int64(200)}

// manifest has a field of every type that has a model.
var manifest = &authority.Manifest{Kind: "test.example/sim", Version: 1, Policy: authority.PolicyOpen, Fields: []authority.Field{
	{Name: "title", Type: "register", Schema: text}, {Name: "tags", Type: "set", Schema: text},
	{Name: "lines", Type: "log", Schema: text}, {Name: "seen", Type: "growset", Schema: text}}}

// Run runs a world to its end. The error names what does not hold.
func Run(opt Options) (Report, error) {
	w := &world{opt: opt, ctx: context.Background(), rnd: rand.New(rand.NewPCG(opt.Seed, 0x73696d)), trace: sha256.New(),
		ledger: ledger{}, authored: map[object.ID]bool{}, side: make([]int, opt.Peers)}
	if err := w.setUp(); err != nil {
		return w.report, fmt.Errorf("%v: set up: %w", opt, err)
	}
	for len(w.queue) > 0 && w.failed == nil {
		ev := heap.Pop(&w.queue).(event)
		w.now = ev.at
		ev.run()
	}
	if w.failed == nil {
		w.heal()
	}
	if w.failed == nil {
		w.check()
	}
	w.trace.Sum(w.report.Trace[:0])
	for _, p := range w.peers {
		p.close()
	}
	if w.failed != nil {
		return w.report, fmt.Errorf("%v: %w", opt, w.failed)
	}
	return w.report, nil
}

// setUp makes the peers, gives all of them the space, and plans what they do.
func (w *world) setUp() error {
	for i := range w.opt.Peers {
		kind := Honest
		if from := w.opt.Peers - len(w.opt.Adversaries); i >= from {
			kind = w.opt.Adversaries[i-from]
		}
		p, err := w.newPeer(i, kind)
		if err != nil {
			return err
		}
		w.peers = append(w.peers, p)
	}
	first, err := w.peers[0].node.Create(w.ctx, manifest)
	if err != nil {
		return err
	}
	w.peers[0].space, w.space = first, first.ID()
	w.authored[w.space] = true
	var founding *history.Batch
	if founding, err = first.Attested(); err != nil {
		return err
	}
	for _, p := range w.peers[1:] {
		if err := p.begin(founding); err != nil {
			return err
		}
	}
	for _, p := range w.peers {
		left := w.opt.Ops
		for left > 0 {
			n := min(left, 1+w.rnd.IntN(12))
			left -= n
			w.after(w.upTo(duration), func() { p.write(n) })
		}
		w.after(w.upTo(w.opt.Gossip), p.gossip)
		p.mem.FailAt(w.nextFault(), errDisk)
	}
	if w.opt.Partition > 0 {
		w.after(w.upTo(w.opt.Partition), w.divide)
	}
	return nil
}

// nextFault is how many writes of a store are left until one fails.
func (w *world) nextFault() int {
	if w.opt.DiskFault == 0 {
		return 1 << 40
	}
	return 1 + w.rnd.IntN(2000/w.opt.DiskFault)
}

// divide puts every peer on one side of two, or all on one.
func (w *world) divide() {
	united := w.rnd.IntN(3) == 0
	for i := range w.side {
		w.side[i] = w.rnd.IntN(2)
		if united {
			w.side[i] = 0
		}
	}
	if w.now < duration {
		w.after(w.upTo(w.opt.Partition)+time.Millisecond, w.divide)
	}
}
