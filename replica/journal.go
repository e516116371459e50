package replica

import (
	"encoding/binary"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/hyperhyperspace/hhs-go/crdt"
)

// Mark says when a View was opened, for what is kept of what was read in it:
// Touched tells from where on it is out of date. Marks are of one opened space, of
// this process; what is known of others is nothing.
type Mark [16]byte // which journal, and how many batches the store had

func (m Mark) batches() uint64 { return binary.BigEndian.Uint64(m[8:]) }

// Older is the earlier one of two marks of one space.
func (m Mark) Older(n Mark) Mark {
	if n.batches() < m.batches() {
		return n
	}
	return m
}

// journal remembers since when, and from which place on, the entries of values
// that stand in order have changed: ops that came late, and those that were taken
// back. It is in memory, of values that somebody asks about, and never evidence of
// anything: who finds nothing in it reads the value from the beginning.
//
// A batch is noted before it is stored, and counts for marks when it is, so that nothing waits for the store here: no view
// is marked with a batch that it does not show, nor shows one that is not noted.
type journal struct {
	mu      sync.Mutex
	name    [8]byte // tells this journal from those before it
	used    atomic.Bool
	noted   uint64                         // batches, with the one at the door
	batches uint64                         // batches that are in the store
	values  map[string]map[string]*touched // by field, and by the path in it
	asked   uint64
	count   int
}

// stored notes a batch and has write store it. It is called by one at a time.
func (j *journal) stored(quiet bool, changes []Change, write func() error) error {
	j.mu.Lock()
	j.noted++
	if quiet {
		j.forget()
	} else {
		j.note(changes)
	}
	j.mu.Unlock()
	err := write()
	j.mu.Lock()
	defer j.mu.Unlock()
	if err != nil {
		j.forget()
	}
	j.batches = j.noted
	return err
}

// touched is what the journal knows of one value: of two entries the later one has
// the greater place, since a lesser one makes all that were before it needless.
type touched struct {
	from  uint64 // nothing is known of batches up to this one
	list  []touch
	asked uint64 // when somebody asked last
}

type touch struct {
	batch uint64
	place string
}

// journals counts those of this process.
var journals atomic.Uint64

// open makes the journal know what comes from now on; it needs mu.
func (j *journal) open(s *Space) {
	if !j.used.Swap(true) {
		binary.BigEndian.PutUint64(j.name[:], uint64(s.node.cfg.Now().UnixNano())+journals.Add(1))
	}
}

// mark is that of now; it needs mu.
func (j *journal) mark() (m Mark) {
	copy(m[:], j.name[:])
	binary.BigEndian.PutUint64(m[8:], j.batches)
	return m
}

// forget is for a batch whose changes are not known. It needs mu.
func (j *journal) forget() { j.values, j.count = nil, 0 }

// note takes the changes of a batch. It needs mu.
func (j *journal) note(changes []Change) {
	if j.count == 0 {
		return
	}
	for i := range changes {
		if in := j.values[changes[i].Field]; in != nil {
			if t := in[crdt.PlaceOf(changes[i].Path)]; t != nil {
				t.note(j.noted, string(changes[i].Key))
			}
		}
	}
}

func (t *touched) note(batch uint64, place string) {
	for n := len(t.list); n > 0 && t.list[n-1].place >= place; n-- {
		t.list = t.list[:n-1]
	}
	if n := len(t.list); n > 0 && t.list[n-1].batch == batch {
		return // a lesser place is of this batch already
	}
	if len(t.list) == maxTouches { // of two neighbours, what holds for both
		for i := range maxTouches / 2 {
			t.list[i] = touch{t.list[2*i+1].batch, t.list[2*i].place}
		}
		t.list = t.list[:maxTouches/2]
	}
	t.list = append(t.list, touch{batch, place})
}

// value is what is known of a value; asking makes it known from now on. It needs mu.
func (j *journal) value(field, path string) *touched {
	j.asked++
	if t := j.values[field][path]; t != nil {
		t.asked = j.asked
		return t
	}
	if j.values == nil {
		j.values = map[string]map[string]*touched{}
	}
	if j.values[field] == nil {
		j.values[field] = map[string]*touched{}
	}
	if j.count++; j.count > maxTouched {
		j.dropOldest()
	}
	t := &touched{from: j.noted, asked: j.asked}
	j.values[field][path] = t
	return t
}

// dropOldest forgets the value that nobody asked about for the longest time.
func (j *journal) dropOldest() {
	var field, path string
	least := j.asked
	for f, in := range j.values {
		for p, t := range in {
			if t.asked < least {
				field, path, least = f, p, t.asked
			}
		}
	}
	delete(j.values[field], path)
	j.count--
}

// MarkedView is View with a mark, by which Touched tells what changed since.
func (s *Space) MarkedView() (*View, error) {
	s.caughtUp()
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	s.journal.open(s)
	v, err := s.view()
	if err == nil {
		v.mark = s.journal.mark()
	}
	return v, err
}

// Mark is when the view was opened, of a MarkedView.
func (v *View) Mark() Mark { return v.mark }

// Touched tells the least place of an entry that came, went or came back in a
// value that env reads, in batches after the mark: "" for none. It may tell
// a lesser place, or tell of what a view does not show yet, but leaves nothing out. ok is false where
// that is not known, and everything may have changed: of marks of another time, and of a
// value that is asked about for the first time.
func (s *Space) Touched(field string, env *crdt.Env, since Mark) (place string, ok bool) {
	j := &s.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	t := j.value(field, env.Place())
	if [8]byte(since[:8]) != j.name || since.batches() < t.from || since.batches() > j.noted {
		return "", false
	}
	i, _ := slices.BinarySearchFunc(t.list, since.batches()+1, func(e touch, batch uint64) int {
		if e.batch < batch {
			return -1
		}
		return 1
	})
	if i == len(t.list) {
		return "", true
	}
	return t.list[i].place, true
}
