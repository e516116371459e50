package hhs_test

import (
	"context"
	"fmt"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/transport"
)

// Item is one thing to buy.
type Item struct {
	What string `hhs:"max=200"`
}

// List is a shopping list: a title and what is on it.
type List struct {
	Title hhs.Register[string]
	Items hhs.Set[Item]
}

// Shopping is the kind: its name, its version and its fields.
var Shopping = hhs.Define[List]("example.org/shopping", 1)

func Example() {
	ctx := context.Background()
	node, err := hhs.Open(ctx, "", hhs.Kinds(Shopping)) // a directory keeps it; "" is memory
	if err != nil {
		panic(err)
	}
	defer node.Close()
	list, err := hhs.Create(ctx, node, Shopping)
	if err != nil {
		panic(err)
	}
	err = list.Update(ctx, func(tx *hhs.Tx, l List) error {
		if err := l.Title.Set(tx, "Saturday"); err != nil {
			return err
		}
		return l.Items.Add(tx, Item{"bread"})
	})
	if err != nil {
		panic(err)
	}
	title, _, err := list.Root().Title.Get()
	if err != nil {
		panic(err)
	}
	fmt.Println(title)
	for e, err := range list.Root().Items.All() {
		if err != nil {
			panic(err)
		}
		fmt.Println("-", e.Value.What)
	}
	// Output:
	// Saturday
	// - bread
}

// Two nodes that wrote while they were apart come together: each has it all.
func Example_converge() {
	ctx := context.Background()
	var ana *hhs.Node
	// A pipe in memory takes the place of a WebSocket to ana's address.
	network := transport.DialerFunc(func(context.Context, string) (transport.Conn, error) {
		here, there := transport.Pipe()
		return here, ana.Accept(there)
	})
	open := func(opts ...hhs.Option) *hhs.Node {
		n, err := hhs.Open(ctx, "", append(opts, hhs.Kinds(Shopping), hhs.WithDialer("ws", network))...)
		if err != nil {
			panic(err)
		}
		return n
	}
	add := func(l *hhs.Space[List], what string) {
		err := l.Update(ctx, func(tx *hhs.Tx, l List) error { return l.Items.Add(tx, Item{what}) })
		if err != nil {
			panic(err)
		}
	}

	ana = open(hhs.WithEndpoints("ws://ana"))
	defer ana.Close()
	hers, err := hhs.Create(ctx, ana, Shopping)
	if err != nil {
		panic(err)
	}
	add(hers, "bread")

	bob := open()
	defer bob.Close()
	his, err := hhs.Join(ctx, bob, Shopping, hers.Link().String())
	if err != nil {
		panic(err)
	}
	add(his, "milk")

	for _, l := range []*hhs.Space[List]{hers, his} {
		for n := 0; n < 2; { // wait until both items are there
			changed := l.StatusChanged()
			if n, err = l.Root().Items.Len(); err != nil {
				panic(err)
			}
			if n < 2 {
				<-changed
			}
		}
		for e, err := range l.Root().Items.All() {
			if err != nil {
				panic(err)
			}
			fmt.Println("-", e.Value.What)
		}
	}
	// Unordered output:
	// - bread
	// - bread
	// - milk
	// - milk
}
