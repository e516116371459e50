// Command pageready measures how long the chat page takes to be usable in Chromium, from the start of the navigation
// until the engine runs and what was open is open again. It prints "name milliseconds" lines:
//
//	first_visit_ms  a profile that has never been here: download, compilation, keys
//	warm_ms         a later visit: files from the service worker, keys and a room from the disk
//
// Each is the median of -runs visits. It runs the binary of HHS_BIN, or build/hhs of this clone, on a free port of
// loopback. go run ./cmd/hhs-bench -run page-ready runs it and makes a JSON line of it.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/hyperhyperspace/hhs-go/e2e/browser"
)

func main() {
	runs := flag.Int("runs", 5, "visits of each kind; the median counts")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := measure(ctx, max(1, *runs))
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "pageready:", err)
		os.Exit(1)
	}
}

func measure(ctx context.Context, runs int) (err error) {
	url, end, err := serve(ctx)
	if err != nil {
		return err
	}
	defer end()
	b, err := browser.Start(ctx, browser.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	var first, warm []float64
	for range runs {
		f, w, err := visits(ctx, b, url)
		if err != nil {
			return err
		}
		first, warm = append(first, f), append(warm, w)
	}
	fmt.Printf("first_visit_ms %.0f\nwarm_ms %.0f\n", median(first), median(warm))
	return nil
}

// serve starts hhs serve with a directory of its own.
func serve(ctx context.Context) (url string, end func(), err error) {
	bin := os.Getenv("HHS_BIN")
	if bin == "" {
		bin = filepath.Join("..", "build", "hhs")
	}
	dir, err := os.MkdirTemp("", "hhs-pageready-")
	if err != nil {
		return "", nil, err
	}
	cmd := exec.CommandContext(ctx, bin, "serve", "--json", "--dir", dir, "--listen", "127.0.0.1:0")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	end = func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // gone already is fine
		_ = cmd.Wait()                          // ended by the signal
		_ = os.RemoveAll(dir)                   // in a temporary directory
	}
	var greeting struct {
		URL   string
		Pages bool
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &greeting)
	}
	if err == nil && !greeting.Pages {
		err = errors.New("the binary has no pages in it; build it with: go run ./internal/build bin")
	}
	if err != nil {
		end()
		return "", nil, fmt.Errorf("start %s: %w", bin, err)
	}
	return greeting.URL + "/", end, nil
}

// noteReady keeps the time, since the navigation began, at which the page was first usable.
const noteReady = `new MutationObserver((_, seen) => {
	const d = document.documentElement.dataset
	if (d.state !== 'ready' || d.booted !== 'true') return
	seen.disconnect()
	globalThis.readyAt = performance.now()
}).observe(document, { subtree: true, attributes: true, attributeFilter: ['data-changes'] })`

// visits makes a first visit and one more, in a profile of their own.
func visits(ctx context.Context, b *browser.Browser, url string) (first, warm float64, err error) {
	p, err := b.Isolated(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer p.Close()
	err = p.Do(ctx, func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, target, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: noteReady})
		return chromedp.Void{}, err
	})
	if err != nil {
		return 0, 0, err
	}
	if first, err = visit(ctx, p, url); err != nil {
		return 0, 0, err
	}
	// A room to open the next time, and the service worker in its place.
	if err := p.Eval(ctx, `document.getElementById('welcome-new').click()`, nil); err != nil {
		return 0, 0, err
	}
	const settled = `(d => d.room && d.ready === 'true' && d.sw === 'controlled')(document.documentElement.dataset)`
	if err := p.Until(ctx, settled); err != nil {
		return 0, 0, err
	}
	if err := p.Goto(ctx, "about:blank"); err != nil {
		return 0, 0, err
	}
	warm, err = visit(ctx, p, url)
	return first, warm, err
}

// visit opens the page and returns the milliseconds until it was usable.
func visit(ctx context.Context, p *browser.Page, url string) (ms float64, err error) {
	if err := p.Goto(ctx, url); err != nil {
		return 0, err
	}
	if err := p.Until(ctx, `document.documentElement.dataset.booted === 'true' && readyAt > 0`); err != nil {
		return 0, err
	}
	err = p.Eval(ctx, `readyAt`, &ms)
	return ms, err
}

func median(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}
