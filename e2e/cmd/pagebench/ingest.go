package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/e2e/browser"
	"github.com/hyperhyperspace/hhs-go/examples/chat/room"
	"github.com/hyperhyperspace/hhs-go/store"
)

// native is a peer in this process that has a room.
type native struct {
	node   *hhs.Node
	room   *hhs.Space[room.Room]
	server *http.Server
}

// newNative makes a room with n messages of 100 characters, a commit each, and waits for peers at a WebSocket address that
// the room's link names.
func newNative(ctx context.Context, n int) (*native, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &native{}
	p.node, err = hhs.Open(ctx, "", hhs.InMemory(), hhs.WithDurability(store.Memory), hhs.Kinds(room.Chat), hhs.WithEndpoints("ws://"+l.Addr().String()+"/peer"))
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	handler, err := p.node.Handler()
	if err != nil {
		return nil, errors.Join(err, l.Close(), p.node.Close())
	}
	p.server = &http.Server{Handler: handler}
	go func() { _ = p.server.Serve(l) }() // ends with close
	if p.room, err = hhs.Create(ctx, p.node, room.Chat); err == nil {
		err = p.write(ctx, 0, n)
	}
	if err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

// write appends messages with the numbers from, from+1, ..., to-1.
func (p *native) write(ctx context.Context, from, to int) error {
	for i := from; i < to; i++ {
		text := fmt.Sprintf("%-100s", fmt.Sprintf("%d %s", i, strings.Repeat("word ", 18)))
		err := p.room.Update(ctx, func(tx *hhs.Tx, r room.Room) error { return r.Messages.Append(tx, room.Message{Text: text}) })
		if err != nil {
			return err
		}
	}
	return nil
}

// link opens the room on a page.
func (p *native) link(page string) string { return page + "#" + p.room.Link().String() }

func (p *native) close() error { return errors.Join(p.server.Close(), p.node.Close()) }

// ingest measures a page that receives n commits from a native peer, in a new profile:
//
//	commits_per_s            from the connection until the page says that all are here
//	commits_per_worker_cpu_s the same by what the worker's thread used
//	longest_worker_task_ms   the longest turn of the worker's event loop meanwhile; _cpu: without what others on this
//	longest_page_task_ms     machine took in between
//
// The histogram of the tasks goes to standard error.
func (b *bench) ingest(ctx context.Context) error {
	peer, err := newNative(ctx, b.n)
	if err != nil {
		return err
	}
	p, err := b.Isolated(ctx)
	if err != nil {
		return errors.Join(err, peer.close())
	}
	defer p.Close()
	var ms float64
	work := func() (err error) { ms, err = receive(ctx, p, peer.link(b.url), b.n); return err }
	if b.profile != "" {
		work = profiled(ctx, p, b.profile, work)
	}
	// The page is there and idle before the commits come.
	err = p.Goto(ctx, b.url)
	if err == nil {
		err = p.Until(ctx, `document.documentElement.dataset.booted === 'true'`)
	}
	if err != nil {
		return errors.Join(err, peer.close())
	}
	threads, err := b.Trace(ctx, work)
	if err := errors.Join(err, peer.close()); err != nil {
		return err
	}
	fmt.Printf("commits_per_s %.0f\n", float64(b.n)/ms*1000)
	for _, t := range threads {
		name := "page"
		if t.Worker {
			name = "worker"
		}
		wall, cpu, sum := longest(t)
		if t.Worker {
			fmt.Printf("commits_per_worker_cpu_s %.0f\n", float64(b.n)/sum*1000)
		}
		say("longest_"+name+"_task_ms", wall)
		say("longest_"+name+"_task_cpu_ms", cpu)
		histogram(os.Stderr, name, t)
	}
	return nil
}

// receive opens a room in a page that is open already and returns the milliseconds from the first connection until its n
// messages are here.
func receive(ctx context.Context, p *browser.Page, link string, n int) (ms float64, err error) {
	_, hash, _ := strings.Cut(link, "#")
	err = p.Eval(ctx, fmt.Sprintf(`new Promise(done => {
		let from = 0
		const d = document.documentElement.dataset
		new MutationObserver((_, seen) => {
			if (!from && Number(d.peers) > 0) from = performance.now()
			if (!from || Number(d.commits) < %d) return
			seen.disconnect()
			done(performance.now() - from)
		}).observe(document.documentElement, { attributes: true })
		location.hash = %q
	})`, n, hash), &ms)
	return ms, err
}

// profiled runs work while the page's worker is profiled.
func profiled(ctx context.Context, p *browser.Page, file string, work func() error) func() error {
	return func() error {
		stop, err := p.ProfileWorker(ctx)
		if err != nil {
			return err
		}
		failed := work()
		profile, err := stop()
		if err == nil {
			err = os.WriteFile(file, profile, 0o644)
		}
		return errors.Join(failed, err)
	}
}

func longest(t browser.Thread) (wall, cpu, sum float64) {
	for _, task := range t.Tasks {
		wall, cpu = max(wall, task.Wall), max(cpu, task.CPU)
		sum += task.CPU
	}
	return wall, cpu, sum
}

// bounds are the upper ends of the classes of a histogram, in milliseconds.
var bounds = []float64{1, 2, 4, 8, 16, 32, 50, 100, 200, 1000, 1e9}

// histogram prints how many tasks took how long, and when the longest began, in milliseconds of the clock that profiles
// have too.
func histogram(w io.Writer, name string, t browser.Thread) {
	counts, sum := make([]int, len(bounds)), 0.0
	for _, task := range t.Tasks {
		for i, b := range bounds {
			if task.Wall <= b {
				counts[i]++
				break
			}
		}
		sum += task.CPU
	}
	fmt.Fprintf(w, "%s: %d tasks, %.0f ms of CPU in all;", name, len(t.Tasks), sum)
	for i, n := range counts {
		if n > 0 && i < len(bounds)-1 {
			fmt.Fprintf(w, " up to %g ms: %d", bounds[i], n)
		} else if n > 0 {
			fmt.Fprintf(w, " longer: %d", n)
		}
	}
	fmt.Fprintln(w)
	tasks := slices.SortedFunc(slices.Values(t.Tasks), func(a, b browser.Task) int { return cmp.Compare(b.Wall, a.Wall) })
	for _, task := range tasks[:min(5, len(tasks))] {
		fmt.Fprintf(w, "  %.1f ms (%.1f ms of CPU) at %.1f\n", task.Wall, task.CPU, task.Start)
	}
}
