package replica

import (
	"errors"
	"fmt"
	"slices"

	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
)

// judge applies the rules that the commit's bytes and past decide.
func (d *door) judge(in *entering) error {
	s, c := d.space, in.commit
	if d.kind == nil {
		if c.ID != s.id {
			return d.reject(c, RuleWrongSpace, errors.New("the first commit to arrive must be the one the space is named after"))
		}
		f, err := authority.Genesis(c, checkField)
		if err != nil {
			return d.reject(c, ruleOf(err), err)
		}
		d.kind = s.newKind(f)
	}
	known, err := authority.Judge(d.kind.holds.Founding, c, judgePast{d, c.Env.Author}, checkField)
	if err == nil {
		in.known, in.judged = known, true
		return nil
	}
	var refused *authority.Refused
	if errors.As(err, &refused) {
		return d.reject(c, refused.Rule, err)
	}
	return fmt.Errorf("judge commit %s: %w", c.ID, err)
}

func ruleOf(err error) string {
	var refused *authority.Refused
	if errors.As(err, &refused) {
		return refused.Rule
	}
	return RuleMalformed
}

// judgePast answers authority's questions about the batch and what was here
// before. All but the questions about an author with branches are answered
// from memory.
type judgePast struct {
	d      *door
	author identity.PublicKey // of the commit being judged
}

// Commit implements authority.Past.
func (p judgePast) Commit(id object.ID) (authority.Known, error) {
	if in, ok := p.d.pending[id]; ok {
		if !in.judged {
			return authority.Known{}, authority.ErrMissing
		}
		return in.known, nil
	}
	// Most of all it asks for the author's commit before, the end of a branch.
	chain, err := p.d.chain(p.author)
	if err != nil {
		return authority.Known{}, err
	}
	if at := chain.at(id); at >= 0 {
		b := &chain.branches[at]
		return authority.Known{Author: p.author, Seq: b.seq, Identity: b.identity}, nil
	}
	n, ok, err := p.d.space.lookupFrom(p.d.snap, id)
	if err != nil {
		return authority.Known{}, err
	}
	if !ok {
		return authority.Known{}, authority.ErrMissing
	}
	rec, err := p.d.space.readCommit(p.d.tx, n)
	if err != nil {
		return authority.Known{}, err
	}
	env := rec.commit.Env
	if chain, err = p.d.chain(env.Author); err != nil {
		return authority.Known{}, err
	}
	b, err := chain.holding(&rec)
	if err != nil {
		return authority.Known{}, fmt.Errorf("author of commit %s: %w", id, err)
	}
	return authority.Known{Author: env.Author, Seq: env.Seq, Identity: b.identity}, nil
}

// rival is the first commit of the author that followed prev, or that was its
// first, when prev is not the end of a branch.
func (p judgePast) rival(c *chain, author identity.PublicKey, prev object.ID) (rival, bool, error) {
	if c.forked != nil {
		if r, ok := c.forked.rivals[prev]; ok {
			return r, true, nil
		}
	}
	id, n, ok, err := p.follower(author, c, prev)
	return rival{id, n}, ok, err
}

// Beside implements authority.Past. The usual question is about the end of the
// one branch of an author. Whatever else of theirs is in the version's past has
// where it left the author's own past there as well, which is where a branch
// begins or a rival of one.
func (p judgePast) Beside(author identity.PublicKey, prev object.ID, version []object.ID) (bool, error) {
	c, err := p.d.chain(author)
	if err != nil || c == nil {
		return false, err
	}
	end := c.at(prev) >= 0
	if end && c.forked == nil {
		return false, nil
	}
	nums, last, err := p.d.numbers(version)
	if err != nil {
		return false, err
	}
	if !end {
		r, ok, err := p.rival(c, author, prev)
		if err != nil || !ok {
			return false, err
		}
		if in, err := p.among(nums, last, r.num); in || err != nil {
			return in, err
		}
	}
	if c.forked == nil {
		return false, nil
	}
	spans, err := p.beyond(nums, prev)
	for _, s := range spans {
		if c.forked.begin.within(s) {
			return true, err
		}
	}
	return false, err
}

// among tells whether n is one of nums, of which last is the greatest, or in the
// past of one. Numbers are given in the order of arrival, so a commit with a
// greater one is in nobody's past.
func (p judgePast) among(nums []history.Num, last, n history.Num) (bool, error) {
	if n > last {
		return false, nil
	}
	return p.d.space.graph.Contains(nums, n)
}

// beside is what is in the past of a version and not in that of prev.
type beside struct {
	nums  []history.Num
	prev  object.ID
	spans []history.Span
}

// beyond compares a version with prev, zero for nothing. Rivals in a batch often
// have the same edges.
func (p judgePast) beyond(nums []history.Num, prev object.ID) ([]history.Span, error) {
	b := &p.d.besides
	if b.nums != nil && b.prev == prev && slices.Equal(b.nums, nums) {
		return b.spans, nil
	}
	var own []history.Num
	if !prev.IsZero() {
		n, ok, err := p.d.find(prev)
		if err != nil || !ok {
			return nil, err
		}
		own = []history.Num{n}
	}
	spans, _, err := p.d.space.graph.Diff(nums, own)
	if err == nil {
		*b = beside{slices.Clone(nums), prev, spans}
	}
	return spans, err
}

// numbers are the numbers of a version, and the greatest of them.
func (d *door) numbers(version []object.ID) (nums []history.Num, last history.Num, err error) {
	for _, v := range version {
		m, ok, err := d.find(v)
		if err != nil {
			return nil, 0, err
		}
		if ok {
			nums, last = append(nums, m), max(last, m)
		}
	}
	return nums, last, nil
}
