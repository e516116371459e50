package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// peers are other systems that can do the work of our benchmarks: a folder with a program "run" that takes the name of a
// system, a task and a number of operations, and prints lines of JSON. The zero value has none.
type peers struct{ run string }

// rival is a system to hold against one of our benchmarks.
type rival struct {
	peer  string
	tasks []string // done in order; what the last one prints counts
	field string   // of the lines of both sides
	less  bool     // less of it is better
}

// rivals are the matching tasks, by our benchmark: T1 is N insertions, each its own transaction, kept without waiting for
// the disk, T2 opens what T1 wrote and reads all of it, T3 is the first sync of N operations to an empty replica.
var rivals = map[string][]rival{
	"set-write": {
		{peer: "jazz", tasks: []string{"T1"}, field: "ops_per_cpu_s"},
		{peer: "hyper", tasks: []string{"T1"}, field: "ops_per_cpu_s"}},
	"set-write-tx": {{peer: "yjs", tasks: []string{"T1"}, field: "ops_per_cpu_s"}},
	"sync-initial": {{peer: "jazz", tasks: []string{"T3"}, field: "ops_per_cpu_s"}},
	"cold-open": {
		{peer: "dscrdt", tasks: []string{"T1", "T2"}, field: "cpu_ms", less: true},
		{peer: "yjs", tasks: []string{"T1", "T2"}, field: "cpu_ms", less: true}},
}

// patience is how long a system may take for one task.
const patience = 15 * time.Minute

// findPeers looks for the systems in a folder; an empty name means that none are wanted.
func findPeers(folder string) (peers, error) {
	if folder == "" {
		return peers{}, nil
	}
	run, err := filepath.Abs(filepath.Join(folder, "run"))
	if err == nil {
		_, err = os.Stat(run)
	}
	if err != nil {
		return peers{}, fmt.Errorf("PEERS must be a folder with a program \"run\" that takes a system, a task and a number: %w", err)
	}
	return peers{run}, nil
}

// beside has the systems do what a benchmark of ours just did and prints a line for each: how many times as much we get
// out of a second of CPU. What cannot be compared is said on standard error and makes no line.
func (p peers) beside(ctx context.Context, b *build, bench, said string) {
	if p.run == "" {
		return
	}
	ours, err := lastLine(said)
	for _, r := range rivals[bench] {
		var line fields
		if err == nil {
			line, err = p.compare(ctx, b, r, ours)
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "bench: %s beside %s: %v\n", bench, r.peer, err)
			err = nil
			continue
		}
		fmt.Println(append(fields{{"bench", bench}, {"peer", r.peer}}, line...))
	}
}

// compare runs a system on our number of operations.
func (p peers) compare(ctx context.Context, b *build, r rival, ours map[string]any) (fields, error) {
	n, err := positive(ours, "n")
	if err != nil {
		return nil, fmt.Errorf("our line: %w", err)
	}
	mine, err := positive(ours, r.field)
	if err != nil {
		return nil, fmt.Errorf("our line: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var said string
	for _, task := range r.tasks {
		if said, err = b.output(ctx, command{args: []string{p.run, r.peer, task, fmt.Sprint(int(n))}}); err != nil {
			return nil, err
		}
	}
	line, err := lastLine(said)
	if err != nil {
		return nil, err
	}
	theirs, err := positive(line, r.field)
	if err != nil {
		return nil, fmt.Errorf("their line: %w", err)
	}
	ratio := mine / theirs
	if r.less {
		ratio = theirs / mine
	}
	return fields{{"n", int(n)}, {"task", r.tasks[len(r.tasks)-1]}, {"measure", r.field}, {"ours", mine}, {"theirs", theirs},
		{"ratio", math.Round(ratio*100) / 100}}, nil
}

// lastLine reads the last line of JSON in what a program printed.
func lastLine(said string) (map[string]any, error) {
	said = strings.TrimSpace(said)
	_, last, _ := cutLast(said, "\n")
	var line map[string]any
	if err := json.Unmarshal([]byte(last), &line); err != nil {
		return nil, fmt.Errorf("%q is no line of JSON: %w", last, err)
	}
	return line, nil
}

// positive is a number of a line.
func positive(line map[string]any, field string) (float64, error) {
	n, ok := line[field].(float64)
	if !ok || !(n > 0) {
		return 0, fmt.Errorf("%s is %v, not a number above 0", field, line[field])
	}
	return n, nil
}
