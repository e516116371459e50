//go:build !js

package hhs_test

import (
	"bytes"
	"strings"
	"testing"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/blob"
)

type (
	plainNote struct{ Text string }
	filedNote struct {
		Text string
		File *hhs.Blob
	}
	plainBoard struct{ Note hhs.Register[plainNote] }
	filedBoard struct{ Note hhs.Register[filedNote] }
)

var (
	plainBoardKind = hhs.Define[plainBoard]("test.example/board", 1)
	filedBoardKind = hhs.Define[filedBoard]("test.example/board", 2)
)

// A member who knows only the hash of a file of another space names it under a property that an older program does not
// know. That program writes the descriptor back, in an op of its own device, and the file is not served for it.
func TestBlobWrittenBackIsNotServed(t *testing.T) {
	eve, ben := offline(t), offline(t)
	elsewhere := must(hhs.Create(within(t), ben, albumKind))(t)
	b := cover(t, elsewhere, []byte("nobody in the room may read this"))

	room := must(hhs.Create(within(t), eve, filedBoardKind))(t)
	ok(t, room.Update(within(t), func(tx *hhs.Tx, r filedBoard) error { return r.Note.Set(tx, filedNote{"hello", &b}) }))
	bens := must(hhs.As(carry(t, ben, room.AnySpace), plainBoardKind))(t)
	ok(t, bens.Update(within(t), func(tx *hhs.Tx, r plainBoard) error { return r.Note.Set(tx, plainNote{"hello Eve"}) }))
	if note := value(t, must(hhs.As(bens.AnySpace, filedBoardKind))(t).Root().Note); note.File == nil || note.File.Root != b.Root {
		t.Fatalf("not written back: %+v", note)
	}
	if data, err := bens.Replica().ServeBlob(b.Root, 0, 0); err == nil {
		t.Errorf("a member who knew the hash gets %q", data)
	}
	if _, err := elsewhere.Replica().ServeBlob(b.Root, 0, 0); err != nil {
		t.Errorf("where it was written: %v", err)
	}
}

// A file that announces a blob and ends before its bytes has no node serve what it has of it through other spaces; one
// with the bytes has.
func TestImportHoldsWhatCame(t *testing.T) {
	eve, ben := offline(t), offline(t)
	data := noise(blob.ChunkSize + 9)
	b := must(ben.PutBlob(within(t), bytes.NewReader(data)))(t)
	room := must(hhs.Create(within(t), eve, albumKind))(t)
	cover(t, room, data) // to have a file to cut
	var file bytes.Buffer
	must(room.Export(within(t), &file))(t)
	root := must(room.Replica().ServeBlob(b.Root, 0, 0))(t)
	at := bytes.LastIndex(file.Bytes(), root)
	if at < 0 {
		t.Fatal("the file has no root")
	}
	if _, err := ben.Import(within(t), bytes.NewReader(file.Bytes()[:at])); err == nil || !strings.Contains(err.Error(), "car.truncated") {
		t.Fatalf("a file that was cut: %v", err)
	}
	here := must(ben.Space(room.ID()))(t)
	if got, err := here.Replica().ServeBlob(b.Root, 0, 0); err == nil {
		t.Errorf("a file without the blob has %d bytes of it served", len(got))
	}
	must(ben.Import(within(t), &file))(t)
	if got, err := here.Replica().ServeBlob(b.Root, 1, 1); err != nil || !bytes.Equal(got, data[blob.ChunkSize:]) {
		t.Errorf("a file with it: %d bytes, %v", len(got), err)
	}
}
