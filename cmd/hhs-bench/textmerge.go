package main

import (
	"context"
	"fmt"
	"slices"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
	"github.com/hyperhyperspace/hhs-go/store"
)

// stretch is edits that one of several authors made without a look at the others: a commit.
type stretch struct {
	agent   int
	parents []int // stretches
	txns    []txn
}

// stretches puts together what an author typed in a row and nobody saw in between, up to so many edits.
func stretches(txns []txn, most int) []stretch {
	seen := make([]int, len(txns)) // by how many others
	for _, t := range txns {
		for _, p := range t.Parents {
			seen[p]++
		}
	}
	var all []stretch
	in := make([]int, len(txns)) // the stretch that holds it
	for i, t := range txns {
		if len(t.Parents) == 1 {
			p := t.Parents[0]
			if s := &all[in[p]]; s.agent == t.Agent && seen[p] == 1 && len(s.txns) < most {
				s.txns, in[i] = append(s.txns, t), in[p]
				continue
			}
		}
		s := stretch{agent: t.Agent, txns: []txn{t}}
		for _, p := range t.Parents {
			s.parents = append(s.parents, in[p])
		}
		in[i] = len(all)
		all = append(all, s)
	}
	return all
}

// author is a node of one who types, and what it has.
type author struct {
	node  *hhs.Node
	space *hhs.Space[paper]
	has   map[int]bool
}

// typing is a recorded session of several authors as it goes on again: each on a node of their own, who get of the others
// what they had seen.
type typing struct {
	all     []stretch
	authors []*author
	batches []*history.Batch // what each stretch became, signed
}

func (s *typing) close() {
	for _, a := range s.authors {
		_ = a.node.Close() // the directories are removed next
	}
}

func (r *run) retype(ctx context.Context, t *trace) (*typing, error) {
	s := &typing{all: stretches(t.Txns, keystrokes)}
	for i := range max(t.NumAgents, 1) {
		a, err := r.join(ctx, fmt.Sprint("agent", i), s)
		if err != nil {
			return s, err
		}
		s.authors = append(s.authors, a)
	}
	for i := range s.all {
		if err := s.type1(ctx, i); err != nil {
			return s, fmt.Errorf("stretch %d: %w", i, err)
		}
	}
	return s, nil
}

// join opens a node with a copy of the space, or the space itself for the first one.
func (r *run) join(ctx context.Context, name string, s *typing) (*author, error) {
	node, err := openPaper(ctx, r.path(name))
	if err != nil {
		return nil, err
	}
	a := &author{node: node, has: map[int]bool{}}
	if len(s.authors) == 0 {
		a.space, err = hhs.Create(ctx, node, paperKind)
		return a, err
	}
	first := s.authors[0].space
	copied, err := node.JoinSpace(ctx, first.Link().String())
	if err != nil {
		return nil, err
	}
	if err := new(wire).sync(ctx, first.AnySpace, copied); err != nil { // its first commit
		return nil, err
	}
	a.space, err = hhs.As(copied, paperKind)
	return a, err
}

// type1 lets an author see what they had seen, and type a stretch.
func (s *typing) type1(ctx context.Context, i int) error {
	st := &s.all[i]
	a := s.authors[st.agent]
	if err := s.deliver(ctx, a, st.parents); err != nil {
		return err
	}
	before := a.space.Replica().Heads()
	err := a.space.Update(ctx, func(tx *hhs.Tx, p paper) error {
		for _, t := range st.txns {
			for _, e := range t.Patches {
				if err := e.do(tx, p.Text); err != nil {
					return err
				}
			}
		}
		return nil
	}, store.Written)
	if err != nil {
		return err
	}
	a.has[i] = true
	return s.take(a, before)
}

// take keeps what an author just wrote.
func (s *typing) take(a *author, before []object.ID) error {
	var made []*history.Batch
	for b, err := range a.space.Replica().Batches(before, 1<<20) {
		if err != nil {
			return err
		}
		made = append(made, b)
	}
	switch len(made) {
	case 0: // all that was typed was taken back at once
		made = []*history.Batch{nil}
	case 1:
	default:
		return fmt.Errorf("a stretch became %d batches", len(made))
	}
	s.batches = append(s.batches, made[0])
	return nil
}

// deliver gives an author stretches and all before them.
func (s *typing) deliver(ctx context.Context, a *author, wanted []int) error {
	var missing []int
	for todo := slices.Clone(wanted); len(todo) > 0; {
		i := todo[len(todo)-1]
		if todo = todo[:len(todo)-1]; a.has[i] {
			continue
		}
		a.has[i] = true
		missing = append(missing, i)
		todo = append(todo, s.all[i].parents...)
	}
	slices.Sort(missing)
	for _, i := range missing {
		if s.batches[i] == nil {
			continue
		}
		device, err := identity.ParsePublicKey(s.authors[s.all[i].agent].node.Device())
		if err != nil {
			return err
		}
		if _, err := a.space.Replica().Ingest(ctx, s.batches[i], replica.Source{Device: device, Transport: "pipe"}); err != nil {
			return err
		}
	}
	return nil
}

// textMerge types the traces of several authors again, each on a node of their own, and syncs all commits to a node that has
// none: what is measured is that, the work of both sides.
func textMerge(ctx context.Context, r *run) error {
	for _, name := range []string{"friendsforever", "clownschool"} {
		t, err := openTrace(name)
		if err != nil {
			return err
		}
		if r.n < len(t.Txns) {
			t.Txns, t.EndContent = t.Txns[:r.n], "" // which is of all
		}
		one := *r
		one.dir = r.path(name)
		if err := one.merge(ctx, name, t, r); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (r *run) merge(ctx context.Context, name string, t *trace, out *run) error {
	s, err := r.retype(ctx, t)
	defer s.close()
	if err != nil {
		return err
	}
	all := make([]int, len(s.all))
	for i := range all {
		all[i] = i
	}
	for _, a := range s.authors {
		if err := s.deliver(ctx, a, all); err != nil {
			return err
		}
	}
	var last *author
	took, err := r.measure(func() (err error) { // with the opening of its node, a few milliseconds
		last, err = r.join(ctx, "last", s)
		return err
	})
	if err != nil {
		return err
	}
	s.authors = append(s.authors, last)
	text := last.space.Root().Text.String()
	for i, a := range s.authors {
		if got := a.space.Root().Text.String(); got != text {
			return fmt.Errorf("node %d has another text than the last one", i)
		}
	}
	out.set(name+"_commits", len(s.all))
	out.set(name+"_edits", len(t.Txns))
	out.set(name+"_cpu_ms", ms(took.cpu))
	if t.EndContent != "" && text != t.EndContent {
		return fmt.Errorf("the text differs from the recorded one at byte %d", differsAt(text, t.EndContent))
	}
	return nil
}

func differsAt(a, b string) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}
