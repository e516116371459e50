package export

import (
	"fmt"
	"io"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/object/car"
)

// Head is what an export begins with.
type Head struct {
	Space   object.ID
	Commits uint64
	Blobs   uint64      // parts of blobs after the commits
	Heads   []object.ID // of the version that the file holds; nil in a file of more than it lists
}

// The values that $type has in blocks of the format. They never change.
const (
	typeHead   = "hhs/export"
	typeBatch  = "hhs/batch"
	typeProofs = "hhs/attestations"
)

// Writer writes an export. There is nothing to close: the file is whole after the last commit's batch.
type Writer struct {
	out   *car.Writer
	left  uint64
	blobs uint64
}

// NewWriter writes the head.
func NewWriter(w io.Writer, h Head) (*Writer, error) {
	roots := []object.ID{h.Space}
	if len(h.Heads) <= maxHeads {
		for _, id := range h.Heads {
			if id != h.Space {
				roots = append(roots, id)
			}
		}
	}
	out, err := car.NewWriter(w, roots)
	if err != nil {
		return nil, err
	}
	x := &Writer{out, h.Commits, h.Blobs}
	head := map[string]any{"$type": typeHead, "version": int64(Version), "space": h.Space, "commits": int64(h.Commits)}
	if h.Blobs > 0 {
		head["blobs"] = int64(h.Blobs)
	}
	return x, x.value(head)
}

// Batch writes one batch, which comes after everything its commits have in their past. All parts must be loaded.
func (w *Writer) Batch(b *history.Batch) error {
	if uint64(len(b.Commits)) > w.left {
		return fmt.Errorf("export: %d commits more than the %d announced", len(b.Commits), w.left)
	}
	w.left -= uint64(len(b.Commits))
	objects := b.Attached()
	err := w.value(map[string]any{"$type": typeBatch, "commits": int64(len(b.Commits)), "objects": int64(len(objects)),
		"attestations": int64(len(b.Attestations))})
	for list := b.Attestations; len(list) > 0 && err == nil; {
		n := min(len(list), proofsPerBlock)
		err = w.proofs(list[:n])
		list = list[n:]
	}
	for _, c := range b.Commits {
		if err == nil {
			err = w.commit(c)
		}
	}
	for _, o := range objects {
		if err == nil {
			err = w.out.Put(car.Block{ID: o.ID, Data: o.Block})
		}
	}
	return err
}

// Left is how many commits are still to come.
func (w *Writer) Left() uint64 { return w.left }

// Size is how many bytes were written.
func (w *Writer) Size() int64 { return w.out.Size() }

func (w *Writer) proofs(list []history.Attestation) error {
	pairs := make([]any, len(list))
	for i, a := range list {
		pairs[i] = []any{a.Commit, a.Sig}
	}
	return w.value(map[string]any{"$type": typeProofs, "list": pairs})
}

func (w *Writer) commit(c *history.Commit) error {
	if err := w.out.Put(car.Block{ID: c.ID, Data: c.Raw}); err != nil {
		return err
	}
	for i, part := range c.Parts {
		if part == nil {
			return fmt.Errorf("export: commit %s: part %d: %w", c.ID, i, history.ErrNoPart)
		}
		if err := w.out.Put(car.Block{ID: partID(part), Data: part}); err != nil {
			return err
		}
	}
	return nil
}

// partID is the id of a part's block: raw where its bytes are no value.
func partID(part []byte) object.ID {
	if object.Check(part) != nil {
		return object.Sum(object.Raw, part)
	}
	return object.Sum(object.DagCBOR, part)
}

func (w *Writer) value(v map[string]any) error {
	block, err := object.Encode(v)
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	return w.out.Put(car.Block{ID: object.Sum(object.DagCBOR, block), Data: block})
}
