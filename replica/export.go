package replica

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
)

// Whole is one version of a space with everything in it.
type Whole struct {
	Heads   []object.ID // sorted
	Commits uint64
	Batches iter.Seq2[*history.Batch, error] // as those of Space.Batches
}

// Whole gives the present version in batches of about max bytes. What enters later is not in it. ErrPending while
// there is nothing.
func (s *Space) Whole(max int) (Whole, error) {
	s.settled()
	s.mu.Lock()
	defer s.mu.Unlock()
	w := Whole{Heads: append([]object.ID(nil), s.headIDs()...), Commits: s.graph.Len()}
	switch {
	case s.closed:
		return w, ErrClosed
	case w.Commits == 0:
		return w, ErrPending
	}
	w.Batches = s.batches([]history.Span{{End: w.Commits}}, max)
	return w, nil
}

// Import lets a batch enter a space that may not be known here yet: then the batch must begin with the space's first
// commit, and the space is listed, with a note as SetNote keeps it, if the batch is admitted. fresh tells that it was.
func (n *Node) Import(ctx context.Context, id object.ID, b *history.Batch, note []byte) (s *Space, res Result, fresh bool, err error) {
	if s, err = n.Space(id); err == nil {
		res, err = s.Ingest(ctx, b, fromFile)
		return s, res, false, err
	}
	if !errors.Is(err, ErrUnknownSpace) {
		return nil, res, false, err
	}
	if len(b.Commits) == 0 || b.Commits[0].ID != id {
		return nil, res, false, &Reject{Space: id, Rule: RuleMissingPast, Cause: fmt.Errorf("%w: the first commit of a space comes first", ErrMissing)}
	}
	s, err = n.found(ctx, b, note, fromFile)
	if errors.Is(err, errFounded) { // by a join meanwhile
		return n.Import(ctx, id, b, note)
	}
	if err != nil {
		return nil, res, false, err
	}
	return s, Result{New: s.Len()}, true, nil
}

// fromFile is the source of what is imported. It is as foreign as a peer.
var fromFile = Source{Transport: "file"}

// errFounded says that a space is here already. It never leaves this package.
var errFounded = errors.New("space is here")
