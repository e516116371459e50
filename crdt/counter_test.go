package crdt_test

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"testing"

	"github.com/hyperhyperspace/hhs-go/crdt"
)

// TestTotal holds the digits of sums against math/big, at the ends of what 64 and 128 bits hold and at powers of ten.
func TestTotal(t *testing.T) {
	for _, hi := range []uint64{0, 1, 541, 542, 1 << 32, math.MaxInt64, 1 << 63, math.MaxUint64 - 542, math.MaxUint64} {
		for _, lo := range []uint64{0, 1, 9, 1e19 - 1, 1e19, math.MaxInt64, 1 << 63, math.MaxUint64} {
			want := new(big.Int).SetUint64(hi)
			want.Lsh(want, 64).Add(want, new(big.Int).SetUint64(lo))
			if hi >= 1<<63 {
				want.Sub(want, new(big.Int).Lsh(big.NewInt(1), 128))
			}
			total := crdt.TotalOf(1, hi, lo)
			if total.String() != want.String() {
				t.Errorf("%x %x: %s, want %s", hi, lo, total, want)
			}
			n, err := total.Int64()
			if want.IsInt64() != (err == nil) || err == nil && n != want.Int64() {
				t.Errorf("%s: Int64 says %d, %v", want, n, err)
			}
		}
	}
	var over *crdt.Overflow
	if _, err := crdt.TotalOf(2, 1, 0).Int64(); !errors.As(err, &over) || over.Total.String() != "18446744073709551616" {
		t.Errorf("beyond 64 bits: %v", err)
	}
}

func ExampleCounterTotal() {
	w := newWorld(nil).after("a").after("b").after("c", "a", "b")
	typ, _ := crdt.ByName("counter")
	for _, add := range []struct {
		commit string
		n      int64
	}{{"a", math.MaxInt64}, {"b", 1}, {"c", -2}} {
		d, _ := crdt.CounterAdd(add.n)
		op := know(w.env, w.op(add.commit, d.Action, d.Payload))
		_, _ = typ.Apply(w.env, op, true)
		total, _ := crdt.CounterTotal(w.env)
		_, err := total.Int64()
		fmt.Println(total, err == nil)
	}
	// Output:
	// 9223372036854775807 true
	// 9223372036854775808 false
	// 9223372036854775806 true
}
