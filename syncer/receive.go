package syncer

import (
	"errors"
	"slices"

	"github.com/hyperhyperspace/hhs-go/internal/order"
	"github.com/hyperhyperspace/hhs-go/object"
)

// This file is what events change. Nothing here sends.

func (s *Session) received(m Message) {
	if bye, ok := m.(*Bye); ok {
		s.end(&CloseError{Code: bye.Code, Remote: true})
		return
	}
	if _, hello := m.(*Hello); hello == s.peer.hello { // invariant 1
		s.fail(CodeProtocol, "hello is the first message, once", nil)
		return
	}
	switch m := m.(type) {
	case *Hello:
		s.hello(m)
	case *Chains:
		s.chains(m)
	case *Batch:
		s.batch(m)
	case *Have:
		s.have(m)
	}
}

func (s *Session) malformed(err error) {
	var m *MessageError
	code, what := CodeMalformed, "the peer sent what is no message"
	if errors.As(err, &m) {
		code = m.Code
	}
	if code == CodeBadBlock {
		what = "the peer sent a wrong block"
	}
	s.fail(code, what, err)
}

func (s *Session) hello(m *Hello) {
	s.peer.hello = true
	s.peerHeads(&m.Heads)
	switch {
	case m.Heads.Hash == s.hash, s.peer.whole && len(s.peer.unknown) == 0:
		s.send.ready = true
	default:
		s.send.chainsDue = true
	}
}

// peerHeads takes what the peer says it holds durably.
func (s *Session) peerHeads(h *Heads) {
	s.peer.hash, s.peer.list, s.peer.whole, s.peer.unknown = h.Hash, h.IDs, h.Complete(), h.IDs
	s.resolve()
	if s.peer.whole && len(s.peer.unknown) == 0 && !s.send.open && s.send.sent == s.send.acked {
		s.send.holds = nil // nothing is on the way: these say it all
		s.send.holds.add(s.peer.list...)
	}
}

// resolve looks again for the heads the peer told that were not here. Where very many are not, some of those that are
// may be found only later.
func (s *Session) resolve() {
	var still []object.ID
	for _, id := range s.peer.unknown {
		if len(still) >= maxMisses || !s.view.Has(id) {
			still = append(still, id)
			continue
		}
		s.peer.fresh = append(s.peer.fresh, id)
		s.holds(id)
	}
	if len(still) < len(s.peer.unknown) {
		s.recv.owedAt = s.now
	}
	s.peer.unknown = still
}

// holds records that the peer holds commits that are here.
func (s *Session) holds(ids ...object.ID) {
	s.send.holds.add(ids...)
	if s.send.open {
		s.send.since = append(s.send.since, ids...)
	}
}

// knewOurHello is learnt from a peer that goes on without asking for chains: all
// heads of our hello are there.
func (s *Session) knewOurHello() {
	if !s.send.ready && !s.peer.chains {
		s.holds(s.greeted...)
		s.send.ready = true
	}
}

func (s *Session) chains(m *Chains) {
	if m.Round > 0 {
		s.retried(m)
		return
	}
	if s.peer.chains {
		s.fail(CodeProtocol, "chains came twice", nil)
		return
	}
	s.peer.chains = true
	s.holdsKnown(m)
	for _, id := range s.base {
		if s.view.Has(id) {
			s.holds(id)
		}
	}
	s.infer(m.Chains)
	s.send.ready = true
}

// holdsKnown takes from chains what is certain: ids that are here.
func (s *Session) holdsKnown(m *Chains) {
	for _, id := range m.Base {
		if s.view.Has(id) {
			s.holds(id)
		}
	}
	for _, c := range m.Chains {
		if s.view.Has(c.Tip) {
			s.holds(c.Tip)
		}
	}
}

// infer takes from chains what is true unless an author has forked: where the
// peer has come further on the only branch of an author, it holds our tip of it.
// Where it is not true the peer misses something, says so, and invariant 8 helps.
func (s *Session) infer(theirs []Chain) {
	only := func(list []Chain, i int) bool {
		return (i == 0 || list[i-1].Author != list[i].Author) && (i+1 == len(list) || list[i+1].Author != list[i].Author)
	}
	ours := s.view.Chains(nil)
	order.By(ours, compareChains)
	for i, mine := range ours {
		at, found := slices.BinarySearchFunc(theirs, mine, func(a, b Chain) int { return a.Author.Compare(b.Author) })
		if found && only(ours, i) && only(theirs, at) && theirs[at].Seq > mine.Seq && !s.view.Has(theirs[at].Tip) {
			s.holds(mine.Tip)
		}
	}
}

// retried starts our side again without assumptions (invariant 8).
func (s *Session) retried(m *Chains) {
	if m.Round != s.send.round+1 {
		s.fail(CodeMissing, "the peer asked for everything twice", nil)
		return
	}
	s.cancel()
	s.send.round, s.send.sent, s.send.acked, s.send.left = m.Round, 0, 0, 0
	s.send.holds, s.send.since, s.send.pushWaits = nil, nil, false
	s.send.ready, s.peer.chains, s.peer.done = true, true, false
	for _, id := range s.peer.list {
		if s.view.Has(id) {
			s.holds(id)
		}
	}
	s.holdsKnown(m)
}

func (s *Session) cancel() {
	if s.send.open {
		s.emit(Cancel{s.send.transfer})
	}
	s.send.open, s.send.loading, s.send.next = false, false, nil
}

func (s *Session) batch(m *Batch) {
	r := &s.recv
	if m.Round < r.round {
		if r.stale++; r.stale > MaxInFlight {
			s.fail(CodeProtocol, "batches of an old round", nil)
		}
		return
	}
	// Invariant 5. Only what was told counts: what was not, the peer cannot know.
	if m.Round > r.round || r.received-s.toldAcked() >= MaxInFlight {
		s.fail(CodeProtocol, "more batches than may be on the way", nil)
		return
	}
	s.knewOurHello()
	r.received++
	r.waiting++
	r.left = m.Left
	s.peer.done = m.Final
	if m.Final {
		s.peer.hash, s.peer.list, s.peer.whole, s.peer.unknown = m.Hash, nil, false, nil
	}
	s.emit(Ingest{m.Round, m.Data})
}

// toldAcked is how many batches of this round the peer knows to be taken.
func (s *Session) toldAcked() uint64 {
	if s.told.Round != s.recv.round {
		return 0
	}
	return s.told.Acked
}

// decoded notes what the door is about to let in: the commits are here before
// Ingested says so, and must not be sent back meanwhile.
func (s *Session) decoded(ev Decoded) {
	if ev.Round == s.recv.round {
		s.recv.door = ev
	}
}

func (s *Session) ingested(ev Ingested) {
	r := &s.recv
	if ev.Round < r.round {
		return // superseded by a retry
	}
	door := r.door
	r.waiting--
	r.door = Decoded{}
	switch ev.Outcome {
	case Admitted:
		r.ingested++
		r.owedAt = s.now
		for _, id := range door.Edges {
			delete(s.send.holds, id) // they are in the past of the tips
		}
		s.holds(door.Tips...)
		s.peer.fresh = append(s.peer.fresh, door.Tips...)
		s.resolve()
	case Missing:
		s.retry(ev.Err)
	case Rejected:
		s.fail(CodeRejected, "a batch was refused", ev.Err)
	case Broken:
		s.fail(CodeMalformed, "a batch is malformed", ev.Err)
	case Unable:
		s.fail(CodeLocal, "this side could not store a batch", ev.Err)
	}
}

// retry asks for everything again, once (invariant 8).
func (s *Session) retry(cause error) {
	if s.recv.round >= MaxRetries {
		s.fail(CodeMissing, "commits whose past the peer does not send", cause)
		return
	}
	s.recv = receiving{round: s.recv.round + 1, retryDue: true, owedAt: s.now}
	s.peer.done = false
}

func (s *Session) have(m *Have) {
	switch {
	case m.Round > s.send.round, m.Sends > s.recv.round, m.Round == s.send.round && (m.Acked < s.send.acked || m.Acked > s.send.sent):
		s.fail(CodeProtocol, "a receipt for what was not sent", nil)
		return
	case m.Round == s.send.round && m.Acked > s.send.acked:
		s.send.acked, s.send.movedAt = m.Acked, s.now
	}
	// A peer that has not seen our retry yet is done only in its own eyes.
	s.peer.done = m.Done && m.Sends == s.recv.round
	if s.peer.done {
		s.knewOurHello()
		s.recv.left = 0
	}
	s.peerHeads(&m.Heads)
}

func (s *Session) changed(relayed bool) {
	s.resolve()
	switch {
	case !relayed:
		s.send.pushWaits = false
	case !s.send.pushWaits && s.peer.hello:
		s.send.pushWaits, s.send.pushAt = true, s.now.Add(s.delay)
	}
}

func (s *Session) loaded(ev Loaded) {
	if !s.send.open || ev.Transfer != s.send.transfer {
		return // cancelled meanwhile
	}
	s.send.loading, s.send.next = false, &ev
}
