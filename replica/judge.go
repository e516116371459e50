package replica

import (
	"errors"
	"fmt"

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
		if d.kind, err = s.newKind(f); err != nil {
			return err
		}
	}
	known, err := authority.Judge(d.kind.founding, c, judgePast{d, c.Env.Author})
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
	if chain := p.d.chain(p.author); chain.at(id) >= 0 {
		b := chain.branches[chain.at(id)]
		return authority.Known{Author: p.author, Seq: b.seq, Identity: b.identity}, nil
	}
	c, n, err := p.load(id)
	if err != nil {
		return authority.Known{}, err
	}
	known := authority.Known{Author: c.Env.Author, Seq: c.Env.Seq}
	chain := p.d.chain(known.Author)
	if chain == nil {
		return known, fmt.Errorf("author of commit %s: %w", id, ErrMissing)
	}
	b, err := p.branchOf(chain, id, n)
	known.Identity = b.identity
	return known, err
}

// load reads an admitted commit.
func (p judgePast) load(id object.ID) (*history.Commit, history.Num, error) {
	if in, ok := p.d.pending[id]; ok {
		return in.commit, in.num, nil
	}
	s := p.d.space
	n, ok, err := s.lookupFrom(p.d.snap, id)
	if err != nil {
		return nil, 0, err
	}
	if !ok {
		return nil, 0, authority.ErrMissing
	}
	rec, err := s.readCommit(p.d.tx, n)
	return rec.commit, n, err
}

// branchOf finds a branch of the author that the commit is on.
func (p judgePast) branchOf(c *chain, id object.ID, n history.Num) (branch, error) {
	if at := c.at(id); at >= 0 {
		return c.branches[at], nil
	}
	for _, b := range c.branches[1:] {
		if b.identity == c.branches[0].identity {
			continue
		}
		// The key signed for two people, each from its first commit on.
		if b.tipNum >= n && p.d.space.graph.Contains([]history.Num{b.tipNum}, n) {
			return b, nil
		}
	}
	return c.branches[0], nil
}

// Followers implements authority.Past. The usual question is about the end of
// a chain, which nothing follows; only a fork makes it walk the author's
// branches back.
func (p judgePast) Followers(author identity.PublicKey, prev object.ID) ([]object.ID, error) {
	c := p.d.chain(author)
	if c == nil || c.at(prev) >= 0 {
		return nil, nil
	}
	seen := map[object.ID]bool{}
	var list []object.ID
	for _, b := range c.branches {
		for id := b.tip; id != prev; {
			commit, _, err := p.load(id)
			if err != nil {
				return nil, err
			}
			if commit.Env.Prev == prev {
				if !seen[id] {
					seen[id] = true
					list = append(list, id)
				}
				break
			}
			if commit.Env.Prev.IsZero() {
				break
			}
			id = commit.Env.Prev
		}
	}
	return list, nil
}

// Forks implements authority.Past.
func (p judgePast) Forks(author identity.PublicKey) ([]object.ID, error) {
	c := p.d.chain(author)
	if c == nil || len(c.branches) < 2 {
		return nil, nil
	}
	var at []object.ID
	for _, b := range c.branches[1:] {
		for _, in := range p.d.fresh {
			if in.numbered && in.num == b.first {
				at = append(at, in.commit.Env.Prev)
			}
		}
		if b.first >= p.d.base {
			continue
		}
		rec, err := p.d.space.readCommit(p.d.tx, b.first)
		if err != nil {
			return nil, err
		}
		at = append(at, rec.commit.Env.Prev)
	}
	return at, nil
}

// Contains implements authority.Past.
func (p judgePast) Contains(version []object.ID, id object.ID) (bool, error) {
	n, ok, err := p.d.find(id)
	if err != nil || !ok {
		return false, err
	}
	nums := make([]history.Num, 0, len(version))
	for _, v := range version {
		m, ok, err := p.d.find(v)
		if err != nil {
			return false, err
		}
		if ok {
			nums = append(nums, m)
		}
	}
	return p.d.space.graph.Contains(nums, n), nil
}
