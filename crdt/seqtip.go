package crdt

import (
	"encoding/binary"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
)

// tip is a commit that inserted something and is in the past of no other such.
type tip struct {
	num, height uint64
	commit      object.ID
}

// readTips reads the tips, each from its slot: slots are written again and again, so no trail of deleted keys is left.
func (s *seq) readTips() error {
	if s.known {
		return nil
	}
	s.known = true
	for i := range s.slots {
		v, err := s.get(tipKey(i))
		if err != nil {
			return err
		}
		w := walk{b: v}
		t := tip{num: w.number(), height: w.number()}
		if w.bad || len(w.b) != 32 {
			return &Corrupt{Key: tipKey(i), Reason: "not a tip of a sequence"}
		}
		if digest := [32]byte(w.b); digest != ([32]byte{}) {
			t.commit = object.IDFromDigest(object.DagCBOR, digest)
		}
		s.tips = append(s.tips, t)
	}
	return nil
}

func tipKey(slot uint64) []byte { return join(spaceTip, nil, appendOrdered(nil, slot)) }

// isTip makes an op's commit a tip; those for which past holds are tips no more.
func (s *seq) isTip(op *Op, past func(t *tip) bool) error {
	tips := s.tips[:0:0]
	for _, t := range s.tips {
		if t.num != op.Num && !past(&t) {
			tips = append(tips, t)
		}
	}
	tips = append(tips, tip{op.Num, op.Height, op.Ref.Commit})
	for i, t := range tips {
		if i < len(s.tips) && s.tips[i] == t {
			continue
		}
		d := t.commit.Digest()
		if err := s.put(tipKey(uint64(i)), append(binary.AppendUvarint(binary.AppendUvarint(nil, t.num), t.height), d[:]...)); err != nil {
			return err
		}
	}
	for i := len(tips); i < len(s.tips); i++ {
		if err := s.remove(tipKey(uint64(i))); err != nil {
			return err
		}
	}
	s.tips, s.slots = tips, uint64(len(tips))
	return nil
}

// seen tells whether a tip is in the past of an op.
func (s *seq) seen(t *tip, op *Op) (bool, error) {
	if t.commit == op.Ref.Commit {
		return true, nil
	}
	if t.height >= op.Height && !op.Ref.Commit.IsZero() {
		return false, nil
	}
	return s.before(history.OpRef{Commit: t.commit}, op.Ref)
}
