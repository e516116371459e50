package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/chromedp"
)

// evict removes what the page's origin has in databases, as browsers do when the disk is short.
func (p *tab) evict(origin string) {
	p.t.Helper()
	p.must(p.Do(p.ctx(), func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		params := storage.ClearDataForOriginParams{Origin: strings.TrimSuffix(origin, "/"), StorageTypes: "indexeddb"}
		_, err := cdp.Call(ctx, target, storage.ClearDataForOrigin, params)
		return chromedp.Void{}, err
	}))
}

// says waits until an element's first sentence is text, and keeps a picture of it where HHS_SHOTS says.
func (p *tab) says(id, text string) {
	p.t.Helper()
	p.until(`document.querySelector('#` + id + `:not([hidden]) p')?.textContent === ` + quote(text))
	if dir := os.Getenv("HHS_SHOTS"); dir != "" {
		p.must(p.Screenshot(p.ctx(), filepath.Join(dir, strings.ReplaceAll(p.t.Name(), "/", "-")+"-"+p.name+"-"+id+".png")))
	}
}

// TestRemovedWhileOpen takes a page's data away while it is open (RELIABILITY G8-73): it says so, what it shows stays,
// what is typed is not lost, and after it starts again the room comes back from somebody who has it.
func TestRemovedWhileOpen(t *testing.T) {
	t.Parallel()
	needInterface(t)
	s := serve(t)
	p := profile(t, "page").open(s.URL).ready()
	link := p.create("Kept")
	p.write("one")
	other := profile(t, "other").open(link).ready()
	other.shows("one")
	p.mark("one", "held by 1 other device")

	p.evict(s.URL)
	p.until(`d.store === 'removed'`)
	p.says("lost", "The browser has just removed what this page kept. What you see here is not stored any more: copy what you need before you start again. "+
		"A room that others have comes back then.")
	p.until(`document.getElementById('status-text').textContent === 'Nothing more is saved in this tab.'`)
	p.shows("one")
	p.fill("text", "two\r")
	p.until(`document.getElementById('composer-note').textContent.startsWith('Not sent. ')`)
	if got := p.text(`document.getElementById('text').value`); got != "two" {
		t.Errorf("the field of the refused message holds %q", got)
	}
	p.shows("one")

	p.click("#lost button")
	p.until(`d.missing === '1'`)
	p.says("lost", "The browser has removed what this page kept: your keys and 1 room. A room that others have comes back when you open it again; "+
		"what only this browser had is lost. You have new keys, so for the others you are somebody new.")
	p.ready()
	p.shows("one")
	p.write("three")
	other.shows("three")
}

// TestRemovedWhileClosed is the same for a page that was not open: the next visit is not one of somebody who was never here.
func TestRemovedWhileClosed(t *testing.T) {
	t.Parallel()
	site := static(t, "127.0.0.1")
	p := profile(t, "page").open(site).ready()
	p.create("Kept")
	p.write("one")
	p.open("about:blank")
	p.evict(site)
	p.open(site).ready()
	if n := p.data("missing"); n != "1" {
		t.Fatalf("the page misses %s rooms", n)
	}
	p.says("lost", "The browser has removed what this page kept: your keys and 1 room. A room that others have comes back when you open it again; "+
		"what only this browser had is lost. You have new keys, so for the others you are somebody new.")
	p.until(`document.querySelector('#lost li button').textContent === 'Open Kept again'`)
	p.open(site).ready() // nobody has read it: it is said again
	p.until(`d.missing === '1'`)
	p.click("#lost li button")
	p.until(`d.room && d.ready === 'false' && document.getElementById('status-text').textContent.endsWith('Waiting for the first copy of this room.')`)
	p.until(`d.missing === '0'`)

	// What is left on purpose is not missed.
	p.do(`(globalThis.confirm = () => true, document.getElementById('leave').click())`)
	p.until(`d.room === ''`)
	p.open(site).ready()
	p.until(`d.missing === '0' && document.querySelector('#lost').hidden`)
}

// TestNewerTab opens the database in a newer version beside an open page: the page lets go, and says so.
func TestNewerTab(t *testing.T) {
	t.Parallel()
	site := static(t, "127.0.0.1")
	p := profile(t, "page").open(site).ready()
	p.create("Old")
	p.write("one")
	newer := p.sibling("newer").open(site + "hhs.json")
	newer.do(`new Promise(done => { indexedDB.open('hhs', 1000).onsuccess = e => { globalThis.held = e.target.result; done() } })`)
	p.until(`d.store === 'taken'`)
	p.says("lost", "Another version of this page, in another tab, has taken over what is stored here. Nothing is lost; this tab only shows what it had.")
	p.until(`document.getElementById('status-text').textContent === 'Nothing more is saved in this tab.'`)
	p.shows("one")
	p.fill("text", "two\r")
	p.until(`document.getElementById('composer-note').textContent.startsWith('Not sent. ')`)
	newer.do(`held.close()`)
	p.click("#lost button")
	p.until(`d.state === 'newer'`)
	p.until(`document.querySelector('#notice p').textContent.startsWith('The data in this browser was written by a newer version of hhs; nothing was changed.')`)
}

// holdDatabase makes and keeps open a database as version 1 of the store had it.
const holdDatabase = `new Promise((done, failed) => {
	const opening = indexedDB.open('hhs', 1)
	opening.onupgradeneeded = () => { for (const name of ['meta', 'journal', 'chunks']) opening.result.createObjectStore(name) }
	opening.onsuccess = () => { globalThis.held = opening.result; done() }
	opening.onerror = () => failed(opening.error)
})`

// TestOlderTab has a page of an older version hold the database and not let go: the page says what it waits for.
func TestOlderTab(t *testing.T) {
	t.Parallel()
	site := static(t, "127.0.0.1")
	older := profile(t, "older").open(site + "hhs.json")
	older.do(holdDatabase)
	p := older.sibling("page").open(site)
	p.until(`d.state === 'waiting'`)
	p.says("notice", "This takes longer than usual: the program is still loading, or another tab or window of this site holds what is stored here. "+
		"If there is one, close or reload it. Nothing is lost.")
	older.do(`held.close()`)
	p.ready()
	p.until(`document.querySelector('#notice').hidden`)
	p.create("New")
	p.write("one")
}

// TestForgetful shows what a page says that cannot know whether its browser keeps anything: a private window does not tell.
func TestForgetful(t *testing.T) {
	t.Parallel()
	p := profile(t, "private").open(static(t, "127.0.0.1")).ready()
	p.create("Passing")
	p.do(`document.querySelector('#stored summary').click()`)
	p.until(`document.querySelector('#stored-list').textContent.includes('The browser may delete it when the disk is full; a private window deletes it when it is closed.')`)
}
