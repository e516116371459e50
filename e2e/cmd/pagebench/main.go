// Command pagebench measures the chat page in Chromium and prints "name value" lines; go run ./cmd/hhs-bench makes JSON
// lines of them. The first argument says what: ready, ingest, reopen or takeover, see the files of those names. It runs the
// binary of HHS_BIN, or build/hhs of this clone, on a free port of loopback.
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

// bench is a measurement under way: a browser, and a server of the pages.
type bench struct {
	*browser.Browser
	url     string
	n, runs int
	profile string
}

var measurements = map[string]func(b *bench, ctx context.Context) error{
	"ready": (*bench).ready, "ingest": (*bench).ingest, "reopen": (*bench).reopen, "takeover": (*bench).takeover,
}

func main() {
	o := &bench{}
	flag.IntVar(&o.n, "n", 10000, "commits")
	flag.IntVar(&o.runs, "runs", 5, "repetitions; the median counts")
	flag.StringVar(&o.profile, "profile", "", "write a CPU profile of the worker to this file, for the browser's own tools (.cpuprofile)")
	flag.Parse()
	measurement, ok := measurements[flag.Arg(0)]
	if !ok || flag.NArg() != 1 || o.runs < 1 || o.n < 1 {
		fmt.Fprintln(os.Stderr, "usage: pagebench [-n N] [-runs N] [-profile FILE] ready|ingest|reopen|takeover")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := o.measure(ctx, measurement)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "pagebench:", err)
		os.Exit(1)
	}
}

func (b *bench) measure(ctx context.Context, measurement func(b *bench, ctx context.Context) error) error {
	url, end, err := serve(ctx)
	if err != nil {
		return err
	}
	defer end()
	b.url = url
	if b.Browser, err = browser.Start(ctx, browser.Options{}); err != nil {
		return err
	}
	return errors.Join(measurement(b, ctx), b.Close())
}

// serve starts hhs serve with a directory of its own.
func serve(ctx context.Context) (url string, end func(), err error) {
	bin := os.Getenv("HHS_BIN")
	if bin == "" {
		bin = filepath.Join("..", "build", "hhs")
	}
	dir, err := os.MkdirTemp("", "hhs-pagebench-")
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

// say prints one line of the result.
func say(name string, value float64) { fmt.Printf("%s %.1f\n", name, value) }

// note makes the page keep, as a global of that name, the time since its navigation began at which a condition over what
// it publishes, d, was first true.
func note(ctx context.Context, p *browser.Page, name, condition string) error {
	script := fmt.Sprintf(`new MutationObserver((_, seen) => {
		const d = document.documentElement.dataset
		if (!(%s)) return
		seen.disconnect()
		globalThis.%s = performance.now()
	}).observe(document, { subtree: true, attributes: true, childList: true })`, condition, name)
	return p.Do(ctx, func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, target, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
		return chromedp.Void{}, err
	})
}

// noted waits for what note keeps.
func noted(ctx context.Context, p *browser.Page, name string) (ms float64, err error) {
	if err := p.Until(ctx, name+` > 0`); err != nil {
		return 0, err
	}
	err = p.Eval(ctx, name, &ms)
	return ms, err
}

func median(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}
