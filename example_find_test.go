package hhs_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	hhs "github.com/hyperhyperspace/hhs-go"
)

// Remark is a value with a type of its own: $type is what it is found by.
type Remark struct {
	Type string `hhs:"$type,enum=example.org/remark"`
	Text string
	On   hhs.Ref
}

// Board has notes, and remarks that refer to them.
type Board struct {
	Notes   hhs.Map[hhs.Register[string]]
	Remarks hhs.Log[Remark]
}

// What is of a type, and what refers to a value of the same space.
func ExampleAnySpace_Find() {
	ctx := context.Background()
	kind := hhs.Define[Board]("example.org/board", 1)
	node, err := hhs.Open(ctx, "", hhs.Kinds(kind))
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	board, err := hhs.Create(ctx, node, kind)
	if err != nil {
		log.Fatal(err)
	}
	milk := hhs.Ref{Space: board.ID(), Path: []string{"notes", "milk"}}
	err = board.Update(ctx, func(tx *hhs.Tx, r Board) error {
		return errors.Join(
			r.Notes.At("milk").Set(tx, "two bottles"),
			r.Remarks.Append(tx, Remark{"example.org/remark", "fresh, please", milk}),
		)
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, q := range []hhs.Query{{Type: "example.org/remark"}, {Ref: &milk}} {
		page, err := board.Find(ctx, q)
		if err != nil {
			log.Fatal(err)
		}
		for _, f := range page.Found {
			remark, err := hhs.FoundAs[Remark](f)
			if err != nil {
				log.Fatal(err)
			}
			fmt.Println(f.Field, remark.Text, f.Identity == node.Identity())
		}
	}
	// Output:
	// remarks fresh, please true
	// remarks fresh, please true
}
