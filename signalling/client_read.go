package signalling

import (
	"context"
	"time"
)

// read handles everything the server sends.
func (c *Client) read() {
	defer c.work.Done()
	for {
		raw, err := c.conn.Receive(c.ctx)
		if err != nil {
			c.cancel(err)
			return
		}
		m, err := decode(raw)
		if err == nil {
			err = c.handle(m)
		}
		if err != nil {
			c.cancel(err)
			return
		}
		c.heard()
	}
}

// heard tells keep that the server has said something.
func (c *Client) heard() {
	select {
	case c.pulse <- struct{}{}:
	default:
	}
}

// handle reacts to one message. An error ends the client.
func (c *Client) handle(m *message) error {
	switch m.kind {
	case kindListening:
		c.confirmed(m)
	case kindPresent:
		return c.tell(Event{Kind: Present, Topic: m.topic, Handle: m.handle, Existing: m.existing})
	case kindGone:
		return c.tell(Event{Kind: Gone, Topic: m.topic, Handle: m.handle})
	case kindMessage:
		return c.tell(Event{Kind: Message, Topic: m.topic, Handle: m.handle, Body: m.body})
	case kindPing:
		c.sendSoon(c.ponging, &message{kind: kindPong, number: m.number})
	case kindPong:
	case kindError:
		return c.refused(m)
	default:
		return &MessageError{Reason: "not a message a server sends"}
	}
	return nil
}

// tell queues an event about a topic this client listens on; the rest is late
// news about a topic it has left.
func (c *Client) tell(e Event) error {
	c.mu.Lock()
	t := c.topics[e.Topic]
	c.mu.Unlock()
	if t == nil && e.Kind != Ended {
		return nil
	}
	select {
	case c.events <- e:
		return nil
	default:
	}
	c.stalled.Store(true)
	defer c.stalled.Store(false)
	defer c.heard() // before that: at no moment is the server taken for silent
	select {
	case c.events <- e:
		return nil
	case <-c.ctx.Done():
		return context.Cause(c.ctx)
	}
}

// confirmed notes that the server has accepted a listen, and starts renewing.
func (c *Client) confirmed(m *message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.topics[m.topic]
	if t == nil {
		return
	}
	t.handle = m.handle
	for _, w := range t.waiters {
		w <- nil
	}
	t.waiters = nil
	if !t.on {
		t.on = true
		c.work.Add(1)
		go c.renew(m.topic, t)
	}
}

// renew announces a topic anew when three quarters of its life have passed.
func (c *Client) renew(topic Topic, t *topicState) {
	defer c.work.Done()
	every := time.NewTicker(max(c.cfg.Lifetime*3/4, time.Millisecond))
	defer every.Stop()
	for {
		select {
		case <-every.C:
		case <-t.stop:
			return
		case <-c.ctx.Done():
			return
		}
		c.mu.Lock()
		key := t.key
		c.mu.Unlock()
		ctx, cancel := context.WithTimeout(c.ctx, c.cfg.Lifetime/4)
		err := c.announce(ctx, topic, key)
		cancel()
		if err != nil {
			c.end(topic, t, err)
			return
		}
	}
}

// end gives a topic up and tells so.
func (c *Client) end(topic Topic, t *topicState, err error) {
	c.mu.Lock()
	current := c.topics[topic] == t
	if current {
		delete(c.topics, topic)
		t.settle(err)
	}
	c.mu.Unlock()
	if current {
		// The only error is the end of the client, which its owner sees.
		_ = c.tell(Event{Kind: Ended, Topic: topic, Err: err})
	}
}

// refused reacts to an error message: about a handle, a topic, or everything.
func (c *Client) refused(m *message) error {
	err := &ServerError{m.code, m.text}
	if !m.hasTopic {
		return err
	}
	if m.hasWho {
		return c.tell(Event{Kind: Undelivered, Topic: m.topic, Handle: m.handle, Err: err})
	}
	c.mu.Lock()
	t := c.topics[m.topic]
	switch {
	case t == nil:
	case len(t.waiters) > 0:
		// The first refusal answers everyone: they asked for the same.
		for _, w := range t.waiters {
			w <- err
		}
		t.waiters = nil
	}
	ended := t != nil && t.on
	c.mu.Unlock()
	if ended {
		c.end(m.topic, t, err)
	}
	return nil
}

// keep asks for signs of life and ends the client when there are none. The
// ping itself may not hold it up: a stopped server stops reading, too.
func (c *Client) keep() {
	defer c.work.Done()
	ping := time.NewTicker(c.cfg.Ping)
	defer ping.Stop()
	silent := time.NewTimer(c.cfg.Silent)
	defer silent.Stop()
	var number int64
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-c.pulse:
			silent.Reset(c.cfg.Silent)
		case <-silent.C:
			// Either we are the ones who do not listen, or it has spoken just now. In this
			// order: a reader that goes on leaves a pulse before it is no longer stalled.
			excused := c.stalled.Load()
			select {
			case <-c.pulse:
				excused = true
			default:
			}
			if !excused {
				c.cancel(ErrSilent)
				return
			}
			silent.Reset(c.cfg.Silent)
		case <-ping.C:
			number++
			c.sendSoon(c.pinging, &message{kind: kindPing, number: number})
		}
	}
}

// sendSoon sends a sign of life without making anyone wait. slot holds at most
// one of a kind: while the last one has not left, another would say no more.
func (c *Client) sendSoon(slot chan struct{}, m *message) {
	select {
	case slot <- struct{}{}:
	default:
		return
	}
	c.work.Add(1)
	go func() {
		defer c.work.Done()
		defer func() { <-slot }()
		// A failed send has ended the client.
		_ = c.send(c.ctx, m)
	}()
}
