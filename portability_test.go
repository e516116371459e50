//go:build !js

package hhs_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	carv2 "github.com/ipld/go-car/v2"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/history/export"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/object/car"
	"github.com/hyperhyperspace/hhs-go/replica"
)

func exported(t testing.TB, s *hhs.AnySpace) []byte {
	t.Helper()
	var b bytes.Buffer
	x, err := s.Export(within(t), &b)
	ok(t, err)
	if x.Bytes != int64(b.Len()) || x.Commits != uint64(s.Replica().Len()) || !slices.Equal(x.Heads, s.Replica().Heads()) {
		t.Errorf("it says %+v of %d bytes, %d commits", x, b.Len(), s.Replica().Len())
	}
	return b.Bytes()
}

func offline(t testing.TB) *hhs.Node { return new(wires).open(t, hhs.Offline()) }

// wellTravelled is a space that two people wrote to without meeting: what one wrote reached the other as a file. It has
// an attached object and several batches.
func wellTravelled(t testing.TB) (*hhs.Space[Notes], *hhs.Space[Notes]) {
	t.Helper()
	ana, ben := offline(t), offline(t)
	a := must(hhs.Create(within(t), ana, Notebook))(t)
	leaf := must(ana.Put(within(t), map[string]any{"text": "attached"}))(t)
	card := must(ana.Put(within(t), map[string]any{"leaf": leaf}))(t)
	ok(t, a.Update(within(t), func(tx *hhs.Tx, n Notes) error {
		return errors.Join(n.Person.Set(tx, card), tx.Attach(card))
	}))
	for i := range 4 {
		write(t, a, fmt.Sprint("ana ", i, strings.Repeat(" and so on", 2000)))
	}
	x := must(ben.Import(within(t), bytes.NewReader(exported(t, a.AnySpace))))(t)
	if !x.Fresh || x.Space != a.ID() || x.New != uint64(a.Replica().Len()) {
		t.Fatalf("%+v", x)
	}
	b := must(hhs.As(must(ben.Space(a.ID()))(t), Notebook))(t)
	write(t, a, "ana at the same time")
	write(t, a, "ana again")
	write(t, b, "ben")
	return a, b
}

// An export read elsewhere is the same space; read again it is nothing new; read by its writer it brings what the other wrote.
func TestExportImport(t *testing.T) {
	a, b := wellTravelled(t)
	back := must(a.Node().Import(within(t), bytes.NewReader(exported(t, b.AnySpace))))(t)
	if back.New != 1 || back.Fresh {
		t.Errorf("%+v", back)
	}
	var steps []hhs.Step
	data := exported(t, a.AnySpace)
	x, err := b.Node().Import(within(t), bytes.NewReader(data), func(s hhs.Step) { steps = append(steps, s) })
	ok(t, err)
	if last := steps[len(steps)-1]; x.New != 2 || last.Items != last.AllItems || last.AllItems != int64(x.Commits) || last.Bytes != int64(len(data)) {
		t.Errorf("%+v, at last %+v", x, last)
	}
	if !slices.Equal(lines(t, a), lines(t, b)) || len(lines(t, a)) != 7 || !slices.Equal(a.Replica().Heads(), b.Replica().Heads()) {
		t.Errorf("%d lines and %d", len(lines(t, a)), len(lines(t, b)))
	}
	again := must(b.Node().Import(within(t), bytes.NewReader(exported(t, b.AnySpace))))(t)
	if again.New != 0 {
		t.Errorf("%+v", again)
	}
	person, _, err := b.Root().Person.Get()
	ok(t, err)
	card, err := b.Object(person)
	ok(t, err)
	if _, err := b.Object(card.(map[string]any)["leaf"].(object.ID)); err != nil {
		t.Error(err)
	}
	v := must(hhs.VerifyExport(within(t), bytes.NewReader(data)))(t)
	if v.Commits != x.Commits || v.Space != a.ID() {
		t.Errorf("%+v", v)
	}
}

// Another program reads the file: every block with its hash, the space and its heads as roots, and from the roots every commit by links.
func TestExportAsOthersReadIt(t *testing.T) {
	a, _ := wellTravelled(t)
	data := exported(t, a.AnySpace)
	in := must(carv2.NewBlockReader(bytes.NewReader(data)))(t)
	blocks := map[string][]byte{}
	for {
		b, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		ok(t, err)
		blocks[b.Cid().String()] = b.RawData()
	}
	commits := map[string]bool{}
	var queue []string
	for _, c := range in.Roots {
		queue = append(queue, c.String())
	}
	for ; len(queue) > 0; queue = queue[1:] {
		if commits[queue[0]] {
			continue
		}
		commits[queue[0]] = true
		env, err := history.DecodeEnvelope(blocks[queue[0]])
		ok(t, err)
		for _, e := range env.Edges() {
			queue = append(queue, e.String())
		}
	}
	if len(commits) != a.Replica().Len() || in.Roots[0].String() != a.ID().String() {
		t.Errorf("%d commits are reached of %d", len(commits), a.Replica().Len())
	}
}

// fileError is the FileError of a failed import or check, with all it must say.
func fileError(t *testing.T, err error) *hhs.FileError {
	t.Helper()
	var e *hhs.FileError
	if !errors.As(err, &e) {
		t.Fatalf("not a FileError: %v", err)
	}
	if hhs.Code(err) != "file" || e.Rule == "" || !strings.Contains(err.Error(), fmt.Sprint("byte ", e.Offset)) {
		t.Errorf("%s: %v", hhs.Code(err), err)
	}
	return e
}

// An import that was cut short has what came before, and goes on when it is done again.
func TestImportIsCutShort(t *testing.T) {
	a, _ := wellTravelled(t)
	data := exported(t, a.AnySpace)
	n := offline(t)
	for cut, step := 0, len(data)/40; cut < len(data); cut += step {
		x, err := n.Import(within(t), bytes.NewReader(data[:cut]))
		if e := fileError(t, err); e.Rule != car.RuleTruncated && e.Rule != car.RuleHeader || e.Offset > int64(cut) {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		s, err := n.Space(a.ID())
		switch {
		case errors.Is(err, hhs.ErrUnknownSpace):
			if x.Read > 0 {
				t.Fatalf("%+v, and the space is not here", x)
			}
			continue
		case err != nil:
			t.Fatal(err)
		}
		if !s.Ready() || uint64(s.Replica().Len()) < x.Read {
			t.Fatalf("%d commits of %+v", s.Replica().Len(), x)
		}
	}
	ctx, cancel := context.WithCancel(within(t))
	cancel()
	if _, err := n.Import(ctx, bytes.NewReader(data)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	h, list := batchesOf(t, a.AnySpace)
	x, err := offline(t).Import(within(t), bytes.NewReader(rewritten(t, h, list[:2])))
	if want := fmt.Sprintf("%d of its %d commits were read and are here, %[1]d of them new", len(list[0].Commits)+len(list[1].Commits), h.Commits); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%+v, %v; want %q", x, err, want)
	}
	x = must(n.Import(within(t), bytes.NewReader(data)))(t)
	s := must(n.Space(a.ID()))(t)
	if x.Read != x.Commits || !slices.Equal(s.Replica().Heads(), a.Replica().Heads()) {
		t.Errorf("%+v", x)
	}
}

// batchesOf is an export in small batches.
func batchesOf(t testing.TB, s *hhs.AnySpace) (h export.Head, list []*history.Batch) {
	t.Helper()
	whole := must(s.Replica().Whole(8 << 10))(t)
	for b, err := range whole.Batches {
		ok(t, err)
		list = append(list, b)
	}
	if len(list) < 3 || len(list[len(list)-1].Commits) < 2 {
		t.Fatalf("%d batches", len(list))
	}
	return export.Head{Space: s.ID(), Commits: whole.Commits, Heads: whole.Heads}, list
}

func rewritten(t testing.TB, h export.Head, list []*history.Batch) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := export.NewWriter(&b, h)
	ok(t, err)
	for _, one := range list {
		ok(t, w.Batch(one))
	}
	return b.Bytes()
}

// Files that are well formed and hold what a door does not admit are refused, at the commit that is at fault.
func TestImportOfHostileFiles(t *testing.T) {
	a, _ := wellTravelled(t)
	other := must(hhs.Create(within(t), offline(t), Notebook))(t)
	for i := range 3 {
		write(t, other, fmt.Sprint(i, strings.Repeat(" elsewhere", 1000)))
	}
	write(t, other, "nearly")
	write(t, other, "the end")
	_, foreign := batchesOf(t, other.AnySpace)
	for name, one := range map[string]struct {
		change func(h *export.Head, list []*history.Batch) []*history.Batch
		rule   string
		kept   bool // the space is here afterwards, in part
	}{
		"no signatures": {func(_ *export.Head, list []*history.Batch) []*history.Batch {
			list[0].Attestations = nil
			return list
		}, replica.RuleUncovered, false},
		"a later signature is wrong": {func(_ *export.Head, list []*history.Batch) []*history.Batch {
			last := list[len(list)-1]
			sig := slices.Clone(last.Attestations[0].Sig)
			sig[3] ^= 1
			last.Attestations[0].Sig = sig
			return list
		}, replica.RuleBadSignature, true},
		"batches in another order": {func(_ *export.Head, list []*history.Batch) []*history.Batch {
			list[0], list[1] = list[1], list[0]
			return list
		}, replica.RuleMissingPast, false},
		"commits in another order": {func(_ *export.Head, list []*history.Batch) []*history.Batch {
			last := list[len(list)-1].Commits
			slices.Reverse(last)
			return list
		}, replica.RuleMissingPast, true},
		"a batch is missing": {func(h *export.Head, list []*history.Batch) []*history.Batch {
			h.Commits -= uint64(len(list[1].Commits))
			return slices.Delete(list, 1, 2)
		}, replica.RuleMissingPast, true},
		"an object is missing": {func(_ *export.Head, list []*history.Batch) []*history.Batch {
			for _, b := range list {
				b.Objects = nil
			}
			return list
		}, replica.RuleMissingObject, false},
		"another space's commits": {func(h *export.Head, list []*history.Batch) []*history.Batch {
			h.Commits = uint64(len(list[0].Commits) + len(foreign[1].Commits))
			return append(list[:1:1], foreign[1])
		}, replica.RuleMissingPast, true},
		"another space's first commit": {func(h *export.Head, list []*history.Batch) []*history.Batch {
			h.Commits = 0
			for _, b := range foreign {
				h.Commits += uint64(len(b.Commits))
			}
			return foreign
		}, replica.RuleMissingPast, false},
		"a head that is not in it": {func(h *export.Head, list []*history.Batch) []*history.Batch {
			h.Heads = []object.ID{other.ID()}
			return list
		}, "export.roots", true},
	} {
		t.Run(name, func(t *testing.T) {
			h, list := batchesOf(t, a.AnySpace)
			list = one.change(&h, list)
			file := rewritten(t, h, list)
			n := offline(t)
			_, err := n.Import(within(t), bytes.NewReader(file))
			if e := fileError(t, err); e.Rule != one.rule {
				t.Fatalf("want %s, got %v", one.rule, err)
			} else if e.Rule != "export.roots" {
				_, size := binary.Uvarint(file[e.Offset:])
				if at := file[int(e.Offset)+size:]; !bytes.HasPrefix(at, e.Block.Bytes()) {
					t.Errorf("the block is not at byte %d: %v", e.Offset, err)
				}
			}
			s, err := n.Space(h.Space)
			if here := err == nil; here != one.kept {
				t.Fatalf("the space is here: %v, %v", here, err)
			}
			if err == nil {
				checked := must(n.Check(within(t), false, nil))(t)
				if !checked[0].Sound() || checked[0].Commits != s.Replica().Len() {
					t.Errorf("%+v", checked)
				}
			}
			if _, err := hhs.VerifyExport(within(t), bytes.NewReader(file)); fileError(t, err).Rule != one.rule {
				t.Errorf("verify: %v", err)
			}
		})
	}
}

// What says that a file is whole, verify holds it to; importing it is harmless.
func TestVerifyFindsRepetition(t *testing.T) {
	a, _ := wellTravelled(t)
	h, list := batchesOf(t, a.AnySpace)
	h.Commits += uint64(len(list[0].Commits))
	file := rewritten(t, h, append(list, list[0]))
	if x, err := offline(t).Import(within(t), bytes.NewReader(file)); err != nil || x.New != h.Commits-uint64(len(list[0].Commits)) {
		t.Errorf("%+v, %v", x, err)
	}
	_, err := hhs.VerifyExport(within(t), bytes.NewReader(file))
	if fileError(t, err).Rule != "export.twice" {
		t.Error(err)
	}
}

// Any flipped bit is found, at or before the section it is in, and what was admitted is sound.
func TestVerifyFindsFlips(t *testing.T) {
	s := must(hhs.Create(within(t), offline(t), Notebook))(t)
	write(t, s, "one")
	data := exported(t, s.AnySpace)
	n, size := binary.Uvarint(data)
	head := int64(n) + int64(size) // its roots are compared with the block after it
	for i := 0; i < len(data); i += 29 {
		flipped := slices.Clone(data)
		flipped[i] ^= 1 << (i % 8)
		_, err := hhs.VerifyExport(within(t), bytes.NewReader(flipped))
		if e := fileError(t, err); e.Offset > max(int64(i), head) {
			t.Errorf("byte %d is said to be at %v", i, err)
		}
	}
}

// A device whose own commits come back in a file does not begin a second chain beside them.
func TestImportOfOwnSpaceThatWasLeft(t *testing.T) {
	n := offline(t)
	s := must(hhs.Create(within(t), n, Notebook))(t)
	write(t, s, "one")
	old := exported(t, s.AnySpace)
	write(t, s, "two")
	newer := exported(t, s.AnySpace)
	ok(t, n.Leave(within(t), s.ID()))
	must(n.Import(within(t), bytes.NewReader(old)))(t)
	again := must(hhs.As(must(n.Space(s.ID()))(t), Notebook))(t)
	write(t, again, "three")
	x := must(n.Import(within(t), bytes.NewReader(newer)))(t)
	if x.New != 1 || len(again.Replica().Forks()) > 0 || len(lines(t, again)) != 3 {
		t.Errorf("%+v, forks %v, lines %v", x, again.Replica().Forks(), lines(t, again))
	}
}

// The closure of an object is a file of its own.
func TestExportObject(t *testing.T) {
	n := offline(t)
	leaf := must(n.Put(within(t), "leaf"))(t)
	gone := object.Sum(object.Raw, []byte("not here"))
	left := must(n.Put(within(t), []any{leaf, gone}))(t)
	top := must(n.Put(within(t), map[string]any{"a": left, "b": leaf}))(t)
	var b bytes.Buffer
	x := must(n.ExportObject(within(t), top, &b))(t)
	if x.Objects != 3 || x.Outside != 1 || x.Bytes != int64(b.Len()) {
		t.Errorf("%+v", x)
	}
	in := must(carv2.NewBlockReader(bytes.NewReader(b.Bytes())))(t)
	var got []string
	for {
		block, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		ok(t, err)
		got = append(got, block.Cid().String())
	}
	if want := []string{top.String(), left.String(), leaf.String()}; !slices.Equal(got, want) || in.Roots[0].String() != top.String() {
		t.Errorf("%v", got)
	}
	if _, err := n.ExportObject(within(t), gone, io.Discard); !errors.Is(err, hhs.ErrNotFound) {
		t.Error(err)
	}
}
