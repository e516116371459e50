package e2e

import (
	"context"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

// shadow is where the editor of the notes lives, and body what it shows.
const (
	shadow = `document.getElementById('editor').shadowRoot`
	body   = `[...` + shadow + `.querySelectorAll('.cm-line')].map(e => e.textContent).join('\n')`
)

// seeEditor has the document change whenever the editor in its shadow root does, so that tests can wait for that.
const seeEditor = `{
	let n = 0
	const tell = () => { document.documentElement.dataset.editor = ++n }
	document.addEventListener('selectionchange', tell)
	const real = Element.prototype.attachShadow
	Element.prototype.attachShadow = function (init) {
		const root = real.call(this, init)
		new MutationObserver(tell).observe(root, { subtree: true, childList: true, characterData: true })
		return root
	}
}`

// notes is a page of notes.
func notes(t *testing.T, name, url string) *tab {
	p := profile(t, name).allowing(goneServer...)
	p.inject(seeEditor)
	return p.open(url)
}

// caret puts the caret of the editor behind some text of a line.
func (p *tab) caret(line int, text string) {
	p.t.Helper()
	p.do(`{
		const line = ` + shadow + `.querySelectorAll('.cm-line')[` + strconv.Itoa(line) + `]
		` + shadow + `.querySelector('.cm-content').focus()
		let left = line.textContent.indexOf(` + quote(text) + `) + ` + strconv.Itoa(len(text)) + `
		const walk = document.createTreeWalker(line, NodeFilter.SHOW_TEXT)
		while (walk.nextNode() && left > walk.currentNode.length) left -= walk.currentNode.length
		getSelection().collapse(walk.currentNode, left)
	}`)
}

// before is the text of the line in which the caret is, up to it.
const before = `(() => {
	const s = ` + shadow + `.getSelection(), r = document.createRange()
	r.setStart((s.anchorNode.closest ? s.anchorNode : s.anchorNode.parentElement).closest('.cm-line'), 0)
	r.setEnd(s.anchorNode, s.anchorOffset)
	return r.toString()
})()`

// control presses a key together with Control and, for a capital letter, with Shift.
func (p *tab) control(key string) {
	p.t.Helper()
	modifiers := int64(2)
	if key == strings.ToUpper(key) {
		modifiers |= 8
	}
	for _, sort := range []input.DispatchKeyEventType{input.DispatchKeyEventTypeRawKeyDown, input.DispatchKeyEventTypeKeyUp} {
		event := input.DispatchKeyEventParams{Type: sort, Key: key, Code: "Key" + strings.ToUpper(key), Modifiers: modifiers, WindowsVirtualKeyCode: int64(strings.ToUpper(key)[0])}
		p.must(p.Do(p.ctx(), func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
			_, err := cdp.Call(ctx, target, input.DispatchKeyEvent, event)
			return chromedp.Void{}, err
		}))
	}
}

// meanwhile types in two pages, key by key in turn.
func meanwhile(a *tab, inA string, b *tab, inB string) {
	for i := range max(len(inA), len(inB)) {
		if i < len(inA) {
			a.keys(inA[i : i+1])
		}
		if i < len(inB) {
			b.keys(inB[i : i+1])
		}
	}
}

// TestNotes has two people type into one paragraph at the same time, with and without a network between them.
func TestNotes(t *testing.T) {
	t.Parallel()
	needInterface(t)
	s := serve(t)
	ana := notes(t, "ana", s.URL+"examples/shared-notes/")
	link := ana.linked()
	ana.keys("A quick fox jumps.\rThe second line.")
	ana.until(body + ` === 'A quick fox jumps.\nThe second line.'`)
	ana.fill("title", "Foxes\r")

	ben := notes(t, "ben", link)
	both := []*tab{ana, ben}
	ben.until(body + ` === 'A quick fox jumps.\nThe second line.' && document.title === 'Foxes'`)
	ana.caret(0, "quick")
	ben.caret(0, "jumps")
	meanwhile(ana, " brown", ben, " over a dog")
	for _, p := range both {
		p.until(body + ` === 'A quick brown fox jumps over a dog.\nThe second line.'`)
	}
	ana.until(before + ` === 'A quick brown'`)
	ben.until(before + ` === 'A quick brown fox jumps over a dog'`)
	ana.shot("shared-notes-1280")
	ana.must(ana.Resize(ana.ctx(), widths[1].width, widths[1].height))
	ana.fits("the notes")
	ana.shot("shared-notes-360")

	s.end()
	for _, p := range both {
		p.cut()
		p.until(`document.getElementById('status').textContent.startsWith('Kept on this device')`)
	}
	ana.caret(1, "second")
	ben.caret(1, "second")
	ana.keys(", and longer,")
	ben.keys(" (not the last)")
	ben.caret(0, "A quick")
	ben.keys(strings.Repeat("\b", len("quick")) + "lazy")
	ben.until(body + ` === 'A lazy brown fox jumps over a dog.\nThe second (not the last) line.'`)
	s.start()
	const apart = `['A lazy brown fox jumps over a dog.\nThe second, and longer, (not the last) line.', 'A lazy brown fox jumps over a dog.\nThe second (not the last), and longer, line.'].includes(` + body + `)`
	for _, p := range both {
		p.until(apart + ` && document.getElementById('status').textContent === 'The same on 2 devices.'`)
	}
	if a, b := ana.text(body), ben.text(body); a != b {
		t.Errorf("ana sees\n%s\nand ben\n%s", a, b)
	}
	ana.until(before + `.endsWith(', and longer,')`)
	ben.until(before + ` === 'A lazy'`)

	// How far back it goes is a matter of time: what was typed in one go. Nothing of ben's goes.
	ana.click("#undo")
	for _, p := range both {
		p.until(`(text => !text.includes('and longer') && ['over a dog', 'lazy', '(not the last)'].every(t => text.includes(t)))(` + body + `)`)
	}
	ben.control("z")
	ana.until(`!` + body + `.includes('lazy')`)
	ben.control("y")
	ana.click("#redo")
	for _, p := range both {
		p.until(apart)
		p.reload()
		p.until(apart + ` && !document.getElementById('undo').disabled`)
	}
	ben.keys("!")
	ana.until(body + `.includes('!')`)
}
