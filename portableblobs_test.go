//go:build !js

package hhs_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/blob"
	"github.com/hyperhyperspace/hhs-go/history/export"
)

// What is here of a space's blobs travels in its file, also in part, and is checked.
func TestExportBlobs(t *testing.T) {
	var w wires
	data, other := noise(5*blob.ChunkSize+9), noise(700)
	ana := w.listen(t, "ws://ana", hhs.Kinds(albumKind))
	hers := must(hhs.Create(within(t), ana, albumKind))(t)
	b := cover(t, hers, data)
	cover(t, hers, other)
	whole := exportedBlobs(t, hers, 2)

	// Bob has two stretches of one, and nothing of the other.
	bob := w.open(t, hhs.Kinds(albumKind))
	his := must(hhs.Join(within(t), bob, albumKind, hers.Link().String()))(t)
	shown(t, his)
	await(t, his.AnySpace, "bob synced", func() bool { return his.Replica().Len() == hers.Replica().Len() })
	r := openBlob(t, his, b)
	buf := make([]byte, 10)
	must(r.ReadAt(buf, 4*blob.ChunkSize))(t)
	part := exportedBlobs(t, his, 1)
	if len(part) >= len(whole) || len(part) < blob.ChunkSize {
		t.Errorf("%d bytes of what bob has, %d of all", len(part), len(whole))
	}

	cy := w.open(t, hhs.Kinds(albumKind), hhs.Offline())
	x := must(cy.Import(within(t), bytes.NewReader(part)))(t)
	cys := must(hhs.As(must(cy.Space(x.Space))(t), albumKind))(t)
	rc := openBlob(t, cys, b)
	if n, err := rc.ReadAt(buf, 4*blob.ChunkSize); n != 10 || err != nil || !bytes.Equal(buf, data[4*blob.ChunkSize:][:10]) {
		t.Errorf("a part: %d, %v", n, err)
	}
	must(cy.Import(within(t), bytes.NewReader(whole)))(t)
	if got, err := io.ReadAll(rc); err != nil || !bytes.Equal(got, data) {
		t.Errorf("all: %d bytes, %v", len(got), err)
	}
	if x, err := hhs.VerifyExport(within(t), bytes.NewReader(whole)); err != nil || x.Blobs != 2 {
		t.Errorf("verify: %+v, %v", x, err)
	}
	for at := len(whole) - 3*blob.ChunkSize; at < len(whole); at += blob.ChunkSize - 1 {
		bent := bytes.Clone(whole)
		bent[at] ^= 1
		var bad *hhs.FileError
		if _, err := hhs.VerifyExport(within(t), bytes.NewReader(bent)); !errors.As(err, &bad) {
			t.Errorf("byte %d changed: %v", at, err)
		}
	}
	var bad *hhs.FileError
	if _, err := hhs.VerifyExport(within(t), bytes.NewReader(whole[:len(whole)-blob.ChunkSize])); !errors.As(err, &bad) || bad.Rule != "car.truncated" {
		t.Errorf("a file cut in a blob: %v", err)
	}
	if _, err := hhs.VerifyExport(within(t), bytes.NewReader(append(bytes.Clone(whole), whole[len(whole)-800:]...))); !errors.As(err, &bad) {
		t.Errorf("a file with more: %v", err)
	}
}

// exportedBlobs is an export that says how many blobs it has something of.
func exportedBlobs(t testing.TB, s *hhs.Space[album], blobs int) []byte {
	t.Helper()
	var b bytes.Buffer
	x, err := s.Export(within(t), &b)
	ok(t, err)
	if x.Blobs != blobs || x.Bytes != int64(b.Len()) {
		t.Errorf("it says %+v of %d bytes", x, b.Len())
	}
	return b.Bytes()
}

// A part of a blob that is no part of one is refused.
func TestExportBlobRefuses(t *testing.T) {
	ana := offline(t)
	hers := must(hhs.Create(within(t), ana, albumKind))(t)
	b := cover(t, hers, noise(3*blob.ChunkSize))
	for name, runs := range map[string][]export.Run{
		"out of order":      {{First: 1, Count: 1}, {First: 0, Count: 1}},
		"touching":          {{First: 0, Count: 1}, {First: 1, Count: 1}},
		"beyond the end":    {{First: 2, Count: 2}},
		"far beyond":        {{First: 1, Count: 1<<63 - 1}},
		"empty":             {{First: 1, Count: 0}},
		"before the begin":  {{First: -1, Count: 1}},
		"without its block": {{First: 0, Count: 1}},
	} {
		var file bytes.Buffer
		_, err := hers.Export(within(t), &file)
		ok(t, err)
		in := must(export.NewReader(bytes.NewReader(file.Bytes())))(t)
		var out bytes.Buffer
		wr := must(export.NewWriter(&out, in.Head()))(t)
		for {
			batch, err := in.Next()
			if err == io.EOF {
				break
			}
			ok(t, err)
			ok(t, wr.Batch(batch))
		}
		ok(t, wr.Part(export.BlobPart{Root: b.Root, Size: b.Size, Runs: runs}))
		var bad *hhs.FileError
		if _, err := hhs.VerifyExport(within(t), bytes.NewReader(out.Bytes())); !errors.As(err, &bad) || bad.Rule != export.RuleBlob && bad.Rule != "car.truncated" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
