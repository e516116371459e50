package main

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/examples/chat/room"
	"github.com/hyperhyperspace/hhs-go/internal/server"
)

func (a *app) chatCommand() *cobra.Command {
	s := &serving{}
	var name string
	var fresh bool
	c := &cobra.Command{
		Use:   "chat [LINK|WORDS]",
		Short: "Chat in the terminal",
		Long: `Opens a chat room: the one a link or three words name, or without either the one you were in last, or a new one. It
prints the room's link and words for others, shows who comes and goes, and sends what you type. Ctrl-C leaves.

Two people on one machine need two directories: the second one says --dir. It listens on an address of its own, so
that others reach it without any server; the program is examples/chat.`,
		Example: `  hhs chat
  hhs chat 'hhs:bafy...?s=ws://127.0.0.1:7447/signal&e=ws://127.0.0.1:7447/peer' --dir second`,
		Args: exactly(0, 4, "a link or three words, in quotes"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.chat(c.Context(), s, strings.Join(args, " "), name, fresh)
		},
	}
	s.flags(c, true)
	c.Flags().StringVar(&name, "name", "", "the name others see, instead of asking")
	c.Flags().BoolVar(&fresh, "new", false, "make a new room")
	return c
}

func (a *app) chat(ctx context.Context, s *serving, where, name string, fresh bool) error {
	if fresh && where != "" {
		return usagef("give either --new or the room to open")
	}
	s.AnyPort = true
	s.NoPages = "this is hhs chat, which has no pages; hhs serve and hhs demo have"
	h, err := a.host(ctx, s)
	if err != nil {
		return err
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	defer context.AfterFunc(h.store, end)()
	err = a.chatAt(ctx, h, where, name, fresh)
	return errors.Join(context.Cause(h.store), err, h.Close())
}

func (a *app) chatAt(ctx context.Context, h *host, where, name string, fresh bool) error {
	n := h.service.node
	if name != "" {
		if err := n.SetName(ctx, name); err != nil {
			return err
		}
	}
	if hhs.IsWords(where) && !strings.Contains(where, "@") {
		where += " @ " + server.DefaultAddr // the server of this machine, as the first chat or demo here listens
	}
	if where == "" && !fresh {
		link, err := lastRoom(n)
		if err != nil {
			return err
		}
		where = link
	}
	t := &room.Terminal{Lines: a.typed(ctx), Show: a.show()}
	r, err := t.Enter(ctx, n, where)
	if err != nil {
		if ctx.Err() != nil {
			return nil // Ctrl-C while it waited
		}
		return err
	}
	if err := r.AddLink(ctx, h.service.meeting()); err != nil {
		return err
	}
	link := r.Link()
	entered := map[string]string{"event": "room", "space": r.ID().String(), "link": link.String()}
	words := h.service.words(link)
	if words != "" {
		entered["words"] = words
	}
	err = a.emit(entered, func() {
		a.printf("Link:  %s\n", link)
		a.printWords("Words: %s\n", words)
		if len(link.Private()) > 0 {
			a.printf("These work on this machine or network only; hhs help serve says how others reach you.\n")
		}
		a.printf("Write a line to say it; Ctrl-C leaves.\n")
	})
	if err != nil {
		return err
	}
	return t.Stay(ctx, r)
}

// lastRoom is the link of the chat room here in which something happened last.
func lastRoom(n *hhs.Node) (string, error) {
	spaces, err := n.Spaces()
	if err != nil {
		return "", err
	}
	var last *hhs.AnySpace
	for _, space := range spaces {
		if _, err := hhs.As(space, room.Chat); err != nil {
			continue // of another kind, or not here yet
		}
		if last == nil || space.Replica().Active().After(last.Replica().Active()) {
			last = space
		}
	}
	if last == nil {
		return "", nil
	}
	return last.Link().String(), nil
}

// shownLine is what chat prints with --json.
type shownLine struct {
	Event string `json:"event"`
	Name  string `json:"name,omitempty"`
	Text  string `json:"text,omitempty"`
}

// show prints what happens in a room. It is called from several goroutines.
func (a *app) show() func(event, name, text string) {
	var mu sync.Mutex
	return func(event, name, text string) {
		mu.Lock()
		defer mu.Unlock()
		// When the terminal is gone, the signal for that ends the program.
		_ = a.emit(shownLine{event, name, text}, func() {
			switch event {
			case "ask":
				a.printf("%s", text)
			case "note":
				a.printf("%s\n", lines(text))
			case "said":
				a.printf("%s: %s\n", name, lines(text))
			default:
				a.printf("* %s %s\n", name, event)
			}
		})
	}
}
