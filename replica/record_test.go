package replica

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/store"
)

// manyShapes makes a space with commits of all shapes: the first one, ops with
// references, of many ops, of several parts, with objects, without a part.
func manyShapes(t testing.TB) *Space {
	t.Helper()
	var seed [32]byte
	_, device, err := identity.NewDevice(context.Background(), rand.NewChaCha8(seed), "test", 1)
	if err != nil {
		t.Fatal(err)
	}
	n, err := Open(context.Background(), Config{Store: store.NewMem(), Device: device})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	s, err := n.Create(context.Background(), &authority.Manifest{Kind: "test/shapes", Version: 1, Policy: authority.PolicyOpen,
		Fields: []authority.Field{{Name: "title", Type: "register"}, {Name: "tags", Type: "set"}, {Name: "lines", Type: "log"}}})
	if err != nil {
		t.Fatal(err)
	}
	id, err := n.Put(context.Background(), map[string]any{"$type": "note", "text": "attached"})
	if err != nil {
		t.Fatal(err)
	}
	add := func(values ...any) func(tx *Tx) error {
		return func(tx *Tx) error {
			for _, v := range values {
				b, err := object.Encode(v)
				if err != nil {
					return err
				}
				if err := errors.Join(tx.Do("tags", crdt.SetAdd(b)), tx.Do("lines", crdt.LogAppend(b))); err != nil {
					return err
				}
			}
			return nil
		}
	}
	large := strings.Repeat("x", 60<<10)
	many := make([]any, 64)
	for i := range many {
		many[i] = fmt.Sprint("value ", i)
	}
	for _, f := range []func(tx *Tx) error{
		add("one"), add(many...), add("a"+large, "b"+large, "c"+large, "d"+large, "e"+large, "f"+large, "g"+large, "h"+large, "i"+large),
		func(tx *Tx) error { return tx.Attach(id) },
		func(tx *Tx) error {
			env, err := tx.Env("tags")
			if err != nil {
				return err
			}
			b, err := object.Encode("one")
			if err != nil {
				return err
			}
			drafts, err := crdt.SetRemove(env, b)
			if err != nil {
				return err
			}
			return tx.Do("tags", drafts[0])
		},
		add(strings.Repeat("y", 200), int64(7), nil),
	} {
		if _, err := s.Update(context.Background(), f); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// TestRecords: a commit is read back as it was, and its ops one by one as all of
// them together, whichever way they are read.
func TestRecords(t *testing.T) {
	s := manyShapes(t)
	quick := 0
	err := s.node.view(func(r store.Reader) error {
		for n := range s.graph.Len() {
			reader := commits{keys: s.keys, r: r}
			rec, err := reader.commit(n)
			if err != nil {
				return err
			}
			again, err := history.DecodeCommit(rec.commit.Raw, rec.commit.Parts)
			if err != nil {
				return err
			}
			if found, ok, err := s.lookupFrom(r, again.ID); err != nil || !ok || found != n {
				t.Errorf("commit %d is looked up as %d, %v, %v", n, found, ok, err)
			}
			v, err := r.Get(s.keys.commit(n))
			if err != nil {
				return err
			}
			if c, err := cutRecord(n, v); err != nil {
				return err
			} else if ok, err := (&ops{cut: c}).parse(); err != nil {
				return err
			} else if ok {
				quick++
			}
			payloads, err := again.Payloads()
			if err != nil {
				return err
			}
			for i, p := range payloads {
				if op := again.Env.Ops[i]; op.Field == "" || op.Part == history.NoPart {
					continue
				}
				op, err := reader.At(n, uint32(i))
				if err != nil {
					return fmt.Errorf("op %d of commit %d: %w", i, n, err)
				}
				if !bytes.Equal(op.Payload, p) || op.Ref != (history.OpRef{Commit: again.ID, Index: uint32(i)}) || op.Time != again.Env.Time ||
					op.Author != again.Env.Author || op.Identity != s.node.person() || op.Height != rec.commit.Height {
					t.Errorf("op %d of commit %d is read as %+v", i, n, op)
				}
			}
			if _, err := reader.At(n, uint32(len(payloads))); err == nil {
				t.Errorf("an op that commit %d does not have is read", n)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if quick < 3 {
		t.Errorf("only %d commits are read without decoding all of them", quick)
	}
}

// TestRecordsAhead: reading forwards, backwards and at random gives the same.
func TestRecordsAhead(t *testing.T) {
	s := manyShapes(t)
	for i := range 100 {
		b, err := object.Encode(fmt.Sprint("more ", i))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Update(context.Background(), func(tx *Tx) error { return tx.Do("lines", crdt.LogAppend(b)) }, store.Memory); err != nil {
			t.Fatal(err)
		}
	}
	s.settled()
	r := rand.New(rand.NewPCG(1, 2))
	err := s.node.view(func(reader store.Reader) error {
		c := commits{keys: s.keys, r: reader}
		n := s.graph.Len() - 100
		for range 2000 {
			switch r.IntN(10) {
			case 0:
				n = s.graph.Len() - 100 + history.Num(r.IntN(100))
			case 1, 2, 3:
				n = max(s.graph.Len()-100, n-history.Num(r.IntN(4)))
			default:
				n = min(s.graph.Len()-1, n+history.Num(r.IntN(4)))
			}
			op, err := c.At(n, 0)
			if err != nil {
				return err
			}
			want, err := object.Encode(fmt.Sprint("more ", n+100-s.graph.Len()))
			if err != nil {
				return err
			}
			if !bytes.Equal(op.Payload, want) {
				t.Fatalf("commit %d reads %q", n, op.Payload)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestIdsThatBeginAlike: an entry of the index may name several commits.
func TestIdsThatBeginAlike(t *testing.T) {
	s := manyShapes(t)
	var ids []object.ID
	for n := range s.graph.Len() {
		rec, err := s.commitAt(n)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, rec.commit.ID)
	}
	all := []byte{4, 0, 2, 1, 3}
	var b store.Batch
	for _, id := range ids[:5] {
		b.Put(s.keys.index(id), all)
	}
	if err := s.node.apply(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	err := s.node.view(func(r store.Reader) error {
		fresh := Space{node: &Node{}, keys: s.keys, id: s.id}
		for n, id := range ids {
			if got, ok, err := fresh.lookupFrom(r, id); err != nil || !ok || got != history.Num(n) {
				t.Errorf("commit %d is looked up as %d, %v, %v", n, got, ok, err)
			}
		}
		absent := ids[0].Digest()
		absent[31] ^= 1 // it begins as another one does
		if _, ok, err := fresh.lookupFrom(r, object.IDFromDigest(object.DagCBOR, absent)); ok || err != nil {
			t.Errorf("an id that is not here is found: %v, %v", ok, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// FuzzRecord: a record that is anything gives an error or a commit whose id is
// that of the record.
func FuzzRecord(f *testing.F) {
	s := manyShapes(f)
	err := s.node.view(func(r store.Reader) error {
		for n := range s.graph.Len() {
			v, err := r.Get(s.keys.commit(n))
			if err != nil {
				return err
			}
			if len(v) < 8<<10 {
				f.Add(v, byte(n))
			}
		}
		return nil
	})
	if err != nil {
		f.Fatal(err)
	}
	snap, err := s.node.cfg.Store.Snapshot()
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { snap.Close() })
	f.Fuzz(func(t *testing.T, v []byte, n byte) {
		c := commits{keys: s.keys, r: snap}
		if rec, err := c.decode(history.Num(n), v); err == nil && !isCommit(v, rec.commit.ID) {
			t.Errorf("%x is taken for commit %s", v, rec.commit.ID)
		}
		cut, err := cutRecord(history.Num(n), v)
		if err != nil {
			return
		}
		o := ops{cut: cut}
		if ok, err := o.parse(); !ok || err != nil {
			return
		}
		for i := range o.payloads {
			_, _ = o.at(uint32(i))
		}
	})
}
