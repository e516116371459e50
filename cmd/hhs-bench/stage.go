package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/pprof"
	"strconv"
	"time"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/object"
)

// stages are parts of benchmarks that run in a process of their own, so that nothing of the preparations, no cache and no
// garbage, is in what they measure.
var stages = map[string]func(ctx context.Context, s *stage) error{
	"open":   openOnly,
	"first":  readFirst,
	"page":   readPage,
	"all":    readAll,
	"write":  openAndWrite,
	"spaces": openSpaces,
	"text":   readText,
	"paper":  openText,

	"idle":      openNothing,
	"map-first": shelfStage(1, false),
	"map-page":  shelfStage(page, false),
	"set-first": shelfStage(1, true),
	"set-page":  shelfStage(page, true),
	"find-type": findStage(hhs.Query{Type: jobType}),
	"find-link": findStage(hhs.Query{Link: jobFor}),
}

// stage is what such a process is told, and what it tells.
type stage struct {
	Dir     string
	Space   string
	Value   string // one that is in the space
	N       int
	Online  bool
	Profile string

	cpu   time.Duration // when main began
	start time.Time
	out   map[string]float64
}

// in runs a stage and returns what it measured: what it sets itself, and "cpu_ms" and "wall_ms" (from the beginning of main
// on, as the systems compared measure themselves), "process_cpu_ms" (with the start of the process) and "peak_rss_mb".
func (r *run) in(ctx context.Context, name string, s stage) (map[string]float64, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, "-stage", name)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(args), os.Stderr
	line, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s in a process of its own: %w", name, err)
	}
	out := map[string]float64{}
	if err := json.Unmarshal(line, &out); err != nil {
		return nil, fmt.Errorf("%s printed %q: %w", name, line, err)
	}
	return out, nil
}

// runStage is the main of such a process.
func runStage(ctx context.Context, name string) error {
	s := &stage{cpu: cpuTime(), start: time.Now(), out: map[string]float64{}}
	do, ok := stages[name]
	if !ok {
		return fmt.Errorf("there is no stage %q", name)
	}
	if err := json.NewDecoder(os.Stdin).Decode(s); err != nil {
		return err
	}
	if s.Profile != "" {
		f, err := os.Create(s.Profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	if err := do(ctx, s); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(s.out)
}

// done says that what is measured is over: closing the store does not count.
func (s *stage) done() {
	now := cpuTime()
	s.out["cpu_ms"], s.out["process_cpu_ms"] = ms(now-s.cpu), ms(now)
	s.out["wall_ms"], s.out["peak_rss_mb"] = ms(time.Since(s.start)), round(peakRSS())
}

func (s *stage) node(ctx context.Context) (*hhs.Node, error) {
	if s.Online {
		return openNode(ctx, s.Dir)
	}
	return openNode(ctx, s.Dir, hhs.Offline())
}

// with measures opening the node and the space and what work does.
func (s *stage) with(ctx context.Context, work func(space *hhs.Space[pairs]) error) error {
	return with(ctx, s, kind, work)
}

func with[R any](ctx context.Context, s *stage, kind hhs.Kind[R], work func(space *hhs.Space[R]) error) error {
	id, err := object.ParseID(s.Space)
	if err != nil {
		return err
	}
	node, err := s.node(ctx)
	if err != nil {
		return err
	}
	defer node.Close()
	anySpace, err := node.Space(id)
	if err != nil {
		return err
	}
	space, err := hhs.As(anySpace, kind)
	if err == nil {
		err = work(space)
	}
	s.done()
	return err
}

func openOnly(ctx context.Context, s *stage) error {
	return s.with(ctx, func(*hhs.Space[pairs]) error { return nil })
}

func readFirst(ctx context.Context, s *stage) error {
	return s.with(ctx, func(space *hhs.Space[pairs]) error { return has(space, s.Value) })
}

func readPage(ctx context.Context, s *stage) error {
	return s.with(ctx, func(space *hhs.Space[pairs]) error { return read(space, min(page, s.N)) })
}

func readAll(ctx context.Context, s *stage) error {
	return s.with(ctx, func(space *hhs.Space[pairs]) error { return read(space, s.N) })
}

// openAndWrite reads one value and writes another one.
func openAndWrite(ctx context.Context, s *stage) error {
	return s.with(ctx, func(space *hhs.Space[pairs]) error {
		if err := has(space, s.Value); err != nil {
			return err
		}
		return space.Update(ctx, func(tx *hhs.Tx, r pairs) error { return r.Pairs.Add(tx, strconv.Itoa(os.Getpid())) })
	})
}

// idleFor is how long a node with many spaces is watched doing nothing.
const idleFor = 2 * time.Second

// openSpaces opens all spaces of a node and reads a value of each, then does nothing for a while.
func openSpaces(ctx context.Context, s *stage) error {
	node, err := s.node(ctx)
	if err != nil {
		return err
	}
	defer node.Close()
	before := runtime.NumGoroutine()
	spaces, err := hhs.Spaces(node, kind)
	if err == nil && len(spaces) != s.N {
		err = fmt.Errorf("%d spaces are there, not %d", len(spaces), s.N)
	}
	for i := 0; i < len(spaces) && err == nil; i++ {
		err = has(spaces[i], s.Value)
	}
	if err != nil {
		return err
	}
	s.done()
	s.out["goroutines"] = float64(runtime.NumGoroutine() - before)
	idle := cpuTime()
	time.Sleep(idleFor)
	s.out["idle_cpu_ms_per_s"] = round(float64(cpuTime()-idle) / float64(time.Millisecond) / idleFor.Seconds())
	return nil
}
