package e2e

import "testing"

// items is what a shopping list shows, as text: "[x] Milk 2".
const items = `[...document.querySelectorAll('#items li')].map(e =>
	(e.querySelector('[type=checkbox]').checked ? '[x] ' : '[ ] ') + e.querySelector('.title').value + ' ' + e.querySelector('output').value).join(', ')`

// row is the row of an item or answer with this name.
func row(name string) string {
	return `[...document.querySelectorAll('li')].find(e => (e.querySelector('.title')?.value ?? e.querySelector('span').textContent) === ` + quote(name) + `)`
}

// press clicks a button, or ticks a box, of a row.
func (p *tab) press(name, selector string) {
	p.t.Helper()
	p.do(row(name) + `.querySelector(` + quote(selector) + `).click()`)
}

// linked waits until the address has a link and returns the address.
func (p *tab) linked() string {
	p.t.Helper()
	p.until(`location.hash.startsWith('#hhs:') && document.getElementById('status').textContent !== 'Starting.'`)
	return p.text(`location.href`)
}

// TestShoppingList writes one list in two browsers: what both change at one time meets value by value.
func TestShoppingList(t *testing.T) {
	t.Parallel()
	needInterface(t)
	s := serve(t)
	ana := profile(t, "ana").open(s.URL + "examples/shopping-list/")
	link := ana.linked()
	ana.fill("what", "Milk\r")
	ana.until(items + ` === '[ ] Milk 1'`)
	ana.fill("what", "Bread\r")
	ana.fill("what", "milk\r")
	ana.until(items + ` === '[ ] Bread 1, [ ] Milk 2'`)

	ben := profile(t, "ben").open(link)
	ben.until(items + ` === '[ ] Bread 1, [ ] Milk 2'`)
	ben.press("Milk", "[type=checkbox]")
	ana.until(items + ` === '[ ] Bread 1, [x] Milk 2'`)
	ben.press("Milk", ".more")
	ana.press("Milk", ".more")
	ana.do(`(e => { e.value = 'Oat milk'; e.dispatchEvent(new Event('change')) })(` + row("Milk") + `.querySelector('.title'))`)
	for _, p := range []*tab{ana, ben} {
		p.until(items + ` === '[ ] Bread 1, [x] Oat milk 4'`)
		p.until(`document.getElementById('status').textContent === 'The same on 2 devices.'`)
	}
	ana.shot("shopping-list-1280")
	ana.must(ana.Resize(ana.ctx(), widths[1].width, widths[1].height))
	ana.fits("the shopping list")
	ana.shot("shopping-list-360")

	ben.click("#tidy")
	ana.press("Bread", ".remove")
	ana.until(items + ` === ''`)
	ben.until(items + ` === ''`)
	ana.click("#undo")
	ben.until(items + ` === '[ ] Bread 1'`)
	ana.click("#redo")
	ben.until(items + ` === ''`)
	ben.click("#undo") // what is in the basket comes back, with the name that ana gave it
	ana.until(items + ` === '[x] Oat milk 4'`)
	ana.reload()
	ana.until(items + ` === '[x] Oat milk 4' && !document.getElementById('undo').disabled`)
	ben.click("#redo")
	ana.until(items + ` === ''`)
	ben.fill("what", "Tea\r")
	ana.until(items + ` === '[ ] Tea 1'`)
	ana.reload()
	ana.until(items + ` === '[ ] Tea 1'`)
}

// answers is what a poll shows, as text.
const answers = `[...document.querySelectorAll('#answers li')].map(e => e.querySelector('span').textContent + ' ' + e.querySelector('output').value).join(', ')`

// TestPoll votes in two browsers at the same time: every vote counts.
func TestPoll(t *testing.T) {
	t.Parallel()
	needInterface(t)
	s := serve(t)
	ana := profile(t, "ana").open(s.URL + "examples/counter-poll/")
	link := ana.linked()
	ana.fill("question", "Where do we go?\r")
	ana.do(`document.getElementById('question').blur()`)
	ana.until(`document.title === 'Where do we go?'`)
	ana.fill("text", "Lake\r")
	ana.fill("text", "Hills\r")
	ana.until(answers + ` === 'Hills 0, Lake 0'`)

	ben := profile(t, "ben").open(link)
	ben.until(`document.getElementById('question').value === 'Where do we go?'`)
	ben.until(answers + ` === 'Hills 0, Lake 0'`)
	ana.press("Lake", "button")
	ben.press("Lake", "button")
	ana.until(answers + ` === 'Hills 0, Lake 2'`)
	ben.until(answers + ` === 'Hills 0, Lake 2'`)
	ben.press("Hills", "button")
	for _, p := range []*tab{ana, ben} {
		p.until(`document.getElementById('status').textContent === 'The same on 2 devices.'`)
	}
	ana.until(answers + ` === 'Hills 1, Lake 1'`)
	ana.shot("poll-1280")
	ana.must(ana.Resize(ana.ctx(), widths[1].width, widths[1].height))
	ana.fits("the poll")
	ana.shot("poll-360")
	ben.press("Hills", "button") // again: taken back
	ana.until(answers + ` === 'Hills 0, Lake 1'`)
	ben.until(`document.querySelectorAll('[aria-pressed=true]').length === 0`)
	ben.reload()
	ben.until(answers + ` === 'Hills 0, Lake 1'`)
}

// standing is what an auction shows, as text: how it stands, and what did not count.
const standing = `document.getElementById('sale').textContent.replace(/….*/, 'somebody') + ', ' +
	[...document.querySelectorAll('#ignored li')].map(e => e.textContent.replace(/ by .*:/, ':')).join(', ')`

// TestAuction sells in three browsers: each runs the function over the same bids, and shows the same.
func TestAuction(t *testing.T) {
	t.Parallel()
	needInterface(t)
	s := serve(t)
	ana := profile(t, "ana").open(s.URL + "examples/auction/")
	link := ana.linked()
	ana.until(standing + ` === 'Open: no bid, '`)
	ana.fill("title", "Teapot\r")
	ana.do(`document.getElementById('title').blur()`)

	ben, cyd := profile(t, "ben").open(link), profile(t, "cyd").open(link)
	for _, p := range []*tab{ben, cyd} {
		p.until(`document.title === 'Teapot' && document.getElementById('close').hidden`)
	}
	ben.fill("amount", "10\r")
	cyd.until(standing + ` === 'Open: 10 by somebody, '`)
	cyd.fill("amount", "7\r")
	ben.until(standing + ` === 'Open: 10 by you, 7: 7 is not more than 10'`)
	cyd.fill("amount", "30\r")
	for _, p := range []*tab{ana, ben} {
		p.until(standing + ` === 'Open: 30 by somebody, 7: 7 is not more than 10'`)
	}
	cyd.click("#undo")
	ben.until(standing + ` === 'Open: 10 by you, 7: 7 is not more than 10'`)
	ana.until(`!document.getElementById('close').hidden`)
	ana.click("#close")
	ben.until(standing + ` === 'Sold: 10 by you, 7: 7 is not more than 10'`)
	cyd.until(standing + ` === 'Sold: 10 by somebody, 7: 7 is not more than 10' && document.getElementById('bid').hidden`)
	ana.shot("auction-1280")
	ana.must(ana.Resize(ana.ctx(), widths[1].width, widths[1].height))
	ana.fits("the auction")
	cyd.reload()
	cyd.until(standing + ` === 'Sold: 10 by somebody, 7: 7 is not more than 10'`)
}
