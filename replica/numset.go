package replica

import (
	"slices"

	"github.com/hyperhyperspace/hhs-go/history"
)

// numSet is a set of numbers that grows one by one and is asked for ranges. What
// came last is kept apart, so that each number is moved few times.
type numSet struct{ sorted, recent []history.Num }

func (s *numSet) add(n history.Num) {
	if len(s.recent) == 0 && (len(s.sorted) == 0 || s.sorted[len(s.sorted)-1] < n) {
		s.sorted = append(s.sorted, n)
		return
	}
	if s.recent = append(s.recent, n); len(s.recent) >= maxNumsApart {
		s.merge()
	}
}

func (s *numSet) merge() {
	slices.Sort(s.recent)
	from := len(s.sorted) - 1
	s.sorted = append(s.sorted, s.recent...)
	for to := len(s.sorted) - 1; len(s.recent) > 0; to-- {
		if last := s.recent[len(s.recent)-1]; from < 0 || s.sorted[from] <= last {
			s.sorted[to], s.recent = last, s.recent[:len(s.recent)-1]
			continue
		}
		s.sorted[to] = s.sorted[from]
		from--
	}
}

// within tells whether a number of the span is in the set.
func (s *numSet) within(span history.Span) bool {
	at, _ := slices.BinarySearch(s.sorted, span.Start)
	if at < len(s.sorted) && s.sorted[at] < span.End {
		return true
	}
	return slices.ContainsFunc(s.recent, func(n history.Num) bool { return span.Start <= n && n < span.End })
}
