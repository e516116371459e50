package e2e

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"testing"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/object"
)

// past waits until the window of history shows lines, and returns their texts.
func (p *tab) past(expression string) []string {
	p.t.Helper()
	p.until(expression)
	var list []string
	p.must(p.Eval(p.ctx(), `[...document.querySelectorAll('#past-list li')].map(e => (e.querySelector('.deed') ?? e).textContent + (e.className ? ' ' + e.className : ''))`, &list))
	return list
}

func (p *tab) same(what string, got, want []string) {
	p.t.Helper()
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		p.t.Errorf("%s: %s: %q, want %q", p.name, what, got, want)
	}
}

// TestPast takes own edits of a room back and makes them again, and reads its history.
func TestPast(t *testing.T) {
	t.Parallel()
	ana := profile(t, "ana").open(static(t, "127.0.0.1")).ready()
	ana.create("Lake")
	ana.named("Ana")
	ana.fill("topic", "Sea\r")
	ana.until(`d.topic === 'Sea' && d.undo === 'the topic “Sea”' && d.redo === ''`)
	ana.write("one")
	ana.write("two")

	ana.until(`d.undo === 'the message “two”'`)
	ana.click("#undo")
	ana.until(`d.messages === '1' && d.undo === 'the message “one”' && d.redo === 'the message “two”'`)
	ana.exactly("one")
	ana.do(`document.activeElement.blur()`)
	ana.control("z")
	ana.until(`d.messages === '0' && d.undo === 'the topic “Sea”'`)
	ana.control("Z")
	ana.click("#redo:not([disabled])")
	ana.until(`d.redo === ''`)
	ana.exactly("one", "two")
	// Keys that are pressed in a field are the field's.
	ana.do(`document.getElementById('text').focus()`)
	ana.control("z")
	ana.click("#undo")
	ana.until(`d.messages === '1' && d.undo === 'the message “one”'`)

	ana.click("#history")
	got := ana.past(`d.past.startsWith('room ')`)
	ana.same("the history", got[:3], []string{"took back the message “two”", "made the message “two” again", "made the message “one” again"})
	ana.same("its beginning", got[len(got)-1:], []string{"made the room"})
	ana.same("what is undone", got[5:7], []string{"wrote “two” undone", "wrote “one”"})
	ana.click("#past-topic")
	ana.same("topics", ana.past(`d.past === 'topic 2'`), []string{"called the room “Sea” (before: “Lake”)", "called the room “Lake”"})
	ana.click("#past-close")
	ana.until(`d.past === ''`)
	ana.click("#topic-history")
	ana.past(`d.past === 'topic 2'`)
	ana.click("#past-close")

	ana.click("li.message .about")
	about := ana.past(`d.past === 'message'`)
	ana.same("the room then", about[1:3], []string{"It was the first message.", "The room was called “Sea” then."})
	ana.click("#take-back")
	ana.until(`d.messages === '0' && d.past === ''`)
	ana.reload()
	ana.ready()
	ana.until(`d.messages === '0' && d.undo === 'the topic “Sea”'`)
}

// TestPastOfManyMessages: of messages that are scrolled to, those that are taken back go, and those that only moved out of
// what is read on every change stay.
func TestPastOfManyMessages(t *testing.T) {
	t.Parallel()
	p := profile(t, "ana")
	p.inject(seeWorkers)
	p.inject(callEngine)
	p.open(static(t, "127.0.0.1")).ready()
	p.create("Many")
	space := p.data("room")
	const each, groups = 300, 5
	for g := range groups {
		var ops []any
		for i := range each {
			ops = append(ops, map[string]any{"field": "messages", "action": "append", "value": map[string]any{"text": fmt.Sprintf("%d.%d", g, i)}})
		}
		if got := p.text(call(t, g, "update", map[string]any{"space": space, "ops": ops})); got != "ok" {
			t.Fatal(got)
		}
	}
	p.until(fmt.Sprintf(`d.messages === '%d'`, each*groups))
	for range 20 { // up to the beginning
		if p.text(`String(document.getElementById('earlier').hidden)`) == "true" {
			break
		}
		before := p.data("shown")
		p.do(`document.getElementById('earlier').click()`)
		p.until(`d.shown !== ` + quote(before))
	}
	p.until(fmt.Sprintf(`d.shown === '%d'`, each*groups))
	first := p.text(`document.querySelector('li.message').dataset.commit`)
	for i, c := range []struct {
		commit string
		left   int
	}{{first, each * (groups - 1)}, {p.text(`[...document.querySelectorAll('li.message')].at(-1).dataset.commit`), each * (groups - 2)}} {
		p.write(fmt.Sprintf("new %d", i)) // one moves out of what is read on every change
		p.until(`d.shown === d.messages`)
		if got := p.text(call(t, groups+i, "undo", map[string]any{"space": space, "commits": []any{c.commit}})); got != "ok" {
			t.Fatal(got)
		}
		p.until(fmt.Sprintf(`d.shown === '%d' && d.messages === d.shown`, c.left+i+1))
		if n := p.text(fmt.Sprintf(`String(document.querySelectorAll('li.message[data-commit="%s"]').length)`, c.commit)); n != "0" {
			t.Errorf("%s messages are shown that were taken back", n)
		}
	}
}

// savedFile keeps the file that the page has the browser download.
const savedFile = `{
	const real = URL.createObjectURL
	URL.createObjectURL = blob => {
		globalThis.savedFile = blob
		return real.call(URL, blob)
	}
}`

// TestFile saves a room as a file, which a native node reads and writes again byte by byte, and opens it in another browser.
func TestFile(t *testing.T) {
	t.Parallel()
	site := static(t, "127.0.0.1")
	ana := profile(t, "ana")
	ana.inject(savedFile)
	ana.open(site).ready()
	ana.create("Lake")
	for _, text := range []string{"one", "two", "three"} {
		ana.write(text)
	}
	ana.click("#undo:not([disabled])")
	ana.exactly("one", "two")
	ana.click("#stored summary")
	ana.click("#save")
	ana.until(`Number(d.saved) > 0`)
	encoded := ana.text(`savedFile.arrayBuffer().then(b => btoa(String.fromCharCode(...new Uint8Array(b))))`)
	file, err := base64.StdEncoding.DecodeString(encoded)
	ana.must(err)

	x, err := hhs.VerifyExport(step(t), bytes.NewReader(file))
	if err != nil || x.Space.String() != ana.data("room") {
		t.Fatalf("%+v, %v", x, err)
	}
	n, err := hhs.Open(step(t), "", hhs.InMemory(), hhs.Offline())
	ana.must(err)
	defer n.Close()
	_, err = n.Import(step(t), bytes.NewReader(file))
	ana.must(err)
	id, err := object.ParseID(ana.data("room"))
	ana.must(err)
	native, err := n.Space(id)
	ana.must(err)
	var again bytes.Buffer
	_, err = native.Export(step(t), &again)
	ana.must(err)
	if !bytes.Equal(again.Bytes(), file) {
		t.Errorf("a native node writes %d other bytes than the %d of the page", again.Len(), len(file))
	}

	ben := profile(t, "ben").open(site).ready()
	read := func(encoded string) {
		t.Helper()
		ben.do(fmt.Sprintf(`(() => {
			const given = new DataTransfer()
			given.items.add(new File([Uint8Array.from(atob(%q), c => c.charCodeAt(0))], 'room.car'))
			const input = document.getElementById('file')
			input.files = given.files
			input.dispatchEvent(new Event('change'))
		})()`, encoded))
	}
	read(base64.StdEncoding.EncodeToString(file[:len(file)-20]))
	ben.until(`d.read === 'file'`)
	read(encoded)
	ben.until(fmt.Sprintf(`d.read !== 'file' && d.read !== 'reading' && d.room === %q && d.topic === 'Lake'`, ana.data("room")))
	ben.exactly("one", "two")
	read(encoded)
	ben.until(`d.read === '0'`)
}
