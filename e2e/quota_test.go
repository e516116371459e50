package e2e

import (
	"context"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/chromedp"
)

// quota sets how many bytes the page's origin may store; 0 lifts the limit.
func (p *tab) quota(bytes float64) {
	p.t.Helper()
	origin := p.text(`location.origin`)
	set := func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		params := storage.OverrideQuotaForOriginParams{Origin: origin}
		if bytes > 0 {
			params.QuotaSize = &bytes
		}
		_, err := cdp.Call(ctx, target, storage.OverrideQuotaForOrigin, params)
		return chromedp.Void{}, err
	}
	p.must(p.Do(p.ctx(), set))
}

// TestQuota fills what the browser allows: the write is refused with a sentence, what was typed is kept in its field,
// the room stays readable, and writing goes on when there is room again.
func TestQuota(t *testing.T) {
	t.Parallel()
	site := static(t, "127.0.0.1")
	// Chromium asks for the quota when a database is first opened, and then not for a while. The files that the service
	// worker keeps need more than this, so that only the pages' data counts.
	p := profile(t, "page").open(site + "hhs.json")
	p.quota(1_000_000)
	p.open(site).ready()
	p.create("Full")
	p.write("before")
	// Random text: what is stored is compressed by some browsers.
	p.do(`(async () => {
		const field = document.getElementById('text')
		const note = document.getElementById('composer-note')
		const letters = () => String.fromCodePoint(...crypto.getRandomValues(new Uint16Array(3900)).map(c => 0x4e00 + c % 20000))
		for (let i = 0; i < 1000 && !note.textContent; i++) {
			const seen = new Promise(done => {
				const look = new MutationObserver(() => { look.disconnect(); done() })
				look.observe(document.documentElement, { attributeFilter: ['data-messages'] })
				look.observe(note, { childList: true })
			})
			field.value = letters()
			document.getElementById('composer').requestSubmit()
			await seen
		}
	})()`)
	note := p.text(`document.getElementById('composer-note').textContent`)
	if !strings.HasPrefix(note, "Not sent. This browser gives no more storage: nothing of this was kept") {
		t.Errorf("the page says %q", note)
	}
	if n := p.text(`String(document.getElementById('text').value.length)`); n != "3900" {
		t.Errorf("of the refused message %s characters are left in its field", n)
	}
	// The room stays readable, further up than the page has asked for, too.
	p.do(`document.getElementById('scroll').scrollTop = 0`)
	p.shows("before")
	kept := p.data("messages")
	t.Logf("%s messages were kept", kept)
	p.reload()
	p.ready()
	p.until(`d.ready === 'true' && d.topic === 'Full' && d.messages === ` + quote(kept))

	p.quota(0)
	p.write("after")
	if got := p.data("messages"); got == kept {
		t.Errorf("there are %s messages still", got)
	}
}
