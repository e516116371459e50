//go:build !js

package hhs_test

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
)

// Golden stores: node directories as an earlier version of this software left
// them, with what they must hold. Every version must be able to open them. Once
// the stored format changes, a store in the new format is added by
//
//	go test -run TestWriteGolden -golden testdata/stores/vN .
//
// and those that are there are never written again. Their keys are thrown away.
var goldenDir = flag.String("golden", "", "write a golden store of the present format into this directory")

// Files of a golden store.
const (
	goldenNode   = "node.tar.gz" // the node's directory
	goldenExpect = "expect.json"
)

// Desk is the kind of the golden stores.
type Desk struct {
	Title hhs.Register[string]
	Note  hhs.Register[object.ID]
	Lines hhs.Log[string]
	Tags  hhs.Set[string]
	Votes hhs.GrowSet[string]
}

var desk = hhs.Define[Desk]("test.example/desk", 1)

// goldenSpace is what a space of a golden store must say of itself.
type goldenSpace struct {
	Space    string
	Ready    bool
	Link     string
	Commits  int
	Bytes    int64
	Heads    []string
	HeldBy   map[string][]string // by head
	Names    map[string]string
	Title    []string
	Linked   []string
	Attached []string // those objects, as they are in this space
	Lines    []string
	Tags     []string
	Votes    []string
}

// goldenNodeState is what a golden store must hold.
type goldenNodeState struct {
	Device   string
	Identity string
	Name     string
	Kept     string // an object in no space
	Spaces   []goldenSpace
}

// describe reads all that a node holds.
func describe(t testing.TB, n *hhs.Node, kept object.ID) goldenNodeState {
	t.Helper()
	name, err := n.Name()
	ok(t, err)
	_, err = n.Get(kept)
	ok(t, err)
	st := goldenNodeState{Device: n.Device(), Identity: string(n.Identity()), Name: name, Kept: kept.String()}
	spaces, err := n.Spaces()
	ok(t, err)
	for _, s := range spaces {
		st.Spaces = append(st.Spaces, describeSpace(t, s))
	}
	return st
}

func describeSpace(t testing.TB, s *hhs.AnySpace) goldenSpace {
	t.Helper()
	g := goldenSpace{Space: s.ID().String(), Ready: s.Ready(), Link: s.Link().String(), Commits: s.Replica().Len(), Bytes: s.Replica().Bytes()}
	if !g.Ready {
		return g
	}
	g.HeldBy, g.Names = map[string][]string{}, map[string]string{}
	for _, h := range s.Replica().Heads() {
		g.Heads = append(g.Heads, h.String())
		held, err := s.HeldBy(h)
		ok(t, err)
		g.HeldBy[h.String()] = held
	}
	for e, err := range s.Names() {
		ok(t, err)
		g.Names[string(e.Identity)] = e.Value
	}
	for field, to := range map[string]*[]string{"title": &g.Title, "note": &g.Linked} {
		list, err := s.Register(field)
		ok(t, err)
		*to = entryTexts(list)
	}
	linked, err := s.Register("note")
	ok(t, err)
	for _, e := range linked {
		o, err := s.Object(e.Value.(object.ID))
		ok(t, err)
		g.Attached = append(g.Attached, fmt.Sprint(o))
	}
	for field, to := range map[string]*[]string{"tags": &g.Tags, "votes": &g.Votes} {
		p, err := s.SetPage(field, nil, 1000)
		ok(t, err)
		*to = entryTexts(p.Entries)
	}
	p, err := s.LogPage("lines", nil, 1000, false)
	ok(t, err)
	g.Lines = entryTexts(p.Entries)
	return g
}

// entryTexts are entries with who wrote them, when and in which commit.
func entryTexts(list []hhs.AnyEntry) (texts []string) {
	for _, e := range list {
		texts = append(texts, fmt.Sprintf("%v by %s with %s at %d in %s op %d", e.Value, e.Identity, e.Device, e.Time.UnixMilli(), e.Commit, e.Index))
	}
	return texts
}

func TestGoldenStores(t *testing.T) {
	all, err := filepath.Glob("testdata/stores/v*")
	ok(t, err)
	if len(all) == 0 {
		t.Fatal("no golden store is there")
	}
	for _, golden := range all {
		t.Run(filepath.Base(golden), func(t *testing.T) {
			var want goldenNodeState
			raw, err := os.ReadFile(filepath.Join(golden, goldenExpect))
			ok(t, err)
			ok(t, json.Unmarshal(raw, &want))
			dir := t.TempDir()
			unpackGolden(t, filepath.Join(golden, goldenNode), dir)
			for _, pass := range []string{"opened", "opened again"} {
				n, err := hhs.Open(within(t), dir, hhs.Kinds(desk), hhs.Offline())
				ok(t, err)
				kept, err := object.ParseID(want.Kept)
				ok(t, err)
				got := describe(t, n, kept)
				ok(t, n.Close())
				if raw, err = json.Marshal(got); err != nil { // as the wanted one was read: nil and empty are one
					t.Fatal(err)
				}
				var plain goldenNodeState
				ok(t, json.Unmarshal(raw, &plain))
				inAnyOrder(plain)
				inAnyOrder(want)
				if !reflect.DeepEqual(plain, want) {
					t.Errorf("%s, it holds\n%+v\nnot\n%+v", pass, plain, want)
				}
			}
		})
	}
}

// inAnyOrder sorts what is in sets: their order was another one in version 1.
func inAnyOrder(g goldenNodeState) {
	for _, s := range g.Spaces {
		slices.Sort(s.Tags)
		slices.Sort(s.Votes)
	}
}

// TestWriteGolden writes a golden store when asked to.
func TestWriteGolden(t *testing.T) {
	to := *goldenDir
	if to == "" {
		to = t.TempDir()
	}
	dir := t.TempDir()
	now := time.UnixMilli(1_700_000_000_000)
	clock := hhs.WithClock(func() time.Time { now = now.Add(time.Second); return now })
	n := openDesk(t, dir, clock)
	ok(t, n.SetName(within(t), "Ana"))
	kept, err := n.Put(within(t), "kept on the node, in no space")
	ok(t, err)
	device := newDevice(t)

	first := must(hhs.Create(within(t), n, desk))(t)
	second := must(hhs.Create(within(t), n, desk))(t)
	writeDesk(t, first, "a", 24)
	writeDesk(t, second, "b", 4)
	left := must(hhs.Create(within(t), n, desk))(t)
	writeDesk(t, left, "left", 2)
	// The second device writes twice with the same seq: its key forks.
	for _, branch := range []string{"x", "y"} {
		other := must(hhs.Open(within(t), "", hhs.Kinds(desk), hhs.WithDevice(device), hhs.Offline(), clock))(t)
		theirs := exchange(t, other, first.AnySpace, nil)
		writeDesk(t, theirs, branch, 12)
		exchange(t, n, theirs.AnySpace, first.AnySpace)
		if branch == "x" {
			theirs2 := exchange(t, other, second.AnySpace, nil)
			writeDesk(t, theirs2, "p", 9)
			exchange(t, n, theirs2.AnySpace, second.AnySpace)
			ok(t, second.Replica().Acked(within(t), device.Signer.Public(), theirs2.Replica().Heads()))
			gone := exchange(t, other, left.AnySpace, nil)
			ok(t, left.Replica().Acked(within(t), device.Signer.Public(), gone.Replica().Heads()))
		}
		ok(t, other.Close())
	}
	ok(t, n.Leave(within(t), left.ID()))
	ok(t, n.Close()) // the log becomes tables, so that the store has both
	n = openDesk(t, dir, clock)
	first = must(hhs.As(must(n.Space(first.ID()))(t), desk))(t)
	writeDesk(t, first, "after", 8)                                                              // merges the branches
	_, err = n.JoinSpace(within(t), object.Sum(object.DagCBOR, []byte("not here yet")).String()) // waits for its first commit
	ok(t, err)
	raw, err := json.MarshalIndent(describe(t, n, kept), "", "\t")
	ok(t, err)
	ok(t, n.Close())
	ok(t, os.MkdirAll(to, 0o755))
	packGolden(t, dir, filepath.Join(to, goldenNode))
	ok(t, os.WriteFile(filepath.Join(to, goldenExpect), append(raw, '\n'), 0o644))
}

func openDesk(t testing.TB, dir string, opts ...hhs.Option) *hhs.Node {
	t.Helper()
	return must(hhs.Open(within(t), dir, append(opts, hhs.Kinds(desk), hhs.Offline(), hhs.WithLabel("golden"))...))(t)
}

// writeDesk writes n transactions, with removals, objects and conflicts.
func writeDesk(t testing.TB, s *hhs.Space[Desk], who string, n int) {
	t.Helper()
	for i := range n {
		what := fmt.Sprintf("%s %d", who, i)
		id, err := s.Node().Put(within(t), map[string]any{"text": "attached by " + what})
		ok(t, err)
		ok(t, s.Update(within(t), func(tx *hhs.Tx, d Desk) error {
			errs := []error{d.Lines.Append(tx, what), d.Tags.Add(tx, what)}
			if i%2 == 1 {
				errs = append(errs, d.Tags.Remove(tx, fmt.Sprintf("%s %d", who, i-1)), d.Title.Set(tx, "title "+what))
			}
			if i%3 == 1 {
				errs = append(errs, tx.Attach(id), d.Note.Set(tx, id), d.Votes.Add(tx, what))
			}
			return errors.Join(errs...)
		}))
	}
}

// exchange gives a node all of a space, and returns the node's copy of it.
func exchange(t testing.TB, n *hhs.Node, from, here *hhs.AnySpace) *hhs.Space[Desk] {
	t.Helper()
	if here == nil {
		here = must(n.JoinSpace(within(t), from.Link().String()))(t)
	}
	for b, err := range from.Replica().Batches(here.Replica().Heads(), 1<<20) {
		ok(t, err)
		_, err = here.Replica().Ingest(context.Background(), b, replica.Source{Device: fromDevice(t, from)})
		ok(t, err)
	}
	return must(hhs.As(here, desk))(t)
}

func fromDevice(t testing.TB, s *hhs.AnySpace) identity.PublicKey {
	t.Helper()
	key, err := identity.ParsePublicKey(s.Node().Device())
	ok(t, err)
	return key
}

// packGolden packs a node's directory without what a store makes anew.
func packGolden(t testing.TB, dir, archive string) {
	t.Helper()
	f, err := os.OpenFile(archive, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	ok(t, err)
	z, err := gzip.NewWriterLevel(f, gzip.BestCompression)
	ok(t, err)
	w := tar.NewWriter(z)
	ok(t, fs.WalkDir(os.DirFS(dir), ".", func(name string, e fs.DirEntry, err error) error {
		if base := filepath.Base(name); err != nil || e.IsDir() || base == "BALLAST" || base == "LOCK" {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil {
			err = w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(data)), Typeflag: tar.TypeReg})
		}
		if err == nil {
			_, err = w.Write(data)
		}
		return err
	}))
	ok(t, errors.Join(w.Close(), z.Close(), f.Close()))
}

func unpackGolden(t testing.TB, archive, dir string) {
	t.Helper()
	f, err := os.Open(archive)
	ok(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	ok(t, err)
	r := tar.NewReader(z)
	for {
		h, err := r.Next()
		if err == io.EOF {
			return
		}
		ok(t, err)
		data, err := io.ReadAll(r)
		ok(t, err)
		name := filepath.Join(dir, filepath.FromSlash(h.Name))
		ok(t, os.MkdirAll(filepath.Dir(name), 0o700))
		ok(t, os.WriteFile(name, data, 0o600))
	}
}
