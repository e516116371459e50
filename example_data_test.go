//go:build !js

package hhs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/object"
)

// Gift is a record: several values, each written by itself.
type Gift struct {
	Title hhs.Register[string]
	Votes hhs.Counter
}

// Party is what is needed for one.
type Party struct {
	Theme   hhs.Register[string]
	Items   hhs.Map[Gift]
	Guests  hhs.List[string]
	Address struct{ Street, City hhs.Register[string] } // a record that is always there
}

// party is a space for the examples. It is in memory, and its node meets nobody.
func party(ctx context.Context) *hhs.Space[Party] {
	kind := hhs.Define[Party]("example.org/party", 1)
	node, err := hhs.Open(ctx, "", hhs.Kinds(kind))
	if err == nil {
		var space *hhs.Space[Party]
		if space, err = hhs.Create(ctx, node, kind); err == nil {
			return space
		}
	}
	log.Fatal(err)
	return nil
}

// Records are made under keys, and read in the order of these.
func ExampleMap() {
	ctx := context.Background()
	space := party(ctx)
	defer space.Node().Close()
	check(space.Update(ctx, func(tx *hhs.Tx, r Party) error {
		for _, key := range []string{"cake", "balloons"} {
			item, err := r.Items.Make(tx, key)
			if err == nil {
				err = errors.Join(item.Title.Set(tx, "the "+key), item.Votes.Add(tx, 1))
			}
			if err != nil {
				return err
			}
		}
		return r.Items.At("cake").Votes.Add(tx, 1)
	}))
	for item, err := range space.Root().Items.All() {
		check(err)
		title, _, err := item.Value.Title.Get()
		check(err)
		votes, err := item.Value.Votes.Value()
		check(err)
		fmt.Println(item.Key, title, votes)
	}
	// Output:
	// balloons the balloons 1
	// cake the cake 2
}

// A record that is a field is there from the beginning.
func ExampleDefine_record() {
	ctx := context.Background()
	space := party(ctx)
	defer space.Node().Close()
	check(space.Update(ctx, func(tx *hhs.Tx, r Party) error {
		return errors.Join(r.Address.Street.Set(tx, "Elm Street 5"), r.Address.City.Set(tx, "Ghent"))
	}))
	city, _, err := space.Root().Address.City.Get()
	check(err)
	fmt.Println(city)
	// Output: Ghent
}

// Values at positions.
func ExampleList() {
	ctx := context.Background()
	space := party(ctx)
	defer space.Node().Close()
	check(space.Update(ctx, func(tx *hhs.Tx, r Party) error {
		return errors.Join(r.Guests.Append(tx, "Ann", "Cy"), r.Guests.Insert(tx, 1, "Bo"), r.Guests.Delete(tx, 0, 1))
	}))
	for guest, err := range space.Root().Guests.All() {
		check(err)
		fmt.Println(guest.Value)
	}
	// Output:
	// Bo
	// Cy
}

// themes writes two, one after the other.
func themes(ctx context.Context, space *hhs.Space[Party]) {
	for _, theme := range []string{"pirates", "space"} {
		check(space.Update(ctx, func(tx *hhs.Tx, r Party) error { return r.Theme.Set(tx, theme) }))
	}
}

// A past version reads like the present.
func ExampleSpace_At() {
	ctx := context.Background()
	space := party(ctx)
	defer space.Node().Close()
	before := space.Heads()
	themes(ctx, space)
	for _, version := range [][]object.ID{before, nil} { // none: now
		past, err := space.At(ctx, version...)
		check(err)
		theme, set, err := past.Root().Theme.Get()
		check(err)
		fmt.Printf("%q %v\n", theme, set)
	}
	// Output:
	// "" false
	// "space" true
}

// Who wrote what, newest first.
func ExampleAnySpace_History() {
	ctx := context.Background()
	space := party(ctx)
	defer space.Node().Close()
	themes(ctx, space)
	_, err := space.Undo(ctx)
	check(err)
	page, err := space.History(ctx, hhs.HistoryQuery{Field: "theme"})
	check(err)
	for _, commit := range page.Commits {
		for _, op := range commit.Ops {
			fmt.Println(op.Action, op.Value, op.Effect)
		}
	}
	// Output:
	// set space undone
	// set pirates effective
}

// What is different between two versions.
func ExampleAnySpace_Diff() {
	ctx := context.Background()
	space := party(ctx)
	defer space.Node().Close()
	before := space.Heads()
	themes(ctx, space)
	list, err := space.Diff(ctx, before, nil) // nil: now
	check(err)
	for _, change := range list {
		from, to, err := change.Values()
		check(err)
		fmt.Println(change.Field, from, "->", to)
	}
	// Output: theme <nil> -> space
}

// A space goes into a file and comes out of it on another node.
func ExampleAnySpace_Export() {
	ctx := context.Background()
	space := party(ctx)
	defer space.Node().Close()
	themes(ctx, space)
	var file bytes.Buffer
	_, err := space.Export(ctx, &file)
	check(err)

	other, err := hhs.Open(ctx, "")
	check(err)
	defer other.Close()
	read, err := other.Import(ctx, &file)
	check(err)
	fmt.Println(read.Commits, "commits")
	// Output: 3 commits
}
