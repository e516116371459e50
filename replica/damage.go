package replica

import (
	"errors"
	"fmt"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/store"
)

// Damage is something stored that is not as it was written: its bytes have
// another hash, cannot be decoded, or are gone. It is store.ErrCorrupt. The
// commits it concerns are set aside until a peer gives them again.
type Damage struct {
	Space  object.ID
	Commit object.ID   // zero when it cannot be told any more
	Num    history.Num // the commit's place in this copy
	What   string      // such as "envelope", "part 0", "attached object bafy..."
	Cause  error
}

func (d *Damage) Error() string {
	which := fmt.Sprintf("commit number %d", d.Num)
	switch {
	case !d.Commit.IsZero():
		which = "commit " + d.Commit.String()
	case d.Num == 0:
		which = "a commit"
	}
	return fmt.Sprintf("damaged in space %s, %s: %s: %v", d.Space.Short(), which, d.What, d.Cause)
}

var errOtherHash = errors.New("its bytes have another hash")

// Unwrap makes it store.ErrCorrupt, beside its cause.
func (d *Damage) Unwrap() []error { return []error{store.ErrCorrupt, d.Cause} }
