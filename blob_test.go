package hhs_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/hyperhyperspace/hhs-go"
)

type attachment struct {
	Text string
	File *hhs.Blob
	See  *hhs.Ref
}

type album struct {
	Cover    hhs.Register[hhs.Blob]
	Pictures hhs.Log[attachment]
	Sorted   hhs.List[hhs.Blob]
	Unique   hhs.Set[hhs.Blob]
	ByName   hhs.Map[hhs.Register[hhs.Blob]]
	Note     hhs.Register[string]
}

var albumKind = hhs.Define[album]("example.org/album", 1)

// A blob is a value of every type, and reads back as it was written.
func TestBlobAsValue(t *testing.T) {
	ctx := context.Background()
	n := must(hhs.Open(ctx, "", hhs.InMemory(), hhs.Offline()))(t)
	defer n.Close()
	s := must(hhs.Create(ctx, n, albumKind))(t)
	b := must(n.PutBlob(ctx, strings.NewReader("hello"), hhs.BlobName("hello.txt"), hhs.BlobMedia("text/plain")))(t)
	see := hhs.Ref{Space: s.ID(), Path: []string{"pages", "one"}}
	ok(t, s.Update(ctx, func(tx *hhs.Tx, r album) error {
		m := r.ByName.At("hello")
		return errors.Join(r.Cover.Set(tx, b), r.Pictures.Append(tx, attachment{Text: "look", File: &b, See: &see}),
			r.Sorted.Append(tx, b), r.Unique.Add(tx, b), m.Set(tx, b))
	}))
	r := s.Root()
	if got, here, err := r.Cover.Get(); !here || got != b || err != nil {
		t.Errorf("register: %+v", got)
	}
	for e, err := range r.Pictures.All() {
		ok(t, err)
		if *e.Value.File != b || e.Value.See.String() != see.String() || !strings.HasPrefix(see.String(), "outside this space: ") {
			t.Errorf("log: %+v", e.Value)
		}
	}
	if has := must(r.Unique.Has(b))(t); !has {
		t.Error("set: it is not there")
	}
	bad := b
	bad.Name = "../../etc/passwd"
	err := s.Update(ctx, func(tx *hhs.Tx, r album) error { return r.Cover.Set(tx, bad) })
	if hhs.Code(err) != "value" {
		t.Errorf("a name that leads out of its directory: %q, %v", hhs.Code(err), err)
	}
}

// What is too large for a value is refused by its stable code, with what to do instead.
func TestValueTooLarge(t *testing.T) {
	ctx := context.Background()
	n := must(hhs.Open(ctx, "", hhs.InMemory(), hhs.Offline()))(t)
	defer n.Close()
	s := must(hhs.Create(ctx, n, albumKind))(t)
	err := s.Update(ctx, func(tx *hhs.Tx, r album) error { return r.Note.Set(tx, strings.Repeat("x", 64<<10)) })
	if hhs.Code(err) != "too_large" || !errors.Is(err, hhs.ErrValueSize) || !strings.Contains(err.Error(), "blob") {
		t.Errorf("%q, %v", hhs.Code(err), err)
	}
	_, err = s.Apply(ctx, []hhs.Op{{Field: "note", Action: "set", Value: strings.Repeat("x", 64<<10)}})
	if hhs.Code(err) != "too_large" {
		t.Errorf("%q, %v", hhs.Code(err), err)
	}
}
