package history

import (
	"slices"

	"github.com/hyperhyperspace/hhs-go/object"
)

// check holds an envelope to every rule but those on its encoded form. Decoder, encoder and batches
// share it, so that there is one place where a commit is well formed or not.
func (e *Envelope) check() error {
	switch {
	case e.Version != Version:
		return broken(RuleVersion, "version "+itoa(e.Version)+" is not known here")
	case e.Author.IsZero():
		return broken(RuleAuthor, "there is none")
	case e.Seq == 0 || e.Seq > maxInt:
		return broken(RuleSeq, "seq begins at 1 and fits into 63 bits")
	case (e.Seq == 1) != e.Prev.IsZero():
		return broken(RuleSeq, "exactly the commit with seq 1 has no prev")
	case !e.Prev.IsZero() && !isCommitID(e.Prev):
		return broken(RuleSeq, "prev is not the id of a commit")
	case e.Epoch > maxInt:
		return broken(RuleEpoch, "does not fit into 63 bits")
	}
	if err := e.checkParents(); err != nil {
		return err
	}
	named, err := e.checkOps()
	if err != nil {
		return err
	}
	return e.checkGrant(len(e.Parents) == 0 && e.Prev.IsZero() && !named)
}

// isCommitID reports whether an id can be that of an envelope.
func isCommitID(id object.ID) bool { return id.Codec() == object.DagCBOR }

func (e *Envelope) checkParents() error {
	if len(e.Parents) > MaxParents {
		return broken(RuleParents, itoa(len(e.Parents))+" of at most "+itoa(MaxParents))
	}
	for i, p := range e.Parents {
		switch {
		case !isCommitID(p):
			return broken(RuleParents, "one is not the id of a commit")
		case p == e.Prev:
			return broken(RuleParents, "prev is an edge already and never a parent")
		case i > 0 && e.Parents[i-1].Compare(p) >= 0:
			return broken(RuleParents, "not ascending, or one of them twice")
		}
	}
	return nil
}

// checkGrant: first tells whether the commit has no edges (but perhaps its grant).
func (e *Envelope) checkGrant(first bool) error {
	g := e.Grant
	switch {
	case !g.Op.IsZero():
		if g.Index != 0 || !isCommitID(g.Op.Commit) || g.Op.Index >= MaxOps {
			return broken(RuleGrant, "does not name an op")
		}
	case g.Index == NoGrant:
		if !first {
			return broken(RuleGrant, "only a space's first commit, which has no edges, exercises none")
		}
	case g.Index < 0 || g.Index >= maxGrants:
		return broken(RuleGrant, "not an index into a manifest's grants")
	case first:
		return broken(RuleGrant, "a commit without edges is a space's first and exercises none")
	}
	return nil
}

// linkBytes is what a link takes.
const linkBytes = 41

// checkOps reports whether any op names another one.
func (e *Envelope) checkOps() (named bool, err error) {
	switch {
	case len(e.Ops) > MaxOps:
		return false, broken(RuleOps, itoa(len(e.Ops))+" of at most "+itoa(MaxOps))
	case len(e.Parts) > MaxParts:
		return false, broken(RuleParts, itoa(len(e.Parts))+" of at most "+itoa(MaxParts))
	}
	var sizes [MaxParts]int
	least := 0 // bytes that the ops take at the least, before anything is written
	for i := range e.Ops {
		op := &e.Ops[i]
		if err := op.check(i, len(e.Parts)); err != nil {
			return false, err
		}
		if op.Part >= 0 {
			sizes[op.Part] += op.Size
		}
		named = named || len(op.Refs) > 0
		if least += linkBytes*len(op.Refs) + len(op.Field) + len(op.Action) + len(op.Body); least > MaxEnvelope {
			return false, broken(RuleSize, "over "+itoa(MaxEnvelope)+" bytes")
		}
	}
	total := 0
	for _, n := range sizes {
		if n > MaxPart {
			return false, broken(RuleParts, "the payloads of one are over "+itoa(MaxPart)+" bytes")
		}
		total += n
	}
	if total > MaxCommit {
		return false, broken(RuleSize, "the payloads are over "+itoa(MaxCommit)+" bytes")
	}
	return named, nil
}

// names tells whether r can be a ref of the op with index at: an op of another commit, or an earlier one of its own.
func (r OpRef) names(at int) bool {
	if r.IsZero() {
		return int64(r.Index) < int64(at)
	}
	return isCommitID(r.Commit) && r.Index < MaxOps
}

// check holds op, which has index at in its commit, to the format.
func (op *Op) check(at, parts int) error {
	switch {
	case len(op.Field) > MaxField:
		return broken(RuleOps, "a field name is over "+itoa(MaxField)+" bytes")
	case op.Action == "" || len(op.Action) > MaxAction:
		return broken(RuleOps, "an action has 1 to "+itoa(MaxAction)+" bytes")
	case len(op.Refs) > MaxRefs:
		return broken(RuleRefs, itoa(len(op.Refs))+" of at most "+itoa(MaxRefs))
	case op.Part < NoPart || op.Part >= parts:
		return broken(RuleParts, "an op names a part that is not there")
	case op.Field == "" && (op.Part != NoPart || len(op.Body) == 0):
		return broken(RuleOps, "an authority op has its body in the envelope")
	case op.Field == "" && len(op.Body) > MaxPayload:
		return broken(RuleOps, "a body is over "+itoa(MaxPayload)+" bytes")
	case op.Field != "" && len(op.Body) != 0:
		return broken(RuleOps, "only authority ops have a body in the envelope")
	case op.Part >= 0 && (op.Size < 1 || op.Size > MaxPayload):
		return broken(RuleParts, "a payload has 1 to "+itoa(MaxPayload)+" bytes")
	case op.Field != "" && op.Part == NoPart && op.Size != 0:
		return broken(RuleParts, "an op without a part has no payload")
	}
	if slices.ContainsFunc(op.Refs, func(r OpRef) bool { return !r.names(at) }) {
		return broken(RuleRefs, "one does not name an op")
	}
	return nil
}
