package mesh

import (
	"context"
	"errors"
	"time"

	"github.com/hyperhyperspace/hhs-go/identity"
)

// endpoint keeps a connection to one URL for all groups that name it.
type endpoint struct {
	m      *Mesh
	url    string
	cancel context.CancelFunc
	wake   chan struct{}

	// Under Mesh.mu.
	users  map[*Membership]bool
	device identity.PublicKey // who answered there last
}

// selfWait is how long a URL that leads to this very device is left alone; the
// address may belong to someone else later.
const selfWait = 10 * time.Minute

// steady is how long a channel must have lasted for its URL to start over with
// the shortest wait.
const steady = 10 * time.Second

func (m *Mesh) useEndpoint(url string, mb *Membership) *endpoint {
	e := m.endpoints[url]
	if e == nil {
		e = &endpoint{m: m, url: url, wake: make(chan struct{}, 1), users: map[*Membership]bool{}}
		m.endpoints[url] = e
		ctx, cancel := context.WithCancel(m.ctx)
		e.cancel = cancel
		m.tasks.run(func() { e.run(ctx) })
	}
	e.users[mb] = true
	if !e.device.IsZero() && len(m.links[e.device]) > 0 {
		mb.want(e.device)
	}
	e.poke()
	return e
}

func (e *endpoint) drop(mb *Membership) {
	delete(e.users, mb)
	if len(e.users) == 0 && e.m.endpoints[e.url] == e {
		delete(e.m.endpoints, e.url)
		e.cancel()
	}
}

func (e *endpoint) poke() { signal(e.wake) }

func (e *endpoint) run(ctx context.Context) {
	var b backoff
	for ctx.Err() == nil {
		counted := e.begin()
		if len(counted) == 0 {
			select {
			case <-e.wake:
			case <-ctx.Done():
			}
			continue
		}
		began := e.m.now()
		l, err := e.m.dial(ctx, e.url)
		e.done(l, counted)
		wait := selfWait
		if l != nil {
			e.stay(ctx)
			if e.m.now().Sub(began) > steady {
				b.reset()
			}
		}
		if !errors.Is(err, ErrSelf) {
			wait = b.next(e.m)
		}
		if err != nil {
			e.m.cfg.Log.Debug("endpoint not reached", "url", e.url, "error", err)
		}
		e.pause(ctx, wait, &b)
	}
}

// pause waits before the next try; a change of network ends the wait.
func (e *endpoint) pause(ctx context.Context, d time.Duration, b *backoff) {
	t, stop := e.m.cfg.Clock.Timer(d)
	defer stop()
	select {
	case <-t:
	case <-e.m.changedNetwork():
		b.reset()
	case <-ctx.Done():
	}
}

// begin counts a dial for all groups if one of them wants it, and returns them.
func (e *endpoint) begin() []*Membership {
	e.m.mu.Lock()
	defer e.m.unlock()
	wanted := false
	var list []*Membership
	for mb := range e.users {
		wanted = wanted || mb.short()
		list = append(list, mb)
	}
	if !wanted {
		return nil
	}
	for _, mb := range list {
		mb.dialling++
	}
	return list
}

// done notes how a dial ended.
func (e *endpoint) done(l *link, counted []*Membership) {
	e.m.mu.Lock()
	defer e.m.unlock()
	for _, mb := range counted {
		mb.dialling--
	}
	for mb := range e.users {
		if l != nil {
			mb.want(l.ch.peer.device())
			mb.remember(e.url)
		}
		mb.poke()
	}
	if l != nil {
		e.device = l.ch.peer.device()
	}
}

// stay waits until no link to the device is left.
func (e *endpoint) stay(ctx context.Context) {
	for {
		e.m.mu.Lock()
		list := e.m.links[e.device]
		var l *link
		if len(list) > 0 {
			l = list[len(list)-1]
		}
		e.m.unlock()
		if l == nil {
			return
		}
		if !l.alive() {
			// Over, and about to be forgotten.
			select {
			case <-e.wake:
			case <-ctx.Done():
				return
			}
			continue
		}
		select {
		case <-l.done:
		case <-ctx.Done():
			return
		}
	}
}
