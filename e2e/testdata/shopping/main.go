// Command shopping shares a list: what others add is printed.
package main

import (
	"context"
	"fmt"
	"net"
	"net/http"

	hhs "github.com/hyperhyperspace/hhs-go"
)

type List struct{ Items hhs.Set[string] }

var Shopping = hhs.Define[List]("example.org/shopping", 1)

func main() {
	ctx := context.Background()
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	url := "ws://" + listener.Addr().String()
	node := must(hhs.Open(ctx, "shopping-data", hhs.Kinds(Shopping), hhs.WithServers(url+"/signal"), hhs.WithEndpoints(url+"/peer")))
	go http.Serve(listener, must(node.Handler()))
	list := must(hhs.Create(ctx, node, Shopping))
	changes := list.Watch(ctx)
	must(0, list.Update(ctx, func(tx *hhs.Tx, l List) error { return l.Items.Add(tx, "bread") }))
	fmt.Println(list.Link())
	for range changes {
		for e, err := range list.Root().Items.All() {
			fmt.Println(must(e, err).Value)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
