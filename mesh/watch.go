package mesh

import (
	"encoding/binary"
	"time"
)

// liveness is what a link knows of time; under link.mu.
type liveness struct {
	heard   time.Time // last record
	ticked  time.Time // last look at the clock
	active  time.Time // last time there was a stream, or a try at one
	served  time.Time // last time there was one that was accepted
	sending time.Time // since when the transport holds a record, or zero
	bye     time.Time // when the goodbye was queued
	pinged  time.Time
	doubted time.Time // since when the peer, as somebody says in its name, may be gone; or zero
	number  uint64    // of the last ping
	rtt     time.Duration
	answers []probe
}

// probe waits for the answer to a ping.
type probe struct {
	number uint64
	done   chan struct{}
}

// tick is how often a link looks at the clock: Dead plus one tick stays below
// the 8 s within which a silent peer must be noticed.
const tick = 500 * time.Millisecond

// refresh is how often the round trip is measured on a busy link.
const refresh = 15 * time.Second

func (t *liveness) pong(payload []byte, now time.Time) {
	n := binary.BigEndian.Uint64(payload)
	if n == t.number && !t.pinged.IsZero() {
		t.rtt = now.Sub(t.pinged)
	}
	rest := t.answers[:0]
	for _, p := range t.answers {
		if p.number <= n && n <= t.number {
			close(p.done)
		} else {
			rest = append(rest, p)
		}
	}
	t.answers = rest
}

func (l *link) ping() {
	l.times.number++
	l.times.pinged = l.clock.Now()
	l.say(frame{kind: framePing, payload: binary.BigEndian.AppendUint64(nil, l.times.number)})
}

// probe asks for a sign of life; the channel is closed when it comes.
func (l *link) probe() <-chan struct{} {
	l.mu.Lock()
	defer l.unlock()
	p := probe{done: make(chan struct{})}
	if l.err == nil {
		l.ping()
		p.number = l.times.number
		l.times.answers = append(l.times.answers, p)
	}
	return p.done
}

// doubt asks for a sign of life that is waited for only Limits.Doubt: a device that we are connected to asks to be connected
// anew, as it does after its process died without a word.
func (l *link) doubt() {
	l.mu.Lock()
	defer l.unlock()
	if l.err != nil || !l.times.doubted.IsZero() {
		return
	}
	l.times.doubted = l.clock.Now()
	l.ping()
}

// watch looks at the clock until the link is over.
func (l *link) watch() {
	for {
		t, stop := l.clock.Timer(tick)
		select {
		case now := <-t:
			l.mu.Lock()
			l.look(now)
			l.unlock()
		case <-l.done:
			stop()
			return
		}
	}
}

func (l *link) look(now time.Time) {
	t := &l.times
	if now.Sub(t.ticked) > l.lim.Dead/2 {
		// This process stood still; what was sent meanwhile is yet to be read.
		t.heard = now
		if !t.sending.IsZero() {
			t.sending = now
		}
		l.ping()
	}
	t.ticked = now
	if t.heard.After(t.doubted) {
		t.doubted = time.Time{}
	}
	silent := now.Sub(t.heard)
	switch {
	case silent >= l.lim.Dead, !t.doubted.IsZero() && now.Sub(t.doubted) >= l.lim.Doubt, !t.sending.IsZero() && now.Sub(t.sending) >= l.lim.SendTime:
		l.endLocked(&ClosedError{Reason: ReasonDead})
		return
	case l.bye != nil && now.Sub(t.bye) >= l.lim.Linger:
		l.endLocked(l.bye)
		return
	case silent >= l.lim.Ping && now.Sub(t.pinged) >= l.lim.Ping, now.Sub(t.pinged) >= refresh:
		l.ping()
	}
	if len(l.streams) > 0 {
		t.active = now
	} else if now.Sub(t.active) >= l.lim.Idle {
		l.goodbyeLocked(&ClosedError{Reason: ReasonIdle})
	}
	var late []*Stream
	for _, s := range l.streams {
		if s.closeDue && now.Sub(s.closedAt) >= l.lim.Linger {
			late = append(late, s)
		}
	}
	sortStreams(late)
	for _, s := range late { // its peer does not finish
		s.abort(&ClosedError{Reason: ReasonCancelled})
	}
	l.serveLarge()
}

// unused returns for how long the link has carried no stream.
func (l *link) unused() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.streams {
		if s.open {
			return 0
		}
	}
	return l.clock.Now().Sub(l.times.served)
}

// openable reports whether another opening may be begun now.
func (l *link) openable() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.openings < l.lim.Openings
}

// manyRefusals is how many spaces a peer may not know before we slow down;
// retryBurst and retryEvery meter the tries after that, and those at spaces
// refused before, so that a peer never takes us for someone who guesses.
const (
	manyRefusals = 1500
	retryBurst   = 64
	retryEvery   = 200 * time.Millisecond
)

// mayTry reports whether a space may be opened now as far as refusals go.
func (l *link) mayTry(refusedBefore bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !refusedBefore && l.refusals < manyRefusals || l.retries.take(l.clock.Now())
}

// wasRefused notes that the peer does not know a space.
func (l *link) wasRefused() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refusals++
}

// retiring reports whether the link was retired here: its streams have to move.
func (l *link) retiring() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.retiredHere || l.err != nil
}
