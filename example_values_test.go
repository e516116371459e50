package hhs_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/crdt"
)

// Deed says whose a boat is, which never changes, and how far it sailed.
type Deed struct {
	Owner hhs.Once[string] `hhs:"max=80"`
	Miles hhs.Counter
}

// A value that is set once, and a sum.
func ExampleCounter() {
	ctx := context.Background()
	kind := hhs.Define[Deed]("example.org/deed", 1)
	node, err := hhs.Open(ctx, "", hhs.Kinds(kind))
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	boat, err := hhs.Create(ctx, node, kind)
	if err != nil {
		log.Fatal(err)
	}
	for _, name := range []string{"Ada", "Bob"} {
		err := boat.Update(ctx, func(tx *hhs.Tx, r Deed) error {
			return errors.Join(r.Owner.Set(tx, name), r.Miles.Add(tx, 12))
		})
		if set := new(crdt.AlreadySet); errors.As(err, &set) {
			fmt.Println(name, "cannot set it again")
		} else if err != nil {
			log.Fatal(err)
		}
	}
	owner, _, err := boat.Root().Owner.Get()
	if err != nil {
		log.Fatal(err)
	}
	miles, err := boat.Root().Miles.Value()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(owner, miles)
	// Output:
	// Bob cannot set it again
	// Ada 12
}
