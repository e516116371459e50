package replica

import (
	"encoding/binary"

	"github.com/hyperhyperspace/hhs-go/blob"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/store"
)

// Which blobs a space names is part of its state: a peer is given a blob only through an op that counts. What is kept, in
// the state of a field of its own, is for each op on a field of the kind, and each blob in its value,
//
//	<codec> <digest> <1, or 0 while it is taken back> <num:8> <index:4>
//
// so that whether any op that counts names a blob is one look, however many do.

// blobFieldNumber is beyond those of all fields that a manifest can have.
const blobFieldNumber = 0xfffe

func (s *Space) blobState(r store.Reader, tx *store.Tx) *fieldState {
	return &fieldState{prefix: s.keys.field(blobFieldNumber), r: r, tx: tx}
}

// nameBlobs notes which blobs an op names, and whether it counts.
func (a *applier) nameBlobs(payload []byte, num history.Num, index uint32, effective bool) error {
	list := blob.Find(payload)
	if len(list) == 0 {
		return nil
	}
	state := a.space.blobState(a.tx, a.tx)
	for _, b := range list {
		counts := rootKey(nil, b.Root)
		taken := append(rootKey(nil, b.Root), 0)
		counts = append(counts, 1)
		place := binary.BigEndian.AppendUint32(appendNum(nil, num), index)
		to, from := append(counts, place...), append(taken, place...)
		if !effective {
			to, from = from, to
		}
		if err := state.Delete(from); err != nil {
			return err
		}
		if err := state.Put(to, []byte{}); err != nil {
			return err
		}
	}
	return nil
}

// named tells whether an op that counts names a blob.
func (s *Space) named(r store.Reader, root object.ID) (bool, error) {
	prefix := append(rootKey(nil, root), 1)
	for _, err := range s.blobState(r, nil).Scan(prefix, end(prefix), false) {
		return err == nil, err
	}
	return false, nil
}

// eachNamed calls f with each blob that an op that counts names, once.
func (s *Space) eachNamed(r store.Reader, f func(root object.ID) error) error {
	state := s.blobState(r, nil)
	for from := []byte{}; ; {
		var root object.ID
		for kv, err := range state.Scan(from, nil, false) {
			if err == nil && len(kv.Key) < 33 {
				err = store.ErrCorrupt
			}
			if err != nil {
				return err
			}
			root = object.IDFromDigest(object.Codec(kv.Key[0]), [32]byte(kv.Key[1:33]))
			break
		}
		if root.IsZero() {
			return nil
		}
		counts, err := s.named(r, root)
		if err == nil && counts {
			err = f(root)
		}
		if err != nil {
			return err
		}
		from = end(rootKey(nil, root))
	}
}

// holdBlobs notes that this node has, through this space, the blobs that an own commit is the first to name: here, or
// anywhere since they were put. Another may be no more than written back, with a value of which this device's program
// knows a part.
func (d *door) holdBlobs(in *entering) error {
	if in.commit.Env.Author != d.space.node.device() {
		return nil
	}
	state := d.space.blobState(d.tx, nil)
	for _, payload := range in.payloads {
		for _, b := range blob.Find(payload) {
			from, before := rootKey(nil, b.Root), false
			for _, err := range state.Scan(from, end(from), false) {
				if err != nil {
					return err
				}
				before = true
				break
			}
			put, err := isHeld(d.tx, object.ID{}, b.Root)
			if err != nil {
				return err
			}
			if put || !before {
				d.records.Delete(heldKey(object.ID{}, b.Root))
				d.records.Put(heldKey(d.space.id, b.Root), []byte{})
				d.holds = true
			}
		}
	}
	return nil
}
