package mesh

import "slices"

// How credit works. A sender pays messageCost for each message and one for each
// byte. A receiver keeps, per stream, granted (the peer may still send it) and
// held (it waits here); together they stay within the stream's window. Windows
// begin at initialCredit and grow to Limits.Window while the channel's budget
// lasts. A message larger than its window names its length first and is granted
// the rest at once; one stream per channel at a time may do so, others wait for
// their turn. So a channel holds at most Limits.PeerBuffer, no order of
// messages blocks it for ever, and a sender can only block itself.

// widen gives a stream an ordinary window if the budget allows.
func (s *Stream) widen() {
	l := s.link
	spare := l.lim.PeerBuffer - MaxMessage - messageCost - 2*l.lim.Streams*initialCredit
	more := l.lim.Window - initialCredit
	if l.reserved+more > spare/2 {
		more = min(more, smallWindow-initialCredit)
	}
	if s.window == initialCredit && more > 0 && l.reserved+more <= spare {
		l.reserved += more
		s.window += more
	}
	s.replenish()
}

// data takes a data frame; it returns the rule it breaks.
func (s *Stream) data(f frame) string {
	if s.recvEnd != nil {
		return "data after close"
	}
	cost := len(f.payload)
	if f.kind != frameMore {
		cost += messageCost
	}
	if cost > s.granted {
		return "more sent than was granted"
	}
	s.granted -= cost
	s.held += cost
	s.partialCost += cost
	if s.heard = min(s.heard+len(f.payload), 2*smallTalk); s.heard > smallTalk {
		s.useful = s.link.times.heard
	}
	if rule := s.assemble(f); rule != "" {
		return rule
	}
	if s.total > 0 && len(s.partial) == s.total || f.kind == frameMessage {
		s.deliver()
	}
	s.replenish()
	return ""
}

func (s *Stream) assemble(f frame) string {
	p := f.payload
	if (f.kind == frameMore) != (s.total > 0) {
		return "fragment out of place"
	}
	if f.kind == frameBegin {
		total, rest, err := uvarint(p)
		if err != nil {
			return err.Error()
		}
		if total > MaxMessage || len(rest) == 0 || uint64(len(rest)) >= total {
			return "bad length of a message"
		}
		s.total, p = int(total), rest
	}
	if f.kind == frameMore && len(s.partial)+len(p) > s.total {
		return "message longer than announced"
	}
	s.partial = append(s.partial, p...)
	return ""
}

// deliver moves the assembled message to the inbox.
func (s *Stream) deliver() {
	if s.discard {
		s.held -= s.partialCost
	} else {
		s.inbox = append(s.inbox, received{s.partial, s.partialCost})
		signal(s.recvWake)
	}
	s.partial, s.partialCost, s.total = nil, 0, 0
}

// replenish grants what the window leaves, in steps worth a frame.
func (s *Stream) replenish() {
	l := s.link
	if l.streams[s.id] != s || s.recvEnd != nil || !s.open {
		return
	}
	if l.large == s && s.held+s.granted <= s.window {
		s.dropLarge()
	}
	missing := 0 // of the message under way, beyond what is granted
	if s.total > 0 {
		missing = s.total - len(s.partial) - s.granted
	}
	spare := s.window - s.held - s.granted
	switch {
	case spare >= s.window/4, missing > 0 && spare >= missing:
		s.addGrant(spare)
	case missing > 0 && len(s.inbox) == 0:
		s.askLarge()
	}
}

func (s *Stream) addGrant(n int) {
	if s.grant == 0 {
		s.link.grants = append(s.link.grants, s)
		s.link.poke()
	}
	s.grant += n
	s.granted += n
}

func (s *Stream) askLarge() {
	l := s.link
	if !s.wantsLarge && l.large != s {
		s.wantsLarge = true
		l.largeQueue = append(l.largeQueue, s)
	}
	l.serveLarge()
}

// serveLarge grants the rest of a large message to the next stream in line.
func (l *link) serveLarge() {
	if l.large != nil || len(l.largeQueue) == 0 || !l.owner.reserve() {
		return
	}
	s := l.largeQueue[0]
	l.largeQueue = l.largeQueue[1:]
	s.wantsLarge = false
	l.large = s
	if missing := s.total - len(s.partial) - s.granted; missing > 0 {
		s.addGrant(missing)
	}
}

// dropLarge gives up the stream's turn, or its place in the line.
func (s *Stream) dropLarge() {
	l := s.link
	if s.wantsLarge {
		s.wantsLarge = false
		l.largeQueue = slices.DeleteFunc(l.largeQueue, func(o *Stream) bool { return o == s })
	}
	if l.large == s {
		l.large = nil
		l.owner.release()
		l.serveLarge()
	}
}
