package main

import (
	"time"

	"github.com/spf13/cobra"
)

func (a *app) queryCommand() *cobra.Command {
	args := queryArgs{}
	c := &cobra.Command{
		Use:   "query SPACE (--type TYPE | --links-to ID)",
		Short: "Find values by their type, or by what they link to",
		Long: `Shows what a space has of a type, and what links to something, wherever it is: values, elements, entries and attached objects, each with
where it is and who wrote it. What was replaced, removed or taken back is not among it.

--type is what values have as their $type, such as example.org/task. With a # it is the records of a map: #items are those of the
field items, #items.parts those of the map parts in each of them.
--links-to is the id of an object, of a file (the root of a blob) or of a space. Behind an id a path with slashes, as in ID/items/milk, finds only
references to that place in that space. With both flags only what is of the type and has the link.

The order is that in which it came to this device; --newest turns it.`,
		Example: "  hhs query 4kq2jsye --type example.org/task\n  hhs query 4kq2jsye --type '#items' --newest --limit 5\n  hhs query 4kq2jsye --links-to bafyreib2lkm3yq7nnmg4kq2jsye",
		Args:    exactly(1, 1, "one space"),
		RunE: func(c *cobra.Command, names []string) error {
			args.Space = names[0]
			if args.Limit < 1 {
				return usagef("--limit is at least 1")
			}
			if args.Type == "" && args.LinksTo == "" {
				return usagef("say what to look for: --type or --links-to")
			}
			q, err := ask[queried](c.Context(), a, "query", args)
			if err != nil {
				return err
			}
			return a.emit(q, func() { a.printQueried(q) })
		},
	}
	c.Flags().StringVar(&args.Type, "type", "", "the $type of values, or # and the place of records")
	c.Flags().StringVar(&args.LinksTo, "links-to", "", "an id that is linked to, or ID/path")
	c.Flags().BoolVar(&args.Newest, "newest", false, "what came last comes first")
	c.Flags().StringVar(&args.From, "from", "", "go on where a page ended")
	c.Flags().IntVar(&args.Limit, "limit", 20, "how many")
	return c
}

func (a *app) printQueried(q queried) {
	for _, f := range q.Found {
		place := "object " + short(f.Object)
		if f.Field != "" {
			place = dotted(f.Field, f.Path)
		}
		a.printf("%s: %s  %s %s\n", place, valueText(f.Value), personText(f.Name, f.Identity), f.Time.Format(time.DateTime))
	}
	if len(q.Found) == 0 {
		a.notef("Nothing is found.\n")
	}
	if q.Next != "" {
		a.notef("More: --from %s\n", q.Next)
	}
}
