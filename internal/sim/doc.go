// Package sim runs replicas of one space against a network that loses, doubles,
// delays and reorders, against disks that fail and processes that crash, and
// against peers that do not keep to the rules; then it lets the honest ones talk
// and holds what they have against each other and against naive models.
//
//	report, err := sim.Run(sim.FromSeed(42, 5, 200))
//
// A seed expands to Options, which can be printed; the same Options give the
// same Report, trace hash included. All of it happens on one goroutine in
// virtual time: a heap of events decides what is next.
//
// What is simulated is what lies above bytes and below sessions: the door, the
// lane, the store's faults, the wire form of batches. Signatures are checked
// against a ledger of what was signed in this world instead of by Ed25519, which
// would take most of the time; certificates are real.
//
// # What must hold at the end
//
//  1. Honest replicas have the same heads, chains, forks and values.
//  2. The values are what the naive models of package crdttest make of all ops.
//  3. No commit that was acknowledged to its writer is missing.
//  4. No commit bears the name of an honest device that it did not write.
//  5. A replica opened again from its store says what the running one said.
//  6. The door blames no honest peer for more than a past that is still under way.
package sim
