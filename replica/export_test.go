package replica

import (
	"testing"

	"github.com/hyperhyperspace/hhs-go/history"
)

// CutReadmission makes rebuilds work on short lists until the test ends.
func CutReadmission(t testing.TB, commits, size, tail int) {
	before := readmitCut
	readmitCut = readmitLimits{commits, size, tail}
	t.Cleanup(func() { readmitCut = before })
}

// Raw adds an op as a modified client would, which looks at nothing before.
func (tx *Tx) Raw(op history.Op) {
	tx.ops = append(tx.ops, txOp{op: op, shown: true})
}
