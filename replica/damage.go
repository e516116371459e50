package replica

import (
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
	if !d.Commit.IsZero() {
		which = "commit " + d.Commit.String()
	}
	return fmt.Sprintf("damaged in space %s, %s: %s: %v; hhs fsck --repair sets it aside, and peers give it again", d.Space.Short(), which, d.What, d.Cause)
}

// Unwrap makes it store.ErrCorrupt, beside its cause.
func (d *Damage) Unwrap() []error { return []error{store.ErrCorrupt, d.Cause} }
