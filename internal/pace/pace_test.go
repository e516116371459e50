//go:build !js

package pace_test

import (
	"testing"

	"github.com/hyperhyperspace/hhs-go/internal/pace"
)

func TestPointCostsNothing(t *testing.T) {
	if n := testing.AllocsPerRun(1000, pace.Point); n != 0 {
		t.Fatalf("Point allocates %v times", n)
	}
}
