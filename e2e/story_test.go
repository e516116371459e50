package e2e

import (
	"strconv"
	"testing"
)

// goneServer are the console errors of a page whose server is gone: the browser writes them itself.
var goneServer = []string{`ERR_CONNECTION_REFUSED`, `WebSocket connection to .* failed`}

// story is a room and those in it.
type story struct {
	*testing.T
	site     *site
	ana, ben *tab
	link     string
	said     []string
}

// TestStory is the whole path of a room, in order: made, shared, without its server, apart, together again.
func TestStory(t *testing.T) {
	needInterface(t)
	s := &story{T: t, site: startSite(t, "demo")}
	s.made()
	s.shared()
	s.terminals()
	s.withoutServer()
	s.apart()
	s.together()
}

// say writes as somebody.
func (s *story) say(p *tab, text string) {
	s.Helper()
	p.write(text)
	s.said = append(s.said, text)
}

func (s *story) made() {
	s.ana = profile(s.T, "ana").open(s.site.room).ready()
	s.ana.until(`d.topic === 'Demo' && d.status === 'synced'`)
	s.link = s.ana.create("Trip to the lake")
	s.ana.named("Ana")
	s.say(s.ana, "Who brings the boat?")
	s.ana.mark("Who brings the boat?", "saved here")
}

func (s *story) shared() {
	s.ben = profile(s.T, "ben").open(s.link).ready()
	s.ben.shows(s.said...)
	s.ben.until(`d.topic === 'Trip to the lake' && d.names.includes('Ana')`)
	s.ben.named("Ben")
	s.say(s.ben, "I do.")
	s.ana.shows(s.said...)
	s.ana.until(`d.people === '2' && d.names === 'Ana,Ben'`)
	for _, p := range []*tab{s.ana, s.ben} {
		p.until(`d.status === 'synced' && d.direct === d.peers`)
		p.hasTransport("rtc")
		p.direct()
	}
	s.ana.mark(s.said[0], "held by 1 other device")
}

// peer is one line of hhs peers --json.
type peer struct {
	Transport string
	Direct    bool
}

// terminals join the room: one by WebRTC alone, another one by WebSocket alone, through the node that serves.
func (s *story) terminals() {
	cleo := chat(s.T, "Cleo", s.link, "--no-ws")
	cleo.hears("Ana", s.said[0])
	cleo.hears("Ben", s.said[1])
	s.typed(cleo, "I bring the dog.")
	var peers []peer
	hhsCommand(s.T, &peers, "peers", "--dir", cleo.dir)
	if len(peers) == 0 {
		s.Error("hhs peers shows nobody")
	}
	for _, p := range peers {
		if p.Transport != "rtc" || !p.Direct {
			s.Errorf("without WebSocket a terminal has the peer %+v", p)
		}
	}
	s.ana.until(`d.people === '3' && d.names === 'Ana,Ben,Cleo'`)

	hhsCommand(s.T, nil, "space", "join", s.link, "--dir", s.site.home)
	dora := chat(s.T, "Dora", s.link, "--no-rtc")
	dora.hears("Cleo", "I bring the dog.")
	s.typed(dora, "And I the cat.")
	cleo.hears("Dora", "And I the cat.")
	hhsCommand(s.T, &peers, "peers", "--dir", dora.dir)
	if len(peers) == 0 {
		s.Error("hhs peers shows nobody")
	}
	for _, p := range peers {
		if p.Transport != "ws" {
			s.Errorf("without WebRTC a terminal has the peer %+v", p)
		}
	}
	cleo.end()
	dora.end()
	s.ana.until(`d.people === '2'`)
}

// typed says something in a terminal.
func (s *story) typed(p *process, text string) {
	s.Helper()
	p.says(text)
	s.said = append(s.said, text)
	s.ana.shows(text)
	s.ben.shows(text)
}

// withoutServer stops the process that served page and signalling.
func (s *story) withoutServer() {
	for _, p := range []*tab{s.ana, s.ben} {
		p.offlineReady()
		p.allowing(goneServer...)
	}
	s.site.end()
	s.say(s.ana, "The server is gone.")
	s.ben.shows(s.said...)
	s.say(s.ben, "I can still read you.")
	s.ana.shows(s.said...)
	s.ana.direct()
	s.ana.until(`d.status === 'synced'`)

	s.ben.reload()
	s.ben.ready()
	s.ben.exactly(s.said...)
	s.ben.until(`d.topic === 'Trip to the lake' && d.name === 'Ben'`)
}

// apart writes in both pages, which nothing connects.
func (s *story) apart() {
	for _, p := range []*tab{s.ana, s.ben} {
		p.until(`d.status === 'offline' && d.peers === '0'`)
	}
	s.say(s.ana, "I pack the tent.")
	s.say(s.ben, "I buy the charcoal.")
	s.say(s.ana, "And the lamp.")
	s.say(s.ben, "And bread.")
	for _, p := range []*tab{s.ana, s.ben} {
		p.until(`Number(d.messages) === ` + strconv.Itoa(len(s.said)-2))
	}
}

// together brings the server back, at the same address.
func (s *story) together() {
	s.site.start()
	for _, p := range []*tab{s.ana, s.ben} {
		p.exactly(s.said...)
		p.hasTransport("rtc")
		p.until(`d.status === 'synced'`)
		p.direct()
	}
}
