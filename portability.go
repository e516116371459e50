package hhs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/hyperhyperspace/hhs-go/history/export"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/object/car"
	"github.com/hyperhyperspace/hhs-go/replica"
	"github.com/hyperhyperspace/hhs-go/store"
)

// FileError is what is wrong with a file that was to be imported or verified, and where: the byte, the block and the
// rule. docs/spec/export.md lists the rules; those of commits are the door's, and then the error holds a *Reject.
type FileError = car.Error

// exportBatch is about how much of a space one batch of an export holds, in bytes: what a door takes at once.
const exportBatch = 512 << 10

// Exported says what was written.
type Exported struct {
	Space   object.ID   `json:"space"`
	Heads   []object.ID `json:"heads"` // of the version in the file
	Commits uint64      `json:"commits"`
	Blobs   int         `json:"blobs,omitempty"` // of which something is in the file
	Bytes   int64       `json:"bytes"`
}

// Export writes all of the space's present version to w: a CAR file with every commit, its signatures, the attached
// objects, and what is here of the blobs it names, which Node.Import of any node reads, and VerifyExport without a node. The space can be used meanwhile.
// ErrPending when nothing of it is here. Not more than a batch is in memory.
func (s *AnySpace) Export(ctx context.Context, w io.Writer, tell ...func(Step)) (Exported, error) {
	x, err := s.export(ctx, w, tell)
	if err != nil {
		return x, fmt.Errorf("export space %s: %w", s.ID().Short(), err)
	}
	return x, nil
}

func (s *AnySpace) export(ctx context.Context, w io.Writer, tell []func(Step)) (Exported, error) {
	x := Exported{Space: s.ID()}
	parts, err := s.blobParts()
	if err != nil {
		return x, err
	}
	whole, err := s.rep.Whole(exportBatch)
	if err != nil {
		return x, err
	}
	x.Heads, x.Commits = whole.Heads, whole.Commits
	out, err := export.NewWriter(w, export.Head{Space: x.Space, Commits: x.Commits, Blobs: uint64(len(parts)), Heads: x.Heads})
	if err != nil {
		return x, err
	}
	for b, err := range whole.Batches {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = out.Batch(b)
		}
		if err != nil {
			return x, s.rep.Damaged(err)
		}
		x.Bytes = out.Size()
		tellAll(tell, Step{What: "export " + x.Space.Short(), Items: int64(x.Commits - out.Left()), AllItems: int64(x.Commits), Bytes: x.Bytes})
	}
	return x, s.exportBlobs(ctx, out, parts, &x, tell)
}

func tellAll(tell []func(Step), step Step) {
	for _, f := range tell {
		f(step)
	}
}

// Imported says what came of a file.
type Imported struct {
	Space   object.ID `json:"space"`
	Commits uint64    `json:"commits"`         // in the file
	Read    uint64    `json:"read"`            // of them, before the error if there is one
	New     uint64    `json:"new"`             // that were not here before
	Blobs   int       `json:"blobs,omitempty"` // of which something is in the file
	Fresh   bool      `json:"fresh"`           // the space was not here before
	Bytes   int64     `json:"bytes"`
}

// Import reads what Export wrote. Each batch enters through the same door as what peers send, whole or not at all: a
// file that is damaged, or holds what does not belong to the space, stops at a *FileError, and what was before that is
// here: the result and the error say how much. Importing again goes on. A space that is not known here is one from its first batch on, and connects like one
// that was joined. Not more than a batch is in memory.
func (n *Node) Import(ctx context.Context, r io.Reader, tell ...func(Step)) (Imported, error) {
	x, _, err := n.importFile(ctx, r, "import", tell)
	if err != nil && x.Commits > 0 {
		err = fmt.Errorf("%d of its %d commits were read and are here, %d of them new: %w", x.Read, x.Commits, x.New, err)
	}
	if err != nil {
		return x, fmt.Errorf("import: %w", err)
	}
	return x, nil
}

func (n *Node) importFile(ctx context.Context, r io.Reader, what string, tell []func(Step)) (x Imported, head export.Head, err error) {
	in, err := export.NewReader(r)
	if err != nil {
		return x, head, err
	}
	head = in.Head()
	x = Imported{Space: head.Space, Commits: head.Commits, Bytes: in.Size()}
	link := Link{Space: head.Space}
	link.Servers, _ = n.addresses()
	var space *replica.Space
	for {
		b, err := in.Next()
		x.Bytes = in.Size()
		if err == io.EOF {
			break
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return x, head, err
		}
		s, res, fresh, err := n.rep.Import(ctx, head.Space, b, encodeNote(link))
		if err != nil {
			return x, head, refusedAt(in, err)
		}
		space = s
		x.Read += uint64(len(b.Commits))
		x.New += uint64(res.New)
		if fresh {
			x.Fresh = true
			if _, err := n.adopt(ctx, link, true, nil); err != nil {
				return x, head, err
			}
		}
		tellAll(tell, Step{What: what + " " + head.Space.Short(), Items: int64(x.Read), AllItems: int64(x.Commits), Bytes: x.Bytes})
	}
	if err := importBlobs(ctx, in, space, &x, what, tell); err != nil {
		return x, head, err
	}
	for _, id := range head.Heads {
		if !space.Has(id) {
			return x, head, &FileError{Offset: 0, Block: id, Rule: ruleRoots, Detail: "the file names it as a head and does not hold it"}
		}
	}
	return x, head, nil
}

// Rules that only a whole file can break.
const (
	ruleRoots = "export.roots" // its roots are not the space and its heads
	ruleTwice = "export.twice" // a commit is there twice
)

// verify is VerifyExport into a store that is thrown away.
func verify(ctx context.Context, db store.Store, r io.Reader, tell []func(Step)) (x Imported, err error) {
	n, err := Open(ctx, "", WithStore(db), WithDurability(store.Written), Offline())
	if err != nil {
		return x, fmt.Errorf("verify: %w", err)
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	x, head, err := n.importFile(ctx, r, "verify", tell)
	if err == nil {
		err = n.wholeFile(x, head.Heads)
	}
	if err != nil {
		return x, fmt.Errorf("verify: %w", err)
	}
	return x, nil
}

// wholeFile compares what a file said of itself with what it held; this node has nothing else of the space.
func (n *Node) wholeFile(x Imported, heads []object.ID) error {
	s, err := n.rep.Space(x.Space)
	if err != nil {
		return err
	}
	if x.New != x.Commits {
		return &FileError{Block: x.Space, Rule: ruleTwice, Detail: fmt.Sprintf("%d commits, of which %d were there before", x.Commits, x.Commits-x.New)}
	}
	have := s.Heads()
	if len(heads) > 0 && !slices.Equal(have, heads) {
		return &FileError{Block: x.Space, Rule: ruleRoots, Detail: fmt.Sprintf("its roots name %d heads, what it holds has %d, or others", len(heads), len(have))}
	}
	return nil
}

// refusedAt finds the place in the file of what the door refused.
func refusedAt(in *export.Reader, err error) error {
	var r *Reject
	if !errors.As(err, &r) {
		return err
	}
	return &FileError{Offset: in.Offset(r.Commit), Block: r.Commit, Rule: r.Rule, Cause: refusedCause{r}}
}

// refusedCause is a Reject of which commit and rule are said already.
type refusedCause struct{ *Reject }

func (c refusedCause) Error() string { return c.Reject.Cause.Error() }

// Unwrap returns the Reject.
func (c refusedCause) Unwrap() error { return c.Reject }

// maxClosure bounds how many objects one closure is followed to: their ids take some 100 MB then.
const maxClosure = 1 << 20

// ExportedObject says what was written of an object.
type ExportedObject struct {
	Object  object.ID `json:"object"`
	Objects int       `json:"objects"` // with those it links to, directly or not
	Outside int       `json:"outside"` // links to what is not on this node
	Bytes   int64     `json:"bytes"`
}

// ExportObject writes an object of this node, and every object on it that it links to, directly or not, as a CAR file
// with the object as its root. ErrNotFound when the object is not here.
func (n *Node) ExportObject(ctx context.Context, id object.ID, w io.Writer) (ExportedObject, error) {
	x := ExportedObject{Object: id}
	if _, err := n.rep.Block(id); err != nil {
		return x, err
	}
	out, err := car.NewWriter(w, []object.ID{id})
	seen := map[object.ID]bool{id: true}
	for queue := []object.ID{id}; err == nil && len(queue) > 0; queue = queue[1:] {
		if err = ctx.Err(); err != nil {
			break
		}
		block, blockErr := n.rep.Block(queue[0])
		if errors.Is(blockErr, ErrNotFound) {
			x.Outside++
			continue
		}
		if err = blockErr; err == nil {
			x.Objects++
			err = out.Put(car.Block{ID: queue[0], Data: block})
		}
		if err != nil || queue[0].Codec() != object.DagCBOR {
			continue
		}
		links, linksErr := object.Links(block)
		err = linksErr
		for _, l := range links {
			if !seen[l] {
				seen[l] = true
				queue = append(queue, l)
			}
		}
		if len(seen) > maxClosure {
			err = fmt.Errorf("it reaches more than %d objects", maxClosure)
		}
	}
	if err != nil {
		return x, fmt.Errorf("export object %s: %w", id, err)
	}
	x.Bytes = out.Size()
	return x, nil
}
