package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// TestTabs uses one profile in two tabs: both work, and the second takes over when the first one is gone.
func TestTabs(t *testing.T) {
	t.Parallel()
	needInterface(t)
	s := serve(t)
	holder := profile(t, "holder") // of the profile, so that each of the others can be closed
	first := holder.sibling("first").open(s.URL).ready()
	link := first.create("")
	first.write("one")
	second := holder.sibling("second").open(s.URL).ready()
	second.shows("one")
	second.until(`d.leader === 'false'`)
	if a, b := first.data("identity"), second.data("identity"); a != b {
		t.Errorf("two tabs of one profile are %s and %s", a, b)
	}
	second.write("two")
	first.shows("two")

	other := profile(t, "other").open(link).ready()
	other.shows("one", "two")
	other.hasTransport("rtc")
	first.hasTransport("rtc")
	second.until(`d.transports === 'rtc'`) // told by the first, which has the connection

	first.Close()
	second.until(`d.leader === 'true' && d.state === 'ready'`)
	second.write("three")
	other.shows("three")
	other.write("four")
	second.exactly("one", "two", "three", "four")
	second.hasTransport("rtc")
	second.direct()
}

// seeWorkers keeps the page's workers where a test can end them.
const seeWorkers = `{
	const Real = globalThis.Worker
	globalThis.seenWorkers = []
	globalThis.Worker = class extends Real {
		constructor(...args) { super(...args); seenWorkers.push(this) }
	}
}`

// endings are the ways in which the tab with the engine goes.
var endings = []struct {
	name string
	end  func(p *tab)
	// gone: the tab is, too; otherwise its page goes on with another worker.
	gone bool
}{
	{"closed", func(p *tab) { p.Close() }, true},
	{"crashed", (*tab).crash, true},
	{"terminated", func(p *tab) { p.do(`seenWorkers.at(-1).terminate()`) }, false},
}

// crash ends the process of the page at once.
func (p *tab) crash() {
	p.t.Helper()
	p.allowing(`the tab crashed`)
	crash := func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, target, page.Crash, cdp.Empty{})
		return chromedp.Void{}, err
	}
	// There is nobody left to answer.
	ctx, cancel := context.WithCancel(p.ctx())
	go func() { _ = p.Do(ctx, crash) }()
	p.must(p.Crashed(p.ctx()))
	cancel()
}

// submit writes messages, in one task of the page, without waiting for any.
func (p *tab) submit(texts []string) {
	p.t.Helper()
	list, err := json.Marshal(texts)
	p.must(err)
	p.do(fmt.Sprintf(`%s.forEach(text => {
		document.getElementById('text').value = text
		document.getElementById('composer').requestSubmit()
	})`, list))
}

// TestThreeTabs has three tabs share one engine and ends the one that runs it, in every way there is, while the others
// write (RELIABILITY G8-74). Each time another one takes over: each message is there once, both tabs read and write on,
// and so does somebody else who was connected.
func TestThreeTabs(t *testing.T) {
	t.Parallel()
	needInterface(t)
	s := serve(t)
	holder := profile(t, "holder") // of the profile, so that each of the others can be closed
	tabs := []*tab{holder.sibling("a"), holder.sibling("b"), holder.sibling("c")}
	tabs[0].inject(seeWorkers)
	link := tabs[0].open(s.URL).ready().create("Three")
	for _, p := range tabs[1:] {
		p.inject(seeWorkers)
		p.open(s.URL).ready()
	}
	other := profile(t, "other").open(link).ready()
	other.hasTransport("rtc")
	var all []string
	for _, ending := range endings {
		i := slices.IndexFunc(tabs, func(p *tab) bool { return p.data("leader") == "true" })
		if i < 0 {
			t.Fatal("no tab has the engine")
		}
		leader := tabs[i]
		tabs = slices.Delete(tabs, i, i+1)
		other.hasTransport("rtc")
		for _, p := range tabs {
			var texts []string
			for n := range 12 {
				texts = append(texts, fmt.Sprintf("%s: %s-%d", ending.name, p.name, n))
			}
			p.submit(texts)
			all = append(all, texts...)
		}
		ending.end(leader)
		for _, p := range tabs {
			p.until(`d.state === 'ready' && d.status`)
			p.write(ending.name + ": after, from " + p.name)
			all = append(all, ending.name+": after, from "+p.name)
		}
		if ending.gone {
			leader = holder.sibling(leader.name + ending.name)
			leader.inject(seeWorkers)
			leader.open(s.URL).ready()
		}
		tabs = append(tabs, leader)
		other.write(ending.name + ": from the other")
		all = append(all, ending.name+": from the other")
		for _, p := range append(tabs, other) {
			p.until(`d.state === 'ready'`)
			p.hasAll(all)
		}
		other.hasTransport("rtc")
		other.direct()
	}
	for _, p := range tabs {
		if note := p.text(`document.getElementById('composer-note').textContent`); note != "" {
			t.Errorf("%s says %q", p.name, note)
		}
	}
}
