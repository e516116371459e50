// Command hhs-bench measures hhs on work that other systems can be given too, and prints one JSON line per benchmark.
//
// Usage:
//
//	go run ./cmd/hhs-bench -run set-write -n 10000
//	go run ./cmd/hhs-bench -list
//
// Every line has "bench", "n", "cpu_ms", "wall_ms", "ops_per_cpu_s" and "peak_rss_mb", and what else the benchmark says. CPU is
// user and system time of the whole process, of all its threads, while the work was done; on a machine shared with others it
// is the figure to compare, wall time is not. "peak_rss_mb" is that of the process, preparations included.
//
// The payload is the same for all: keys of 16 and values of 100 characters from an alphabet of 64, chosen by mulberry32 with
// seed 1, see payload.go.
//
// -profile FILE writes a CPU profile of the measured part alone, for go tool pprof.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
)

// bench is one benchmark.
type bench struct {
	name string
	n    int // operations unless -n says otherwise
	what string
	run  func(ctx context.Context, r *run) error
}

// benches are all benchmarks there are.
var benches = []bench{
	{"set-write", 10000, "insertions into a set, each its own commit, acknowledged in memory, signed in stretches, on disk", setWrite},
	{"set-write-signed", 10000, "insertions into a set, each its own signed commit, acknowledged when written", setWriteSigned},
	{"set-write-tx", 100000, "insertions into a set, 64 in a transaction, on disk", setWriteTx},
	{"group-commit", 6400, "commits of 64 writers at once, each acknowledged when it is on the disk", groupCommit},
	{"sync-initial", 10000, "commits synced to an empty peer, signed and verified, CPU of both sides", syncInitial},
	{"sync-recent", 10000, "two nodes with the same commits, each adds 10 and then 1,000 while apart, CPU and bytes of both sides", syncRecent},
	{"cold-open", 10000, "open a node's directory and read: the first value, 50, all", coldOpen},
	{"map-open", 100000, "open a space with so many keys in a map, and values in a set, and read the first, and 50", mapOpen},
	{"find-open", 100000, "open a space with so many objects of a type, which link to one object, and find the first 50 by each", findOpen},
	{"open-million", 1000000, "open a space of so many commits, in a line and much diverged, and read or write", openMillion},
	{"thousand-spaces", 1000, "open so many spaces in one node and read a value of each", thousandSpaces},
	{"text-apply", 259778, "edits of a recorded editing session, 32 in a commit, signed, on disk; the traces are where PEERS says", textApply},
	{"text-encode", 259778, "bytes of that history as it is sent, and on the disk", textEncode},
	{"text-load", 259778, "open that text and read all of it, in a process of its own", textLoad},
	{"text-merge", 26078, "edits of recorded sessions of two and three authors, each on a node, merged by another node", textMerge},
	{"wasm-size", 1, "bytes a browser downloads for the engine, and its largest packages", wasmSize},
	{"page-ready", 1, "from navigation to a usable page in Chromium, first visit and warm", inChromium("ready")},
	{"browser-ingest", 10000, "commits that a page in Chromium receives from a native peer, and the longest tasks meanwhile", inChromium("ingest")},
	{"browser-reopen", 100000, "messages of a room that a page in Chromium opens from its own store, to its first screen", inChromium("reopen")},
	{"tabs-takeover", 1, "three tabs share one engine and the one that runs it goes: until another writes and is connected", inChromium("takeover")},
}

// run is one run of a benchmark: its inputs and the line it prints.
type run struct {
	n       int
	dir     string // empty, removed afterwards
	root    string // of the repository
	profile string
	fields  []field
}

type field struct {
	name  string
	value any
}

// set adds a field to the line; fields keep their order.
func (r *run) set(name string, value any) { r.fields = append(r.fields, field{name, value}) }

func main() {
	var name string
	var list bool
	var part string
	r := &run{}
	flag.StringVar(&name, "run", "", "benchmark to run; all when empty")
	flag.IntVar(&r.n, "n", 0, "operations; 0: the benchmark's own number")
	flag.StringVar(&r.root, "root", ".", "root of the repository, for the benchmarks that build something")
	flag.StringVar(&r.profile, "profile", "", "write a CPU profile of the measured part to this file")
	flag.BoolVar(&list, "list", false, "list the benchmarks")
	flag.StringVar(&part, "stage", "", "for benchmarks: run this part of one, in a process of its own")
	flag.Parse()
	if list {
		for _, b := range benches {
			fmt.Printf("%-14s n=%-7d %s\n", b.name, b.n, b.what)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	do := func() error { return runNamed(ctx, name, r) }
	if part != "" {
		do = func() error { return runStage(ctx, part) }
	}
	if err := do(); err != nil {
		fmt.Fprintln(os.Stderr, "hhs-bench:", err)
		os.Exit(1)
	}
}

func runNamed(ctx context.Context, name string, r *run) error {
	if name != "" && !slices.ContainsFunc(benches, func(b bench) bool { return b.name == name }) {
		return fmt.Errorf("there is no benchmark %q; -list shows them", name)
	}
	for _, b := range benches {
		if name != "" && b.name != name {
			continue
		}
		one := *r
		if one.n <= 0 {
			one.n = b.n
		}
		if err := one.do(ctx, b); err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
	}
	return nil
}

func (r *run) do(ctx context.Context, b bench) (err error) {
	if r.dir, err = os.MkdirTemp("", "hhs-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(r.dir)
	r.set("bench", b.name)
	r.set("n", r.n)
	if err := b.run(ctx, r); err != nil {
		return err
	}
	if mb := peakRSS(); mb > 0 && !slices.ContainsFunc(r.fields, func(f field) bool { return f.name == "peak_rss_mb" }) {
		r.set("peak_rss_mb", round(mb))
	}
	line, err := r.line()
	if err != nil {
		return err
	}
	_, err = fmt.Println(line)
	return err
}

// line is the JSON of the fields in their order.
func (r *run) line() (string, error) {
	out := []byte{'{'}
	for i, f := range r.fields {
		value, err := json.Marshal(f.value)
		if err != nil {
			return "", fmt.Errorf("field %s: %w", f.name, err)
		}
		if i > 0 {
			out = append(out, ',')
		}
		out = fmt.Appendf(out, "%q:%s", f.name, value)
	}
	return string(append(out, '}')), nil
}
