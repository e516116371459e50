package syncer_test

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
	"github.com/hyperhyperspace/hhs-go/syncer"
)

// BenchmarkStages shows what each step takes of a commit on its way from a replica to an empty one, both in memory: the
// elements of a set, 116 characters each. It runs in every engine, so that native code and WASM can be compared.
func BenchmarkStages(b *testing.B) {
	const commits = 2000
	from := pairsSpace(b, commits)
	var batches []*history.Batch
	var wires, packed [][]byte
	var pack syncer.Packer
	stage := func(name string, work func()) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				work()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/commits, "ns/commit")
		})
	}
	must := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	stage("load", func() {
		batches = batches[:0]
		for batch, err := range from.Batches(nil, syncer.DefaultBatch) {
			must(err)
			batches = append(batches, batch)
		}
	})
	stage("encode", func() {
		wires = wires[:0]
		for _, batch := range batches {
			wire, err := history.EncodeBatch(batch)
			must(err)
			wires = append(wires, wire)
		}
	})
	stage("deflate", func() {
		packed = packed[:0]
		for _, wire := range wires {
			data, err := pack.Pack(wire)
			must(err)
			packed = append(packed, data)
		}
	})
	stage("inflate", func() {
		for _, data := range packed {
			_, err := syncer.Unpack(data)
			must(err)
		}
	})
	stage("decode", func() {
		for _, wire := range wires {
			_, err := history.DecodeBatch(wire, 0)
			must(err)
		}
	})
	stage("decode and door", func() {
		to, err := openNode(b, 2).Join(context.Background(), from.ID())
		must(err)
		for _, wire := range wires {
			batch, err := history.DecodeBatch(wire, 0)
			must(err)
			_, err = to.Ingest(context.Background(), batch, replica.Source{})
			must(err)
		}
	})
}

// pairsSpace is a space with a set of n texts, a commit each.
func pairsSpace(tb testing.TB, n int) *replica.Space {
	s, err := openNode(tb, 1).Create(context.Background(), &authority.Manifest{Kind: "test/pairs", Version: 1, Policy: authority.PolicyOpen,
		Fields: []authority.Field{{Name: "pairs", Type: "set"}}})
	if err != nil {
		tb.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	text := make([]byte, 116)
	for range n {
		for i := range text {
			text[i] = ' ' + byte(r.IntN(64))
		}
		value, err := object.Encode(string(text))
		if err != nil {
			tb.Fatal(err)
		}
		if _, err := s.Update(context.Background(), func(tx *replica.Tx) error { return tx.Do("pairs", crdt.SetAdd(value)) }); err != nil {
			tb.Fatal(err)
		}
	}
	return s
}
