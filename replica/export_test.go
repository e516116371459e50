package replica

import "testing"

// CutReadmission makes rebuilds work on short lists until the test ends.
func CutReadmission(t testing.TB, commits, size, tail int) {
	before := readmitCut
	readmitCut = readmitLimits{commits, size, tail}
	t.Cleanup(func() { readmitCut = before })
}
