package crdttest

import (
	"bytes"
	"maps"
	"slices"

	"github.com/hyperhyperspace/hhs-go/crdt"
)

// follow checks that the changes lead from what was shown to what is.
func (s *sim) follow(p *replica, changes []crdt.Change, what string) *failure {
	if s.quiet {
		return nil
	}
	if s.gen.Follow != nil {
		return s.followList(p, changes, what)
	}
	for _, ch := range changes {
		place := ch.Place()
		was, shown := p.shown[place]
		if ch.Edits != nil { // of a list or text inside the value
			list := ch.Edits[0].Deleted.Values != nil || ch.Edits[0].Inserted.Values != nil
			now, err := followEdits(apart(was), []crdt.Change{ch}, list)
			if err != nil {
				return s.fail("%s: %s: %v", what, place, err)
			}
			if delete(p.shown, place); len(now) > 0 {
				p.shown[place] = joined(now)
			}
			continue
		}
		if shown != (ch.Before != nil) || !bytes.Equal(was, ch.Before) {
			return s.fail("%s: the change says that %x was %x, it was %x", what, ch.Key, ch.Before, was)
		}
		if ch.After == nil {
			delete(p.shown, place)
		} else {
			p.shown[place] = bytes.Clone(ch.After)
		}
	}
	if s.gen.ReadAll != nil && s.r.IntN(8) > 0 { // reading everything takes long: what is amiss shows a little later
		return nil
	}
	now, err := s.read(p)
	if err != nil {
		return s.fail("%s: read: %v", what, err)
	}
	read := map[string][]byte{}
	for _, e := range now {
		read[string(e.Key)] = e.Value
	}
	if !maps.EqualFunc(read, p.shown, bytes.Equal) {
		return s.fail("%s: the changes %v lead to %q, but what is read is %q", what, changes, p.shown, read)
	}
	return nil
}

// followList is follow for a type whose changes are not by key.
func (s *sim) followList(p *replica, changes []crdt.Change, what string) *failure {
	var err error
	if p.listed, err = s.gen.Follow(p.listed, changes); err != nil {
		return s.fail("%s: the changes: %v", what, err)
	}
	for i := range changes {
		p.edits.Add(changes[i].Edits)
	}
	if s.r.IntN(8) == 0 { // what comes to the same if it is told later, as one
		was := p.before
		if all := p.edits.All(); all != nil {
			if was, err = s.gen.Follow(was, []crdt.Change{{Edits: all}}); err != nil {
				return s.fail("%s: all changes since %q: %v", what, p.before, err)
			}
		}
		if !slices.EqualFunc(was, p.listed, bytes.Equal) {
			return s.fail("%s: what was told since %q leads to %q, not to %q", what, p.before, was, p.listed)
		}
		p.before, p.edits = p.listed, crdt.Edits{}
	}
	now, err := s.gen.Read(s.env(p))
	if err != nil {
		return s.fail("%s: read: %v", what, err)
	}
	if !slices.EqualFunc(now, p.listed, func(e Shown, v []byte) bool { return bytes.Equal(e.Value, v) }) {
		return s.fail("%s: the changes %v lead to %q, but what is read is\n%s", what, changes, p.listed, s.list(now))
	}
	return nil
}
