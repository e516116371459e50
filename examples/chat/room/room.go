// Package room is a chat room as shared data, and a person's stay in one. What
// it looks like is in terminal.go.
package room

import (
	"context"
	"errors"
	"time"

	hhs "github.com/hyperhyperspace/hhs-go"
)

// Message is what somebody said. Who said it and when comes with the entry.
type Message struct {
	Text string `hhs:"max=4000"`
}

// Room is the data that everybody in a room has a copy of.
type Room struct {
	Topic        hhs.Register[string]
	Participants hhs.Set[hhs.Identity]
	Messages     hhs.Log[Message]
}

// Chat is the kind of these spaces: a name, a version, and the fields above.
var Chat = hhs.Define[Room]("example.org/chat", 1)

// Enter opens the room that a link or three words name, or makes a new one.
func (t *Terminal) Enter(ctx context.Context, n *hhs.Node, where string) (*hhs.Space[Room], error) {
	name, err := n.Name()
	if err == nil && name == "" { // the first time; every room will show it beside the key
		err = n.SetName(ctx, t.ask("Your name: "))
	}
	if err == nil && hhs.IsWords(where) {
		where, err = t.find(ctx, n, where)
	}
	if err != nil {
		return nil, err
	}
	if where == "" {
		return hhs.Create(ctx, n, Chat)
	}
	t.Show("note", "", "Opening the room: the first time, somebody who has it must be reachable.")
	return hhs.Join(ctx, n, Chat, where)
}

// Stay takes part in a room until ctx ends or there are no more lines.
func (t *Terminal) Stay(ctx context.Context, r *hhs.Space[Room]) error {
	me := r.Node().Identity()
	staying, leave := context.WithCancel(ctx)
	changes := r.Watch(staying) // from here on none is missed
	err := r.Update(ctx, func(tx *hhs.Tx, d Room) error { return d.Participants.Add(tx, me) })
	go func() {
		defer leave()
		for line := range t.Lines { // kept here at once, and by the others as soon as they can be reached
			if line == "" {
				continue
			}
			err := r.Update(staying, func(tx *hhs.Tx, d Room) error { return d.Messages.Append(tx, Message{line}) })
			if err != nil {
				t.Show("note", "", err.Error())
			}
		}
	}()
	err = errors.Join(err, t.look(r))
	for range changes { // whatever changed: the copy here is always whole, so look again
		err = errors.Join(err, t.look(r))
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	err = errors.Join(err, r.Update(last, func(tx *hhs.Tx, d Room) error { return d.Participants.Remove(tx, me) }))
	return errors.Join(err, r.Flush(last)) // so that the others see it before the connection ends
}
