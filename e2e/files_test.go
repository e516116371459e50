package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// dropFile drops a file of so many megabytes on the page, made of pieces that differ. It begins with "first" and ends
// with "last" and is never in the page's memory as a whole but once, while it is made.
func (p *tab) dropFile(name string, megabytes int) {
	p.t.Helper()
	p.do(fmt.Sprintf(`(() => {
		const parts = ['first ']
		for (let i = 0; i < %d; i++) {
			const part = new Uint8Array(1e6)
			for (let j = 0; j < 1e6; j += 4096) new DataView(part.buffer).setUint32(j, i * 1e6 + j)
			parts.push(new Blob([part]))
		}
		const data = new DataTransfer()
		data.items.add(new File([...parts, ' last'], %q, { type: 'video/mp4' }))
		document.querySelector('main').dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }))
	})()`, megabytes, name))
}

// shownFile is what the row of the file says: "12.3 MB of 20.0 MB are here".
const shownFile = `document.querySelector('#files li:not(.putting) span')?.textContent ?? ''`

// TestFiles drops a file in one browser: progress is shown, also when the page is opened again half way and the file
// dropped again; another browser reads both ends of it while the rest is not there, fetches it, is opened again half
// way, goes on, and has the same bytes. How long the longest task of each page took is logged.
func TestFiles(t *testing.T) {
	t.Parallel()
	needInterface(t)
	size := 20
	if soaking() {
		size = 200
	}
	whole := fmt.Sprintf("%d.0 MB", size)
	s := serve(t)
	ana := profile(t, "ana")
	ana.inject(seeWorkers)
	ana.open(s.URL + "examples/files/")
	link := ana.linked()
	ana.dropFile("film.mp4", size)
	ana.until(`document.querySelector('.putting progress').value > 0.2`)
	ana.reload()
	ana.linked()
	ana.do(seeAgain)
	ana.dropFile("film.mp4", size)
	ana.do(watchLongTasks)
	ana.until(`document.querySelector('.putting span').textContent.endsWith('of ` + whole + ` are kept')`)
	ana.until(shownFile + ` === '` + whole + `'`)
	ana.quick("ana")
	// A put is kept every 1 MiB, and the page was told of more than 4 MB of it.
	if got := ana.text(`String(keptBefore >= 1 << 20)`); got != "true" {
		t.Errorf("the second put found %s bytes of the first", ana.text(`String(keptBefore)`))
	}

	ben := profile(t, "ben")
	ben.inject(savedFile)
	ben.open(link)
	ben.do(watchLongTasks)
	ben.until(shownFile + `.endsWith(' of ` + whole + ` are here')`)
	if got := ben.text(shownFile); !strings.HasPrefix(got, "0 bytes") {
		t.Errorf("before anything is read: %s", got)
	}
	ben.click(".look")
	ben.until(`document.querySelector('.inside').textContent.startsWith('first ') && document.querySelector('.inside').textContent.endsWith(' last')`)
	if got := ben.text(shownFile); strings.HasPrefix(got, whole) {
		t.Errorf("after both ends were read: %s", got)
	}
	ben.click(".keep")
	ben.until(`document.querySelector('#files progress').value > 0.3`)
	ben.quick("ben")
	ben.reload()
	ben.until(`document.querySelector('#files progress')?.value > 0.3`) // what came is there
	ben.until(shownFile + ` === '` + whole + `'`)
	if size < 50 { // larger ones are not made ready to be saved
		ben.until(`!document.querySelector('.save').hidden`)
		ben.do(`savedFile.arrayBuffer().then(b => { globalThis.bytes = new Uint8Array(b) })`)
		for i := range size {
			want := fmt.Sprint(i * 1_000_000)
			if got := ben.text(fmt.Sprintf(`String(new DataView(bytes.buffer).getUint32(6 + %d * 1e6))`, i)); got != want {
				t.Fatalf("megabyte %d begins with %s, want %s", i, got, want)
			}
		}
	}
	ben.shot("files-1280")
	ben.must(ben.Resize(ben.ctx(), widths[1].width, widths[1].height))
	ben.fits("the files")
	ben.shot("files-360")
}

// seeAgain notes how much of what is put the engine has kept before: "again" of its last answer to a write, a whole number
// in DAG-CBOR.
const seeAgain = `globalThis.keptBefore = 0
seenWorkers.at(-1).addEventListener('message', e => {
	const at = e.data.result ? String.fromCharCode(...e.data.result.slice(0, 64)).indexOf('eagain') : -1
	if (at < 0) return
	const [head, ...bytes] = e.data.result.slice(at + 6, at + 15)
	keptBefore = head < 24 ? head : bytes.slice(0, 1 << (head - 24)).reduce((n, b) => n * 256 + b, 0)
})`

// watchLongTasks notes the longest task of the page.
const watchLongTasks = `globalThis.longest = 0
new PerformanceObserver(list => { for (const e of list.getEntries()) globalThis.longest = Math.max(globalThis.longest, e.duration) }).observe({ type: 'longtask' })`

// quick logs the longest task. It depends on what else the machine does, so it decides nothing here.
func (p *tab) quick(name string) {
	p.t.Helper()
	p.t.Logf("%s: the longest task of the page took %s ms (tasks under 50 ms are not told)", name, p.text(`String(Math.round(globalThis.longest))`))
}
