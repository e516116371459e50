package e2e

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

// quote makes a JavaScript literal.
func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // unreachable: a string can be marshalled
	}
	return string(b)
}

// ready waits until the page runs.
func (p *tab) ready() *tab {
	p.t.Helper()
	p.until(`d.state === 'ready' && d.booted === 'true'`)
	return p
}

// offlineReady waits until the page would open without its server.
func (p *tab) offlineReady() {
	p.t.Helper()
	p.until(`d.sw === 'controlled'`)
}

// click presses what a selector finds with the mouse.
func (p *tab) click(selector string) {
	p.t.Helper()
	p.must(p.Do(p.ctx(), chromedp.Click(selector, chromedp.NodeVisible)))
}

// keys types into whatever has the focus. A carriage return is the key Enter.
func (p *tab) keys(text string) {
	p.t.Helper()
	before, after, enter := strings.Cut(text, "\r")
	if before != "" {
		p.must(p.Do(p.ctx(), chromedp.KeyEvent(before)))
	}
	if !enter {
		return
	}
	// In one event, as from a keyboard: of two, the page could not prevent what the second one does.
	press := input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeKeyDown, Key: "Enter", Code: "Enter", Text: "\r", WindowsVirtualKeyCode: 13}
	release := press
	release.Type, release.Text = input.DispatchKeyEventTypeKeyUp, ""
	for _, event := range []input.DispatchKeyEventParams{press, release} {
		p.must(p.Do(p.ctx(), func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
			_, err := cdp.Call(ctx, target, input.DispatchKeyEvent, event)
			return chromedp.Void{}, err
		}))
	}
	if after != "" {
		p.keys(after)
	}
}

// fill replaces a field's text by typing.
func (p *tab) fill(id, text string) {
	p.t.Helper()
	p.do(`(e => { e.focus(); e.select() })(document.getElementById(` + quote(id) + `))`)
	p.keys(text)
}

// topicFocused waits until the page has put the cursor into the topic of a new room.
const topicFocused = `new Promise(done => {
	const look = () => { if (document.activeElement?.id === 'topic') done() }
	addEventListener('focusin', look)
	look()
})`

// create makes a room with a topic and returns its link.
func (p *tab) create(topic string) string {
	p.t.Helper()
	before := p.data("room")
	p.click(`#welcome:not([hidden]) #welcome-new, #new-room`)
	p.until(`d.room && d.room !== ` + quote(before) + ` && d.ready === 'true' && d.link`)
	p.do(topicFocused)
	if topic != "" {
		p.fill("topic", topic+"\r")
		p.until(`d.topic === ` + quote(topic))
	}
	return p.data("link")
}

// enter opens a room by what a person pastes: a link, an id or words.
func (p *tab) enter(where string) {
	p.t.Helper()
	p.fill("where", where+"\r")
	p.until(`d.ready === 'true' && d.link.includes(d.room)`)
}

// printed waits until the console shows a line that contains text.
func (p *tab) printed(text string) {
	p.t.Helper()
	for _, line := range p.Console() {
		if strings.Contains(line, text) {
			return
		}
	}
	p.t.Errorf("%s: the console does not show %q but %q", p.name, text, p.Console())
}

// named gives the person a name.
func (p *tab) named(name string) {
	p.t.Helper()
	p.fill("name", name+"\r")
	p.until(`d.name === ` + quote(name))
}

// write sends a message and waits until it is shown, which is after it is stored.
func (p *tab) write(text string) {
	p.t.Helper()
	p.fill("text", text+"\r")
	p.shows(text)
}

// shown is an expression for the texts on the page.
const shown = `[...document.querySelectorAll('li.message .text')].map(e => e.textContent)`

// shows waits until a message is on the page.
func (p *tab) shows(texts ...string) {
	p.t.Helper()
	for _, s := range texts {
		p.until(shown + `.includes(` + quote(s) + `)`)
	}
}

// messages returns the texts on the page.
func (p *tab) messages() []string {
	p.t.Helper()
	var list []string
	p.must(p.Eval(p.ctx(), shown, &list))
	return list
}

// mark waits until a message's mark is text.
func (p *tab) mark(message, mark string) {
	p.t.Helper()
	p.until(`[...document.querySelectorAll('li.message')].find(e => e.querySelector('.text').textContent === ` + quote(message) +
		`)?.querySelector('.mark').textContent === ` + quote(mark))
}

// exactly fails unless the page shows these messages and no others, each once, in whatever order.
func (p *tab) exactly(texts ...string) {
	p.t.Helper()
	p.until(`Number(d.messages) === ` + strconv.Itoa(len(texts)))
	p.shows(texts...)
	if got := p.messages(); len(got) != len(texts) {
		p.t.Fatalf("%s shows %q, want %q", p.name, got, texts)
	}
}

// connection is what the browser knows of one connection whose selected pair of addresses succeeded: the bytes of its
// data channel, since those of a pair begin anew when a better one is found, and the kinds of its two addresses.
type connection struct {
	State          string
	Sent, Received int
	Local, Remote  string
}

// askConnections asks the connections of seeConnections for what they carry.
const askConnections = `Promise.all(seenConnections.filter(c => c.connectionState === 'connected').map(async c => {
	const all = [...(await c.getStats()).values()]
	const selected = all.find(s => s.type === 'transport')?.selectedCandidatePairId
	const pair = all.find(s => s.id === selected && s.state === 'succeeded')
	if (!pair) return undefined
	const channel = all.find(s => s.type === 'data-channel')
	const candidate = id => all.find(s => s.id === id)?.candidateType ?? ''
	return { State: pair.state, Sent: channel?.bytesSent ?? 0, Received: channel?.bytesReceived ?? 0,
		Local: candidate(pair.localCandidateId), Remote: candidate(pair.remoteCandidateId) }
})).then(list => list.filter(c => c))`

// connections returns the direct connections of the page.
func (p *tab) connections() []connection {
	p.t.Helper()
	var list []connection
	p.must(p.Eval(p.ctx(), askConnections, &list))
	return list
}

// direct fails unless the page has a direct connection on which bytes went both ways.
func (p *tab) direct() connection {
	p.t.Helper()
	for _, c := range p.connections() {
		if c.Sent > 0 && c.Received > 0 {
			return c
		}
	}
	p.t.Fatalf("%s: no connection carried bytes both ways: %+v; the page says it has %s", p.name, p.connections(), p.data("transports"))
	return connection{}
}

// cut closes the page's direct connections, as a pulled cable would.
func (p *tab) cut() {
	p.t.Helper()
	p.do(`seenConnections.forEach(c => c.close())`)
}

// hasTransport waits until the page is connected over a transport.
func (p *tab) hasTransport(kind string) {
	p.t.Helper()
	p.until(`(d.transports ?? '').split(',').includes(` + quote(kind) + `)`)
}
