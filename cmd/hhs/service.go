package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/internal/control"
	"github.com/hyperhyperspace/hhs-go/internal/server"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/words"
)

// service answers the commands, from this process or another, on one node.
type service struct {
	node    *hhs.Node
	dir     string
	noWords bool // it shows and announces no three words

	mu   sync.Mutex
	here hhs.Link // where this process listens, for spaces it takes part in
}

// meetAt tells the node where this process listens.
func (s *service) meetAt(h server.Hosts) {
	l := hhs.Link{Servers: h.Servers, Endpoints: h.Endpoints}
	if len(l.Private()) == 0 { // between machines of one network STUN has nothing to tell
		l.STUN = h.STUN
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.here = l
	s.node.SetAddresses(h.Servers, h.Endpoints)
}

// meeting is where this process listens; empty if it does not.
func (s *service) meeting() hhs.Link {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.here
}

// words are the three words by which a space can be found; "" if they are not to be.
func (s *service) words(l hhs.Link) string {
	if s.noWords {
		return ""
	}
	return l.Words()
}

// method answers one kind of call with any number of results.
type method func(ctx context.Context, s *service, c *control.Call) error

// methods are what the service answers.
func methods() map[string]method {
	return map[string]method{
		"id": answer(identityOf), "id.name": answer(setName), "id.protect": answer(protect),
		"space.create": answer(createSpace), "space.list": answer(listSpaces), "space.show": answer(showSpace), "space.manifest": answer(manifestNow), "space.upgrade": answer(upgradeSpace),
		"space.join": answer(joinSpace), "space.leave": answer(leaveSpace),
		"get": answer(getFields), "log": answer(logSpace), "diff": answer(diffSpace), "query": answer(querySpace), "apply": answer(applyOps), "peers": answer(listPeers),
		"undo": answer(undoEdits), "redo": answer(redoEdits),
		"watch": watchSpace, "export": sendFile(exportSpace), "object.export": sendFile(exportObject), "import": job(importFile), "blob.put": job(putFile), "blob.read": sendFile(readBlob), "status": answer(statusOfNode),
		"care.check": job(check), "care.backup": job(backUp), "care.compact": job(compact),
	}
}

// answer makes a method of a function from arguments to one result.
func answer[A, R any](f func(ctx context.Context, s *service, args A) (R, error)) method {
	return func(ctx context.Context, s *service, c *control.Call) error {
		args, err := arguments[A](c)
		if err != nil {
			return err
		}
		result, err := f(ctx, s, args)
		if err != nil {
			return err
		}
		return c.Send(result)
	}
}

func arguments[A any](c *control.Call) (args A, err error) {
	d := json.NewDecoder(bytes.NewReader(c.Args))
	d.DisallowUnknownFields()
	if err := d.Decode(&args); err != nil {
		return args, failf("invalid", "the arguments of %s cannot be read: %w; the two processes may be of different versions of hhs", c.Method, err)
	}
	return args, nil
}

// handle implements control.Handler.
func (s *service) handle(ctx context.Context, c *control.Call) *control.Error {
	m, ok := methods()[c.Method]
	if !ok {
		return &control.Error{Code: "invalid", Message: fmt.Sprintf("%q is not something this version of hhs can do", c.Method)}
	}
	err := m(ctx, s, c)
	if err == nil {
		return nil
	}
	f := describe(err)
	return &control.Error{Code: f.code, Message: f.text, Path: f.path}
}

// minEnd is the shortest end of a space's id that names it: 4 characters are 20
// bits, enough among the spaces of one node.
const minEnd = 4

// find returns a space of this node by its link, its id, the beginning or end of
// it, or its three words.
func (s *service) find(name string) (*hhs.AnySpace, error) {
	l, err := hhs.ParseLink(name)
	if err != nil && strings.Contains(name, "hhs:") {
		return nil, err
	}
	if err == nil {
		space, err := s.node.Space(l.Space)
		if errors.Is(err, hhs.ErrUnknownSpace) {
			return nil, failf("not_found", "this node has no copy of the space %s; hhs space join takes part in it: %w", l.Space, err)
		}
		return space, err
	}
	all, err := s.node.Spaces()
	if err != nil {
		return nil, err
	}
	is := func(space *hhs.AnySpace) bool {
		id := space.ID().String()
		return len(name) >= minEnd && (strings.HasPrefix(id, name) || strings.HasSuffix(id, name))
	}
	if hhs.IsWords(name) {
		phrase, _, _ := strings.Cut(name, "@")
		bits, err := words.Decode(phrase)
		if err != nil {
			return nil, err
		}
		is = func(space *hhs.AnySpace) bool { return words.FromID(space.ID()) == bits }
	}
	var found []*hhs.AnySpace
	for _, space := range all {
		if is(space) {
			found = append(found, space)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return nil, failf("not_found", "no space here is called %q; hhs space list shows what is here (%d), by its id, an end of the id, its link or its words", name, len(all))
	}
	ids := make([]string, len(found))
	for i, space := range found {
		ids[i] = space.ID().String()
	}
	return nil, failf("ambiguous", "%q names %d spaces here: %s; write more of the id", name, len(found), strings.Join(ids, ", "))
}

// text is an object value as DAG-JSON.
func text(v any) (json.RawMessage, error) { return object.ToJSON(v) }

// blockText is canonical bytes as DAG-JSON, null for none.
func blockText(block []byte) (json.RawMessage, error) {
	if block == nil {
		return json.RawMessage("null"), nil
	}
	v, err := object.Decode(block)
	if err != nil {
		return nil, err
	}
	return text(v)
}
