package main

import (
	"context"
	"fmt"
	"syscall/js"
	"time"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/internal/order"
	"github.com/hyperhyperspace/hhs-go/object"
)

func infoOf(s *hhs.AnySpace) (result, error) {
	l := s.Link()
	refused, _ := s.Replica().Refused()
	total := int64(0)
	for _, n := range refused {
		total += int64(n)
	}
	r := result{"space": s.ID().String(), "ready": s.Ready(), "commits": int64(s.Replica().Len()), "bytes": s.Replica().Bytes(),
		"refused": total, "servers": texts(l.Servers), "endpoints": texts(l.Endpoints), "active": s.Replica().Active().UnixMilli()}
	if !s.Ready() {
		return r, nil
	}
	m, err := s.Manifest()
	if err != nil {
		return nil, err
	}
	creator, created, err := s.Creator()
	if err != nil {
		return nil, err
	}
	r["kind"], r["version"], r["manifest"] = m.Kind, m.Version, m.Value()
	r["creator"], r["created"] = string(creator), created.UnixMilli()
	return r, nil
}

// sortByActivity puts the newest first.
func sortByActivity(infos []any) {
	order.Stably(infos, func(a, b any) int {
		x, y := a.(map[string]any)["active"].(int64), b.(map[string]any)["active"].(int64)
		switch {
		case x > y:
			return -1
		case x < y:
			return 1
		}
		return 0
	})
}

func (e *engine) info(_ context.Context, a *args) (result, error) {
	s, err := e.space(a)
	if err != nil {
		return nil, err
	}
	return infoOf(s)
}

func (e *engine) link(_ context.Context, a *args) (result, error) {
	s, err := e.space(a)
	if err != nil {
		return nil, err
	}
	l := s.Link()
	r := result{"link": l.String(), "servers": texts(l.Servers), "endpoints": texts(l.Endpoints)}
	if len(l.Servers) > 0 && !e.noWords {
		r["words"], r["wordsServer"] = s.Words(), l.Servers[0]
	}
	return r, nil
}

func (e *engine) addServers(ctx context.Context, a *args) (result, error) {
	servers, endpoints := a.texts("servers"), a.texts("endpoints")
	s, err := e.space(a)
	if err == nil {
		err = a.end()
	}
	if err != nil {
		return nil, err
	}
	return nil, s.AddAddresses(ctx, servers, endpoints)
}

func (e *engine) update(ctx context.Context, a *args) (result, error) {
	list, attach, since := a.list("ops", true), a.texts("attach"), a.optText("since")
	s, err := e.space(a)
	if err == nil {
		err = a.end()
	}
	if err != nil {
		return nil, err
	}
	ops := make([]hhs.Op, 0, len(list))
	for i, v := range list {
		m, ok := v.(map[string]any)
		if !ok {
			return nil, invalid(fmt.Sprintf("ops[%d] is not a map", i))
		}
		o := &args{m: m, seen: map[string]bool{}}
		op := hhs.Op{Field: o.text("field"), Path: o.path(), Action: o.text("action")}
		if op.Value, ok = m["value"]; ok || takesValue(op) {
			op.Value = o.value("value")
		}
		op.Known = m["known"]
		if op.Known != nil {
			o.value("known")
		}
		if err := o.end(); err != nil {
			return nil, fmt.Errorf("ops[%d]: %w", i, err)
		}
		ops = append(ops, op)
	}
	attached, err := ids(attach)
	if err != nil {
		return nil, err
	}
	var r hhs.Receipt
	if since == "" {
		r, err = s.Apply(ctx, ops, attached...)
	} else {
		var f *hhs.Follower
		if f, err = e.follower(s); err == nil {
			r, err = f.Apply(ctx, since, ops, attached...)
		}
	}
	if err != nil {
		return nil, err
	}
	return result{"commit": r.Commit.String()}, nil
}

// takesValue tells whether an action is nothing without a value. A set's remove
// takes one, that of a key of a map does not.
func takesValue(op hhs.Op) bool {
	switch op.Action {
	case "set", "add", "append", "do", "insert", "delete", "splice":
		return true
	}
	return false
}

func entryOf(e hhs.AnyEntry) map[string]any {
	return map[string]any{"value": e.Value, "commit": e.Commit.String(), "index": int64(e.Index),
		"identity": string(e.Identity), "device": e.Device, "time": e.Time.UnixMilli()}
}

func entriesOf(list []hhs.AnyEntry) []any {
	out := make([]any, len(list))
	for i, e := range list {
		out[i] = entryOf(e)
	}
	return out
}

func (e *engine) names(_ context.Context, a *args) (result, error) {
	s, err := e.space(a)
	if err != nil {
		return nil, err
	}
	list := []any{}
	for n, err := range s.Names() {
		if err != nil {
			return nil, err
		}
		list = append(list, map[string]any{"identity": string(n.Identity), "name": n.Value, "time": n.Time.UnixMilli()})
	}
	return result{"names": list}, nil
}

func (e *engine) receipt(_ context.Context, a *args) (result, error) {
	list := a.texts("commits")
	s, err := e.space(a)
	if err == nil {
		err = a.end()
	}
	if err != nil {
		return nil, err
	}
	commits, err := ids(list)
	if err != nil {
		return nil, err
	}
	held := make([]any, len(commits))
	for i, id := range commits {
		held[i] = heldBy(s, id)
	}
	return result{"held": held}, nil
}

func heldBy(s *hhs.AnySpace, id object.ID) int64 {
	devices, err := s.HeldBy(id)
	if err != nil {
		return -1
	}
	return int64(len(devices))
}

func statusOf(s *hhs.AnySpace) map[string]any {
	st := s.Status()
	status := map[string]any{"state": string(st.State), "ready": s.Ready(), "toGo": int64(st.ToGo), "peers": int64(st.Peers),
		"synced": int64(st.Synced), "direct": int64(st.Direct), "servers": int64(st.Servers), "commits": int64(s.Replica().Len())}
	if why := unreachable(s.Link()); why != "" && st.Peers == 0 {
		status["error"] = map[string]any{"code": "unsupported", "message": why}
	}
	return status
}

// unreachable says why nobody at the addresses of a link can be reached from here, where WebRTC or WebSockets are not; "" if
// somebody may be, or there are no addresses.
func unreachable(l hhs.Link) string {
	switch {
	case len(l.Servers)+len(l.Endpoints) == 0:
		return ""
	case js.Global().Get("WebSocket").Type() != js.TypeFunction:
		return "there is no WebSocket here, by which servers and peers are reached; Node.js has it from version 22"
	case len(l.Endpoints) == 0 && !js.Global().Get("hhsRTC").Truthy():
		return "under Node.js there are no direct connections: peers are reached at an endpoint, e= in the link, and this space has none"
	}
	return ""
}

func (e *engine) status(_ context.Context, a *args) (result, error) {
	s, err := e.space(a)
	if err != nil {
		return nil, err
	}
	return statusOf(s), nil
}

func (e *engine) peers(_ context.Context, a *args) (result, error) {
	s, err := e.space(a)
	if err != nil {
		return nil, err
	}
	list := []any{}
	for _, p := range s.Peers() {
		state := "syncing"
		if p.Synced {
			state = "synced"
		}
		m := result{"identity": string(p.Identity), "device": p.Device, "transport": p.Transport, "direct": p.Direct,
			"state": state, "toGo": int64(p.ToGo), "since": p.Since.UnixMilli()}
		if p.RTT > 0 {
			m["rtt"] = int64(p.RTT / time.Millisecond)
		}
		if name, err := s.NameOf(p.Identity); err == nil {
			m.opt("name", name)
		}
		list = append(list, map[string]any(m))
	}
	return result{"peers": list}, nil
}
