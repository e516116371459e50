package e2e

import "testing"

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
