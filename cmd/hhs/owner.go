package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"time"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/internal/control"
)

const (
	// patience is how long a command waits for another one that is about to
	// leave the directory, or is just opening it.
	patience = 10 * time.Second
	// pauseMin and pauseMax are the waits between its tries.
	pauseMin = 5 * time.Millisecond
	pauseMax = 200 * time.Millisecond
)

// role is what a command is to the directory while it has it open.
type role struct {
	online  bool // it connects to peers; other commands only read and write here
	stays   bool // it runs until it is told to end
	peers   hhs.Peers
	options []hhs.Option
}

// owner is this process with the directory open: a node, and the socket where
// other commands reach it.
type owner struct {
	service *service
	control *control.Server // nil if its note cannot be written
}

// Close gives the directory back.
func (o *owner) Close() error {
	if o.control == nil {
		return o.service.node.Close()
	}
	return errors.Join(o.control.Close(), o.service.node.Close()) // in this order: the socket belongs to the lock's holder
}

// tryOwn opens the directory, or says hhs.ErrLocked.
func (a *app) tryOwn(ctx context.Context, dir string, r role) (*owner, error) {
	m := a.meter()
	defer m.end()
	r.peers.NoWords = a.noWords
	opts := append([]hhs.Option{hhs.WithPassphrase(a.passphrase), hhs.WithProgress(m.tell), hhs.WithDefaultPeers(r.peers)}, r.options...)
	if !r.online {
		opts = append(opts, hhs.Offline())
	}
	node, err := hhs.Open(ctx, dir, opts...)
	if err != nil {
		return nil, err
	}
	s := &service{node: node, dir: dir, noWords: a.noWords}
	who := control.Owner{PID: os.Getpid(), Command: a.commandLine(), Online: r.online, Stays: r.stays}
	c, err := control.Listen(dir, who, s.handle)
	if why := node.Health(); why != nil {
		a.notef("hhs: this node can be read and not written: %v\n", why)
		if err != nil { // nothing can be written beside the store either: other commands read for themselves
			return &owner{service: s}, nil
		}
	}
	if err != nil {
		return nil, errors.Join(err, node.Close())
	}
	return &owner{service: s, control: c}, nil
}

// commandLine is how other commands name this one.
func (a *app) commandLine() string {
	words := []string{"hhs"}
	for _, arg := range os.Args[min(1, len(os.Args)):] {
		if strings.HasPrefix(arg, "-") || len(words) > 2 || strings.ContainsAny(arg, ":/. ") {
			break
		}
		words = append(words, arg)
	}
	return strings.Join(words, " ")
}

// own opens the directory for a command that must have it itself. It waits for
// one that leaves by itself, and names one that stays.
func (a *app) own(ctx context.Context, r role) (*owner, error) {
	o, conn, err := a.reach(ctx, r, func(control.Owner) bool { return false })
	if conn != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return o, err
}

// reach opens the directory, or connects to the process that has it open if
// serves says that this one will do.
func (a *app) reach(ctx context.Context, r role, serves func(control.Owner) bool) (*owner, *control.Conn, error) {
	dir, err := a.dataDir()
	if err != nil {
		return nil, nil, err
	}
	pause, deadline := pauseMin, time.Now().Add(patience)
	for {
		o, err := a.tryOwn(ctx, dir, r)
		if !errors.Is(err, hhs.ErrLocked) {
			return o, nil, err
		}
		conn, connErr := control.Connect(ctx, dir)
		if connErr == nil {
			who := conn.Owner
			if serves(who) {
				return nil, conn, nil
			}
			if err := conn.Close(); err != nil {
				return nil, nil, err
			}
			if who.Stays {
				return nil, nil, a.held(dir, err, who, "is running")
			}
		}
		if time.Now().After(deadline) {
			return nil, nil, a.silent(dir, err)
		}
		select {
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case <-time.After(pause):
		}
		pause = min(2*pause, pauseMax)
	}
}

// silent is the error for a directory whose holder does not answer: an hhs that is stopped, or another program.
func (a *app) silent(dir string, cause error) error {
	who, err := control.LastOwner(dir)
	if err != nil {
		return &failure{code: "locked", err: cause, text: "the data directory " + dir +
			" is in use by another program, not by hhs; end it first, or give this command a directory of its own with --dir"}
	}
	return a.held(dir, cause, who, "does not answer")
}

// held is the error that names who has the directory.
func (a *app) held(dir string, cause error, who control.Owner, how string) error {
	return &failure{code: "locked", err: cause, text: "the data directory " + dir + " is in use: " + who.String() + " " + how +
		"; end it first, or give this command a directory of its own with --dir, as a second person on one machine needs"}
}

// call asks the service, in this process or in the one that has the directory
// open. recv gets every result.
func (a *app) call(ctx context.Context, method string, args any, r role, recv func(json.RawMessage) error) error {
	o, conn, err := a.reach(ctx, r, func(who control.Owner) bool { return who.Online || !r.online })
	if err != nil {
		return err
	}
	if conn != nil {
		err := conn.Call(ctx, method, args, recv)
		if errors.Is(err, control.ErrCut) && readsOnly[method] {
			return a.call(ctx, method, args, r, recv)
		}
		return err
	}
	return errors.Join(o.call(ctx, method, args, recv), o.Close())
}

// readsOnly are the methods with one result that may be asked again when the
// process that worked on them was killed.
var readsOnly = map[string]bool{"id": true, "space.list": true, "space.show": true, "space.manifest": true, "get": true, "log": true, "diff": true, "query": true, "peers": true, "status": true}

// call makes a call within the process, through the same encoding.
func (o *owner) call(ctx context.Context, method string, args any, recv func(json.RawMessage) error) error {
	body, err := json.Marshal(args)
	if err != nil {
		return err
	}
	c := &control.Call{Method: method, Args: body, Send: func(result any) error {
		body, err := json.Marshal(result)
		if err != nil {
			return err
		}
		return recv(body)
	}}
	if failed := o.service.handle(ctx, c); failed != nil {
		return failed
	}
	return nil
}

// ask is call with one result of type T.
func ask[T any](ctx context.Context, a *app, method string, args any) (result T, err error) {
	return askOnline[T](ctx, a, method, args, 0)
}

// askOnline is ask of a command that writes and may be told to wait until the peers have it.
func askOnline[T any](ctx context.Context, a *app, method string, args any, wait time.Duration) (result T, err error) {
	err = a.call(ctx, method, args, role{online: wait > 0}, func(body json.RawMessage) error { return json.Unmarshal(body, &result) })
	return result, err
}
