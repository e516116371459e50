package e2e

import (
	"testing"
)

// goneServer are the console errors of a page whose server is gone: the browser writes them itself.
var goneServer = []string{`ERR_CONNECTION_REFUSED`, `WebSocket connection to .* failed`}

func TestStory(t *testing.T) {
	needInterface(t)
	s := serve(t)
	ana := profile(t, "ana").open(s.URL).ready()
	link := ana.create("Trip to the lake")
	ana.named("Ana")
	ana.write("Who brings the boat?")
	ana.mark("Who brings the boat?", "saved here")

	ben := profile(t, "ben").open(link).ready()
	ben.shows("Who brings the boat?")
	ben.until(`d.topic === 'Trip to the lake' && d.names.includes('Ana')`)
	ben.named("Ben")
	ben.write("I do.")
	ana.shows("I do.")
	ana.hasTransport("rtc")
	ben.hasTransport("rtc")
	t.Logf("%+v", ana.direct())
	t.Logf("%+v", ben.direct())
	ana.until(`d.status === 'synced'`)
}
