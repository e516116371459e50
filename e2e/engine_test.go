package e2e

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
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

// killWhileWriting submits messages and ends the worker in the task in which it has answered some of them. It returns
// those that it had answered: the worker answers in order.
const killWhileWriting = `(text, sent, answered, tell) => new Promise(done => {
	const worker = seenWorkers.at(-1)
	let results = 0
	worker.addEventListener('message', e => {
		if (e.data.t !== 'result' || !e.data.result || ++results < answered) return
		worker.terminate()
		if (tell) worker.dispatchEvent(new ErrorEvent('error', { message: 'killed', cancelable: true }))
		done()
	})
	for (let i = 0; i < sent; i++) {
		document.getElementById('text').value = text + i
		document.getElementById('composer').requestSubmit()
	}
})`

// TestWorkerKilled ends the engine while it writes: the page says so, goes on by itself, and has what it was told is
// stored. First the end comes silently, then with the event that browsers give for a worker that failed.
func TestWorkerKilled(t *testing.T) {
	t.Parallel()
	p := profile(t, "page")
	p.inject(seeWorkers)
	p.open(static(t, "127.0.0.1")).ready()
	p.create("")
	const sent = 30
	for i, answered := range []int{3, 1, 12} {
		text := fmt.Sprintf("%d-", i)
		p.do(fmt.Sprintf(`(%s)(%q, %d, %d, %t)`, killWhileWriting, text, sent, answered, i > 0))
		p.until(fmt.Sprintf(`d.restarts === '%d' && d.state === 'ready'`, i+1))
		if got := p.text(`document.getElementById('update').innerText`); got != "The engine ended and was started again. Everything that was marked as saved is here." {
			t.Errorf("the page says %q", got)
		}
		p.write(text + "after")
		for n := range answered {
			p.shows(fmt.Sprint(text, n))
		}
		list := p.messages()
		t.Logf("%d messages are there", len(list))
		slices.Sort(list)
		if n := len(slices.Compact(list)); strconv.Itoa(n) != p.data("messages") {
			t.Errorf("of %s messages %d are different ones", p.data("messages"), n)
		}
	}
}
