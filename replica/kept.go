package replica

import "sync"

// kept is what the layer above keeps beside an open space.
type kept struct {
	mu     sync.Mutex
	values map[string]any
}

// Keep returns what is kept under a key while the space is open, and first makes it.
// It is a cache: with very many some are forgotten, and made again when they are asked for.
func (s *Space) Keep(key string, value func() any) any {
	s.kept.mu.Lock()
	defer s.kept.mu.Unlock()
	if v, ok := s.kept.values[key]; ok {
		return v
	}
	if s.kept.values == nil {
		s.kept.values = map[string]any{}
	}
	for k := range s.kept.values {
		if len(s.kept.values) < maxKept {
			break
		}
		delete(s.kept.values, k)
	}
	v := value()
	s.kept.values[key] = v
	return v
}
