package history

import (
	"bytes"
	"slices"
	"testing"
)

// Commits read by one Decoder are those that DecodeCommit reads, also after many others were read.
func TestDecoder(t *testing.T) {
	b := mixed(t)
	var d Decoder
	var got []*Commit
	for range 50 {
		for _, c := range b.Commits {
			read, err := d.Decode(c.Raw, c.Parts)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, read)
		}
	}
	for i, g := range got {
		w := b.Commits[i%len(b.Commits)]
		again, err := g.Env.Encode()
		if g.ID != w.ID || err != nil || !bytes.Equal(again, w.Raw) {
			t.Fatalf("commit %d is %x, %v; want %x", i, again, err, w.Raw)
		}
		if !slices.Equal(g.Edges(), w.Env.Edges()) || !slices.Equal(g.Attached(), w.Attached()) {
			t.Fatalf("commit %d: edges %v, want %v; attached %v, want %v", i, g.Edges(), w.Env.Edges(), g.Attached(), w.Attached())
		}
		gp, gerr := g.Payloads()
		wp, werr := w.Payloads()
		if !slices.EqualFunc(gp, wp, bytes.Equal) || (gerr == nil) != (werr == nil) {
			t.Fatalf("commit %d: payloads %x, %v; want %x, %v", i, gp, gerr, wp, werr)
		}
	}
}
