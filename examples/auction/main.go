// Command auction sells one thing in the terminal. Without an argument it makes an auction and prints its link; with a link
// it opens that one. A number is a bid, "close" ends the auction.
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
	"strconv"
	"strings"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/examples/auction/lot"
)

func main() {
	dir := flag.String("dir", "auction-data", "keeps your keys and auctions; one directory for each person")
	listen := flag.String("listen", "127.0.0.1:0", "where others reach you; 0 is a free port")
	title := flag.String("title", "A teapot", "what a new auction sells")
	flag.Parse()
	if err := auction(*dir, *listen, *title, flag.Arg(0)); err != nil {
		log.Fatal(err)
	}
}

func auction(dir, listen, title, link string) (err error) {
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	defer listener.Close()
	url := "ws://" + listener.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	node, err := hhs.Open(ctx, dir, hhs.Kinds(lot.Kind), hhs.WithServers(url+"/signal"), hhs.WithEndpoints(url+"/peer"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, node.Close()) }()
	handler, err := node.Handler() // what the two addresses answer with
	if err != nil {
		return err
	}
	go http.Serve(listener, handler)

	s, err := enter(ctx, node, title, link)
	if err != nil {
		return err
	}
	fmt.Printf("Link: '%s'\n", s.Link())
	news := s.Watch(ctx)
	show(s.Root())
	go func() {
		for _, err := range news { // a bid of anybody's, or one that is taken back
			if err == nil {
				show(s.Root())
			}
		}
	}()
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		op := lot.Op{Close: in.Text() == "close"}
		if !op.Close {
			if op.Bid, err = strconv.ParseInt(strings.TrimSpace(in.Text()), 10, 64); err != nil {
				fmt.Println("A number is a bid, close ends the auction.")
				continue
			}
		}
		if err := s.Update(ctx, func(tx *hhs.Tx, l lot.Lot) error { return l.Sale.Do(tx, op) }); err != nil {
			fmt.Println(err)
		}
	}
	return nil
}

// enter makes an auction, or opens the one that a link names.
func enter(ctx context.Context, node *hhs.Node, title, link string) (*hhs.Space[lot.Lot], error) {
	if link != "" {
		return hhs.Join(ctx, node, lot.Kind, link)
	}
	s, err := hhs.Create(ctx, node, lot.Kind)
	if err != nil {
		return nil, err
	}
	return s, s.Update(ctx, func(tx *hhs.Tx, l lot.Lot) error { return l.Title.Set(tx, title) })
}

// show prints how the auction stands, and the last bid that did not count.
func show(l lot.Lot) {
	title, _, err := l.Title.Get()
	a, errSale := l.Sale.Get()
	ignored, errIgnored := l.Sale.Ignored()
	if err := errors.Join(err, errSale, errIgnored); err != nil {
		fmt.Println(err)
		return
	}
	state := "for nothing yet"
	if a.Best > 0 {
		state = fmt.Sprintf("%d by %s", a.Best, a.By.Short())
	}
	if a.Closed {
		state = "sold: " + state
	}
	fmt.Printf("%s: %s\n", hhs.Plain(title), state)
	if n := len(ignored); n > 0 {
		fmt.Printf("  not counted: %d by %s: %s\n", ignored[n-1].Value.Bid, ignored[n-1].Identity.Short(), ignored[n-1].Reason)
	}
}
