package mesh

import (
	"slices"
	"time"

	"github.com/hyperhyperspace/hhs-go/identity"
)

// This file decides who stays when more peers open a space than it takes. A
// newcomer is not refused because others were first: somebody makes room, and
// not the same kind of peer each time the attacker would choose.

// settled is how long a peer that has just come is safe, so that it can show
// what it is there for.
const settled = 5 * time.Second

// reserved is the part of the in slots only known devices may take: a quarter.
const reserved = 4

// smallTalk is how many bytes a peer may send before it counts as useful: a
// hello and an empty comparison.
const smallTalk = 512

// guest is a peer that came by itself, as makeRoom weighs it.
type guest struct {
	device   identity.PublicKey
	s        *Stream
	address  string
	identity identity.PublicKey
	known    bool

	crowd  int // slots its address group or identity holds, if more than a share
	useful time.Time
	safe   bool // it has just come
	luck   uint64
}

func guestOf(device identity.PublicKey, s *Stream) *guest {
	g := &guest{device: device, s: s, address: addressGroup(s.link.info.Remote), identity: s.link.ch.peer.certificate.Identity, known: s.known}
	s.link.mu.Lock()
	g.useful = s.useful
	s.link.mu.Unlock()
	return g
}

func (mb *Membership) guests() []*guest {
	var list []*guest
	for device, s := range mb.peers {
		if !s.link.ch.initiator {
			list = append(list, guestOf(device, s))
		}
	}
	return list
}

// makeRoom reports whether a peer that opened the space may stay; another one
// may have to go for it. Under Mesh.mu.
func (mb *Membership) makeRoom(device identity.PublicKey, s *Stream) bool {
	if mb.peers[device] != nil || s.link.ch.initiator {
		return true
	}
	list := mb.guests()
	kept, known := 0, 0
	if mb.g.Known != nil {
		kept = mb.g.In / reserved
	}
	for _, g := range list {
		if g.known {
			known++
		}
	}
	inReserve := min(known, kept)
	if s.known && known < kept || len(list)-inReserve < mb.g.In-kept {
		return true
	}
	me := guestOf(device, s)
	spare := func(g *guest) bool { return g.known && known <= kept } // within its reserve
	victim := mb.weigh(list, me, spare)
	if victim == nil {
		return false
	}
	delete(mb.peers, victim.device)
	mb.postpone(victim.device)
	mb.m.later(func() { victim.s.Close(ReasonDisplaced) })
	return true
}

// hopeful reports whether a newcomer may find a place, as far as can be said
// before it has proven who it is.
func (mb *Membership) hopeful() bool {
	list := mb.guests()
	now := mb.m.now()
	return len(list) < mb.g.In || slices.ContainsFunc(list, func(g *guest) bool { return now.Sub(g.s.served) >= settled })
}

// weigh chooses who goes for me: of the largest crowd first, then who was useful
// least recently, then by chance.
func (mb *Membership) weigh(list []*guest, me *guest, spare func(*guest) bool) *guest {
	addresses, identities := map[string]int{}, map[identity.PublicKey]int{}
	for _, g := range append([]*guest{me}, list...) {
		addresses[g.address]++
		identities[g.identity]++
	}
	now := mb.m.now()
	var victim *guest
	for _, g := range list {
		n := identities[g.identity]
		if g.address != "" { // no address says nothing about who is alike
			n = max(n, addresses[g.address])
		}
		if n > max(1, mb.g.In/reserved) {
			g.crowd = n
		}
		if spare(g) {
			continue
		}
		g.luck = mb.m.number() >> 1
		if now.Sub(g.s.served) < settled {
			g.luck |= 1 << 63 // after those that had the time
			g.safe = 2*max(identities[g.identity], addresses[g.address]) <= mb.g.In
		}
		if victim == nil || g.before(victim) {
			victim = g
		}
	}
	if victim == nil || victim.safe {
		return nil // who was of use does not go because the others are new
	}
	return victim
}

// before reports whether g goes rather than o.
func (g *guest) before(o *guest) bool {
	switch {
	case g.crowd != o.crowd:
		return g.crowd > o.crowd
	case !g.useful.Equal(o.useful):
		return g.useful.Before(o.useful)
	}
	return g.luck < o.luck
}

// recognise asks the application which of the peers it knows, where that
// decides: when the slots run out. Without Mesh.mu.
func (mb *Membership) recognise(device identity.PublicKey, s *Stream) {
	if mb.g.Known == nil {
		return
	}
	m := mb.m
	m.mu.Lock()
	list := mb.guests()
	full := len(list) >= mb.g.In-mb.g.In/reserved
	m.unlock()
	if !full {
		return
	}
	list = append(list, &guest{device: device, s: s})
	for _, g := range list {
		g.known = mb.g.Known(g.device)
	}
	m.mu.Lock()
	defer m.unlock()
	for _, g := range list {
		g.s.known = g.known
	}
}
