package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/internal/control"
	"github.com/hyperhyperspace/hhs-go/object"
)

func (a *app) getCommand() *cobra.Command {
	var limit int
	var closure, now, raw bool
	var at, root string
	var wait time.Duration
	c := &cobra.Command{
		Use:   "get SPACE [FIELD]",
		Short: "Read a space, or one field of it",
		Long: `Reads this directory's copy: all fields, or one. Values are JSON. Of a set the first entries are shown, of a log the
latest, oldest first; of a list the first elements, numbered; of a text the text; of a counter the sum; of a map the first
keys with what is under them. A fold is a type of an application's own, whose function hhs has not: of it the latest ops
are shown. A value inside a map or
record has a path, such as items.milk.title or items["7.5 l"].title. Reading needs no network.

With --at a past version is read, as a copy showed it that had nothing else: a commit as hhs log shows it (its id or an end of
one), several with commas between them where people wrote at the same time.

With --bytes the bytes of the blob that FIELD holds are written to standard output; --wait fetches what is not here from peers.
Where FIELD holds several, --blob chooses one by the end of its root.

With --closure the argument is the id of an object on this node: it is written to standard output as a CAR file, with
every object here that it links to, directly or not.`,
		Example: "  hhs get 4kq2jsye\n  hhs get 4kq2jsye items -json\n  hhs get 4kq2jsye items.milk.title\n  hhs get 4kq2jsye --at m3xw5qte\n  hhs get 4kq2jsye cover --bytes --wait 5m > cover.png\n  hhs get bafyreif... --closure > object.car",
		Args:    exactly(1, 2, "a space and possibly a field"),
		RunE: func(c *cobra.Command, args []string) error {
			if closure {
				if len(args) > 1 {
					return usagef("--closure takes the id of one object")
				}
				return a.getObject(c.Context(), args[0])
			}
			get := getArgs{Space: args[0], Limit: limit, At: at, Now: now}
			if len(args) > 1 {
				get.Field = args[1]
			}
			if limit < 1 {
				return usagef("--limit is at least 1")
			}
			if raw {
				return a.getBytes(c.Context(), readArgs{getArgs: get, Blob: root, Wait: wait})
			}
			if root != "" || wait != 0 {
				return usagef("--blob and --wait belong to --bytes")
			}
			list, err := ask[[]fieldValue](c.Context(), a, "get", get)
			if err != nil {
				return err
			}
			if a.json && get.Field != "" {
				return a.emit(list[0], nil)
			}
			return a.emit(list, func() {
				for _, f := range list {
					a.printField(f)
				}
			})
		},
	}
	c.Flags().IntVar(&limit, "limit", 100, "how many entries of a set, list, log or map")
	c.Flags().StringVar(&at, "at", "", "read this version instead of the present")
	c.Flags().BoolVar(&now, "judged-now", false, "with --at: without what was taken back since")
	c.Flags().BoolVar(&raw, "bytes", false, "write the bytes of the blob in the field")
	c.Flags().StringVar(&root, "blob", "", "with --bytes: which of several, by the end of its root")
	c.Flags().DurationVar(&wait, "wait", 0, "with --bytes: fetch what is not here, for so long")
	c.Flags().BoolVar(&closure, "closure", false, "write an object with all it links to as a CAR file")
	return c
}

// getBytes is hhs get SPACE FIELD --bytes.
func (a *app) getBytes(ctx context.Context, args readArgs) error {
	if args.Field == "" {
		return usagef("--bytes takes a field that holds a blob")
	}
	if err := a.binary("hhs get " + args.Space + " " + args.Field + " --bytes"); err != nil {
		return err
	}
	b, err := receiveFrom[blobInfo](ctx, a, "blob.read", args, role{online: args.Wait > 0})
	if err != nil {
		return err
	}
	a.notef("%s, %s\n", cmp.Or(b.Name, b.Root), size(b.Size))
	return nil
}

func (a *app) printField(f fieldValue) {
	switch {
	case f.Text != nil:
		a.printText(f)
	case f.Type == "list":
		a.printf("%s: %d\n", f.Field, f.Size)
		for i, e := range f.Entries {
			a.printf("  %d  %s  %s\n", i, e.Value, e.by())
		}
	case f.Sum != "":
		a.printf("%s: %s\n", f.Field, f.Sum)
	case (f.Type == "register" || f.Type == "once") && f.Value == nil:
		a.printf("%s: (never set)\n", f.Field)
	case f.Type == "record" && f.Value == nil:
		a.printf("%s: (no record)\n", f.Field)
	case len(f.Conflicts) > 0:
		a.printf("%s: %s  (written at the same time as the ones below)\n", f.Field, f.Value.Value)
		for _, e := range f.Conflicts[1:] {
			a.printf("  %s  %s\n", e.Value, e.by())
		}
	case f.Value != nil:
		a.printf("%s: %s\n", f.Field, f.Value.Value)
	default:
		a.printf("%s: %d\n", f.Field, f.Size)
		if f.Fold != "" {
			a.printf("  ops of the fold %s version %d; what they come to only a program says that has this fold\n", f.Fold, f.Version)
		}
		for _, e := range f.Entries {
			a.printf("  %s  %s\n", e.Value, e.by())
		}
		for _, i := range f.Items {
			a.printf("  %s: %s\n", dotted("", []string{i.Key}), i.Value)
		}
	}
}

func (a *app) printText(f fieldValue) {
	if *f.Text == "" {
		a.printf("%s: (empty)\n", f.Field)
		return
	}
	a.printf("%s: %d characters\n", f.Field, f.Size)
	for line := range strings.Lines(*f.Text) {
		a.printf("  %s\n", strings.TrimSuffix(line, "\n"))
	}
	if f.More {
		a.notef("The text is longer than is shown.\n")
	}
}

// by says who wrote an entry, and when by their clock.
func (e entry) by() string {
	return strings.TrimSpace(e.Name+" ("+short(e.Identity)+")") + " " + e.Time.Format(time.DateTime)
}

func (a *app) setCommand() *cobra.Command {
	var f setFlags
	var wait time.Duration
	c := &cobra.Command{
		Use:   "set SPACE FIELD [VALUE]",
		Short: "Write a value: set, add, remove, append, make, clear or do",
		Long: `Writes one value, as JSON, and prints the commit. Without --action a register or once is set, a value is added to a set or
to a counter, appended to a log, a list or a text, and an op of a fold is done; --action remove takes a value out of a set,
--action clear all of them.

In a list or text --index N inserts the value before element (character) N, counted from 0; --count M deletes M from there on,
instead of which a VALUE comes if there is one. --action set --index N gives an element of a list another value.

A value inside a map or record has a path, such as votes.yes, items.milk.title or items["7.5 l"].title. A record of a map is made by
its path without a VALUE, or with its first values as a JSON object, all in one commit; a record that is there already gives way to it.
An object for a map, or for a record that is no key of one, writes what it has, as hhs get shows it. --action remove, without a
VALUE, takes a key out of a map of registers or records.

With --file the value is a blob of that file, of any size: it is copied into the data directory, and fetched by others when they
read it (hhs get --bytes). Cut short, the same command goes on where it stopped.

It returns when this machine's disk has it. Other devices get it when they are connected, which they are beside a
running hhs serve or hhs chat; --wait waits until they have it and says how many do.`,
		Example: `  hhs set 4kq2jsye title '"Saturday"'
  hhs set 4kq2jsye items '"bread"' --action remove
  hhs set 4kq2jsye note '"abc"' --index 3
  hhs set 4kq2jsye note --index 3 --count 2    # deletes
  hhs set 4kq2jsye votes.yes 1
  hhs set 4kq2jsye cover --file cover.png
  hhs set 4kq2jsye stock.milk                  # makes a record
  hhs set 4kq2jsye stock.milk.title '"Milk"'
  hhs set 4kq2jsye stock.salt '{"title":"Salt","count":3}'   # makes one with values`,
		Args: exactly(2, 3, "a space, a field and a value as JSON (write -- before a negative number)"),
		RunE: func(c *cobra.Command, args []string) error {
			op, err := a.setOp(c, args, &f)
			if err != nil {
				return err
			}
			done, err := askOnline[applied](c.Context(), a, "apply", applyArgs{Space: args[0], Ops: []opArg{op}, Wait: wait}, wait)
			if err != nil {
				return err
			}
			return a.emit(done, func() {
				if done.Commit == "" {
					a.printf("Nothing to do: it is so already.\n")
					return
				}
				a.printf("Commit %s is on this disk; other devices known to have it: %d\n", done.Commit, done.Held)
			})
		},
	}
	c.Flags().StringVar(&f.file, "file", "", "write a blob of this file")
	c.Flags().StringVar(&f.media, "media", "", "with --file: its media type, such as image/png; else by the end of its name")
	c.Flags().StringVar(&f.action, "action", "", "set, add, remove, append, make, clear or do; else what the type has for adding")
	c.Flags().Int64Var(&f.index, "index", 0, "in a list or text: where, from 0 on")
	c.Flags().Int64Var(&f.count, "count", 0, "in a list or text: how many are deleted there")
	waitFlag(c, &wait)
	return c
}

// setFlags are the flags of hhs set that say what is written.
type setFlags struct {
	action, file, media string
	index, count        int64
}

// setOp is what hhs set writes.
func (a *app) setOp(c *cobra.Command, args []string, f *setFlags) (op opArg, err error) {
	op = opArg{Field: args[1], Action: f.action, Count: f.count}
	if c.Flags().Changed("index") {
		op.Index = &f.index
	}
	if f.index < 0 || f.count < 0 || c.Flags().Changed("count") && f.count == 0 {
		return op, usagef("--index is at least 0, and --count at least 1")
	}
	if len(args) > 2 {
		op.Value = json.RawMessage(args[2])
	}
	switch {
	case f.file != "" && op.Value != nil:
		return op, usagef("--file is the value: give no other")
	case f.file != "":
		op.Value, err = a.putFile(c.Context(), f.file, f.media)
		return op, err
	case f.media != "":
		return op, usagef("--media belongs to --file")
	case op.Value != nil && !json.Valid(op.Value):
		return op, &failure{code: "value", path: op.Field,
			text: "the value " + args[2] + " is not JSON; put text in double quotes, such as '\"hello\"'"}
	}
	return op, nil
}

// putFile keeps a file as a blob and returns the value that stands for it.
func (a *app) putFile(ctx context.Context, name, media string) (json.RawMessage, error) {
	path, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	b, err := long[blobInfo](ctx, a, "blob.put", putArgs{path, media})
	if err != nil {
		return nil, err
	}
	root, err := object.ParseID(b.Root)
	if err != nil {
		return nil, err
	}
	return text(hhs.Blob{Root: root, Size: b.Size, Media: b.Media, Name: b.Name}.Value())
}

func (a *app) watchCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "watch SPACE",
		Short: "Print every change of a space as it comes",
		Long: `Prints every change of a space, one line each, after it is on this disk, and every change of its connections, until
Ctrl-C. Of a list or text it says where what went and what came: each line of a change counts in elements, or characters,
from the beginning of what was there before the change. It connects to the space's peers, unless another command of this directory does already.

A line "resync" says that changes may have been missed: read again with hhs get.`,
		Example: "  hhs watch 4kq2jsye -json",
		Args:    exactly(1, 1, "one space"),
		RunE: func(c *cobra.Command, args []string) error {
			ctx := c.Context()
			for again := false; ; again = true {
				if again {
					if err := a.printChange(change{Event: "resync", Space: args[0]}); err != nil {
						return err
					}
				}
				err := a.call(ctx, "watch", spaceArgs{args[0]}, role{online: true, stays: true}, func(body json.RawMessage) error {
					var one change
					if err := json.Unmarshal(body, &one); err != nil {
						return err
					}
					return a.printChange(one)
				})
				if ctx.Err() != nil {
					return nil
				}
				var remote *control.Error
				ended := errors.Is(err, control.ErrCut) || errors.As(err, &remote) && remote.Code == "closed"
				if !ended {
					return err
				}
			}
		},
	}
}

func (a *app) printChange(one change) error {
	return a.emit(one, func() {
		switch one.Event {
		case "change":
			who := strings.TrimSpace(one.Name + " (" + short(one.Identity) + ")")
			how := ""
			if one.Undone != "" {
				how = " (" + one.Action + ")"
			}
			before, place, after := one.Time.Format(time.DateTime)+" ", dotted(one.Field, one.Path), " by "+who+how
			if one.Edits == nil {
				a.printf("%s%s: %s -> %s%s\n", before, place, one.Before, one.After, after)
			}
			a.printEdits(before+place, one.Edits, after)
		case "schema":
			a.printf("%s the schema changed to version %d by %s\n", one.Time.Format(time.DateTime), one.Version, short(one.Identity))
		case "watching":
			a.printf("watching %s: %s\n", one.Space, one.Status)
		case "status":
			a.printf("%s\n", one.Status)
		default:
			a.printf("%s\n", one.Event)
		}
	})
}

// printEdits prints what became of a list or text, a line for each stretch.
func (a *app) printEdits(before string, edits []edit, after string) {
	for _, e := range edits {
		what := string(e.Deleted) + " -> " + string(e.Inserted)
		switch {
		case e.Deleted == nil:
			what = "inserted " + string(e.Inserted)
		case e.Inserted == nil:
			what = "deleted " + string(e.Deleted)
		}
		a.printf("%s at %d: %s%s\n", before, e.Index, what, after)
	}
}

func (a *app) peersCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "peers [SPACE]",
		Short: "List the devices connected now",
		Long: `Lists the devices that are connected now, for one space or all: who they are, over which transport, whether
directly, whether they have all that is here, and the round trip.

Connections belong to a running hhs serve, hhs chat or hhs watch; without one the list is empty.`,
		Example: "  hhs peers -json",
		Args:    exactly(0, 1, "at most one space"),
		RunE: func(c *cobra.Command, args []string) error {
			list, err := ask[[]peerInfo](c.Context(), a, "peers", spaceArgs{strings.Join(args, "")})
			if err != nil {
				return err
			}
			return a.emit(list, func() {
				a.printPeers(list, "")
				if len(list) == 0 {
					a.notef("Nobody is connected. Connections are made by hhs serve, hhs chat and hhs watch.\n")
				}
			})
		},
	}
}

func (a *app) printPeers(list []peerInfo, before string) {
	for _, p := range list {
		state := "syncing"
		if p.Synced {
			state = "synced"
		}
		transport := map[string]string{"ws": "WebSocket", "rtc": "WebRTC"}[p.Transport]
		a.printf("%s%s over %s, %s, %.1f ms, device %s\n", before, strings.TrimSpace(p.Name+" ("+short(p.Identity)+")"), transport, state, p.RTT, p.Device)
	}
}
