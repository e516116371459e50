// Command chat is a room in the terminal. Without an argument it makes one and
// prints its link and three words; with either of these it opens that room.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/examples/chat/room"
)

func main() {
	dir := flag.String("dir", "chat-data", "keeps your keys and rooms; one directory for each person")
	listen := flag.String("listen", "127.0.0.1:0", "where others reach you; 0 is a free port")
	flag.Parse()
	if err := chat(*dir, *listen, strings.Join(flag.Args(), " ")); err != nil {
		log.Fatal(err)
	}
}

func chat(dir, listen, where string) (err error) {
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	defer listener.Close()
	url := "ws://" + listener.Addr().String()
	ctx := context.Background()
	node, err := hhs.Open(ctx, dir, hhs.Kinds(room.Chat), hhs.WithServers(url+"/signal"), hhs.WithEndpoints(url+"/peer"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, node.Close()) }()
	handler, err := node.Handler() // what the two addresses answer with
	if err != nil {
		return err
	}
	go http.Serve(listener, handler)

	lines := make(chan string)
	go func() {
		defer close(lines)
		for in := bufio.NewScanner(os.Stdin); in.Scan(); {
			lines <- in.Text()
		}
	}()
	t := room.Terminal{Lines: lines, Show: func(event, name, text string) {
		switch event {
		case "ask":
			fmt.Print(text)
		case "note":
			fmt.Println(hhs.Plain(text))
		case "said": // by anyone: terminals obey some characters
			fmt.Println(hhs.Plain(name + ": " + text))
		default:
			fmt.Println("*", name, event)
		}
	}}
	r, err := t.Enter(ctx, node, where)
	if err != nil {
		return err
	}
	fmt.Printf("Link:  '%s'\nWords: %s\nCtrl-C leaves.\n", r.Link(), r.Link().Words())
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	return t.Stay(ctx, r)
}
