package fold

import (
	"bytes"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// machine makes the steps of one call of Forward.
type machine struct {
	def      *Def
	snapshot     // how far it is; its state is not kept up to date
	state    any // instead, once it is ready
	ready    bool
	from     snapshot // the last one made
	since    []Op     // the ops since it
	taken    []snapshot

	start  time.Time
	began  atomic.Int64 // when the step under way did, since start
	worked atomic.Bool  // the work came to its end
	failed *Error       // what went wrong
}

// guarded has the machine work in another goroutine and watches the clock.
func (m *machine) guarded(work func() *Error) *Error {
	done := make(chan struct{})
	m.worked.Store(false)
	m.start = time.Now()
	m.began.Store(0)
	go func() {
		defer close(done)
		m.failed = work()
		m.worked.Store(true)
	}()
	timer := time.NewTimer(StepLimit)
	defer timer.Stop()
	for {
		select {
		case <-done:
			if !m.worked.Load() { // runtime.Goexit
				return m.def.fail(Throws, nil, "the step ended its goroutine")
			}
			return m.failed
		case <-timer.C:
			left := StepLimit - (time.Since(m.start) - time.Duration(m.began.Load()))
			if left <= 0 {
				return m.def.fail(Slow, nil, "a step took more than "+StepLimit.String())
			}
			timer.Reset(left)
		}
	}
}

// begin takes up the state of the snapshot.
func (m *machine) begin() *Error {
	if m.from.state == nil {
		var failed *Error
		if m.from.state, failed = m.encode(m.def.Initial(), nil); failed != nil {
			return failed
		}
	}
	return m.decode()
}

func (m *machine) decode() *Error {
	var err error
	if m.state, err = m.def.Decode(m.from.state); err != nil {
		return m.def.fail(State, nil, "its own state cannot be read again: "+err.Error())
	}
	return nil
}

// steps runs the function over ops.
func (m *machine) steps(ops []Op) *Error {
	if !m.ready {
		if failed := m.begin(); failed != nil {
			return failed
		}
		m.ready = true
	}
	for i := range ops {
		if failed := m.step(&ops[i]); failed != nil {
			return failed
		}
	}
	return nil
}

func (m *machine) step(op *Op) *Error {
	next, reason, failed := m.call(m.state, op)
	if failed != nil {
		return failed
	}
	m.state, m.place, m.count = next, op.Place, m.count+1
	if reason != nil {
		m.ignored, m.passed = append(m.ignored, Ignored{op.Given, *reason, m.count, op.Size}), m.passed+1
		m.ignored = m.ignored[max(0, len(m.ignored)-MaxIgnored):]
	}
	m.since = append(m.since, *op)
	if m.count%every != 0 {
		return nil
	}
	if failed := m.take(op.Label, powerOfTwo(m.count/every)); failed != nil {
		return failed
	}
	m.taken = append(m.taken, m.from)
	return nil
}

// end makes the last steps and a snapshot of where they lead.
func (m *machine) end(ops []Op) *Error {
	if failed := m.steps(ops); failed != nil {
		return failed
	}
	if len(m.since) == 0 {
		return nil
	}
	return m.take(m.since[len(m.since)-1].Label, m.count < every)
}

// take makes a snapshot; with again it makes the steps since the one before once more, from its bytes.
func (m *machine) take(label fmt.Stringer, again bool) *Error {
	state, failed := m.encode(m.state, label)
	if failed != nil {
		return failed
	}
	now := m.snapshot
	now.state, now.ignored, now.weight = state, slices.Clip(m.ignored), len(state)
	for _, i := range now.ignored {
		now.weight += i.size + len(i.Reason)
	}
	if again {
		if failed := m.again(&now); failed != nil {
			return failed
		}
	}
	m.from, m.since = now, m.since[:0]
	return nil
}

const impure = ": a step reads something besides the state and the op, or changes them"

// again compares a snapshot with what the same ops come to when they are run a second time.
func (m *machine) again(now *snapshot) *Error {
	state, err := m.def.Decode(m.from.state)
	if err != nil {
		return m.def.fail(State, nil, "its own state cannot be read again: "+err.Error())
	}
	block, passed := m.from.state, m.from.passed
	for i := range m.since {
		op := &m.since[i]
		next, reason, failed := m.call(state, op)
		if failed != nil {
			return failed
		}
		state = next
		second, failed := m.encode(state, op.Label)
		if failed != nil {
			return failed
		}
		if reason != nil && !bytes.Equal(second, block) {
			return m.def.fail(Differs, op.Label, "a step ignored an op and changed the state that it was given")
		}
		if block = second; reason == nil {
			continue
		}
		if passed++; passed > now.passed || !now.same(passed, m.from.count+i+1, *reason) {
			return m.def.fail(Differs, op.Label, "run again over the same ops, the fold ignores others"+impure)
		}
	}
	if !bytes.Equal(block, now.state) || passed != now.passed {
		return m.def.fail(Differs, m.since[len(m.since)-1].Label, "run again over the same ops, the fold gives another state"+impure)
	}
	return nil
}

// same tells whether the nth ignored op was that, for that reason, unless it is forgotten.
func (s *snapshot) same(n, number int, reason string) bool {
	i := n - 1 - (s.passed - len(s.ignored))
	return i < 0 || s.ignored[i].number == number && s.ignored[i].Reason == reason
}

// call makes one step.
func (m *machine) call(state any, op *Op) (next any, reason *string, failed *Error) {
	m.began.Store(int64(time.Since(m.start)))
	defer func() {
		if p := recover(); p != nil {
			failed = m.def.fail(Throws, op.Label, fmt.Sprint("the step panicked: ", p))
		}
	}()
	next, ignored := m.def.Step(state, op.Given)
	if took := time.Since(m.start) - time.Duration(m.began.Load()); took >= StepLimit {
		return nil, nil, m.def.fail(Slow, op.Label, "the step took "+took.String())
	}
	if ignored != nil {
		text := clip(ignored.Error())
		return state, &text, nil
	}
	return next, nil, nil
}

// encode makes the bytes of a state. What goes wrong with it went wrong in the step before.
func (m *machine) encode(state any, label fmt.Stringer) (b []byte, failed *Error) {
	defer func() {
		if p := recover(); p != nil {
			failed = m.def.fail(State, label, fmt.Sprint("the state cannot be written: ", p))
		}
	}()
	b, err := m.def.Encode(state)
	switch {
	case err != nil:
		return nil, m.def.fail(State, label, "the state is no value: "+err.Error())
	case len(b) > MaxState:
		return nil, m.def.fail(State, label, fmt.Sprintf("the state has %d bytes, at most %d are allowed", len(b), MaxState))
	}
	return b, nil
}

func powerOfTwo(n int) bool { return n&(n-1) == 0 }

// clip cuts a reason to its first code points.
func clip(s string) string {
	n := 0
	for i := range s {
		if n++; n > MaxReason {
			return s[:i]
		}
	}
	if !utf8.ValidString(s) {
		return "a reason that is no text"
	}
	return s
}
