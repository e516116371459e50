package replica_test

import (
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/replica"
	"github.com/hyperhyperspace/hhs-go/store"
)

// TestErasedIsBounded: the ops of one commit, and of all that an undo names, delete no more than crdt.MaxErased elements, as they say
// it; so a commit of some kB neither keeps megabytes nor takes a peer seconds, and nor does an undo of it.
func TestErasedIsBounded(t *testing.T) {
	const single, most = 1024, crdt.MaxErased / crdt.MaxStretches
	mem := store.NewMem()
	s, err := newNode(t, 1, func(c *replica.Config) { c.Store = mem }).Create(context.Background(), &authority.Manifest{Kind: "test/doc", Version: 1, Policy: authority.PolicyOpen,
		Fields: []authority.Field{{Name: "body", Type: "text"}, {Name: "lines", Type: "log"}}})
	if err != nil {
		t.Fatal(err)
	}
	line(t, s, "x")
	bad := newForger(t, 50)
	edit := func(d *draft, edits []byte, text string) {
		d.op(history.Op{Field: "body", Action: "edit"}, enc(t, []any{edits, text}))
	}
	d := bad.first("a", s.Heads()...)
	edit(d, binary.AppendUvarint([]byte{0}, single), strings.Repeat("x", single))
	for j := range single / 256 { // no two of one op are neighbours
		edits := append(binary.AppendUvarint(nil, uint64(4*(512*j+1))), 1)
		for range 255 {
			edits = append(edits, 4, 1)
		}
		edit(d, edits, strings.Repeat("y", 256))
	}
	last := d.commit(t)
	take := func(c *history.Commit) {
		t.Helper()
		if _, err := s.Ingest(context.Background(), bad.signed(s.ID(), c), peer); err != nil {
			t.Fatal(err)
		}
	}
	take(last)
	seq, before := uint64(2), stored(t, mem)
	var commits []*history.Commit
	for range 2 {
		d := bad.next("deletes", last.ID, seq)
		edit(d, []byte{0, 1}, "z") // deletes nothing
		for range 4000 {
			edit(d, binary.AppendUvarint([]byte{1}, crdt.MaxDeleted), "")
		}
		edit(d, []byte{0, 1}, "z")
		last, seq = d.commit(t), seq+1
		take(last)
		commits = append(commits, last)
	}
	if grown, limit := stored(t, mem)-before, 2*(6*crdt.MaxErased+4000*150); grown > limit {
		t.Errorf("two commits of 4,000 deletions keep %d bytes with the commits, at most %d are expected", grown, limit)
	}
	for _, c := range commits {
		if n := ignoredOf(t, s, "body", c); n != 4000-most {
			t.Errorf("%d deletions are ignored, not %d", n, 4000-most)
		}
	}
	shown := func(want int) {
		t.Helper()
		v, err := s.View()
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		env, err := v.Env("body")
		if err != nil {
			t.Fatal(err)
		}
		if n, _, err := crdt.TextLen(env); err != nil || int(n) != want {
			t.Errorf("%d elements are shown instead of %d, %v", n, want, err)
		}
	}
	shown(2*single + 4 - crdt.MaxStretches - 2) // all of them delete the same, those of the second commit the two z before it, too
	undo := func(refs ...history.OpRef) string {
		t.Helper()
		d := bad.next("undoes", last.ID, seq)
		d.op(history.Op{Field: authority.UndoField, Action: replica.ActionUndo, Refs: refs}, nil)
		last, seq = d.commit(t), seq+1
		take(last)
		return ignoredUndo(t, s, history.OpRef{Commit: last.ID, Index: 1})
	}
	first := func(c *history.Commit) history.OpRef { return history.OpRef{Commit: c.ID} }
	if why := undo(first(commits[0]), first(commits[1])); !strings.Contains(why, "deletions") {
		t.Errorf("an undo of both is ignored because %q", why)
	}
	for _, c := range commits {
		if why := undo(first(c)); why != "" {
			t.Errorf("an undo of one is ignored because %q", why)
		}
	}
	shown(2 * single)
	_, err = s.Update(context.Background(), func(tx *replica.Tx) error {
		for range most + 1 {
			payload := enc(t, []any{binary.AppendUvarint([]byte{1}, crdt.MaxStretches), ""})
			if err := tx.Do("body", crdt.Draft{Action: crdt.ActionEdit, Payload: payload}); err != nil {
				return err
			}
		}
		return nil
	})
	if ignored := (*crdt.Ignored)(nil); !errors.As(err, &ignored) || !strings.Contains(err.Error(), "several transactions") {
		t.Errorf("one deletion too many in a transaction: %v", err)
	}
}

// stored is how many bytes a store holds.
func stored(t *testing.T, mem *store.Mem) (n int) {
	t.Helper()
	snap, err := mem.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	for kv, err := range snap.Scan(nil, nil, false) {
		if err != nil {
			t.Fatal(err)
		}
		n += len(kv.Key) + len(kv.Value)
	}
	return n
}

// ignoredOf counts the ops of a commit on a field that are ignored.
func ignoredOf(t *testing.T, s *replica.Space, field string, c *history.Commit) (n int) {
	t.Helper()
	v, err := s.View()
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	env, err := v.Env(field)
	if err != nil {
		t.Fatal(err)
	}
	for skipped, err := range crdt.IgnoredOps(env) {
		if err != nil {
			t.Fatal(err)
		}
		if skipped.Ref.Commit == c.ID {
			n++
		}
	}
	return n
}
