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
	chain, err := p.d.chain(p.author)
	if err != nil {
		return authority.Known{}, err
	}
	if chain.at(id) >= 0 {
		b := chain.branches[chain.at(id)]
		return authority.Known{Author: p.author, Seq: b.seq, Identity: b.identity}, nil
	}
	c, n, err := p.load(id)
	if err != nil {
		return authority.Known{}, err
	}
	known := authority.Known{Author: c.Env.Author, Seq: c.Env.Seq}
	if chain, err = p.d.chain(known.Author); err == nil && chain == nil {
		err = fmt.Errorf("author of commit %s: %w", id, ErrMissing)
	}
	if err != nil {
		return known, err
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
		if b.tipNum < n {
			continue
		}
		if in, err := p.d.space.graph.Contains([]history.Num{b.tipNum}, n); in || err != nil {
			return b, err
		}
	}
	return c.branches[0], nil
}

// Followers implements authority.Past. The usual question is about the end of
// a chain, which nothing follows. At a fork the author's record has the answer;
// elsewhere one commit does.
func (p judgePast) Followers(author identity.PublicKey, prev object.ID) ([]object.ID, error) {
	c, err := p.d.chain(author)
	if err != nil || c == nil || c.at(prev) >= 0 {
		return nil, err
	}
	known := p.d.known(forksOf{author: author, at: prev})
	for ; known.branches < len(c.branches); known.branches++ {
		b := &c.branches[known.branches]
		f := b.fork
		if f == nil || f.at != prev {
			continue
		}
		if len(known.list) == 0 {
			known.list = append(known.list, f.rival)
			p.d.forked[f.rival] = f.rivalNum
		}
		known.list = append(known.list, f.first)
		p.d.forked[f.first] = b.first
	}
	if len(known.list) > 0 {
		return known.list, nil
	}
	id, n, ok, err := p.follower(author, c, prev)
	if err != nil || !ok {
		return nil, err
	}
	p.d.forked[id] = n
	return []object.ID{id}, nil
}

// Forks implements authority.Past.
func (p judgePast) Forks(author identity.PublicKey) ([]object.ID, error) {
	c, err := p.d.chain(author)
	if err != nil || c == nil || len(c.branches) < 2 {
		return nil, err
	}
	known := p.d.known(forksOf{author: author, all: true})
	if known.seen == nil {
		known.seen = map[object.ID]bool{}
	}
	for ; known.branches < len(c.branches); known.branches++ {
		if f := c.branches[known.branches].fork; f != nil && !known.seen[f.at] {
			known.seen[f.at] = true
			known.list = append(known.list, f.at)
		}
	}
	return known.list, nil
}

// forksKnown is what the first branches of an author said, so that each is looked
// at once however many a batch brings: where they fork, or what follows a commit.
type forksKnown struct {
	branches int // looked at
	list     []object.ID
	seen     map[object.ID]bool
}

// forksOf names it: what follows a commit (zero: what is first), or all forks.
type forksOf struct {
	author identity.PublicKey
	at     object.ID
	all    bool
}

func (d *door) known(of forksOf) *forksKnown {
	k := d.forks[of]
	if k == nil {
		if d.forks == nil {
			d.forks = map[forksOf]*forksKnown{}
		}
		k = &forksKnown{}
		d.forks[of] = k
	}
	return k
}

// Contains implements authority.Past. Numbers are given in the order of
// arrival, so a commit with a greater one is in nobody's past.
func (p judgePast) Contains(version []object.ID, id object.ID) (bool, error) {
	n, ok := p.d.forked[id]
	if !ok {
		var err error
		if n, ok, err = p.d.find(id); err != nil || !ok {
			return false, err
		}
	}
	nums, last, err := p.d.numbers(version)
	if err != nil || n > last {
		return false, err
	}
	return p.d.space.graph.Contains(nums, n)
}

// numbers are the numbers of a version, and the greatest of them. The answer
// about one version is kept until another is asked for.
func (d *door) numbers(version []object.ID) (nums []history.Num, last history.Num, err error) {
	if len(version) > 0 && len(d.asked) == len(version) && &d.asked[0] == &version[0] {
		return d.askedNums, d.askedLast, nil
	}
	for _, v := range version {
		m, ok, err := d.find(v)
		if err != nil {
			return nil, 0, err
		}
		if ok {
			nums, last = append(nums, m), max(last, m)
		}
	}
	d.asked, d.askedNums, d.askedLast = version, nums, last
	return nums, last, nil
}
