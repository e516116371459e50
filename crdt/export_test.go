package crdt

import "fmt"

// Narrow lets bundles become wide at two or three ops, and pages of a sequence hold no more pieces.
func Narrow(env *Env) { env.bundleLimit = 150 }

// TotalOf makes a total of the two halves of its sum.
func TotalOf(adds, hi, lo uint64) Total { return Total{adds, hi, lo} }

// CheckNesting goes through a sequence and holds how its subtrees nest against what each insertion hangs from.
func CheckNesting(env *Env, list bool) error {
	s, err := on(env).seq(list)
	if err != nil || s.root == 0 {
		return err
	}
	root, err := s.page(s.root)
	if err != nil {
		return err
	}
	if err := s.checkPage(root); err != nil {
		return err
	}
	levels := map[elem]int64{noElem: 0}
	var runs []piece
	open := int64(0)
	at, _, err := s.seek(0, measure{})
	for ; err == nil && !at.end(); at, err = s.behind(at) {
		r := *at.piece()
		runs = append(runs, r)
		for off := range r.n {
			levels[r.at(off)] = open + int64(r.open)
		}
		open += int64(r.open) - int64(r.close)
	}
	for _, r := range runs {
		level, parent := levels[r.elem], elem{}
		switch {
		case r.flags&runHead == 0:
			parent = elem{r.num, r.index, r.off - 1}
			level++ // it is of the same insertion
		case r.flags&runLeft != 0:
			parent = r.right
		default:
			parent = r.left
		}
		if levels[parent]+1 != level {
			return fmt.Errorf("%v is at level %d, what it hangs from at %d", r.elem, levels[r.elem], levels[parent])
		}
	}
	if err == nil && open != 0 {
		err = fmt.Errorf("%d subtrees are open in the end", open)
	}
	return err
}

func (s *seq) checkPage(p *page) error {
	for i := range p.kids {
		low, err := s.page(p.kids[i].id)
		if err == nil && (low.nesting() != p.kids[i].nest || low.tally() != p.kids[i].tally) {
			err = fmt.Errorf("page %d counts %+v of page %d, which has %+v", p.id, p.kids[i], low.id, low.nesting())
		}
		if err == nil {
			err = s.checkPage(low)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
