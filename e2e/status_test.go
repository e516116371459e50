package e2e

import (
	"fmt"
	"strconv"
	"syscall"
	"testing"
)

// moment is what a page showed of its room's connections from some time on.
type moment struct {
	At                     float64 // milliseconds by the machine's clock
	Status                 string
	Peers, Synced, Commits int
	Transports             string
}

func (m moment) String() string {
	return fmt.Sprintf("%.0f %s peers=%d synced=%d commits=%d %s", m.At, m.Status, m.Peers, m.Synced, m.Commits, m.Transports)
}

// recordStatus keeps every change of what a page publishes about its room.
const recordStatus = `{
	globalThis.moments = []
	const now = () => performance.timeOrigin + performance.now()
	new MutationObserver(() => {
		const d = document.documentElement.dataset
		const m = { Status: d.status ?? '', Peers: Number(d.peers ?? 0), Synced: Number(d.synced ?? 0), Commits: Number(d.commits ?? 0), Transports: d.transports ?? '' }
		const last = moments.at(-1)
		if (last && Object.keys(m).every(k => m[k] === last[k])) return
		moments.push({ At: now(), ...m })
	}).observe(document, { subtree: true, attributes: true, attributeFilter: ['data-changes'] })
}`

// moments returns what was recorded.
func (p *tab) moments() []moment {
	p.t.Helper()
	var list []moment
	p.must(p.Eval(p.ctx(), `moments`, &list))
	return list
}

// now is the time by the page's clock, as in moments.
func (p *tab) now() (ms float64) {
	p.t.Helper()
	p.must(p.Eval(p.ctx(), `performance.timeOrigin + performance.now()`, &ms))
	return ms
}

// offlineWithin is what a person waits at most to see that the network is silent.
const offlineWithin = 10_000 // ms

// TestOffline stops servers so that they are silent, not closed: the page says offline in time, and comes back.
func TestOffline(t *testing.T) {
	s := serve(t)
	alone := profile(t, "alone").open(s.URL).ready()
	alone.create("")
	alone.until(`d.status === 'connecting'`)
	withPeer := profile(t, "with-peer").open(s.URL + "?direct=no").ready()
	hhsCommand(t, nil, "space", "join", hash(t, withPeer.create("")), "--dir", s.home)
	withPeer.until(`d.status === 'synced' && d.transports === 'ws'`)

	silent := alone.now()
	s.signal(syscall.SIGSTOP)
	for _, p := range []*tab{alone, withPeer} {
		p.until(`d.status === 'offline'`)
		after := p.first(silent, "offline") - silent
		t.Logf("%s: offline after %.0f ms", p.name, after)
		if after > offlineWithin {
			t.Errorf("%s: the page says offline %.0f ms after its server fell silent", p.name, after)
		}
	}
	withPeer.write("kept")
	s.signal(syscall.SIGCONT)
	alone.until(`d.status === 'connecting'`)
	withPeer.until(`d.status === 'synced' && d.held === '1'`)
}

// first is the time of the first moment with a status after a time.
func (p *tab) first(after float64, status string) float64 {
	p.t.Helper()
	for _, m := range p.moments() {
		if m.At >= after && m.Status == status {
			return m.At
		}
	}
	p.t.Fatalf("%s never showed %s: %v", p.name, status, p.moments())
	return 0
}

// TestSyncedIsTrue lets two pages diverge and meet again: none of them says synced before it has all that the other has.
func TestSyncedIsTrue(t *testing.T) {
	t.Parallel()
	needInterface(t)
	s := serve(t)
	ana := profile(t, "ana").allowing(goneServer...).open(s.URL).ready()
	ben := profile(t, "ben").allowing(goneServer...).open(ana.create("")).ready()
	both := []*tab{ana, ben}
	for _, p := range both {
		p.until(`d.status === 'synced'`)
	}
	s.end()
	for _, p := range both {
		p.cut()
	}
	const each = 60
	for _, p := range both {
		p.until(`d.status === 'offline'`)
		p.do(fmt.Sprintf(`(async () => {
			for (let i = 0; i < %d; i++) {
				document.getElementById('text').value = %s + i
				document.getElementById('composer').requestSubmit()
			}
		})()`, each, quote(p.name)))
	}
	for _, p := range both {
		p.until(`Number(d.messages) === ` + strconv.Itoa(each))
	}
	together := ana.now()
	s.start()
	for _, p := range both {
		p.until(`Number(d.messages) === ` + strconv.Itoa(2*each) + ` && d.status === 'synced'`)
	}
	total := ana.last().Commits
	if last := ben.last().Commits; last != total {
		t.Errorf("after all ana has %d commits and ben %d", total, last)
	}
	for _, p := range both {
		t.Logf("%s: %d moments", p.name, len(p.moments()))
		for _, m := range p.moments() {
			if m.At > together && m.Status == "synced" && m.Commits != total {
				t.Errorf("%s says synced with %d of %d commits", p.name, m.Commits, total)
			}
		}
	}
}

// last is the latest moment.
func (p *tab) last() moment {
	p.t.Helper()
	list := p.moments()
	return list[len(list)-1]
}
