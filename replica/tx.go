package replica

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"

	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/internal/order"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/store"
)

// Tx collects the ops of one Update. It is used inside the function given to
// Update and nowhere else.
type Tx struct {
	group    *group
	space    *Space
	ctx      context.Context
	over     *store.Tx // what it reads; nil until it reads
	height   uint64
	time     int64
	ops      []txOp
	held     []held // edits that become ops
	attached []object.ID
	blocks   [][]byte
	carried  int // bytes of blocks
	ended    bool
}

type txOp struct {
	op      history.Op
	payload []byte
	shown   bool // applied to the transaction's state
	erased  int  // crdt.Op.Erased
}

// Context is the context given to Update.
func (tx *Tx) Context() context.Context { return tx.ctx }

// Space is the space being updated.
func (tx *Tx) Space() *Space { return tx.space }

// Mark is that of the version the transaction began with. ok is false when more
// than ops at the end of fields lies between it and what the transaction reads:
// when something was taken back.
func (tx *Tx) Mark() (m Mark, ok bool) {
	return tx.group.mark, !tx.group.undoes && !slices.ContainsFunc(tx.ops, func(o txOp) bool { return o.op.Field == authority.UndoField })
}

// Env gives access to the state of a field as this transaction sees it.
func (tx *Tx) Env(field string) (*crdt.Env, error) {
	if tx.ended {
		return nil, ErrTxEnded
	}
	f, err := tx.group.kind.field(field)
	if err == nil {
		err = tx.release(field)
	}
	if err != nil {
		return nil, err
	}
	return f.env(tx.space, &txState{tx: tx, f: f}, &tx.group.past, txOps{tx}), nil
}

// layer is what the transaction reads: the version the group builds on, the
// commits of the group, and what was shown of its own ops.
func (tx *Tx) layer() (*store.Tx, error) {
	if tx.over == nil {
		under, err := tx.group.layer()
		if err != nil {
			return nil, err
		}
		tx.over = store.NewTx(under)
	}
	return tx.over, nil
}

// txState is a field's state as a transaction sees it. Ops are applied to it
// when it is next read: most transactions write and are done.
type txState struct {
	tx    *Tx
	f     *field
	state crdt.State // nil until it is read
}

// open makes the state show all ops so far.
func (s *txState) open() error {
	over, err := s.tx.layer()
	if err != nil {
		return err
	}
	if s.state == nil {
		s.state = s.f.state(over)
	}
	if err := s.tx.showUndo(over); err != nil {
		return err
	}
	return s.tx.catchUp(s.f, s.state)
}

// Get implements crdt.State.
func (s *txState) Get(key []byte) ([]byte, error) {
	if err := s.open(); err != nil {
		return nil, err
	}
	return s.state.Get(key)
}

// Put implements crdt.State.
func (s *txState) Put(key, value []byte) error { return store.ErrReadOnly }

// Delete implements crdt.State.
func (s *txState) Delete(key []byte) error { return store.ErrReadOnly }

// Scan implements crdt.State.
func (s *txState) Scan(lo, hi []byte, reverse bool) iter.Seq2[store.KV, error] {
	if err := s.open(); err != nil {
		return func(yield func(store.KV, error) bool) { yield(store.KV{}, err) }
	}
	return s.state.Scan(lo, hi, reverse)
}

// catchUp applies the ops of a field that its state does not show yet.
func (tx *Tx) catchUp(f *field, state crdt.State) error {
	env := f.env(tx.space, state, &tx.group.past, txOps{tx})
	env.Quiet = true
	for i := range tx.ops {
		o := &tx.ops[i]
		if o.shown || o.op.Field != f.name {
			continue
		}
		o.shown = true
		if _, err := f.typ.Apply(env, tx.whole(i), true); err != nil {
			return fmt.Errorf("field %s: %w", f.name, err)
		}
	}
	return nil
}

// whole is op i as the type sees it.
func (tx *Tx) whole(i int) crdt.Op {
	o, who := &tx.ops[i], tx.group.author()
	return crdt.Op{Ref: history.OpRef{Index: uint32(i)}, Num: openCommit, Height: tx.height, Author: who.device, Identity: who.person,
		Time: tx.time, Action: o.op.Action, Refs: o.op.Refs, Payload: o.payload, Erased: o.erased}
}

// ErrValueSize means that a value does not fit into an op. Larger ones are blobs (Node.PutBlob).
var ErrValueSize = errors.New("the value is too large")

// Do adds the op that a builder of package crdt drafted from Env. It is
// checked and applied to what this transaction reads, and travels in the
// transaction's commit.
func (tx *Tx) Do(field string, d crdt.Draft) error {
	if tx.ended {
		return ErrTxEnded
	}
	if err := tx.release(field); err != nil {
		return err
	}
	return tx.add(field, d)
}

func (tx *Tx) add(field string, d crdt.Draft) error {
	f, err := tx.group.kind.field(field)
	if err != nil {
		return err
	}
	if len(d.Payload) > MaxPayload {
		return fmt.Errorf("field %s: %w: %d bytes, and at most %d fit into an op; put it as a blob", field, ErrValueSize, len(d.Payload), MaxPayload)
	}
	last := len(tx.ops)
	tx.put(txOp{op: history.Op{Field: field, Action: d.Action, Refs: d.Refs, Size: len(d.Payload)}, payload: d.Payload})
	if err := f.typ.Check(f.shape.Schema, tx.whole(last)); err != nil {
		tx.ops = tx.ops[:last]
		return fmt.Errorf("field %s: %w", field, err)
	}
	return nil
}

// put adds an op.
func (tx *Tx) put(o txOp) {
	if n := len(tx.ops); n > 0 {
		last := &tx.ops[n-1]
		o.erased = last.erased + crdt.Deletes(last.op.Action, last.payload)
	}
	tx.ops = append(tx.ops, o)
}

// Attach makes an object of this node, with everything on this node it links
// to, part of the space: it travels with the commit. A closure of more than
// MaxAttachObjects objects or MaxAttachBytes bytes is refused.
func (tx *Tx) Attach(id object.ID) error {
	if tx.ended {
		return ErrTxEnded
	}
	ids, blocks, err := closure(tx.group.snap, id)
	if err != nil {
		return err
	}
	count, size := len(tx.attached), tx.carried
	var fresh []int
	for i, id := range ids {
		if !slices.Contains(tx.attached, id) {
			fresh = append(fresh, i)
			count, size = count+1, size+len(blocks[i])
		}
	}
	if count > MaxAttachObjects || size > MaxAttachBytes {
		return fmt.Errorf("attach object %s: more than %d objects or %d bytes in one commit", id, MaxAttachObjects, MaxAttachBytes)
	}
	for _, i := range fresh {
		tx.attached = append(tx.attached, ids[i])
		tx.blocks = append(tx.blocks, blocks[i])
	}
	tx.carried = size
	return nil
}

// parts packs the payloads into as few parts as hold them, none when there is
// nothing to carry, and tells each op which part it is in.
func (tx *Tx) parts(rand io.Reader) ([][]byte, error) {
	parts := []*history.Part{{Attached: tx.attached}}
	order.By(tx.attached, object.ID.Compare)
	size := 0
	for i := range tx.ops {
		o := &tx.ops[i]
		o.op.Part = history.NoPart
		if len(o.payload) == 0 {
			continue
		}
		if size += len(o.payload) + 8; size > history.MaxPart-history.MaxPart/8 {
			parts, size = append(parts, &history.Part{}), len(o.payload)+8
		}
		last := parts[len(parts)-1]
		last.Payloads = append(last.Payloads, o.payload)
		o.op.Part = len(parts) - 1
	}
	if len(parts[0].Payloads) == 0 && len(tx.attached) == 0 {
		return nil, nil
	}
	raws := make([][]byte, len(parts))
	for i, p := range parts {
		if _, err := io.ReadFull(rand, p.Salt[:]); err != nil {
			return nil, fmt.Errorf("read randomness: %w", err)
		}
		raw, err := p.Encode()
		if err != nil {
			return nil, err
		}
		raws[i] = raw
	}
	return raws, nil
}

// Flush makes ops of the edits of lists and texts that are held together until
// something reads them.
func (tx *Tx) Flush() error { return tx.release("") }

// Ops is the number of ops so far: the next one has it as its index among those
// of this transaction, by which later ones may name it.
func (tx *Tx) Ops() int { return len(tx.ops) }

// Len is the number of ops and attached objects so far; a transaction with
// none writes nothing.
func (tx *Tx) Len() int { return len(tx.ops) + len(tx.attached) }
