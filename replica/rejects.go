package replica

import (
	"maps"
	"time"
)

// Refusal is one remembered refusal of the door.
type Refusal struct {
	Time   time.Time
	Reject *Reject
}

// rejects counts refusals by rule and remembers the latest. They are kept in
// memory only: nothing a peer sends may fill the disk without passing the door.
type rejects struct {
	counts map[string]int
	last   []Refusal
}

func (s *Space) refused(r *Reject) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rejects.counts == nil {
		s.rejects.counts = map[string]int{}
	}
	if _, known := s.rejects.counts[r.Rule]; known || len(s.rejects.counts) < maxRejects {
		s.rejects.counts[r.Rule]++
	}
	s.rejects.last = append(s.rejects.last, Refusal{s.node.cfg.Now(), r})
	if len(s.rejects.last) > maxRejects {
		s.rejects.last = s.rejects.last[1:]
	}
	s.node.cfg.Log.Warn("refused", "error", r)
}

// Refuse counts a refusal that was decided before the door: what a peer sent was
// no batch at all.
func (s *Space) Refuse(rule string, cause error, from Source) {
	s.refused(&Reject{Space: s.id, Rule: rule, Cause: cause, From: from})
}

// Refused returns how many batches the door refused since the space was
// opened, by rule, and the latest refusals, oldest first.
func (s *Space) Refused() (counts map[string]int, last []Refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.rejects.counts), append([]Refusal(nil), s.rejects.last...)
}
