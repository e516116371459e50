package replica

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/store"
)

// dataVersion is the version of the records this software writes: whatever the
// keys of keys.go hold, but for the state of the fields, which has a version of
// its own. A store's engine keeps another one for the files under it.
//
//	1  first
//	2  runs of the graph with height and floor, pages of heads; envelopes without what can be had
//	   elsewhere, with their parts; a short index of ids
const dataVersion = 2

// stateVersion is the version of the state of the fields.
const stateVersion = crdt.StateVersion

// format says in which versions a store or a space is written.
type format struct{ data, state uint64 }

var present = format{dataVersion, stateVersion}

// first is the format of what was written before there was a record of it.
var first = format{1, 2}

func (f format) encode() []byte {
	return binary.AppendUvarint(binary.AppendUvarint(nil, f.data), f.state)
}

func decodeFormat(v []byte) (f format, err error) {
	var n, m int
	if f.data, n = binary.Uvarint(v); n > 0 {
		f.state, m = binary.Uvarint(v[n:])
	}
	if n <= 0 || m <= 0 || n+m != len(v) || f.data == 0 {
		return f, fmt.Errorf("data version: %w", store.ErrCorrupt)
	}
	return f, nil
}

// versionKey holds the format of a store: no space in it is newer. While spaces
// are brought up to it an older program is refused already.
func versionKey() []byte { return []byte{prefixVersion} }

// readFormat is the format of one space.
func readFormat(r store.Reader, k keyspace) (format, error) {
	v, err := r.Get(k.key(subFormat, 0))
	if errors.Is(err, store.ErrNotFound) {
		return first, nil
	}
	if err != nil {
		return format{}, err
	}
	return decodeFormat(v)
}

func putFormat(to putter, k keyspace) { to.Put(k.key(subFormat, 0), present.encode()) }

// storeFormat is the format of a store; the present one when there is no space
// yet, since the first one to be listed brings the record.
func storeFormat(r store.Reader) (format, error) {
	v, err := r.Get(versionKey())
	if !errors.Is(err, store.ErrNotFound) {
		if err != nil {
			return format{}, err
		}
		return decodeFormat(v)
	}
	if _, err = r.Get([]byte{prefixNextSpace}); errors.Is(err, store.ErrNotFound) {
		return present, nil
	}
	return first, err
}

// checkVersion refuses a store whose records this software cannot read. It
// writes nothing.
func checkVersion(r store.Reader) (format, error) {
	f, err := storeFormat(r)
	if err == nil && f.data > dataVersion {
		err = fmt.Errorf("%w: its data version is %d, this program knows up to %d; nothing was changed", store.ErrNewer, f.data, dataVersion)
	}
	return f, err
}

func putVersion(to putter) { to.Put(versionKey(), present.encode()) }
