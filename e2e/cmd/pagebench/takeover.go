package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/hyperhyperspace/hhs-go/e2e/browser"
)

// takeover measures three tabs of one profile when the one with the engine goes: closed, crashed, or its worker ended. Of
// each way, the median of the runs, from that moment in another tab:
//
//	..._local_ms       until a message written there then is stored and shown
//	..._connected_ms   until it has a direct connection to another person's page again
func (b *bench) takeover(ctx context.Context) error {
	other, err := b.Isolated(ctx)
	if err != nil {
		return err
	}
	defer other.Close()
	holder, err := b.Isolated(ctx) // of the profile, so that its other tabs can be closed
	if err != nil {
		return err
	}
	defer holder.Close()
	first, err := b.tab(ctx, holder, b.url)
	if err != nil {
		return err
	}
	if err := first.Eval(ctx, `document.getElementById('welcome-new').click()`, nil); err != nil {
		return err
	}
	var link string
	if err := first.Until(ctx, `document.documentElement.dataset.link`); err != nil {
		return err
	}
	if err := first.Eval(ctx, `document.documentElement.dataset.link`, &link); err != nil {
		return err
	}
	if err := other.Goto(ctx, link); err != nil {
		return err
	}
	tabs := []*browser.Page{first}
	for range 2 {
		t, err := b.tab(ctx, holder, b.url)
		if err != nil {
			return err
		}
		tabs = append(tabs, t)
	}
	for _, name := range slices.Sorted(maps.Keys(endings)) {
		var local, connected []float64
		for range b.runs {
			if err := tabs[0].Until(ctx, `document.documentElement.dataset.leader === 'true'`); err != nil {
				return err
			}
			l, c, err := handOver(ctx, tabs[0], tabs[1], other, endings[name])
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			local, connected = append(local, l), append(connected, c)
			tabs[0].Close()
			again, err := b.tab(ctx, holder, b.url)
			if err != nil {
				return err
			}
			tabs = append(tabs[1:], again)
		}
		say(name+"_local_ms", median(local))
		say(name+"_connected_ms", median(connected))
	}
	return nil
}

// endings are the ways in which a leading tab goes.
var endings = map[string]func(ctx context.Context, p *browser.Page) error{
	"closed": func(_ context.Context, p *browser.Page) error { p.Close(); return nil },
	"crashed": func(ctx context.Context, p *browser.Page) error {
		// There is nobody left to answer.
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		go func() {
			_ = p.Do(ctx, func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
				_, err := cdp.Call(ctx, target, page.Crash, cdp.Empty{})
				return chromedp.Void{}, err
			})
		}()
		return p.Crashed(ctx)
	},
	"worker": func(ctx context.Context, p *browser.Page) error {
		return p.Eval(ctx, `seenWorkers.at(-1).terminate()`, nil)
	},
}

// tab opens one more tab in the profile of p and waits until it shows the room, if there is one.
func (b *bench) tab(ctx context.Context, holder *browser.Page, url string) (*browser.Page, error) {
	p, err := holder.Sibling(ctx)
	if err != nil {
		return nil, err
	}
	err = p.Do(ctx, func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, target, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: seeWorkers})
		return chromedp.Void{}, err
	})
	return p, errors.Join(err, visitReady(ctx, p, url))
}

func visitReady(ctx context.Context, p *browser.Page, url string) error {
	if err := p.Goto(ctx, url); err != nil {
		return err
	}
	return p.Until(ctx, `(d => d.booted === 'true' && d.state === 'ready' && (!d.room || d.ready === 'true'))(document.documentElement.dataset)`)
}

// seeWorkers keeps the page's workers where they can be ended.
const seeWorkers = `{
	const Real = globalThis.Worker
	globalThis.seenWorkers = []
	globalThis.Worker = class extends Real {
		constructor(...args) { super(...args); seenWorkers.push(this) }
	}
}`

// goOn makes a page write as soon as the engine it used is gone, and keeps when it had.
const goOn = `{
	const text = 'after ' + Math.random()
	const d = document.documentElement.dataset
	const from = performance.now()
	let connected = 0, local = 0, gone = false
	const look = () => {
		if (!gone && d.state !== 'ready') {
			gone = true
			document.getElementById('text').value = text
			document.getElementById('composer').requestSubmit()
		}
		if (!gone) return
		if (!local && [...document.querySelectorAll('li.message .text')].some(e => e.textContent === text)) local = performance.now() - from
		if (!connected && d.state === 'ready' && (d.transports ?? '').includes('rtc') && Number(d.peers) > 0) connected = performance.now() - from
		if (!local || !connected) return
		seen.disconnect()
		d.took = local + ' ' + connected
	}
	const seen = new MutationObserver(look)
	delete d.took
	seen.observe(document, { subtree: true, childList: true, attributes: true })
}`

// handOver ends the leader and measures in a follower.
func handOver(ctx context.Context, leader, follower, other *browser.Page, end func(context.Context, *browser.Page) error) (local, connected float64, err error) {
	const direct = `(document.documentElement.dataset.transports ?? '').includes('rtc')`
	for _, p := range []*browser.Page{other, follower} {
		if err := p.Until(ctx, direct); err != nil {
			return 0, 0, err
		}
	}
	if err := follower.Eval(ctx, goOn, nil); err != nil {
		return 0, 0, err
	}
	if err := end(ctx, leader); err != nil {
		return 0, 0, err
	}
	if err := follower.Until(ctx, `document.documentElement.dataset.took`); err != nil {
		return 0, 0, err
	}
	var took string
	if err := follower.Eval(ctx, `document.documentElement.dataset.took`, &took); err != nil {
		return 0, 0, err
	}
	_, err = fmt.Sscan(took, &local, &connected)
	return local, connected, err
}
