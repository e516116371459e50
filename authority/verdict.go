package authority

import (
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
)

// Outcome is what authority makes of a commit.
type Outcome uint8

// The outcomes. Their text is stable.
const (
	Held           Outcome = iota // local only: something it depends on is missing; not a verdict
	Effective                     // its ops count
	Void                          // it keeps its place and contributes nothing; may become effective again
	RefusedOutcome                // never stored; see Refused
)

// String is the outcome's stable word.
func (o Outcome) String() string {
	switch o {
	case Effective:
		return "effective"
	case Void:
		return "void"
	case RefusedOutcome:
		return "refused"
	}
	return "held"
}

// Verdict is the outcome of a commit with its reason. Under the policy "open" it is Effective for every
// admitted commit; Void is what removals will make of one.
type Verdict struct {
	Outcome Outcome
	Rule    string        // what decided it; "" when effective
	Detail  string        // for people
	Cause   history.OpRef // the op that caused it, where there is one
}

// Refused says which rule a commit breaks by its own bytes and past. It is the same on every replica.
type Refused struct {
	Commit object.ID
	Rule   string
	Detail string
}

// Error names commit and rule.
func (r *Refused) Error() string {
	return "authority: commit " + r.Commit.String() + " refused: " + r.Rule + ": " + r.Detail
}

// Verdict is the refusal as a verdict.
func (r *Refused) Verdict() Verdict {
	return Verdict{Outcome: RefusedOutcome, Rule: r.Rule, Detail: r.Detail}
}

// The rules; see the package comment.
const (
	RuleGenesis = "genesis"
	RuleEpoch   = "epoch"
	RuleGrant   = "grant"
	RuleChain   = "chain"
	RuleBranch  = "branch"
	RuleDevice  = "device"
	RuleAction  = "action"
	RuleField   = "field"
	RuleSchema  = "schema"
)
