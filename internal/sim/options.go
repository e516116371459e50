package sim

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// Kind is a way of not keeping to the rules.
type Kind int

// The kinds of adversaries. Each is a wrapper over a peer that is otherwise like
// all others.
const (
	Honest      Kind = iota
	Equivocator      // writes two histories with one key, one for each half of the peers
	Omitter          // leaves commits out of what it passes on
	Liar             // tells heads it has not, and hides those it has
	Replayer         // sends what was sent before again, to anyone
	Corrupter        // changes bytes of what it passes on
	Backdater        // builds on old versions, with clocks of other centuries and ops of other kinds
	Forger           // signs for others, transplants attestations, cuts chains
	kinds
)

// String names the kind.
func (k Kind) String() string {
	return [...]string{"honest", "equivocator", "omitter", "liar", "replayer", "corrupter", "backdater", "forger"}[k]
}

// Options are one run.
type Options struct {
	Seed        uint64
	Peers       int    // honest ones and adversaries
	Ops         int    // each peer makes
	Adversaries []Kind // of the last peers
	Loss        int    // messages lost, in 1000
	Duplicate   int    // messages that come twice, in 1000
	Latency     time.Duration
	Partition   time.Duration // how often the network divides anew; 0: never
	Crash       int           // chance in 1000 that a peer restarts, whenever it gossips
	DiskFault   int           // chance in 1000 that a write of the store fails
	Gossip      time.Duration // how often a peer compares with another
}

// duration is the simulated time in which the ops are made.
const duration = 20 * time.Second

// FromSeed draws options: of the given peers one is an adversary, three times of
// four.
func FromSeed(seed uint64, peers, ops int) Options {
	r := rand.New(rand.NewPCG(seed, 0x6f7074))
	o := Options{Seed: seed, Peers: peers, Ops: ops,
		Loss: r.IntN(300), Duplicate: r.IntN(200), Latency: time.Duration(1+r.IntN(2000)) * time.Millisecond,
		Crash: r.IntN(30), DiskFault: r.IntN(20), Gossip: time.Duration(500+r.IntN(2500)) * time.Millisecond}
	if r.IntN(2) == 0 {
		o.Partition = time.Duration(1+r.IntN(8)) * time.Second
	}
	if k := Kind(r.IntN(int(kinds) + 2)); k > Honest && k < kinds {
		o.Adversaries = []Kind{k}
	}
	return o
}

// String is all that matters of a run, on one line.
func (o Options) String() string {
	var evil []string
	for _, k := range o.Adversaries {
		evil = append(evil, k.String())
	}
	return fmt.Sprintf("seed %d: %d peers x %d ops, loss %d, duplicate %d of 1000, latency %v, partition %v, crash %d, disk fault %d of 1000, gossip %v, adversaries [%s]",
		o.Seed, o.Peers, o.Ops, o.Loss, o.Duplicate, o.Latency, o.Partition, o.Crash, o.DiskFault, o.Gossip, strings.Join(evil, " "))
}
