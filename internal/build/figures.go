package main

// figures are all that exist. To add one: write the test, let it log its numbers, and list it here. The ids are those of
// docs/performance.md.
var figures = []figure{
	{"R4", "mutated valid batches: no panic, no changed meaning accepted, allocation at most 16 x input", []measured{
		{pkg: "./history", test: "TestMutatedBatches", env: []string{"HHS_MUTATIONS=1000000"}, find: []measure{
			number("mutated", `of (\d+) accepted`), number("allocated_per_input_byte", `([\d.]+) bytes allocated for each`)}},
	}},
	{"R5", "power lost before every write of a workload, with 0, 50 and 100 % of what was unsynced kept: nothing acknowledged is lost", []measured{
		{pkg: "./store/pebble", test: "TestCrashes", find: []measure{number("crash_points", `(\d+) crash points`)}},
	}},
	{"R6", "a writing process killed with -9 and its store opened again, 500 times: nothing acknowledged is lost", []measured{
		{pkg: "./store/pebble", test: "TestKill", flags: []string{"-kill.rounds=500"}, find: []measure{
			number("kills", `(\d+) rounds`), number("acknowledged", `(\d+) batches`)}},
	}},
}
