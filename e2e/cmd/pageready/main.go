// Command pageready measures how long the built page takes from navigation to a usable state in Chromium, and prints lines of
// a name and milliseconds: the median of several first visits, each with a fresh profile, and of several warm ones, which
// the service worker answers. It is what the benchmark page-ready runs.
//
// The pages come from HHS_WEB, by default build/web of this clone, over http on a random port of 127.0.0.1, uncompressed.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"time"

	"github.com/hyperhyperspace/hhs-go/e2e/browser"
)

// visits is how many of each kind are measured.
const visits = 5

// patience bounds one visit.
const patience = 60 * time.Second

// Conditions on what the page publishes about itself, see web/README.md.
const (
	usable     = `document.documentElement.dataset.state === 'ready' && document.documentElement.dataset.booted === 'true'`
	controlled = `document.documentElement.dataset.sw === 'controlled'`
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "pageready:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	dir, err := filepath.Abs(cmp.Or(os.Getenv("HHS_WEB"), filepath.Join("..", "build", "web")))
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, "index.html")); err != nil {
		return fmt.Errorf("%w; build the pages with: go run ./internal/build web", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: http.FileServer(http.Dir(dir))}
	go func() { _ = server.Serve(listener) }() // ends with Close
	defer server.Close()
	b, err := browser.Start(ctx, browser.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	url := "http://" + listener.Addr().String() + "/"
	var first, warm []time.Duration
	for range visits {
		f, w, err := visit(ctx, b, url)
		if err != nil {
			return err
		}
		first, warm = append(first, f), append(warm, w)
	}
	fmt.Printf("first_ms %.0f\nwarm_ms %.0f\n", median(first), median(warm))
	return nil
}

// visit opens the page in a fresh profile, and again once its service worker has everything.
func visit(ctx context.Context, b *browser.Browser, url string) (first, warm time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	p, err := b.Isolated(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer p.Close()
	if first, err = ready(ctx, p, url); err != nil {
		return 0, 0, fmt.Errorf("first visit: %w", err)
	}
	if err := p.Until(ctx, controlled); err != nil {
		return 0, 0, fmt.Errorf("wait for the service worker: %w", err)
	}
	if err := p.Goto(ctx, "about:blank"); err != nil {
		return 0, 0, err
	}
	if warm, err = ready(ctx, p, url); err != nil {
		return 0, 0, fmt.Errorf("warm visit: %w", err)
	}
	return first, warm, nil
}

func ready(ctx context.Context, p *browser.Page, url string) (time.Duration, error) {
	start := time.Now()
	if err := p.Goto(ctx, url); err != nil {
		return 0, err
	}
	if err := p.Until(ctx, usable); err != nil {
		return 0, err
	}
	return time.Since(start), nil
}

func median(list []time.Duration) float64 {
	slices.Sort(list)
	return float64(list[len(list)/2].Microseconds()) / 1000
}
