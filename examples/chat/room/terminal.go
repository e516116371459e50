package room

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	hhs "github.com/hyperhyperspace/hhs-go"
)

// Terminal is where a person sits: what they type, and how they see that
// somebody "joined", "left" or "said" something, a "note" or a question ("ask").
type Terminal struct {
	Lines <-chan string
	Show  func(event, name, text string)

	people   map[hhs.Identity]bool // who was here when the person last looked
	messages map[string]bool       // the latest they have seen
}

// ErrNoRoom says that the words led to no room.
var ErrNoRoom = errors.New("no room was opened")

func (t *Terminal) ask(question string) string {
	t.Show("ask", "", question)
	return <-t.Lines
}

// find lets the person pick a room: anyone can make one that answers to words.
func (t *Terminal) find(ctx context.Context, n *hhs.Node, words string) (link string, err error) {
	found, err := n.Lookup(ctx, words)
	for i, c := range found {
		age := time.Since(c.Created).Round(time.Second)
		t.Show("note", "", fmt.Sprintf("%d: %s, made %s ago by the key ending in %s", i+1, c.Kind, age, c.Creator.Short()))
	}
	if len(found) == 0 {
		return "", errors.Join(err, fmt.Errorf("%w: nobody answers to %q now", ErrNoRoom, words))
	}
	answer := t.ask("Words can be imitated, so compare the key. Open number: ")
	for i, c := range found {
		if answer == fmt.Sprint(i+1) {
			return c.Link.String(), nil
		}
	}
	return "", fmt.Errorf("%w: %q is none of the numbers", ErrNoRoom, answer)
}

// look shows what is new since the last time.
func (t *Terminal) look(r *hhs.Space[Room]) error {
	name := func(who hhs.Identity) string { // names are free to choose, keys are not
		text, _ := r.NameOf(who)
		return text + " (" + who.Short() + ")"
	}
	people, messages := map[hhs.Identity]bool{r.Node().Identity(): true}, map[string]bool{}
	for e, err := range r.Root().Participants.All() {
		if err != nil {
			return err
		}
		if people[e.Value] = true; !t.people[e.Value] && e.Value != r.Node().Identity() {
			t.Show("joined", name(e.Value), "")
		}
	}
	for _, who := range slices.Sorted(maps.Keys(t.people)) {
		if !people[who] {
			t.Show("left", name(who), "")
		}
	}
	latest, err := r.Root().Messages.Last(100)
	for _, m := range latest {
		id := fmt.Sprint(m.Commit, m.Index)
		if messages[id] = true; !t.messages[id] && (t.messages == nil || m.Device != r.Node().Device()) {
			t.Show("said", name(m.Identity), m.Value.Text)
		}
	}
	t.people, t.messages = people, messages
	return err
}
