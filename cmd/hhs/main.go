// Command hhs is Hyper Hyper Space on the command line: a node that keeps spaces
// and syncs them, the server that introduces peers, and the pages.
//
//	hhs demo                  # a chat room to open in two browsers
//	hhs chat [LINK|WORDS]     # a chat room in the terminal
//	hhs serve                 # a node that stays, with its own signalling server
//	hhs help                  # everything else
//
// Every command works on one data directory. The first one that opens it serves
// the others for as long as it runs, through a control socket; see package
// internal/control. docs/cli.md describes the commands.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() { os.Exit(mainCode()) }

// mainCode runs the program and returns its exit code.
func mainCode() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	a := &app{in: os.Stdin, out: os.Stdout, err: os.Stderr}
	return a.run(ctx, os.Args[1:])
}
