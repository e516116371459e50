package main

import (
	"bytes"
	"context"
	"io"

	"github.com/rogpeppe/go-internal/testscript"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/object/car"
)

// cmdObjects is "objects ROOT LEAF": it puts two objects into $HHS_DIR, of which one links to the other and to one that is
// nowhere, and sets the variables to their ids.
func cmdObjects(ts *testscript.TestScript, _ bool, args []string) {
	ctx := context.Background()
	n, err := hhs.Open(ctx, ts.Getenv("HHS_DIR"), hhs.Offline())
	ts.Check(err)
	leaf, err := n.PutValue(ctx, map[string]any{"name": "leaf"})
	ts.Check(err)
	root, err := n.PutValue(ctx, map[string]any{"first": leaf, "again": leaf, "elsewhere": object.Sum(object.Raw, []byte("elsewhere"))})
	ts.Check(err)
	ts.Check(n.Close())
	ts.Setenv(args[0], root.String())
	ts.Setenv(args[1], leaf.String())
}

// cmdHolds is "holds FILE ID...": the CAR file has the first id as its root, and these blocks in this order.
func cmdHolds(ts *testscript.TestScript, _ bool, args []string) {
	in, err := car.NewReader(bytes.NewReader([]byte(ts.ReadFile(args[0]))))
	ts.Check(err)
	if roots := in.Roots(); len(roots) != 1 || roots[0].String() != args[1] {
		ts.Fatalf("roots %v", roots)
	}
	for _, id := range args[1:] {
		b, err := in.Next()
		ts.Check(err)
		if b.ID.String() != id {
			ts.Fatalf("the block %s, want %s", b.ID, id)
		}
	}
	if b, err := in.Next(); err != io.EOF {
		ts.Fatalf("one more block %s, error %v", b.ID, err)
	}
}
