//go:build !js

package hhs_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/transport/ws"
)

// R7: what four members that flood may cost.
const (
	floodMembers = 4
	floodRoom    = 256 << 20
	floodWait    = 2 * time.Second // an edit may take as long, or three times what it takes in peace
)

// Flooded is the kind of space that is flooded.
type Flooded struct {
	Title hhs.Register[string]
	Lines hhs.Log[string]
	File  hhs.Register[hhs.Blob]
}

var floodedKind = hhs.Define[Flooded]("test.example/flooded", 1)

// Four members of a space flood the node at its middle with all that the protocol lets them do. The edits of an honest
// writer reach an honest reader all the same, over that node, and the three take no more memory than one may: the
// flooders are another process. With HHS_FLOOD_SECONDS it takes as long, and how long edits take counts.
func TestFlood(t *testing.T) {
	seconds, _ := strconv.Atoi(os.Getenv("HHS_FLOOD_SECONDS"))
	p := plan{Members: floodMembers, Slots: 2 * len(abuses), Slot: 10 * time.Second, Enough: 1, Commits: 300, Batches: 2, Authors: 64}
	peace, every := 10, 250*time.Millisecond
	if seconds > 0 {
		p.Enough, p.Authors = 0, 1900 // what is looked up at once of somebody who comes
		p.Slot = time.Duration(seconds) * time.Second / time.Duration(p.Slots)
		p.Commits, p.Batches, peace, every = 8_000, 16, 200, 50*time.Millisecond
	}
	h := ws.NewHandler(ws.Config{})
	p.URL = "ws://" + listen(t, h)
	hub := flooded(t, "hub", hhs.WithEndpoints(p.URL))
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error)
	go func() { served <- hub.Serve(ctx, h) }()
	t.Cleanup(func() { stop(); <-served; h.Close() })
	space := must(hhs.Create(within(t), hub, floodedKind))(t)
	p.Space, p.Genesis = space.ID(), space.Replica().Heads()[0]
	file := must(hub.PutBlob(within(t), io.LimitReader(zeros{}, 1<<20)))(t)
	ok(t, space.Update(within(t), func(tx *hhs.Tx, f Flooded) error { return f.File.Set(tx, file) }))
	p.Blob = file.Root

	link := space.Link().String()
	writer, reader := joined(t, "writer", link), joined(t, "reader", link)
	await(t, space.AnySpace, "the honest", synced(space.AnySpace, 2))
	flood := startFlood(t, p)

	e := newEdits(reader, every)
	defer e.close()
	before := e.write(t, writer, func(n int) bool { return n < peace })
	idle := idleMemory()
	most := watchMemory()
	start := time.Now()
	over := flood.begin(t)
	during := e.write(t, writer, func(n int) bool {
		select {
		case <-over:
			return false
		default:
			return true
		}
	})
	peak, took := most(), time.Since(start)
	t.Logf("%d members flooded for %v: %s", p.Members, took.Round(time.Second), strings.Join(flood.did, ", "))
	flood.check(t)
	t.Logf("heap in use by three nodes %d kB above idle at most, memory of the process, garbage included, %d kB", (peak.heap-idle.heap)>>10, (peak.rss-idle.rss)>>10)
	if seconds > 0 {
		t.Logf("longest by what all did, or each something else: %s", p.worst(during, every))
	}
	slices.Sort(before)
	slices.Sort(during)
	t.Logf("in peace %d edits, p50 %d ms, p99 %d ms", len(before), at(before, 50).Milliseconds(), at(before, 99).Milliseconds())
	t.Logf("in the flood %d edits, p50 %d ms, p99 %d ms, longest %d ms", len(during), at(during, 50).Milliseconds(), at(during, 99).Milliseconds(), at(during, 100).Milliseconds())
	t.Logf("%d commits, refused %v", space.Replica().Len(), first(space.Replica().Refused()))
	if peak.heap-idle.heap > floodRoom {
		t.Errorf("more than %d kB of heap", floodRoom>>10)
	}
	if limit := max(floodWait, 3*at(before, 99)); seconds > 0 && at(during, 99) > limit {
		t.Errorf("an edit in a hundred takes more than %v", limit)
	}
}

// worst is the longest edit of each slot.
func (p *plan) worst(took []time.Duration, every time.Duration) string {
	longest := make([]time.Duration, p.Slots)
	for n, d := range took {
		slot := min(int(time.Duration(n)*every/p.Slot), p.Slots-1)
		longest[slot] = max(longest[slot], d)
	}
	var b strings.Builder
	for slot, d := range longest {
		name := "each"
		if slot%2 == 0 {
			name = abuses[slot/2].name
		}
		fmt.Fprintf(&b, "%s %d ms, ", name, d.Milliseconds())
	}
	return strings.TrimSuffix(b.String(), ", ")
}

func first[A, B any](a A, _ B) A { return a }

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// flooded is a node on disk.
func flooded(t *testing.T, name string, opts ...hhs.Option) *hhs.Node {
	t.Helper()
	opts = append(opts, hhs.Kinds(floodedKind), hhs.WithRTC(nil), hhs.WithLabel(name))
	n := must(hhs.Open(within(t), t.TempDir(), opts...))(t)
	t.Cleanup(func() { n.Close() })
	return n
}

func joined(t *testing.T, name, link string) *hhs.Space[Flooded] {
	t.Helper()
	return must(hhs.Join(within(t), flooded(t, name), floodedKind, link))(t)
}

// flood is the process of the flooders.
type flood struct {
	in   io.WriteCloser
	out  *bufio.Scanner
	cmd  *exec.Cmd
	did  []string
	done chan struct{}
}

func startFlood(t *testing.T, p plan) *flood {
	t.Helper()
	f := &flood{cmd: exec.Command(os.Args[0], "-test.run=^$"), done: make(chan struct{})}
	f.cmd.Env = append(os.Environ(), floodPlan+"="+string(must(json.Marshal(p))(t)))
	f.in = must(f.cmd.StdinPipe())(t)
	f.out = bufio.NewScanner(must(f.cmd.StdoutPipe())(t))
	ok(t, f.cmd.Start())
	t.Cleanup(func() {
		f.in.Close()
		_ = f.cmd.Process.Kill()
		_ = f.cmd.Wait()
	})
	if !f.out.Scan() || f.out.Text() != "ready" {
		t.Fatalf("the flooders said %q", f.out.Text())
	}
	return f
}

// begin lets them flood; the channel is closed when they have ended.
func (f *flood) begin(t *testing.T) <-chan struct{} {
	t.Helper()
	must(io.WriteString(f.in, "go\n"))(t)
	go func() {
		defer close(f.done)
		for f.out.Scan() {
			f.did = append(f.did, strings.TrimPrefix(f.out.Text(), "did "))
		}
	}()
	return f.done
}

// check sees to it that all was done that a member can do.
func (f *flood) check(t *testing.T) {
	t.Helper()
	for _, a := range abuses {
		if !slices.ContainsFunc(f.did, func(line string) bool { return strings.HasPrefix(line, a.name+" ") && line != a.name+" 0" }) {
			t.Errorf("nobody got to do this: %s", a.name)
		}
	}
}

// edits measures how long it takes until the reader sees what the writer was to write, from the moment when it was to.
type edits struct {
	reader *hhs.Space[Flooded]
	every  time.Duration // an edit is to be written
	wake   chan struct{}
	cancel func()
	next   int
}

func newEdits(reader *hhs.Space[Flooded], every time.Duration) *edits {
	e := &edits{reader: reader, every: every, wake: make(chan struct{}, 1)}
	e.cancel = reader.Replica().OnChange(func() {
		select {
		case e.wake <- struct{}{}:
		default:
		}
	})
	return e
}

func (e *edits) close() { e.cancel() }

// write writes while more says so, one edit after the other, and returns the times.
func (e *edits) write(t *testing.T, writer *hhs.Space[Flooded], more func(n int) bool) []time.Duration {
	t.Helper()
	var mu sync.Mutex
	var due []time.Time
	from := e.next
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		next := time.NewTimer(0)
		defer next.Stop()
		start := time.Now()
		for n := 0; more(n); n++ {
			at := start.Add(time.Duration(n) * e.every)
			next.Reset(time.Until(at))
			<-next.C
			mu.Lock()
			due = append(due, at)
			mu.Unlock()
			if err := writer.Update(context.Background(), func(tx *hhs.Tx, f Flooded) error { return f.Title.Set(tx, strconv.Itoa(from+n)) }); err != nil {
				t.Errorf("edit %d: %v", n, err)
				return
			}
		}
	}()
	var took []time.Duration
	end := time.NewTimer(3 * patience)
	defer end.Stop()
	for writing := stopped; ; {
		value, _, err := e.reader.Root().Title.Get()
		ok(t, err)
		seen, now := -1, time.Now()
		if value != "" {
			seen = must(strconv.Atoi(value))(t)
		}
		mu.Lock()
		for ; e.next <= seen; e.next++ {
			took = append(took, now.Sub(due[e.next-from]))
		}
		all := e.next == from+len(due)
		mu.Unlock()
		if writing == nil && all {
			return took
		}
		select {
		case <-e.wake:
		case <-writing:
			writing = nil
		case <-end.C:
			t.Fatalf("%d edits of %d arrived; writer %+v, %d commits, reader %+v, %d commits", len(took), len(due),
				writer.Status(), writer.Replica().Len(), e.reader.Status(), e.reader.Replica().Len())
		}
	}
}

// at is the value that so many in a hundred do not exceed.
func at(sorted []time.Duration, percent int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[(len(sorted)*percent+99)/100-1]
}

// memory is what the process takes: objects of its heap that the collector found in use, and pages.
type memory struct{ heap, rss int64 }

func memoryNow() memory {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(s)
	m := memory{heap: int64(s[0].Value.Uint64())}
	if b, err := os.ReadFile("/proc/self/statm"); err == nil {
		var size, pages int64
		_, _ = fmt.Sscan(string(b), &size, &pages)
		m.rss = pages * int64(os.Getpagesize())
	}
	return m
}

func idleMemory() memory {
	debug.FreeOSMemory()
	return memoryNow()
}

// watchMemory looks at the memory ten times a second until it is asked for the most it saw.
func watchMemory() (most func() memory) {
	stop, peak := make(chan struct{}), make(chan memory)
	go func() {
		var m memory
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			now := memoryNow()
			m.heap, m.rss = max(m.heap, now.heap), max(m.rss, now.rss)
			select {
			case <-tick.C:
			case <-stop:
				peak <- m
				return
			}
		}
	}()
	return func() memory { close(stop); return <-peak }
}
