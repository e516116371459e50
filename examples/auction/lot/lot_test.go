package lot_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"hash"
	"iter"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/examples/auction/lot"
	"github.com/hyperhyperspace/hhs-go/foldtest"
	"github.com/hyperhyperspace/hhs-go/internal/fold"
)

func TestFold(t *testing.T) {
	foldtest.Run(t, func(r *rand.Rand, a lot.Auction) lot.Op {
		return lot.Op{Bid: a.Best + r.Int64N(9) - 4, Close: r.IntN(20) == 0}
	})
}

const vectors = "../../../testdata/vectors/fold.json"

var update = flag.Bool("update", false, "write the digests into "+vectors)

type expectations struct {
	About     string   `json:"about"`
	Seed      uint32   `json:"seed"`
	Histories int      `json:"histories"`
	Each      int      `json:"each"` // histories in a digest
	Digests   []string `json:"digests"`
}

// TestRandomHistories makes the histories that js/test/fold.test.ts makes, too: the states of both are the same.
func TestRandomHistories(t *testing.T) {
	text, err := os.ReadFile(vectors)
	if err != nil {
		t.Fatal(err)
	}
	var want expectations
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	var got []string
	r := random(want.Seed)
	for range want.Histories / want.Each {
		sum := sha256.New()
		for range want.Each {
			if err := one(&r, sum); err != nil {
				t.Fatal(err)
			}
		}
		got = append(got, hex.EncodeToString(sum.Sum(nil)[:8]))
	}
	if *update {
		want.Digests = got
		text, err := json.MarshalIndent(want, "", " ")
		if err == nil {
			err = os.WriteFile(vectors, append(text, '\n'), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(got, want.Digests) || len(got) < 100 {
		t.Errorf("the digests are %v, in the file %v; go test ./examples/auction/lot -update", got, want.Digests)
	}
}

// random is a generator that is written as shortly in TypeScript: xorshift of 32 bits.
type random uint32

func (r *random) under(n uint32) int {
	*r ^= *r << 13
	*r ^= *r >> 17
	*r ^= *r << 5
	return int(uint32(*r) % n)
}

// bid is an op of a history.
type bid struct {
	place string
	op    hhs.FoldOp[lot.Op]
	void  bool
}

// one makes a history: ops that come in any order, and become void and effective again, while a copy reads now and then.
func one(r *random, sum hash.Hash) error {
	run := fold.New(definition)
	var list []bid
	for i := range 4 + r.under(40) {
		closes, who := r.under(30) == 0, r.under(4)
		amount := int64(r.under(60)) + int64(i)/2
		op := hhs.FoldOp[lot.Op]{Founder: who == 0, Entry: hhs.Entry[lot.Op]{Value: lot.Op{Bid: amount, Close: closes}, Identity: hhs.Identity(fmt.Sprint("did:key:", who))}}
		place := fmt.Sprintf("%03d %02d", i*5+r.under(90), i)
		list = append(list, bid{place: place, op: op})
		run.Back(place)
		if r.under(3) == 0 {
			b := &list[r.under(uint32(len(list)))]
			b.void = !b.void
			run.Back(b.place)
		}
		if r.under(4) == 0 {
			if err := run.Forward(after(list, run.Place())); err != nil {
				return err
			}
		}
	}
	shown, err := result(run, list)
	if err != nil {
		return err
	}
	if again, err := result(fold.New(definition), list); err != nil || again != shown {
		return fmt.Errorf("the copy shows\n%s\nfrom the beginning it is\n%s: %v", shown, again, err)
	}
	sum.Write([]byte(shown))
	return nil
}

var definition = fold.Of("example.org/auction", 1, func(a lot.Auction, op any) (lot.Auction, error) { return a.Step(op.(hhs.FoldOp[lot.Op])) })

// result is the state in hexadecimal digits and a line for each ignored op.
func result(run *fold.Run, list []bid) (string, error) {
	if err := run.Forward(after(list, run.Place())); err != nil {
		return "", err
	}
	state, _, err := run.State()
	if err != nil {
		return "", err
	}
	out := hex.EncodeToString(state) + "\n"
	ignored, all := run.Ignored()
	for _, i := range ignored {
		o := i.Op.(hhs.FoldOp[lot.Op])
		out += fmt.Sprintf("%s %d %v: %s\n", o.Identity, o.Value.Bid, o.Value.Close, i.Reason)
	}
	return out + fmt.Sprintln(all), nil
}

func after(list []bid, place string) iter.Seq2[fold.Op, error] {
	var ops []fold.Op
	for _, b := range list {
		if b.place > place && !b.void {
			ops = append(ops, fold.Op{Place: b.place, Given: b.op})
		}
	}
	slices.SortFunc(ops, func(a, b fold.Op) int { return strings.Compare(a.Place, b.Place) })
	return func(yield func(fold.Op, error) bool) {
		for _, op := range ops {
			if !yield(op, nil) {
				return
			}
		}
	}
}
