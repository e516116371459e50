package main

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hyperhyperspace/hhs-go/authority"
)

func (a *app) logCommand() *cobra.Command {
	args := logArgs{}
	c := &cobra.Command{
		Use:   "log SPACE",
		Short: "Show who wrote what, and when",
		Long: `Shows the commits of a space, newest first, with their ops and what became of each: an op is marked when it is ignored,
with the reason, or was taken back by an undo. No commit is shown before one that was written with knowledge of it.

A commit is shown by the end of its id, which names it wherever a commit is asked for; -json has whole ids.

--field shows only commits about one field, or a path such as items.milk; --at only a version and what was before it: commits as
they are shown here, with commas between several. Only the page that is shown is read; the end says how to go on.`,
		Example: "  hhs log 4kq2jsye\n  hhs log 4kq2jsye --field title -json",
		Args:    exactly(1, 1, "one space"),
		RunE: func(c *cobra.Command, names []string) error {
			args.Space = names[0]
			if args.Limit < 1 {
				return usagef("--limit is at least 1")
			}
			l, err := ask[logged](c.Context(), a, "log", args)
			if err != nil {
				return err
			}
			return a.emit(l, func() { a.printLog(l) })
		},
	}
	c.Flags().StringVar(&args.Field, "field", "", "only commits about this field or path")
	c.Flags().StringVar(&args.At, "at", "", "only what was there at this version")
	c.Flags().StringVar(&args.Before, "before", "", "only what is older than this commit in the list")
	c.Flags().IntVar(&args.Limit, "limit", 20, "how many commits")
	return c
}

func (a *app) printLog(l logged) {
	for _, c := range l.Commits {
		a.printf("%s  %s  %s\n", short(c.Commit), c.Time.Format(time.DateTime), personText(c.Name, c.Identity))
		for _, op := range c.Ops {
			what := "  " + dotted(fieldText(op.Field), op.Path) + " " + op.Action
			for _, id := range op.Commits {
				what += " " + short(id)
			}
			if edits := editText(op); edits != "" {
				what += " " + edits
			} else if op.Value != nil {
				what += " " + string(op.Value)
			}
			switch {
			case op.Ignored != "":
				what += "  (ignored: " + op.Ignored + ")"
			case op.Effect != "effective":
				what += "  (" + op.Effect + ")"
			}
			a.printf("%s\n", "  "+strings.TrimSpace(what))
		}
		for _, by := range c.UndoneBy {
			a.printf("  taken back by %s\n", short(by))
		}
	}
	if l.Next != "" {
		a.notef("Older ones: --before %s\n", short(l.Next))
	}
}

// editText says what an op inserted into a list or text and what it deleted; "" for another op, or one that says nothing.
func editText(op loggedOp) string {
	var edits []struct{ Insert, Delete json.RawMessage }
	if op.Action != "edit" || json.Unmarshal(op.Value, &edits) != nil {
		return ""
	}
	var said []string
	for _, e := range edits {
		if e.Insert != nil {
			said = append(said, "inserted "+string(e.Insert))
		}
		if e.Delete != nil {
			said = append(said, "deleted "+string(e.Delete))
		}
	}
	return strings.Join(said, ", ")
}

// fieldText names a field; some have no name of their kind's.
func fieldText(field string) string {
	switch field {
	case "":
		return "(space)"
	case authority.UndoField:
		return "(undo)"
	case authority.ProfileField:
		return "(name)"
	}
	return field
}

// personText is a name with the end of the key.
func personText(name, identity string) string {
	return strings.TrimSpace(name + " (" + short(identity) + ")")
}

func (a *app) diffCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "diff SPACE FROM TO",
		Short: "Show what is different between two versions",
		Long: `Shows the values that one version of a space shows otherwise than another. A version is a commit, as hhs log shows it (its id or an end of
one), several with commas between them, or "now". Each is read by itself: as a copy showed it that had that commit and all before it.
Of a list or text it says who made the latest edit; hhs log --field says who made each.`,
		Example: "  hhs diff 4kq2jsye m3xw5qte now",
		Args:    exactly(3, 3, "a space and two versions"),
		RunE: func(c *cobra.Command, args []string) error {
			list, err := ask[[]differing](c.Context(), a, "diff", diffArgs{args[0], args[1], args[2]})
			if err != nil {
				return err
			}
			return a.emit(list, func() {
				for _, d := range list {
					place, by := dotted(fieldText(d.Field), d.Path), "by "+personText(d.Name, d.Identity)+" "+d.Time.Format(time.DateTime)
					if d.Edits == nil {
						a.printf("%s: %s -> %s %s\n", place, valueText(d.Before), valueText(d.After), by)
						continue
					}
					a.printEdits(place, d.Edits, "") // several people's, perhaps
					a.printf("%s: latest edit %s\n", place, by)
				}
				if len(list) == 0 {
					a.notef("Both show the same.\n")
				}
			})
		},
	}
}

// valueText is a value as JSON, or a word where there is none.
func valueText(value json.RawMessage) string {
	if value == nil {
		return "(none)"
	}
	return string(value)
}
