package replica

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/hyperhyperspace/hhs-go/store"
)

// dataVersion is the version of the records this software writes: whatever the
// keys of keys.go hold, but for the state of the fields, which has a version of
// its own (crdt.StateVersion). A store's engine keeps another one for the files
// under it.
//
//	1  first
const dataVersion = 1

// versionKey holds the store's data version as a uvarint. A store from before
// there was such a record holds spaces and none: its version is 1.
func versionKey() []byte { return []byte{prefixVersion} }

// storedVersion is the data version of the records in a store; that of this
// software when there is no space yet, since the first one to be listed brings
// the record.
func storedVersion(r store.Reader) (uint64, error) {
	v, err := r.Get(versionKey())
	if errors.Is(err, store.ErrNotFound) {
		if _, err = r.Get([]byte{prefixNextSpace}); errors.Is(err, store.ErrNotFound) {
			return dataVersion, nil
		}
		return 1, err
	}
	if err != nil {
		return 0, err
	}
	version, n := binary.Uvarint(v)
	if n != len(v) || version == 0 {
		return 0, fmt.Errorf("data version: %w", store.ErrCorrupt)
	}
	return version, nil
}

// checkVersion refuses a store whose records this software cannot read. It
// writes nothing.
func (n *Node) checkVersion() error {
	return n.view(func(r store.Reader) error {
		version, err := storedVersion(r)
		switch {
		case err != nil:
			return err
		case version > dataVersion:
			return fmt.Errorf("%w: its data version is %d, this program knows up to %d; nothing was changed", store.ErrNewer, version, dataVersion)
		case version < dataVersion:
			return fmt.Errorf("its data version is %d, this program reads %d", version, dataVersion)
		}
		return nil
	})
}

func putVersion(to putter) { to.Put(versionKey(), binary.AppendUvarint(nil, dataVersion)) }
