package main

// roomy is for tests that make much garbage and keep little: collecting it rarely is a sixth of their CPU, and a heap
// that outgrows the caches of the processor costs as much again.
var roomy = []string{"GOGC=off", "GOMEMLIMIT=150MiB"}

// roomier is for worlds of many peers, two at a time: in less room a third of their CPU is collecting garbage.
var roomier = []string{"GOGC=off", "GOMEMLIMIT=500MiB"}

// figures are all that exist. To add one: write the test, let it log its numbers, and list it here. The ids are those of
// docs/performance.md.
var figures = []figure{
	{"R1", "simulated worlds of 5 peers x 200 ops with every fault and an adversary, 60 s: at least 2,000, no violation", "seeds", 2000, []measured{
		{pkg: "./internal/sim", test: "TestFivePeers", env: roomy, flags: []string{"-sim.seeds=1000000", "-sim.limit=60s", "-sim.least=2000"}, find: []measure{
			number("seeds", `(\d+) seeds,`), number("violations", `(\d+) violations`)}},
	}},
	{"R2", "simulated worlds of 16 peers x 500 ops with every fault and five adversaries, 60 s: at least 100, no violation", "seeds", 100, []measured{
		{pkg: "./internal/sim", test: "TestSixteenPeers", env: roomier, flags: []string{"-sim.seeds=1000000", "-sim.limit=60s", "-sim.least=100"}, find: []measure{
			number("seeds", `(\d+) seeds,`), number("violations", `(\d+) violations`)}},
	}},
	{"R3", "500 simulated worlds, each run twice: no differing trace", "differing", 0, []measured{
		{pkg: "./internal/sim", test: "TestDeterminism", env: roomy, flags: []string{"-sim.seeds=500"}, find: []measure{
			number("seeds", `(\d+) seeds twice`), number("differing", `(\d+) differing traces`)}},
	}},
	{"R4", "mutated valid batches: no panic, no changed meaning accepted, allocation at most 16 x input", "allocated_per_input_byte", 16, []measured{
		{pkg: "./history", test: "TestMutatedBatches", env: []string{"HHS_MUTATIONS=1000000"}, find: []measure{
			number("mutated", `of (\d+) accepted`), number("allocated_per_input_byte", `([\d.]+) bytes allocated for each`)}},
	}},
	{"R5", "power lost before every operation on the disk, of a store with a migration and of a node whose edits are also undone and redone, with 0, 50 and 100 % of what was unsynced kept and writes torn: at least 3,000 points, nothing acknowledged is lost", "crash_points", 3000, []measured{
		{pkg: "./store/pebble", test: "TestCrashes", find: []measure{number("moments", `(\d+) moments`), number("crash_points", `(\d+) crash points`)}},
		{pkg: ".", test: "TestCrashedNode", find: []measure{number("node_moments", `(\d+) moments`), number("node_crash_points", `(\d+) crash points`)}},
	}},
	{"R6", "a writing process killed with -9 and its store opened again, 500 times: nothing acknowledged is lost", "node_lost", 0, []measured{
		{pkg: "./store/pebble", test: "TestKill", flags: []string{"-kill.rounds=500"}, find: []measure{
			number("kills", `(\d+) rounds`), number("acknowledged", `(\d+) batches`)}},
		{pkg: ".", test: "TestKilledWriter", env: []string{"HHS_SOAK=1"}, find: []measure{
			number("node_kills", `killed (\d+) times`), number("node_acknowledged", `(\d+) commits acknowledged`), number("node_lost", `(\d+) lost`)}},
	}},
	{"R7", "a node that four members of a space flood for 30 s, each with all that the protocol lets a member do: the heap in use by it and by two honest peers at most 256 MiB above idle, and of an honest peer's edits 99 in 100 reach another one over that node within 2 s, or 3 times what they take in peace", "flood_p99_ms", 2000, []measured{
		{pkg: ".", test: "TestFlood", env: []string{"HHS_FLOOD_SECONDS=30"}, find: []measure{number("members", `(\d+) members flooded`),
			number("heap_kB", `heap in use by three nodes (-?\d+) kB above`), number("rss_kB", `garbage included, (-?\d+) kB`), number("peace_p99_ms", `in peace .* p99 (\d+) ms`),
			number("flood_p50_ms", `in the flood .* p50 (\d+) ms`), number("flood_p99_ms", `in the flood .* p99 (\d+) ms`)}},
	}},
	{"R8", "5,000 half-open connections: at most 64 MiB, and an honest peer that comes meanwhile waits 2 simulated seconds at most, as it does while new ones are opened all the time", "heap_kB", 65536, []measured{
		{pkg: "./mesh", test: "TestHandshakeFlood", find: []measure{number("half_open", `(\d+) half-open`), number("heap_kB", `hold (\d+) kB`),
			number("honest_wait_s", `waited ([\d.]+) simulated`)}},
		{pkg: "./mesh", test: "TestHalfHandshakesGiveWay"},
	}},
	{"R9", "batches of 64 KiB that cost more to take in than to make, deep, wide, diamonds, rivals for one value, and declared lengths: at most 250 ms of CPU and 32 MiB each", "cpu_ms", 250, []measured{
		{pkg: "./replica", test: "TestBombs", env: []string{"HHS_BOMBS=1"}, find: []measure{number("bombs", `(\d+) bombs`), number("cpu_ms", `took (\d+) ms`),
			number("heap_kB", `CPU and (\d+) kB`)}},
		{pkg: "./history", test: "TestBatchBomb"},
		{pkg: "./history", test: "TestBatchDeclaredLengths"},
	}},
	{"R10", "steps of a walk over all of a history, six shapes of it, at 25,000, 50,000 and 100,000 commits: slope at most 1.15 (for sync: make bench ONLY=growth)", "slope", 1.15, []measured{
		{pkg: "./history", test: "TestWalkGrowth", find: []measure{number("shapes", `(\d+) shapes`), number("slope", `power ([\d.]+) of the size at most`)}},
	}},
	{"R11", "forged, transplanted, replayed and malformed commits at the door: none accepted", "accepted", 0, []measured{
		{pkg: "./replica", test: "TestHostileBatches", find: []measure{number("kinds", `(\d+) kinds of`), number("accepted", `(\d+) accepted`)}},
	}},
	{"R12", "8 peers, 100 ms there and back, apart for 30 s with every connection across lost: all have everything 5 simulated seconds later", "healed_s", 5, []measured{
		{pkg: ".", test: "TestPartition", find: []measure{number("healed_s", `within ([\d.]+) simulated`)}},
	}},
	{"R13", "1,000 connects and disconnects: at most 5 goroutines and descriptors and 8 MiB of heap more", "goroutines", 5, []measured{
		{pkg: ".", test: "TestChurn", find: []measure{number("visits", `(\d+) connects`), number("goroutines", `(-?\d+) more goroutines`),
			number("descriptors", `(-?\d+) more descriptors`), number("heap_kB", `(-?\d+) kB more`)}},
	}},
	{"R14", "what three people and an always-on peer said over real sockets, and the disks of each, searched for every private key in six forms; what was said for the space, its members and what they wrote: no hit", "hits", 0, []measured{
		{pkg: ".", test: "TestSecrets", find: []measure{number("bytes", `(\d+) bytes searched`), number("secrets", `for (\d+) secrets`), number("hits", `(\d+) hits`)}},
	}},
}
