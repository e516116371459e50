package history

import (
	"fmt"

	"github.com/hyperhyperspace/hhs-go/object"
)

// Rules that envelopes, parts and batches can break. They are stable: vectors, the specification and
// other languages use the same words.
const (
	RuleForm      = "envelope.form"    // not the canonical list the format asks for
	RuleVersion   = "envelope.version" // a format this software does not know
	RuleSize      = "envelope.size"    // over MaxEnvelope or MaxCommit
	RuleAuthor    = "envelope.author"  // not a public key
	RuleSeq       = "envelope.seq"     // seq and prev do not fit together
	RuleParents   = "envelope.parents" // too many, out of order, repeated, or naming prev
	RuleGrant     = "envelope.grant"   // not a grant, or none where one is needed
	RuleEpoch     = "envelope.epoch"   // not an epoch
	RuleTime      = "envelope.time"    // not a time in milliseconds
	RuleOps       = "envelope.ops"     // too many, or one that is malformed
	RuleRefs      = "envelope.refs"    // too many named ops, or one that is malformed
	RuleParts     = "envelope.parts"   // too many, a bad digest, or ops that name none of them
	RuleDigest    = "part.digest"      // a part is not the one the envelope names
	RulePart      = "part.form"        // a part is malformed or does not fit its envelope
	RuleBatch     = "batch.content"    // a batch holds what does not belong together
	RuleBatchForm = "batch.form"       // the bytes of a batch are malformed
	RuleBatchSize = "batch.size"       // a batch is over its limits
)

// Error says which rule a commit, a part or a batch breaks. Commit is zero where the bytes never became one.
type Error struct {
	Rule   string
	Detail string
	Commit object.ID
	Cause  error
}

// Error names rule, commit and cause.
func (e *Error) Error() string {
	s := "history: " + e.Rule + ": " + e.Detail
	if !e.Commit.IsZero() {
		s = "history: commit " + e.Commit.String() + ": " + e.Rule + ": " + e.Detail
	}
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Unwrap returns what the codec below said, if anything.
func (e *Error) Unwrap() error { return e.Cause }

func broken(rule, detail string) error { return &Error{Rule: rule, Detail: detail} }

func brokenf(rule, format string, args ...any) error {
	return &Error{Rule: rule, Detail: fmt.Sprintf(format, args...)}
}

func wrap(rule, detail string, cause error) error {
	return &Error{Rule: rule, Detail: detail, Cause: cause}
}
