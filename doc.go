// Package hhs is an offline-first shared-data library. An application opens a
// space, reads and writes it locally, and every member's copy converges, over
// any network, with no trusted server.
//
// Describe the data as a struct of replicated values, give it a name, open a
// node and create a space of that kind, or join one by its link:
//
//	type Message struct {
//		Text string `hhs:"max=4000"`
//	}
//	type Room struct {
//		Topic    hhs.Register[string]
//		Messages hhs.Log[Message]
//	}
//	var Chat = hhs.Define[Room]("example.org/chat", 1)
//
//	node, err := hhs.Open(ctx, dir, hhs.Kinds(Chat))
//	room, err := hhs.Create(ctx, node, Chat) // or hhs.Join(ctx, node, Chat, link)
//	err = room.Update(ctx, func(tx *hhs.Tx, r Room) error {
//		return r.Messages.Append(tx, Message{"hello"})
//	})
//	for change, err := range room.Watch(ctx) { ... }
//
// All data is local: reads and writes touch the node's own store only, and work
// without any network. Copies of a space meet by data sync alone: there are no
// remote calls.
//
// Update returns when the edit is synced to this machine's disk (WithDurability
// changes that); Receipt.Held tells how many other devices hold it as well.
//
// Open makes the keys of the person and the device silently and opens no
// socket. A node connects only for spaces that know a server or a peer's
// address, from their link or from WithServers, and contacts nobody else.
//
// Experimental: formats and interfaces may change, and the cryptography has not
// been audited. In this version every space is open: whoever has its link or
// its three words can read and write it.
package hhs
