package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
)

// soaking reports whether tests shall take the larger of their numbers.
func soaking() bool { return os.Getenv("HHS_SOAK") != "" }

// killWhileWriting submits messages and ends the worker, without a word to the page, in the task in which it has answered
// some of them: the writes of the others are under way.
const killWhileWriting = `(text, sent, answered) => new Promise(done => {
	const worker = seenWorkers.at(-1)
	let results = 0
	const end = () => { worker.terminate(); done() }
	worker.addEventListener('message', e => { if (e.data.t === 'result' && e.data.result && ++results === answered) end() })
	for (let i = 0; i < sent; i++) {
		document.getElementById('text').value = text + i
		document.getElementById('composer').requestSubmit()
	}
	if (answered === 0) end()
})`

// TestWorkerKilled ends the worker in the middle of its transactions, again and again (RELIABILITY G8-72). The page finds
// out and goes on by itself; every message is there once: what was acknowledged, which this process knows, because it was
// stored, and what was under way because the page looks whether it was kept and sends it again if not.
func TestWorkerKilled(t *testing.T) {
	t.Parallel()
	p := profile(t, "page")
	p.inject(seeWorkers)
	p.open(static(t, "127.0.0.1")).ready()
	p.create("")
	rounds := 30
	if soaking() {
		rounds = 200
	}
	const sent = 6
	r := rand.New(rand.NewPCG(72, uint64(rounds)))
	acknowledged := 0
	var all []string
	for round := range rounds {
		// Some before the first answer, but never so many in a row that the page gives up on its engine.
		answered := r.IntN(sent)
		if round%4 != 3 {
			answered++
		}
		acknowledged += answered
		text := fmt.Sprintf("%d-", round)
		p.do(fmt.Sprintf(`(%s)(%q, %d, %d)`, killWhileWriting, text, sent, answered))
		p.until(fmt.Sprintf(`d.restarts === '%d' && d.state === 'ready'`, round+1))
		if got := p.text(`document.getElementById('update').innerText`); got != "The engine ended and was started again. Everything that was marked as saved is here." {
			t.Fatalf("the page says %q", got)
		}
		for i := range sent {
			all = append(all, fmt.Sprint(text, i))
		}
		p.until(fmt.Sprintf(`d.messages === '%d'`, len(all)))
		if note := p.text(`document.getElementById('composer-note').textContent`); note != "" {
			t.Fatalf("round %d: the page says %q", round, note)
		}
	}
	p.hasAll(all)
	t.Logf("killed %d times, %d messages acknowledged before, %d under way, 0 lost", rounds, acknowledged, len(all)-acknowledged)
}

// everything asks for earlier messages until there are none and returns all texts.
func (p *tab) everything() []string {
	p.t.Helper()
	for {
		p.do(`document.getElementById('scroll').scrollTop = 0`)
		shown := p.data("shown")
		if shown == p.data("messages") {
			return p.messages()
		}
		p.do(`document.getElementById('earlier').click()`)
		p.until(`d.shown !== ` + quote(shown))
	}
}

// hasAll fails unless the page has these messages and no others, each once, in whatever order.
func (p *tab) hasAll(texts []string) {
	p.t.Helper()
	p.until(fmt.Sprintf(`d.messages === '%d'`, len(texts)))
	got, want := p.everything(), slices.Sorted(slices.Values(texts))
	if slices.Sort(got); !slices.Equal(got, want) {
		p.t.Fatalf("%s has %q, want %q", p.name, got, want)
	}
}

// tellLedger tells other pages of the origin of each write of this one that its worker acknowledges, by its number after
// the text in writing.
const tellLedger = `{
	const ledger = new BroadcastChannel('ledger')
	const Real = globalThis.Worker
	globalThis.Worker = class extends Real {
		writes = new Map()
		constructor(...args) {
			super(...args)
			this.addEventListener('message', e => {
				if (e.data.t !== 'result' || !e.data.result || !this.writes.has(e.data.id)) return
				ledger.postMessage(writing + this.writes.get(e.data.id))
				submit() // another one, so that some are always under way
			})
		}
		postMessage(m, ...rest) {
			if (globalThis.writing && m.t === 'call' && m.method === 'update') this.writes.set(m.id, this.writes.size)
			super.postMessage(m, ...rest)
		}
	}
}`

// keepLedger is the other page's side.
const keepLedger = `{
	globalThis.acknowledged = new Set()
	new BroadcastChannel('ledger').onmessage = e => {
		acknowledged.add(e.data)
		document.documentElement.dataset.acknowledged = acknowledged.size
	}
}`

// TestTabKilled closes the only tab while it writes, again and again: a page of the same browser keeps the ledger.
func TestTabKilled(t *testing.T) {
	t.Parallel()
	site := static(t, "127.0.0.1")
	ledger := profile(t, "ledger").open(site + "hhs.json")
	ledger.do(keepLedger)
	rounds := 4
	if soaking() {
		rounds = 50
	}
	const underWay = 5
	r := rand.New(rand.NewPCG(73, uint64(rounds)))
	for round := range rounds {
		p := ledger.sibling(fmt.Sprint("tab", round))
		p.inject(tellLedger)
		p.open(site).ready()
		if round == 0 {
			p.create("")
		}
		p.until(`d.ready === 'true'`)
		known := p.acknowledged(ledger)
		p.do(fmt.Sprintf(`(() => {
			let n = 0
			globalThis.writing = '%d-'
			globalThis.submit = () => {
				document.getElementById('text').value = writing + n++
				document.getElementById('composer').requestSubmit()
			}
			for (let i = 0; i < %d; i++) submit()
		})()`, round, underWay))
		ledger.until(fmt.Sprintf(`Number(d.acknowledged ?? 0) > %d`, known+r.IntN(40)))
		p.Close()
	}
	p := ledger.sibling("after").open(site).ready()
	p.until(`d.ready === 'true' && d.messages`)
	there := p.everything()
	var acknowledged []string
	ledger.must(ledger.Eval(ledger.ctx(), `[...acknowledged]`, &acknowledged))
	for _, text := range acknowledged {
		if !slices.Contains(there, text) {
			t.Errorf("%q was acknowledged and is not there", text)
		}
	}
	slices.Sort(there)
	if n := len(slices.Compact(slices.Clone(there))); n != len(there) {
		t.Errorf("of %d messages %d are different ones", len(there), n)
	}
	for round := range rounds { // what was sent before what is there, is there
		n := 0
		for slices.Contains(there, fmt.Sprintf("%d-%d", round, n)) {
			n++
		}
		for i := n; i < n+underWay; i++ {
			if slices.Contains(there, fmt.Sprintf("%d-%d", round, i)) {
				t.Errorf("%d-%d is there and %d-%d is not", round, i, round, n)
			}
		}
	}
	t.Logf("closed %d times, %d messages acknowledged, %d there", rounds, len(acknowledged), len(there))
}

func (p *tab) acknowledged(ledger *tab) int {
	p.t.Helper()
	var n int
	ledger.must(ledger.Eval(ledger.ctx(), `acknowledged.size`, &n))
	return n
}
