package main

import (
	"context"

	"github.com/hyperhyperspace/hhs-go/e2e/browser"
)

// ready measures from the start of the navigation until the engine runs and what was open is open again:
//
//	first_visit_ms  a profile that has never been here: download, compilation, keys
//	warm_ms         a later visit: files from the service worker, keys and a room from the disk
func (b *bench) ready(ctx context.Context) error {
	var first, warm []float64
	for range b.runs {
		f, w, err := b.visits(ctx)
		if err != nil {
			return err
		}
		first, warm = append(first, f), append(warm, w)
	}
	say("first_visit_ms", median(first))
	say("warm_ms", median(warm))
	return nil
}

// visits makes a first visit and one more, in a profile of their own.
func (b *bench) visits(ctx context.Context) (first, warm float64, err error) {
	p, err := b.Isolated(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer p.Close()
	if err := note(ctx, p, "readyAt", `d.state === 'ready' && d.booted === 'true'`); err != nil {
		return 0, 0, err
	}
	if first, err = visit(ctx, p, b.url); err != nil {
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
	warm, err = visit(ctx, p, b.url)
	return first, warm, err
}

// visit opens the page and returns the milliseconds until it was usable.
func visit(ctx context.Context, p *browser.Page, url string) (ms float64, err error) {
	if err := p.Goto(ctx, url); err != nil {
		return 0, err
	}
	return noted(ctx, p, "readyAt")
}
