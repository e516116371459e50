package syncer

import (
	"slices"
	"time"

	"github.com/hyperhyperspace/hhs-go/internal/order"
	"github.com/hyperhyperspace/hhs-go/object"
)

// decide is the only place that says what to send. It is called after every event
// and does whatever has become possible.
func (s *Session) decide() {
	if s.closed || !s.started {
		return
	}
	s.greet()
	if s.peer.hello {
		s.agree()
		s.tellChains()
		s.lacking()
		s.transfer()
		s.tell()
		s.record()
	}
	s.report()
}

func (s *Session) greet() {
	if !s.saidHello {
		s.saidHello = true
		h := HeadsOf(s.greeted)
		s.told = Have{Heads: h}
		s.emit(Send{&Hello{Version: Version, Heads: h}})
	}
}

// agree takes equal hashes for what they say: the peer holds all our heads.
func (s *Session) agree() {
	if s.peer.hash == s.hash && s.agreed != s.hash {
		s.agreed = s.hash
		s.holds(s.heads...)
		s.peer.fresh = append(s.peer.fresh, s.heads...)
	}
}

// tellChains sends chains: once because we do not know all of the peer's heads,
// and once as a retry.
func (s *Session) tellChains() {
	switch {
	case s.recv.retryDue:
		s.recv.retryDue, s.send.chainsDue = false, false
		s.emit(Send{&Chains{Round: s.recv.round, Chains: limitChains(s.view.Chains(nil))}})
	case s.send.chainsDue:
		s.send.chainsDue = false
		base := s.common()
		s.emit(Send{&Chains{Base: base, Chains: limitChains(s.view.Chains(base))}})
	}
}

// common lists ids that are here and that the peer holds: told now, or remembered.
func (s *Session) common() []object.ID {
	var set idSet
	for _, list := range [][]object.ID{s.peer.list, s.base} {
		for _, id := range list {
			if len(set) < MaxHeads && s.view.Has(id) {
				set.add(id)
			}
		}
	}
	return set.sorted()
}

// limitChains sorts chains and keeps MaxChains of them. What is left out is sent
// whole, never lost.
func limitChains(list []Chain) []Chain {
	order.By(list, compareChains)
	return list[:min(len(list), MaxChains)]
}

// lacking is the second half of invariant 8: both are done, nothing is on the way
// in either direction, and still we are not equal.
func (s *Session) lacking() {
	idle := s.send.ready && !s.send.open && s.send.sent == s.send.acked && !s.unsent() && s.recv.waiting == 0
	if idle && s.peer.done && s.peer.hash != s.hash {
		s.retry(nil)
		if !s.closed {
			s.tellChains()
		}
	}
}

// unsent reports whether we have heads that the peer is not known to hold. A head
// is in the past of nothing here, so it is covered only by its own id.
func (s *Session) unsent() bool {
	for _, id := range s.heads {
		if !s.send.holds.has(id) && !slices.Contains(s.recv.door.Tips, id) {
			return true
		}
	}
	return false
}

// transfer opens one where something is unsent, keeps one batch loaded ahead, and
// sends while the window allows.
func (s *Session) transfer() {
	t := &s.send
	if !s.now.Before(t.pushAt) {
		t.pushWaits = false
	}
	for !s.closed {
		switch {
		case !t.open:
			if !t.ready || !s.unsent() {
				t.pushWaits = false
				return
			}
			if t.pushWaits {
				return
			}
			t.open = true
			t.transfer++
			t.heads, t.since = s.heads, nil
			s.emit(Open{t.transfer, append(t.holds.sorted(), s.recv.door.Tips...)})
		case t.next == nil && !t.loading:
			t.loading = true
			s.emit(Load{t.transfer})
			return
		case t.next == nil || t.next.Data != nil && t.sent-t.acked >= MaxInFlight:
			return
		default:
			s.sendNext()
		}
	}
}

// waiting is since when the peer has taken nothing though more waits to be sent to it; zero where nothing does.
func (s *Session) waiting() (since time.Time) {
	if t := &s.send; !s.closed && t.next != nil && t.next.Data != nil && t.sent-t.acked >= MaxInFlight {
		since = t.movedAt
	}
	return since
}

// sendNext sends the loaded batch, and closes the transfer with the last.
func (s *Session) sendNext() {
	t := &s.send
	next := t.next
	t.next = nil
	if next.Last {
		t.open = false
		t.holds = nil
		t.holds.add(t.heads...)
		t.holds.add(t.since...)
	}
	if next.Data == nil {
		return
	}
	if t.sent == t.acked {
		t.movedAt = s.now
	}
	t.sent++
	t.left = next.Left
	m := &Batch{Round: t.round, Left: next.Left, Data: next.Data}
	if next.Last && !s.unsent() {
		// The batch tells what a have would: our heads, and that we are done.
		m.Left, m.Final, m.Hash = 0, true, s.hash
		s.told.Heads, s.told.Done = HeadsOf(s.heads), true
	}
	s.emit(Send{m})
}

// tell sends a receipt where it says something new (invariant 6). While a transfer
// is open its last batch will tell our heads, and while a batch is at the door its
// acknowledgement will: no message before that for heads alone.
func (s *Session) tell() {
	if s.closed {
		return
	}
	done := s.send.ready && !s.send.open && !s.unsent()
	acked := s.recv.round != s.told.Round || s.recv.ingested != s.told.Acked
	again := s.send.round != s.told.Sends
	moved := s.hash != s.told.Heads.Hash && !s.send.open
	finished := done && !s.told.Done && s.peer.hash != s.hash
	if !acked && !again && (s.recv.waiting > 0 || !moved && !finished) {
		return
	}
	s.told = Have{Round: s.recv.round, Acked: s.recv.ingested, Sends: s.send.round, Done: done, Heads: HeadsOf(s.heads)}
	told := s.told
	s.emit(Send{&told})
}

// record passes on what the peer holds durably.
func (s *Session) record() {
	if len(s.peer.fresh) > 0 && !s.closed {
		order.By(s.peer.fresh, compareIDs)
		s.emit(Acked{slices.Compact(s.peer.fresh)})
		s.peer.fresh = nil
	}
}

// report tells the status where it changed, and notes what the peer owes.
func (s *Session) report() {
	if s.closed {
		return
	}
	r := &s.recv
	owed := s.peer.hello && r.waiting == 0 && (!s.send.ready || len(s.peer.unknown) > 0 || r.left > 0)
	if owed && !r.owed {
		r.owedAt = s.now
	}
	r.owed = owed
	now := Status{
		Connected: s.peer.hello,
		Synced:    s.peer.hello && s.peer.hash == s.hash && r.waiting == 0, // invariant 7
	}
	if !now.Synced {
		now.Receiving = max(toGo(r.left), len(s.peer.unknown))
		now.Sending = toGo(s.send.left)
	}
	if now != s.status {
		s.status = now
		s.emit(Report{now})
	}
}

// toGo is a number of commits to come as it is shown: 0, not known, where it
// cannot be true.
func toGo(left uint64) int {
	if left > maxCount {
		return 0
	}
	return int(left)
}
