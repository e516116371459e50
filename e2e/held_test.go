package e2e

import (
	"testing"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/examples/chat/room"
	"github.com/hyperhyperspace/hhs-go/store"
)

// join opens a room with a node in this process, kept in the given store.
func join(t *testing.T, s store.Store, link string) *hhs.Space[room.Room] {
	t.Helper()
	n, err := hhs.Open(step(t), "", hhs.WithStore(s), hhs.Kinds(room.Chat))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	r, err := hhs.Join(step(t), n, room.Chat, link)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestHeld follows the mark on a message: it counts the devices that have it on their disk, each once.
func TestHeld(t *testing.T) {
	t.Parallel()
	needInterface(t)
	s := serve(t)
	ana := profile(t, "ana").open(s.URL).ready()
	link := ana.create("")
	ana.write("one")
	ana.mark("one", "saved here")

	mem := store.NewMem()
	native := join(t, mem, link)
	ana.mark("one", "held by 1 other device")
	ben := profile(t, "ben").open(link).ready()
	ana.mark("one", "held by 2 other devices")

	// What the native node received and cannot write is not held by it.
	ana.until(`d.status === 'synced' && d.peers === '2'`)
	release := mem.Block()
	defer release()
	ana.write("two")
	if err := mem.Blocked(step(t), 1); err != nil {
		t.Fatal(err)
	}
	ana.mark("two", "held by 1 other device")
	ben.write("three")
	ana.mark("three", "held by 1 other device")
	ana.mark("two", "held by 1 other device")
	ana.until(`d.status === 'syncing' && d.synced === '1'`)
	release()
	ana.mark("two", "held by 2 other devices")
	ana.mark("three", "held by 2 other devices")

	// A device that comes back is the same device.
	ben.reload()
	ben.ready()
	ben.write("four")
	ana.mark("four", "held by 2 other devices")
	ana.mark("one", "held by 2 other devices")
	if native.Status().Peers < 1 {
		t.Error("the native node lost its peers")
	}
}
