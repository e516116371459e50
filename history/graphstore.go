package history

import (
	"slices"
	"sync"
)

// older is the part of a stored graph that is not in its tail: a few blocks of runs that were read lately.
type older struct {
	source Source
	limits paging

	mu     sync.Mutex // questions are asked concurrently
	blocks []runBlock // ascending, without a number in common
	clock  uint64
}

// runBlock is a stretch of stored runs. They never change: only the last run of a graph grows, and that is in the tail.
type runBlock struct {
	runs []Run
	used uint64 // when it was asked for last
}

// end is the number after the block's last.
func (b *runBlock) end() Num {
	last := &b.runs[len(b.runs)-1]
	return last.Start + last.Len
}

// run returns the run that holds n. The tail begins with end.
func (o *older) run(n, end Num) (*Run, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	at := 0
	for at < len(o.blocks) && o.blocks[at].end() <= n {
		at++
	}
	if at == len(o.blocks) || o.blocks[at].runs[0].Start > n {
		if at < len(o.blocks) {
			end = o.blocks[at].runs[0].Start
		}
		runs, err := o.read(n, end, at)
		if err != nil {
			return nil, err
		}
		at = o.insert(at, runs)
	}
	b := &o.blocks[at]
	o.clock++
	b.used = o.clock
	return &b.runs[holder(b.runs, n)], nil
}

// read reads the run that holds n with those around it, as far as they are before end and not among the blocks before the
// one at at. Some are later ones, so that questions in ascending order read few times, too.
func (o *older) read(n, end Num, at int) ([]Run, error) {
	from := min(n+Num(o.limits.block/2), end-1)
	floor := Num(0)
	if at > 0 {
		floor = o.blocks[at-1].end()
	}
	runs := make([]Run, 0, o.limits.block)
	for r, err := range o.source(from) {
		if err != nil {
			return nil, err
		}
		switch last := len(runs) - 1; {
		case !r.valid() || r.Start < floor:
			return nil, &RunError{r.Start, "is damaged"}
		case last < 0 && (r.Start > from || r.Start+r.Len <= from || r.Start+r.Len > end), last >= 0 && r.Start+r.Len != runs[last].Start:
			return nil, &RunError{r.Start, "does not end where the next begins"}
		}
		if runs = append(runs, r); len(runs) == o.limits.block || r.Start == floor {
			break
		}
	}
	if len(runs) == 0 || runs[len(runs)-1].Start > n {
		return nil, &RunError{n, "is not there"}
	}
	slices.Reverse(runs)
	return runs, nil
}

// add keeps runs that follow all blocks, as a block of their own.
func (o *older) add(runs []Run) {
	o.mu.Lock()
	defer o.mu.Unlock()
	at := o.insert(len(o.blocks), slices.Clone(runs))
	o.clock++
	o.blocks[at].used = o.clock
}

// insert puts a block at its place, another one makes room for it. It returns where the block is.
func (o *older) insert(at int, runs []Run) int {
	if len(o.blocks) >= o.limits.blocks {
		oldest := 0
		for i := range o.blocks {
			if o.blocks[i].used < o.blocks[oldest].used {
				oldest = i
			}
		}
		o.blocks = slices.Delete(o.blocks, oldest, oldest+1)
		if oldest < at {
			at--
		}
	}
	o.blocks = slices.Insert(o.blocks, at, runBlock{runs: runs})
	return at
}
