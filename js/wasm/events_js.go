package main

import (
	"context"
	"strings"
	"syscall/js"
	"time"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/internal/order"
)

// emit calls hhsEvent with one event of a subscription.
func emit(sub string, event result) {
	data, err := encodeMap(event)
	if err != nil {
		return // made of plain values only
	}
	js.Global().Call("hhsEvent", sub, toJS(data))
}

// subscription ids of the engine itself are kept with their space: "" for the
// node's own.
type topic struct{ space, sub string }

// broadcast sends an event to every subscription of a space, or of the node.
func (e *engine) broadcast(space string, event result) {
	e.mu.Lock()
	var subs []string
	for key := range e.subs {
		if t := splitTopic(key); t.space == space {
			subs = append(subs, t.sub)
		}
	}
	e.mu.Unlock()
	order.By(subs, strings.Compare)
	for _, s := range subs {
		emit(s, event)
	}
}

func (t topic) key() string { return t.space + " " + t.sub }

func splitTopic(key string) topic {
	for i := range len(key) {
		if key[i] == ' ' {
			return topic{key[:i], key[i+1:]}
		}
	}
	return topic{sub: key}
}

func errorEvent(space string, err error) result {
	return result{"kind": "error", "code": codeOf(err), "message": err.Error()}.opt("space", space)
}

func (e *engine) subscribe(_ context.Context, a *args) (result, error) {
	t := topic{sub: a.text("sub"), space: a.optText("space")}
	var s *hhs.AnySpace
	var err error
	if t.space != "" {
		if s, err = e.space(a); err != nil {
			return nil, err
		}
	} else if _, err = e.running(); err != nil {
		return nil, err
	}
	if err := a.end(); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	e.mu.Lock()
	for key := range e.subs {
		if splitTopic(key).sub == t.sub {
			e.mu.Unlock()
			stop()
			return nil, invalid("subscription " + t.sub + " exists")
		}
	}
	e.subs[t.key()] = stop
	e.mu.Unlock()
	if s != nil {
		go follow(ctx, s, t)
	}
	return nil, nil
}

// follow tells what happens in a space. One that was rebuilt after damage has a
// new copy, of which it tells from then on.
func follow(ctx context.Context, s *hhs.AnySpace, t topic) {
	for {
		one, stop := context.WithCancel(ctx)
		go watchChanges(one, s, t)
		go watchStatus(one, s, t)
		go watchPulse(one, t, "held", s.Replica().AcksChanged)
		go watchPulse(one, t, "blob", s.BlobsChanged)
		select {
		case <-ctx.Done():
		case <-s.Replica().Done():
		}
		stop()
		if ctx.Err() != nil {
			return
		}
		var err error
		if s, err = s.Node().Space(s.ID()); err != nil {
			return // it was left, or the node closed
		}
		emit(t.sub, changed{everywhere: nil}.event(s, t.space))
	}
}

func (e *engine) unsubscribe(_ context.Context, a *args) (result, error) {
	sub := a.text("sub")
	if err := a.end(); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	spaces := map[string]bool{}
	for key, stop := range e.subs {
		if t := splitTopic(key); t.sub == sub {
			stop()
			delete(e.subs, key)
		} else {
			spaces[t.space] = true
		}
	}
	for id := range e.follows {
		if !spaces[id.String()] {
			e.unfollow(id)
		}
	}
	return nil, nil
}

// pauseAfter is how long the next pause is, by the length of the last one and how many changes came in the time that it
// took: longer than it was to be where the engine was busy, which makes no flood of what people do.
func pauseAfter(last, took time.Duration, changes int) time.Duration {
	if time.Duration(changes)*eventPause < flood*max(last, took) {
		return eventPause
	}
	return min(2*last, floodPause)
}

// watchChanges tells where a space changed, several commits in one event.
func watchChanges(ctx context.Context, s *hhs.AnySpace, t topic) {
	fields := changed{}
	fresh := make(chan place, 64)
	go func() {
		defer close(fresh)
		for c, err := range s.Watch(ctx) {
			if err != nil {
				return
			}
			select {
			case fresh <- placeOf(c):
			case <-ctx.Done():
				return
			}
		}
	}()
	length, came, since := eventPause, 0, time.Now()
	pause := time.NewTimer(0)
	defer pause.Stop()
	ready := false
	for {
		select {
		case p, ok := <-fresh:
			if !ok {
				return
			}
			fields.add(p)
			came++
		case <-pause.C:
			length, came, ready = pauseAfter(length, time.Since(since), came), 0, true
		case <-ctx.Done():
			return
		}
		if ready && len(fields) > 0 {
			emit(t.sub, fields.event(s, t.space))
			clear(fields)
			ready, since = false, time.Now()
			pause.Reset(length)
		}
	}
}

// watchStatus tells status and peers, at most twenty times a second, the last
// state always.
func watchStatus(ctx context.Context, s *hhs.AnySpace, t topic) {
	peers := ""
	for {
		changed := s.StatusChanged()
		emit(t.sub, result{"kind": "status", "space": t.space, "status": statusOf(s)})
		if now := peerList(s); now != peers {
			peers = now
			emit(t.sub, result{"kind": "peers", "space": t.space})
		}
		if !sleep(ctx, eventPause) {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// peerList is what a change of the peers is seen by.
func peerList(s *hhs.AnySpace) string {
	var list []string
	for _, p := range s.Peers() {
		state := " syncing "
		if p.Synced {
			state = " synced "
		}
		list = append(list, p.Device+state+p.Transport)
	}
	order.By(list, strings.Compare)
	out := ""
	for _, p := range list {
		out += p + "\n"
	}
	return out
}

// watchPulse tells that something changed, whatever it is: events say no more.
func watchPulse(ctx context.Context, t topic, kind string, changed func() <-chan struct{}) {
	c := changed()
	for {
		select {
		case <-c:
		case <-ctx.Done():
			return
		}
		c = changed() // before the event: what comes during the pause must not be missed
		emit(t.sub, result{"kind": kind, "space": t.space})
		if !sleep(ctx, eventPause) {
			return
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
