package e2e

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp/kb"
)

// widths are those of the screenshots, in CSS pixels, with the window's height.
var widths = []struct{ width, height int64 }{{1280, 800}, {360, 740}}

// shot keeps a screenshot for people to look at, where HHS_SHOTS says.
func (p *tab) shot(name string) {
	p.t.Helper()
	if dir := os.Getenv("HHS_SHOTS"); dir != "" {
		p.must(os.MkdirAll(dir, 0o755))
		p.must(p.Screenshot(p.ctx(), filepath.Join(dir, name+".png")))
	}
}

// fits fails where the page is wider than its window, or a visible control sticks out of it.
func (p *tab) fits(what string) {
	p.t.Helper()
	out := p.text(`[document.documentElement, ...document.querySelectorAll('button, input, textarea, pre, li')].filter(e => {
		const r = e.getBoundingClientRect()
		return e.checkVisibility() && r.width > 1 && (e === document.documentElement ? e.scrollWidth > innerWidth : r.right > innerWidth + 1 || r.left < -1)
	}).map(e => e.outerHTML.slice(0, 80)).join('\n')`)
	if out != "" {
		p.t.Errorf("%s sticks out of the window: %s", what, out)
	}
}

// TestLayout goes through the pages at the width of a desk and of a phone.
func TestLayout(t *testing.T) {
	t.Parallel()
	needInterface(t)
	s := serve(t)
	ana := profile(t, "ana").open(s.URL).ready()
	each := func(name string, f func(width int64)) {
		for _, w := range widths {
			ana.must(ana.Resize(ana.ctx(), w.width, w.height))
			if f != nil {
				f(w.width)
			}
			ana.fits(fmt.Sprintf("%s at %d", name, w.width))
			ana.shot(fmt.Sprintf("%s-%d", name, w.width))
		}
		ana.must(ana.Resize(ana.ctx(), widths[0].width, widths[0].height))
	}
	each("welcome", nil)
	link := ana.create("Trip to the lake")
	ana.named("Ana")
	each("empty", nil)
	ben := profile(t, "ben").open(link).ready()
	ben.named("Ben")
	ana.until(`d.names === 'Ana,Ben'`)
	talk(ana, ben)
	each("room", nil)
	ana.write("A_very_long_word_without_any_place_to_break_it_such_as_an_address_" + link)
	each("long", nil)
	ana.do(`(e => { if (e.scrollHeight - e.scrollTop - e.clientHeight > 1) throw Error('the last message is out of sight') })(document.getElementById('scroll'))`)
	each("people", func(width int64) {
		ana.do(`document.querySelectorAll('details').forEach(e => { e.open = true })`)
		if width < 900 {
			ana.click(`button[data-toggles="people-side"]`)
		}
	})
	ana.click(`#topic`)
	each("rooms", func(width int64) {
		if width < 900 {
			ana.click(`button[data-toggles="rooms-side"]`)
		}
	})
	ana.open(s.URL + "playground/").ready()
	ana.do(`hhs.share({ my: 'state', list: [1, 2, 3], text: 'long '.repeat(60) }).then(() => {})`)
	ana.until(`d.value`)
	each("playground", nil)
}

// talk is what the screenshots show.
func talk(ana, ben *tab) {
	ana.write("Who brings the boat?")
	ben.shows("Who brings the boat?")
	ben.write("I do. It is the blue one.")
	ana.shows("I do. It is the blue one.")
	ana.write("Then I bring the tent and the lamp.")
	ben.shows("Then I bring the tent and the lamp.")
	ben.write("See you on Saturday at nine.")
	ana.mark("See you on Saturday at nine.", "held by 1 other device")
}

// maxScreenshot keeps the repository small.
const maxScreenshot = 200_000 // bytes

// TestScreenshot makes the README's picture: the same room in two windows. With HHS_SHOTS it is kept there as
// screenshot.png.
func TestScreenshot(t *testing.T) {
	t.Parallel()
	needInterface(t)
	s := serve(t)
	ana := profile(t, "ana").open(s.URL).ready()
	ben := profile(t, "ben").open(ana.create("Trip to the lake")).ready()
	ana.named("Ana")
	ben.named("Ben")
	for _, p := range []*tab{ana, ben} {
		p.until(`d.names.split(',').sort().join() === 'Ana,Ben'`)
		p.must(p.Resize(p.ctx(), 620, 560))
	}
	talk(ana, ben)
	var shots []image.Image
	for _, p := range []*tab{ana, ben} {
		p.mark("Who brings the boat?", "held by 1 other device")
		p.until(`d.status === 'synced'`)
		p.do(`document.activeElement.blur()`)
		file := filepath.Join(t.TempDir(), p.name+".png")
		p.must(p.Screenshot(p.ctx(), file))
		shots = append(shots, decodePNG(t, file))
	}
	var picture bytes.Buffer
	if err := png.Encode(&picture, sideBySide(shots...)); err != nil {
		t.Fatal(err)
	}
	if picture.Len() > maxScreenshot {
		t.Errorf("the screenshot has %d bytes", picture.Len())
	}
	if dir := os.Getenv("HHS_SHOTS"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, "screenshot.png"), picture.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func decodePNG(t *testing.T, name string) image.Image {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	picture, err := png.Decode(file)
	if err != nil {
		t.Fatal(err)
	}
	return picture
}

// sideBySide joins pictures of one height, as windows on a desk.
func sideBySide(pictures ...image.Image) image.Image {
	const gap = 24
	size := image.Point{X: gap, Y: pictures[0].Bounds().Dy() + 2*gap}
	for _, p := range pictures {
		size.X += p.Bounds().Dx() + gap
	}
	desk := image.NewNRGBA(image.Rectangle{Max: size})
	draw.Draw(desk, desk.Bounds(), image.NewUniform(color.NRGBA{0x9a, 0xb3, 0xb0, 0xff}), image.Point{}, draw.Src)
	x := gap
	for _, p := range pictures {
		draw.Draw(desk, image.Rect(x, gap, x+p.Bounds().Dx(), size.Y-gap), p, p.Bounds().Min, draw.Src)
		x += p.Bounds().Dx() + gap
	}
	return desk
}

// maxTabs bounds how often Tab is pressed to get around a page once.
const maxTabs = 60

// tabTo presses Tab until an element has the focus, and checks that the page shows where it is.
func (p *tab) tabTo(selector string) {
	p.t.Helper()
	for range maxTabs {
		p.keys(kb.Tab)
		var found, seen bool
		p.must(p.Eval(p.ctx(), `document.activeElement.matches(`+quote(selector)+`)`, &found))
		if !found {
			continue
		}
		p.must(p.Eval(p.ctx(), `(s => s.outlineStyle !== 'none' || s.boxShadow !== 'none')(getComputedStyle(document.activeElement))`, &seen))
		if !seen {
			p.t.Errorf("nothing shows that %s has the focus", selector)
		}
		return
	}
	p.t.Errorf("Tab never reaches %s", selector)
}

// TestKeyboard does with keys alone what people do: make a room, name it, write, copy the link.
func TestKeyboard(t *testing.T) {
	t.Parallel()
	p := profile(t, "page").open(static(t, "127.0.0.1")).ready()
	p.tabTo("#welcome-new")
	p.keys("\r")
	p.until(`d.room && d.ready === 'true' && d.link`)
	p.do(topicFocused)
	p.keys("By keys alone\r")
	p.until(`d.topic === 'By keys alone'`)
	p.tabTo("#name")
	p.keys("Kay\r")
	p.until(`d.name === 'Kay'`)
	p.tabTo("#text")
	p.keys("hello\r")
	p.shows("hello")
	p.tabTo("#copy-link")
	p.keys("\r")
	p.until(`document.getElementById('copy-link').textContent === 'Copied'`)
	p.tabTo("#connections summary")
	p.keys("\r")
	p.until(`document.getElementById('connections').open`)

	// Once around: whatever can be used has had the focus.
	p.do(`globalThis.reached = new Set(); addEventListener('focusin', e => reached.add(e.target))`)
	for range maxTabs {
		p.keys(kb.Tab)
	}
	missed := p.text(`[...document.querySelectorAll('button, input, textarea, a, summary, [tabindex]')]
		.filter(e => e.checkVisibility() && !e.disabled && !reached.has(e)).map(e => e.outerHTML.slice(0, 80)).join('\n')`)
	if missed != "" {
		t.Errorf("Tab does not reach %s", missed)
	}
}
