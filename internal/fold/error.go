package fold

import "fmt"

// What can go wrong with a fold.
const (
	Throws  = "throws"  // a step panicked
	State   = "state"   // it gave what is no state
	Slow    = "slow"    // a step took longer than StepLimit
	Differs = "differs" // the same ops came to another state
)

// Error is a fold that went wrong. Nothing else is touched by it.
type Error struct {
	Fold    string // its name
	Version int64
	Why     string // Throws, State, Slow or Differs
	Op      string // at which op, for people; "" where that is not known
	Text    string // what happened
}

func (d *Def) fail(why string, op fmt.Stringer, text string) *Error {
	e := &Error{Fold: d.Name, Version: d.Version, Why: why, Text: text}
	if op != nil {
		e.Op = op.String()
	}
	return e
}

// Final tells that the fold is not run again while the space is open, whatever ops come.
func (e *Error) Final() bool { return e.Why == Slow || e.Why == Differs }

func (e *Error) Error() string {
	s := fmt.Sprintf("fold %s version %d: %s", e.Fold, e.Version, e.Text)
	if e.Op != "" {
		s += ", at " + e.Op
	}
	if e.Final() {
		return s + "; it is not run again while the space is open"
	}
	return s
}
