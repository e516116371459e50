package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"

	hhs "github.com/hyperhyperspace/hhs-go"
)

type List struct{ Items hhs.Set[string] }

var Shopping = hhs.Define[List]("example.org/shopping", 1)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}

// run is: shopping DIR HOST:PORT ['LINK']
func run(ctx context.Context, args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("usage: shopping DIR HOST:PORT ['LINK'], such as shopping data 127.0.0.1:7460")
	}
	listener, err := net.Listen("tcp", args[1])
	if err != nil {
		return err
	}
	defer listener.Close()
	url := "ws://" + listener.Addr().String() // what others dial: behind a proxy with a certificate wss://its.name
	node, err := hhs.Open(ctx, args[0], hhs.Kinds(Shopping), hhs.WithServers(url+"/signal"), hhs.WithEndpoints(url+"/peer"))
	if err != nil {
		return err
	}
	defer node.Close()
	handler, err := node.Handler() // node.PeerHandler is the second half alone, for when the server is elsewhere
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler}
	go server.Serve(listener)
	defer server.Close()

	var list *hhs.Space[List]
	if len(args) > 2 {
		list, err = hhs.Join(ctx, node, Shopping, args[2])
	} else {
		list, err = hhs.Create(ctx, node, Shopping)
	}
	if err != nil {
		return err
	}
	fmt.Printf("Link: '%s'\n", list.Link()) // quoted: it has a & and a ?
	for _, err := range list.Watch(ctx) {   // until Ctrl-C
		if err != nil {
			return err
		}
		n, err := list.Root().Items.Len()
		if err != nil {
			return err
		}
		fmt.Println(n, "items")
	}
	return nil
}
