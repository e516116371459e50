package e2e

import (
	"fmt"
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

var _ = testing.Short
