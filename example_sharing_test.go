//go:build !js

package hhs_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	hhs "github.com/hyperhyperspace/hhs-go"
)

// A node lets others in: it listens, its spaces' links say where, and whoever
// opens such a link gets a copy.
func ExampleNode_Handler() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	listener, err := net.Listen("tcp", "127.0.0.1:0") // elsewhere a fixed port: it becomes part of links
	check(err)
	url := "ws://" + listener.Addr().String()
	ana, err := hhs.Open(ctx, "", hhs.Kinds(Shopping), hhs.WithServers(url+"/signal"), hhs.WithEndpoints(url+"/peer"))
	check(err)
	defer ana.Close()
	handler, err := ana.Handler()
	check(err)
	server := &http.Server{Handler: handler}
	go server.Serve(listener)
	defer server.Close()

	hers, err := hhs.Create(ctx, ana, Shopping)
	check(err)
	check(hers.Update(ctx, func(tx *hhs.Tx, l List) error { return l.Items.Add(tx, Item{"bread"}) }))
	link := hers.Link().String() // give this to Bob

	bob, err := hhs.Open(ctx, "", hhs.Kinds(Shopping))
	check(err)
	defer bob.Close()
	his, err := hhs.Join(ctx, bob, Shopping, link)
	check(err)
	check(his.WaitSynced(ctx))
	for e, err := range his.Root().Items.All() {
		check(err)
		fmt.Println(e.Value.What)
	}
	// Output: bread
}

// A program that is started again opens the list it has, and makes one only
// the first time.
func Example_reopen() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "shopping")
	check(err)
	defer os.RemoveAll(dir)
	for range 2 {
		node, err := hhs.Open(ctx, dir, hhs.Kinds(Shopping))
		check(err)
		lists, err := hhs.Spaces(node, Shopping)
		check(err)
		var list *hhs.Space[List]
		if len(lists) > 0 {
			list = lists[0]
			fmt.Println("opened")
		} else {
			list, err = hhs.Create(ctx, node, Shopping)
			fmt.Println("created")
		}
		check(err)
		check(list.Update(ctx, func(tx *hhs.Tx, l List) error { return l.Title.Set(tx, "Saturday") }))
		check(node.Close()) // one process at a time has a directory
	}
	// Output:
	// created
	// opened
}

// A program that makes one edit and ends gives it to somebody first.
func ExampleAnySpace_WaitSynced() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	ana, err := hhs.Open(ctx, "", hhs.Kinds(Shopping), hhs.WithEndpoints("ws://"+listener.Addr().String()))
	check(err)
	defer ana.Close()
	handler, err := ana.PeerHandler()
	check(err)
	server := &http.Server{Handler: handler}
	go server.Serve(listener)
	defer server.Close()
	hers, err := hhs.Create(ctx, ana, Shopping)
	check(err)

	func() { // the other program
		node, err := hhs.Open(ctx, "", hhs.Kinds(Shopping))
		check(err)
		defer node.Close()
		list, err := hhs.Join(ctx, node, Shopping, hers.Link().String())
		check(err)
		check(list.Update(ctx, func(tx *hhs.Tx, l List) error { return l.Items.Add(tx, Item{"milk"}) }))
		check(list.WaitSynced(ctx))
	}()
	for e, err := range hers.Root().Items.All() {
		check(err)
		fmt.Println(e.Value.What)
	}
	// Output: milk
}
