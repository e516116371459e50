package room

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"go.uber.org/goleak"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The page's rooms and these are of one kind: the same bytes, kept as a vector.
func TestKindIsThePages(t *testing.T) {
	text, err := os.ReadFile("../../../testdata/vectors/manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct{ Accept []struct{ Name, Hex string } }
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	m, err := Chat.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	block, err := object.Encode(m.Value())
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range vectors.Accept {
		if v.Name == "chat" {
			if got := hex.EncodeToString(block); got != v.Hex {
				t.Errorf("the kind is\n%s, the vector\n%s", got, v.Hex)
			}
			return
		}
	}
	t.Fatal("no vector named chat")
}

// seat is a terminal without a screen: what is shown comes out of a channel.
type seat struct {
	Terminal
	lines chan string
	shown chan string
}

func newSeat() *seat {
	s := &seat{lines: make(chan string), shown: make(chan string, 64)}
	s.Terminal = Terminal{Lines: s.lines, Show: func(event, name, text string) { s.shown <- event + " " + text }}
	return s
}

func (s *seat) sees(t *testing.T, want string) {
	t.Helper()
	for {
		select {
		case got := <-s.shown:
			if got == want {
				return
			}
		case <-t.Context().Done():
			t.Fatalf("never saw %q", want)
		}
	}
}

// Two people meet over a pipe: names, coming, talking, going.
func TestConversation(t *testing.T) {
	ctx := t.Context()
	var first *hhs.Node
	pipe := transport.DialerFunc(func(context.Context, string) (transport.Conn, error) {
		here, there := transport.Pipe()
		return here, first.Accept(there)
	})
	open := func(name string, opts ...hhs.Option) *hhs.Node {
		n, err := hhs.Open(ctx, "", append(opts, hhs.Kinds(Chat), hhs.WithDialer("ws", pipe))...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { n.Close() })
		return n
	}
	first = open("ana", hhs.WithEndpoints("ws://ana"))
	ana, bob := newSeat(), newSeat()
	go func() { ana.lines <- "Ana" }()
	hers, err := ana.Enter(ctx, first, "")
	if err != nil {
		t.Fatal(err)
	}
	ana.sees(t, "ask Your name: ")
	done := make(chan error, 2)
	go func() { done <- ana.Stay(ctx, hers) }()
	ana.lines <- "hello"

	second := open("bob")
	if err := second.SetName(ctx, "Bob"); err != nil {
		t.Fatal(err)
	}
	his, err := bob.Enter(ctx, second, hers.Link().String())
	if err != nil {
		t.Fatal(err)
	}
	go func() { done <- bob.Stay(ctx, his) }()
	bob.sees(t, "joined ")
	bob.sees(t, "said hello")
	ana.sees(t, "joined ")
	bob.lines <- "hi"
	ana.sees(t, "said hi")
	bob.lines <- string(make([]byte, 5000)) // longer than the kind allows: a note, and the stay goes on
	bob.lines <- "bye"
	ana.sees(t, "said bye")
	close(bob.lines)
	ana.sees(t, "left ")
	close(ana.lines)
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
