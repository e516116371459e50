package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// TestPlayground does what the page says to copy into the console.
func TestPlayground(t *testing.T) {
	t.Parallel()
	needInterface(t)
	s := serve(t)
	ana := profile(t, "ana").open(s.URL + "playground/").ready()
	ana.do(`hhs.share({ my: 'state' }).then(s => { globalThis.s = s })`)
	ana.until(`d.value === ` + quote("{\n  \"my\": \"state\"\n}"))
	words, link := ana.text(`s.words`), ana.text(`s.link`)
	ana.printed("link:  " + link)
	ana.printed("words: " + words)

	ben := profile(t, "ben").open(s.URL + "playground/").ready()
	ben.do(`void hhs.open(` + quote(words) + `).then(s => { globalThis.s = s })`)
	ben.until(`d.candidates === '1'`)
	ben.do(`hhs.choose(1)`)
	ben.until(`JSON.parse(d.value ?? null)?.my === 'state'`)
	ben.do(`void s.subscribe(v => { document.body.dataset.seen = (document.body.dataset.seen ?? '') + v.my + ',' })`)
	ben.do(`s.set({ my: 'answer', at: [1, 2.5, null, true, new Uint8Array([1, 2])] })`)
	ana.until(`JSON.parse(d.value ?? null)?.my === 'answer'`)
	ana.do(`s.set({ my: 'next state' })`)
	ben.until(`JSON.parse(d.value ?? null)?.my === 'next state'`)
	ben.until(`document.body.dataset.seen === 'state,answer,next state,'`)
	ana.direct()

	ben.reload()
	ben.ready()
	ben.until(`JSON.parse(d.value ?? null)?.my === 'next state'`)
	if got := ben.text(`hhs.list().then(all => hhs.open(all[0].link)).then(s => s.get()).then(v => v.my)`); got != "next state" {
		t.Errorf("after a reload the value is %s", got)
	}

	cara := profile(t, "cara").open(link).ready()
	cara.until(`JSON.parse(d.value ?? null)?.my === 'next state'`)
}

// TestValues tries what cannot be stored: refused by name and by path, nothing of it kept.
func TestValues(t *testing.T) {
	t.Parallel()
	p := profile(t, "page").open(static(t, "127.0.0.1") + "playground/").ready()
	p.do(`hhs.share({ kept: 1 }).then(s => { globalThis.s = s })`)
	for name, c := range map[string]struct{ value, path, says string }{
		"NaN":            {`{ a: [1, NaN] }`, "state.a[1]", "NaN"},
		"infinity":       {`{ a: -Infinity }`, "state.a", "Infinity"},
		"undefined":      {`{ a: { b: undefined } }`, "state.a.b", "undefined"},
		"Date":           {`{ when: new Date(0) }`, "state.when", "Date"},
		"function":       {`{ f() {} }`, "state.f", "function"},
		"symbol":         {`{ s: Symbol('x') }`, "state.s", "symbol"},
		"Map":            {`[{ m: new Map() }]`, "state[0].m", "Map"},
		"Set":            {`{ m: new Set() }`, "state.m", "Set"},
		"class":          {`{ m: new (class Person {})() }`, "state.m", "Person"},
		"lone surrogate": {`{ text: 'a\ud800' }`, "state.text", "surrogate"},
		"in a key":       {`{ ['\udc00']: 1 }`, `state["\udc00"]`, "surrogate"},
		"cycle":          {`(() => { const a = { list: [] }; a.list.push({ a }); return a })()`, "state.list[0].a", "cycle"},
		"hole":           {`[1, , 2]`, "state[1]", "undefined"},
		"large integer":  {`{ n: 2n ** 64n }`, "state.n", "64 bits"},
	} {
		var got struct{ Code, Path, Message string }
		call := fmt.Sprintf(`s.set(%s).then(() => ({ Message: 'it was stored' }), e => ({ Code: e.code, Path: e.path, Message: e.message }))`, c.value)
		p.must(p.Eval(p.ctx(), call, &got))
		if got.Code != "value" || got.Path != c.path || !strings.Contains(got.Message, c.says) || !strings.HasPrefix(got.Message, got.Path) {
			t.Errorf("%s: %+v, want the path %s and a word on %s", name, got, c.path, c.says)
		}
	}
	if got := p.text(`s.get().then(v => JSON.stringify(v))`); got != `{"kept":1}` {
		t.Errorf("after refusals the value is %s", got)
	}
}
