package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/internal/plain"
	"github.com/hyperhyperspace/hhs-go/object"
)

func (a *app) spaceCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "space",
		Short: "Make, show, join and leave spaces",
		Long: `A space is data that several people share, each with a full copy.

Wherever a command takes SPACE, write its id, an end of the id (4 characters or more), its link or its three words.`,
		Example: "  hhs space list",
		Args:    noCommand,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.createCommand(), a.listCommand(), a.showCommand(), a.upgradeCommand(), a.joinCommand(), a.leaveCommand())
	return c
}

func (a *app) createCommand() *cobra.Command {
	var fields, servers []string
	var file string
	c := &cobra.Command{
		Use:   "create [KIND]",
		Short: "Make a space",
		Long: `Makes a space of a kind: a name, which should begin with a domain of yours, an optional version ("name@2", 1 without),
and fields. A field is NAME=TYPE or NAME=TYPE:VALUE: the types are register, once, set, growset, log and list, and counter and
text, which take no VALUE; the values string, integer, float, bool, identity, link, bytes, blob, ref, any, or a schema as JSON
(docs/spec/schema.md); any without. NAME=map:TYPE:VALUE is a map of such values by key.

With --manifest the whole kind is read from a file of DAG-JSON, as hhs.Define and defineSpace make it ("-": standard input);
hhs space show --manifest prints that of a space, and docs/cli.md has one with records.`,
		Example: `  hhs space create example.org/shopping --field title=register:string --field items=set:string
  hhs space create --manifest kind.json`,
		Args: exactly(0, 1, "at most one kind"),
		RunE: func(c *cobra.Command, args []string) error {
			manifest, err := a.manifest(args, fields, file)
			if err != nil {
				return err
			}
			i, err := ask[spaceInfo](c.Context(), a, "space.create", createArgs{Manifest: manifest, Servers: servers})
			if err != nil {
				return err
			}
			return a.emit(i, func() {
				a.printf("Space: %s\nLink:  %s\n", i.Space, i.Link)
				a.printWords("Words: %s\n", i.Words)
				a.printf("Next: hhs set %s FIELD VALUE; and hhs serve, so that others can reach it.\n", i.Space[len(i.Space)-8:])
			})
		},
	}
	c.Flags().StringArrayVar(&fields, "field", nil, "a field, as NAME=TYPE:VALUE (repeat)")
	c.Flags().StringVar(&file, "manifest", "", "file with the kind as DAG-JSON")
	c.Flags().StringArrayVar(&servers, "server", nil, "signalling server to put into the link (repeat)")
	return c
}

func (a *app) manifest(args, fields []string, file string) (json.RawMessage, error) {
	switch {
	case file != "" && (len(args) > 0 || len(fields) > 0):
		return nil, usagef("give either a kind with fields or --manifest, not both")
	case file == "-":
		var text json.RawMessage
		if err := json.NewDecoder(a.in).Decode(&text); err != nil {
			return nil, failf("value", "standard input has no JSON: %w", err)
		}
		return text, nil
	case file != "":
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, failf("not_found", "the manifest cannot be read: %w", err)
		}
		if !json.Valid(text) {
			return nil, failf("value", "the file %s is not JSON", file)
		}
		return text, nil
	case len(args) == 0:
		return nil, usagef("which kind? Write a name, such as: hhs space create example.org/shopping --field items=set:string")
	case len(fields) == 0:
		return nil, usagef("a kind has at least one field, such as --field items=set:string")
	}
	return manifestOf(args[0], fields)
}

// parseField reads NAME=TYPE:VALUE.
func parseField(arg string) (authority.Field, error) {
	name, kind, ok := strings.Cut(arg, "=")
	if !ok {
		return authority.Field{}, usagef("the field %q is not written as NAME=TYPE or NAME=TYPE:VALUE", arg)
	}
	f, err := parseShape(name, kind)
	f.Name = name
	return f, err
}

// parseShape reads TYPE, TYPE:VALUE, or map: and one of these.
func parseShape(name, text string) (authority.Field, error) {
	kind, value, valued := strings.Cut(text, ":")
	f := authority.Field{Type: kind}
	switch {
	case kind == authority.TypeRecord, kind == authority.TypeFold:
		return f, usagef("the field %s: a %s is more than a --field can say; write the kind into a file for --manifest (docs/cli.md has one)", name, kind)
	case !slices.Contains(authority.FieldTypes(), kind):
		return f, usagef("the field %s: there is no type %q; the types are %s", name, kind, strings.Join(authority.FieldTypes(), ", "))
	case kind == authority.TypeMap && !valued:
		return f, usagef("the field %s: a map of what? Write %s=map:TYPE:VALUE, such as %s=map:counter or %[2]s=map:register:string", name, name, name)
	case kind == authority.TypeMap:
		of, err := parseShape(name, value)
		f.Of = &of
		return f, err
	case kind == "counter" || kind == "text":
		if valued {
			return f, usagef("the field %s: a %s has values of one type only; write it without %q", name, kind, ":"+value)
		}
		return f, nil
	case strings.HasPrefix(value, "{"):
		v, err := object.FromJSON([]byte(value))
		if err != nil {
			return f, failf("value", "the schema of the field %s is not JSON: %w", name, err)
		}
		f.Schema = v
		return f, nil
	case !valued:
		value = "any"
	case !slices.Contains(plainValues, value):
		return f, usagef("the field %s: there is no value %q; the values are %s, or a schema as JSON, such as '{\"type\":\"string\",\"max\":80}'", name, value, strings.Join(plainValues, ", "))
	}
	f.Schema = map[string]any{"type": value}
	return f, nil
}

// plainValues are the types of values that need no more said of them than their name.
var plainValues = []string{"string", "integer", "float", "bool", "identity", "link", "bytes", "blob", "ref", "any"}

// cutLast is strings.Cut at the last separator.
func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

func (a *app) listCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the spaces here",
		Long:    "Lists the spaces this directory has a copy of, or has joined and waits for.",
		Example: "  hhs space list\n  hhs space list -json",
		Args:    exactly(0, 0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			list, err := ask[[]spaceInfo](c.Context(), a, "space.list", none{})
			if err != nil {
				return err
			}
			return a.emit(list, func() {
				for _, i := range list {
					kind, state := "(not here yet)", "waiting"
					if i.Ready {
						kind, state = fmt.Sprintf("%s@%d", i.Kind, i.Version), i.Status.State
					}
					a.printf("%s  %s  %d commits  %s\n", i.Space, kind, i.Commits, state)
				}
				if len(list) == 0 {
					a.notef("There is no space here yet. Make one with hhs chat or hhs space create, or join one with hhs space join 'LINK'.\n")
				}
			})
		},
	}
}

func (a *app) showCommand() *cobra.Command {
	var manifest bool
	c := &cobra.Command{
		Use:   "show SPACE",
		Short: "Show a space: kind, heads, peers, what was refused",
		Long: `Shows what is known of a space: its kind, who made it, the heads of its history, its connections, its link and words,
and how many batches from peers were refused, by rule, with the latest reasons. Refusals are counted since the
process that has the directory open began, so they are of interest beside hhs serve or hhs chat.

With --manifest the kind alone is printed, as DAG-JSON, with what was added to the space since: what hhs space create and
upgrade read with their --manifest.`,
		Example: "  hhs space show 4kq2jsye\n  hhs space show 4kq2jsye --manifest > kind.json",
		Args:    exactly(1, 1, "one space"),
		RunE: func(c *cobra.Command, args []string) error {
			if manifest {
				text, err := ask[json.RawMessage](c.Context(), a, "space.manifest", spaceArgs{args[0]})
				if err != nil {
					return err
				}
				_, err = a.out.Write(append(plain.JSON(text), '\n'))
				return err
			}
			i, err := ask[spaceInfo](c.Context(), a, "space.show", spaceArgs{args[0]})
			if err != nil {
				return err
			}
			return a.emit(i, func() { a.printSpace(i) })
		},
	}
	c.Flags().BoolVar(&manifest, "manifest", false, "print the kind as DAG-JSON")
	return c
}

func (a *app) printSpace(i spaceInfo) {
	a.printf("Space:   %s\n", i.Space)
	if i.Ready {
		a.printf("Kind:    %s@%d\n", i.Kind, i.Version)
		for _, f := range i.Fields {
			a.printf("         %s: %s\n", f.Name, f.Type)
		}
		a.printf("Creator: %s\nCreated: %s\n", i.Creator, i.Created.Format(time.RFC3339))
		for _, c := range i.Schema {
			a.printf("Schema:  version %d since %s by %s: %s\n", c.Version, c.Time.Format(time.RFC3339),
				strings.TrimSpace(c.Name+" ("+short(c.Identity)+")"), strings.Join(c.Fields, ", "))
			for _, why := range c.Ignored {
				a.printf("         ignored: %s\n", why)
			}
		}
	} else {
		a.printf("Kind:    not here yet: no peer has given the first commit\n")
	}
	a.printf("Commits: %d\n", i.Commits)
	for _, h := range i.Heads {
		a.printf("Head:    %s\n", h)
	}
	a.printf("Status:  %s\n", i.Status)
	a.printPeers(i.Peers, "Peer:    ")
	for _, rule := range slices.Sorted(maps.Keys(i.Refused)) {
		a.printf("Refused: %d x %s\n", i.Refused[rule], rule)
	}
	for _, r := range i.Refusals {
		a.printf("         %s %s\n", r.Time.Format(time.RFC3339), r.Reason)
	}
	if i.Damage != "" {
		a.printf("Damage:  %s\n", i.Damage)
	}
	for _, f := range i.Forked {
		a.printf("Forked:  the device %s signed two histories\n", f)
	}
	a.printf("Link:    %s\n", i.Link)
	a.printWords("Words:   %s\n", i.Words)
}

// printWords prints three words, if there are any to be shown.
func (a *app) printWords(format, words string) {
	if words != "" {
		a.printf(format, words)
	}
}

// String says the status as a person would.
func (s statusInfo) String() string {
	switch s.State {
	case "syncing":
		return fmt.Sprintf("syncing, %d to go, with %d peers", s.ToGo, s.Peers)
	case "synced":
		return fmt.Sprintf("synced with %d (%d over a direct WebRTC connection)", s.Synced, s.Direct)
	case "connecting":
		if s.Servers == 1 {
			return "connecting; 1 signalling server reached"
		}
		return fmt.Sprintf("connecting; %d signalling servers reached", s.Servers)
	}
	return s.State
}

func (a *app) joinCommand() *cobra.Command {
	var wait time.Duration
	c := &cobra.Command{
		Use:   "join LINK|WORDS",
		Short: "Take part in a space",
		Long: `Takes part in the space a link names, and waits until it is here. A space that does not come in time stays joined.

Three words only find candidates, since words can be imitated: they are listed with their creators' keys, and you join
one by its link. Words are asked for at the server beside them ("one two three @ host:port"), or at the one of this
machine.`,
		Example: `  hhs space join 'hhs:bafy...?s=ws://127.0.0.1:7447/signal'
  hhs space join 'tiger lamp river @ 127.0.0.1:7447'`,
		Args: exactly(1, 4, "a link or three words, in quotes"),
		RunE: func(c *cobra.Command, args []string) error {
			var result joined
			err := a.call(c.Context(), "space.join", joinArgs{strings.Join(args, " "), wait}, role{online: true},
				func(body json.RawMessage) error { return json.Unmarshal(body, &result) })
			if err != nil {
				return err
			}
			return a.emit(result, func() {
				if result.Space != nil {
					a.printSpace(*result.Space)
					return
				}
				a.printf("%d spaces answer to these words. Compare the end of the creator's key, then join one by its link:\n", len(result.Candidates))
				for _, k := range result.Candidates {
					a.printf("  %s@%d made %s by the key ending in %s\n    hhs space join '%s'\n", k.Kind, k.Version,
						k.Created.Format(time.RFC3339), short(k.Creator), k.Link)
				}
			})
		},
	}
	c.Flags().DurationVar(&wait, "wait", 30*time.Second, "how long to wait for the space")
	return c
}

func (a *app) leaveCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "leave SPACE",
		Short:   "Delete this copy of a space and stop taking part",
		Long:    "Deletes this directory's copy of a space and stops taking part in it. What others have stays with them.",
		Example: "  hhs space leave 4kq2jsye",
		Args:    exactly(1, 1, "one space"),
		RunE: func(c *cobra.Command, args []string) error {
			left, err := ask[spaceArgs](c.Context(), a, "space.leave", spaceArgs{args[0]})
			if err != nil {
				return err
			}
			return a.emit(left, func() { a.printf("Left %s; this copy is deleted.\n", left.Space) })
		},
	}
}
