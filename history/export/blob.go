package export

import (
	"fmt"
	"io"

	"github.com/hyperhyperspace/hhs-go/blob"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/object/car"
)

// typePart is the $type of the block before a part of a blob. It never changes.
const typePart = "hhs/blob-part"

// BlobPart is what a file has of a blob: stretches of its chunks, and the nodes above them.
type BlobPart struct {
	Root object.ID
	Size int64
	Runs []Run // ascending, apart from each other; none: nothing of it
}

// Run is a stretch of chunks.
type Run struct{ First, Count int64 }

// Part writes the head of a part of a blob. The blocks follow it (Block), in the order of Walk.
func (w *Writer) Part(p BlobPart) error {
	if w.left > 0 || w.blobs == 0 {
		return fmt.Errorf("export: a part of a blob that was not announced, or before the last commit")
	}
	w.blobs--
	runs := make([]any, len(p.Runs))
	for i, r := range p.Runs {
		runs[i] = []any{r.First, r.Count}
	}
	return w.value(map[string]any{"$type": typePart, "root": p.Root, "size": p.Size, "runs": runs})
}

// Block writes a block of the part before.
func (w *Writer) Block(id object.ID, data []byte) error {
	return w.out.Put(car.Block{ID: id, Data: data})
}

// Walk visits the blocks of a part in the order in which they stand in a file: each node before what is below it, from
// the left. visit returns the links of a node.
func (p BlobPart) Walk(visit func(at blob.Place, id object.ID) (links []object.ID, err error)) error {
	if len(p.Runs) == 0 {
		return nil
	}
	t := blob.Tree{Size: p.Size}
	runs := p.Runs
	var walk func(at blob.Place, id object.ID) error
	walk = func(at blob.Place, id object.ID) error {
		links, err := visit(at, id)
		if err != nil || at.Level == 0 {
			return err
		}
		below := int64(1) // chunks of one link
		for range at.Level - 1 {
			below *= blob.Fanout
		}
		for i, id := range links {
			in := blob.Place{Level: at.Level - 1, Index: at.Index*blob.Fanout + int64(i)}
			from := in.Index * below
			for len(runs) > 0 && runs[0].First+runs[0].Count <= from {
				runs = runs[1:]
			}
			if len(runs) == 0 {
				return nil
			}
			if runs[0].First >= from+below {
				continue
			}
			if err := walk(in, id); err != nil {
				return err
			}
		}
		return nil
	}
	return walk(t.Root(), p.Root)
}

// Part is the head of the next part of a blob; ok is false after the last one. It is called when Next has said io.EOF.
// All its blocks are read, by Blocks, before the next one.
func (r *Reader) Part() (p BlobPart, ok bool, err error) {
	switch {
	case r.head.Blobs == 0: // Next has met the end
		return p, false, nil
	case r.blobs == 0:
		return p, false, r.end()
	}
	r.blobs--
	b, m, err := r.table(typePart)
	if err != nil {
		return p, false, err
	}
	r.begin, r.at = b.Offset, nil
	var isLink, isInt, isList bool
	var runs []any
	p.Root, isLink = m["root"].(object.ID)
	p.Size, isInt = m["size"].(int64)
	runs, isList = m["runs"].([]any)
	if !isLink || !isInt || !isList || len(m) != 4 || len(runs) > MaxRuns {
		return p, false, fault(b, RuleBlob, fmt.Sprintf("not {$type, root, size, runs} with at most %d runs", MaxRuns), nil)
	}
	t := blob.Tree{Size: p.Size}
	if err := t.CheckRoot(p.Root); err != nil {
		return p, false, fault(b, RuleBlob, "", err)
	}
	end := int64(-1)
	for i, one := range runs {
		pair, _ := one.([]any)
		if len(pair) != 2 {
			return p, false, fault(b, RuleBlob, fmt.Sprintf("runs[%d] is not [first, count]", i), nil)
		}
		first, ok1 := pair[0].(int64)
		n, ok2 := pair[1].(int64)
		if !ok1 || !ok2 || first <= end || n < 1 || first >= t.Chunks() || n > t.Chunks()-first {
			return p, false, fault(b, RuleBlob, fmt.Sprintf("runs[%d] is not after the one before, or beyond the end", i), nil)
		}
		p.Runs, end = append(p.Runs, Run{first, n}), first+n
	}
	return p, true, nil
}

// end says that nothing follows.
func (r *Reader) end() error {
	b, err := r.in.Next()
	if err == nil {
		return fault(b, RuleEnd, "all that was announced was before it", nil)
	}
	if err == io.EOF {
		return nil
	}
	return err
}

// Blocks reads the blocks of a part and gives each that is one of its tree to take.
func (r *Reader) Blocks(p BlobPart, take func(at blob.Place, id object.ID, data []byte) error) error {
	t := blob.Tree{Size: p.Size}
	return p.Walk(func(at blob.Place, id object.ID) ([]object.ID, error) {
		b, err := r.block()
		if err != nil {
			return nil, err
		}
		if b.ID != id {
			return nil, fault(b, RuleBlob, fmt.Sprintf("block %d of level %d of blob %s belongs here", at.Index, at.Level, p.Root), nil)
		}
		links, err := t.Check(at, id, b.Data)
		if err != nil {
			return nil, fault(b, RuleBlob, "", err)
		}
		return links, take(at, id, b.Data)
	})
}
