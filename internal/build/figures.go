package main

// roomy is for tests that make much garbage and keep little: collecting it rarely is a sixth of their CPU, and a heap
// that outgrows the caches of the processor costs as much again.
var roomy = []string{"GOGC=off", "GOMEMLIMIT=150MiB"}

// figures are all that exist. To add one: write the test, let it log its numbers, and list it here. The ids are those of
// docs/performance.md.
var figures = []figure{
	{"R1", "simulated worlds of 5 peers x 200 ops with every fault and an adversary, 60 s: at least 2,000, no violation", []measured{
		{pkg: "./internal/sim", test: "TestFivePeers", env: roomy, flags: []string{"-sim.seeds=1000000", "-sim.limit=60s", "-sim.least=2000"}, find: []measure{
			number("seeds", `(\d+) seeds,`), number("violations", `(\d+) violations`)}},
	}},
	{"R3", "500 simulated worlds, each run twice: no differing trace", []measured{
		{pkg: "./internal/sim", test: "TestDeterminism", env: roomy, flags: []string{"-sim.seeds=500"}, find: []measure{
			number("seeds", `(\d+) seeds twice`), number("differing", `(\d+) differing traces`)}},
	}},
	{"R4", "mutated valid batches: no panic, no changed meaning accepted, allocation at most 16 x input", []measured{
		{pkg: "./history", test: "TestMutatedBatches", env: []string{"HHS_MUTATIONS=1000000"}, find: []measure{
			number("mutated", `of (\d+) accepted`), number("allocated_per_input_byte", `([\d.]+) bytes allocated for each`)}},
	}},
	{"R5", "power lost before every operation on the disk, of a store with a migration and of a node, with 0, 50 and 100 % of what was unsynced kept and writes torn: at least 3,000 points, nothing acknowledged is lost", []measured{
		{pkg: "./store/pebble", test: "TestCrashes", find: []measure{number("moments", `(\d+) moments`), number("crash_points", `(\d+) crash points`)}},
		{pkg: ".", test: "TestCrashedNode", find: []measure{number("node_moments", `(\d+) moments`), number("node_crash_points", `(\d+) crash points`)}},
	}},
	{"R6", "a writing process killed with -9 and its store opened again, 500 times: nothing acknowledged is lost", []measured{
		{pkg: "./store/pebble", test: "TestKill", flags: []string{"-kill.rounds=500"}, find: []measure{
			number("kills", `(\d+) rounds`), number("acknowledged", `(\d+) batches`)}},
		{pkg: ".", test: "TestKilledWriter", env: []string{"HHS_SOAK=1"}, find: []measure{
			number("node_kills", `killed (\d+) times`), number("node_acknowledged", `(\d+) commits acknowledged`), number("node_lost", `(\d+) lost`)}},
	}},
	{"R11", "forged, transplanted, replayed and malformed commits at the door: none accepted", []measured{
		{pkg: "./replica", test: "TestHostileBatches", find: []measure{number("kinds", `(\d+) kinds of`), number("accepted", `(\d+) accepted`)}},
	}},
	{"R13", "1,000 connects and disconnects: at most 5 goroutines and descriptors and 8 MiB of heap more", []measured{
		{pkg: ".", test: "TestChurn", find: []measure{number("visits", `(\d+) connects`), number("goroutines", `(-?\d+) more goroutines`),
			number("descriptors", `(-?\d+) more descriptors`), number("heap_kB", `(-?\d+) kB more`)}},
	}},
}
