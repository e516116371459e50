package replica

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/store"
)

// Progress is how far a rebuild has come. The last one of a space has Items ==
// Total.
type Progress struct {
	Space        object.ID
	Items, Total uint64 // commits
	Bytes        int64  // of them
}

// Report is what Check and Rebuild found in a space.
type Report struct {
	Space object.ID
	Readmitted
	// Derived names records that follow from the commits and do not agree with
	// them, such as the state of a field; Disagree counts them.
	Derived  []string
	Disagree int
}

// Sound tells that nothing is damaged.
func (r *Report) Sound() bool { return r.whole() && r.Disagree == 0 }

// Check puts all commits of a space through the door again, beside the copy in
// use, and compares what comes out with what is there. Nothing is
// changed. The space can be used meanwhile.
func (n *Node) Check(ctx context.Context, id object.ID, tell func(Progress)) (Report, error) {
	b, err := n.beginRebuild(ctx, id, tell)
	if err != nil {
		return Report{}, fmt.Errorf("check space %s: %w", id.Short(), err)
	}
	defer b.end()
	err = n.view(func(r store.Reader) error {
		if err := b.fill.run(ctx, r); err != nil {
			return err
		}
		if err := b.fill.finish(ctx, r); err != nil {
			return err
		}
		return b.compare(r)
	})
	if err = errors.Join(err, b.drop(ctx)); err != nil {
		return Report{}, fmt.Errorf("check space %s: %w", id.Short(), err)
	}
	return b.report(), nil
}

// Rebuild puts all commits of a space through the door again, into a fresh
// keyspace, and makes that the space's in one transaction: until then the
// old one is as it was, and a rebuild that was cut short begins again when the
// node is opened or this is called. What is damaged is set aside (see Damage).
//
// The space can be used until the end. Then its Space is closed, as by
// Leave, and Node.Space gives the new one.
func (n *Node) Rebuild(ctx context.Context, id object.ID, tell func(Progress)) (Report, error) {
	b, err := n.beginRebuild(ctx, id, tell)
	if err != nil {
		return Report{}, fmt.Errorf("rebuild space %s: %w", id.Short(), err)
	}
	defer b.end()
	err = n.view(func(r store.Reader) error { return b.fill.run(ctx, r) })
	if err == nil {
		err = b.replace(ctx)
	}
	if err != nil {
		return Report{}, fmt.Errorf("rebuild space %s: %w", id.Short(), errors.Join(err, b.drop(ctx)))
	}
	return b.report(), nil
}

// rebuild is one space being put together anew.
type rebuild struct {
	node  *Node
	entry Entry
	to    *Space // of a node of its own, whose batches do not wait for the disk
	fill  *readmission
	found Report
}

// beginRebuild takes a fresh keyspace. A note of it lets the next Open delete
// what is left should this process end.
func (n *Node) beginRebuild(ctx context.Context, id object.ID, tell func(Progress)) (*rebuild, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.beginRebuildLocked(ctx, id, tell)
}

func (n *Node) beginRebuildLocked(ctx context.Context, id object.ID, tell func(Progress)) (*rebuild, error) {
	if n.closed {
		return nil, ErrClosed
	}
	e, err := n.entry(id)
	if err != nil {
		return nil, err
	}
	if err := n.alone(e); err != nil {
		return nil, err
	}
	var version uint64
	err = n.view(func(r store.Reader) error {
		if _, err := r.Get(rebuildKey(id)); !errors.Is(err, store.ErrNotFound) {
			return errors.Join(err, fmt.Errorf("%w: it is being checked or rebuilt already", ErrBusy))
		}
		f, err := sourceFormat(r, newKeyspace(e.num))
		version = f.data
		return err
	})
	if err != nil {
		return nil, err
	}
	num, err := n.nextNumber()
	if err != nil {
		return nil, err
	}
	var b store.Batch
	b.Put([]byte{prefixNextSpace}, binary.BigEndian.AppendUint32(nil, num+1))
	b.Put(rebuildKey(id), binary.BigEndian.AppendUint32(nil, num))
	if err := n.apply(ctx, &b); err != nil {
		return nil, err
	}
	to := newSpace(n.beside(), id, num)
	to.verbatim = true
	return &rebuild{node: n, entry: e, to: to, fill: newReadmission(newKeyspace(e.num), version, to, tell)}, nil
}

// sourceFormat is the format of a space that is to be rebuilt. Its own record
// counts only while spaces are brought up to date: it may be damaged.
func sourceFormat(r store.Reader, k keyspace) (format, error) {
	whole, err := storeFormat(r)
	if err != nil {
		return whole, err
	}
	if _, err = r.Get(migratingKey()); errors.Is(err, store.ErrNotFound) && whole == present {
		return present, nil
	}
	f, err := readFormat(r, k)
	if errors.Is(err, store.ErrCorrupt) || err == nil && f.data > dataVersion {
		return present, nil
	}
	return f, err
}

// alone makes sure that no other space has the same keyspace: a damaged registry
// must not make the rebuild of one set aside what is the other's.
func (n *Node) alone(e Entry) error {
	entries, err := n.Entries()
	for _, other := range entries {
		if other.num == e.num && other.Space != e.Space {
			return fmt.Errorf("the registry has one place for the spaces %s and %s: %w", e.Space, other.Space, store.ErrCorrupt)
		}
	}
	return err
}

// beside is a node on the same store for what nobody sees yet: its batches wait
// for the disk only with the one that brings them to light.
func (n *Node) beside() *Node {
	cfg := n.cfg
	cfg.Durable = store.Written
	beside := &Node{cfg: cfg, cache: n.cache, signing: n.signing, spaces: map[object.ID]*Space{}}
	beside.dev.Store(n.dev.Load())
	return beside
}

func (b *rebuild) end() { b.to.close() }

// drop deletes what was put together.
func (b *rebuild) drop(ctx context.Context) error {
	var batch store.Batch
	dropKeyspace(&batch, b.to.keys)
	batch.Delete(rebuildKey(b.entry.Space))
	return b.node.apply(context.WithoutCancel(ctx), &batch)
}

func dropKeyspace(b *store.Batch, k keyspace) { b.DeleteRange(k[:], end(k[:])) }

func (b *rebuild) report() Report {
	r := b.found
	r.Space, r.Readmitted = b.entry.Space, b.fill.result
	return r
}

// replace makes the new keyspace the space's. Nothing enters meanwhile.
func (b *rebuild) replace(ctx context.Context) error {
	n := b.node
	live, unlock, err := n.lockPaused(ctx, func() (*Space, error) {
		if n.closed {
			return nil, ErrClosed
		}
		return n.spaces[b.entry.Space], nil
	})
	if err != nil {
		return err
	}
	defer unlock()
	return b.replaceLocked(ctx, live)
}

// replaceLocked needs the node's mu; live is the space in use, if it is, and paused.
func (b *rebuild) replaceLocked(ctx context.Context, live *Space) error {
	n, id := b.node, b.entry.Space
	e, err := n.entry(id)
	if err != nil {
		return err
	}
	if e.num != b.entry.num {
		return fmt.Errorf("%w: it was left and joined again meanwhile", ErrUnknownSpace)
	}
	if live != nil {
		live.mu.Lock()
		defer live.mu.Unlock()
	}
	err = n.view(func(r store.Reader) error { // what came since the first pass
		if err := b.fill.run(ctx, r); err != nil {
			return err
		}
		if err := b.fill.finish(ctx, r); err != nil {
			return err
		}
		if b.fill.result.whole() {
			if err := b.compare(r); err != nil {
				return err
			}
		}
		return b.turn(ctx, r, e.Note)
	})
	if err != nil {
		return err
	}
	if live != nil {
		live.closed = true
		delete(n.spaces, id)
		live.ended()
	}
	return nil
}

// turn writes the one batch that ends a rebuild.
func (b *rebuild) turn(ctx context.Context, r store.Reader, note []byte) error {
	id, res := b.entry.Space, &b.fill.result
	var batch store.Batch
	batch.Put(spaceIndexKey(id), append(binary.BigEndian.AppendUint32(nil, b.num()), note...))
	batch.Delete(rebuildKey(id))
	putFormat(&batch, b.to.keys)
	if err := b.keepOwn(r, &batch); err != nil {
		return err
	}
	t, known, err := readTrouble(r, id)
	if err != nil {
		return err
	}
	if res.whole() {
		dropKeyspace(&batch, b.fill.from)
	} else {
		t.note(b, res)
		for len(t.asides) > maxAsides {
			dropKeyspace(&batch, newKeyspace(t.asides[0].num))
			t.asides = t.asides[1:]
		}
	}
	switch {
	case len(t.asides) > 0:
		t.repair = false
		batch.Put(troubleKey(id), t.encode())
	case known:
		batch.Delete(troubleKey(id))
	}
	return b.node.apply(ctx, &batch)
}

func (b *rebuild) num() uint32 { return binary.BigEndian.Uint32(b.to.keys[1:]) }

// keepOwn carries over what does not follow from the commits: who
// acknowledged what, when the space was last active, and what this device
// wrote last if that stayed behind.
func (b *rebuild) keepOwn(r store.Reader, to putter) error {
	old := newSpace(b.node.beside(), b.entry.Space, b.entry.num)
	defer old.close()
	if err := old.loadTotals(r); err == nil && old.totals.active > 0 {
		to.Put(b.to.keys.key(subTotals, 0), totals{b.to.totals.bytes, old.totals.active}.encode())
	}
	err := old.scan(r, subAck, func(key, value []byte) error {
		if _, err := identity.PublicKeyFromBytes(key); err != nil || len(value)%8 != 0 {
			return nil // it only saves work
		}
		nums, err := b.renumber(r, value)
		if len(nums) > 0 {
			to.Put(append(b.to.keys.key(subAck, keySize), key...), nums)
		}
		return err
	})
	if err != nil && !errors.Is(err, store.ErrCorrupt) {
		return err
	}
	return b.keepTip(r, to)
}

// renumber is a list of numbers as the new keyspace gives them, without those
// that it has not.
func (b *rebuild) renumber(r store.Reader, list []byte) ([]byte, error) {
	if b.fill.result.whole() && b.to.graph.Len() == b.fill.end {
		return bytes.Clone(list), nil
	}
	var out []byte
	for ; len(list) > 0; list = list[8:] {
		st, err := b.to.readStored(r, b.fill.from, b.fill.version, binary.BigEndian.Uint64(list))
		if err != nil {
			return nil, err
		}
		if st.commit == nil {
			continue
		}
		b.to.mu.Lock()
		n, here, err := b.to.lookup(st.commit.ID)
		b.to.mu.Unlock()
		if err != nil {
			return nil, err
		}
		if here {
			out = appendNum(out, n)
		}
	}
	return out, nil
}

// keepTip sees to it that this device begins no second chain beside the one of
// which the end stayed behind: Update then waits for it as after Leave.
func (b *rebuild) keepTip(r store.Reader, to putter) error {
	if b.fill.result.whole() {
		return nil
	}
	device := b.node.device()
	prefix := append(newKeyspace(b.entry.num).key(subChain, keySize), device.Bytes()...)
	var last branch
	for kv, err := range r.Scan(prefix, end(prefix), false) {
		if err != nil {
			break // then the end is what could be read
		}
		if at, err := decodeBranch(0, kv.Value); err == nil && at.seq > last.seq {
			last = at
		}
	}
	if own := b.fill.own; own.seq > last.seq {
		last = own
	}
	if last.tip.IsZero() {
		return nil
	}
	if here, err := b.fill.here(last.tip); err != nil || here {
		return err
	}
	to.Put(leftKey(b.entry.Space, device), appendDigest(nil, last.tip))
	return nil
}

// compare holds what was derived from the commits, field by field of the key
// layout, against what is stored.
func (b *rebuild) compare(r store.Reader) error {
	f, err := sourceFormat(r, b.fill.from)
	if err != nil || f.data != dataVersion || !b.fill.result.whole() {
		return err
	}
	fresh, err := b.node.cfg.Store.Snapshot()
	if err != nil {
		return err
	}
	defer fresh.Close()
	was, is := newWalk(r, b.fill.from), newWalk(fresh, b.to.keys)
	defer was.stop()
	defer is.stop()
	for was.more || is.more {
		if is.err != nil {
			return is.err
		}
		if was.err != nil {
			b.disagree("records that cannot be read: " + was.err.Error())
			return nil
		}
		b.compareOne(was, is, f)
	}
	return nil
}

// walk goes through the records of a keyspace.
type walk struct {
	next func() (store.KV, error, bool)
	stop func()
	at   store.KV
	more bool
	err  error
}

func newWalk(r store.Reader, k keyspace) *walk {
	w := &walk{}
	w.next, w.stop = iter.Pull2(r.Scan(k[:], end(k[:]), false))
	w.step()
	return w
}

func (w *walk) step() { w.at, w.err, w.more = w.next() }

// compareOne compares the lesser of two keys and steps beyond it.
func (b *rebuild) compareOne(was, is *walk, f format) {
	order := 0
	switch {
	case !was.more:
		order = 1
	case !is.more:
		order = -1
	default:
		order = bytes.Compare(was.at.Key[5:], is.at.Key[5:])
	}
	key := was.at.Key
	if order > 0 {
		key = is.at.Key
	}
	equal := order == 0 && bytes.Equal(was.at.Value, is.at.Value)
	if name := derivedName(key, f); name != "" && !equal {
		b.disagree(name)
	}
	if order <= 0 {
		was.step()
	}
	if order >= 0 {
		is.step()
	}
}

// derivedName says what kind of record a key is of, "" for one that does not
// follow from the commits or is of another version.
func derivedName(key []byte, f format) string {
	switch sub := key[5]; sub {
	case subAck, subTotals, subFormat:
		return ""
	case subField:
		if f.state != stateVersion || len(key) > 8 && crdt.ByArrival(key[8:]) {
			return ""
		}
		if len(key) >= 8 {
			return fmt.Sprintf("state of field number %d", binary.BigEndian.Uint16(key[6:]))
		}
		return "state of a field"
	default:
		return fmt.Sprintf("record %q", sub)
	}
}

func (b *rebuild) disagree(what string) {
	b.found.Disagree++
	for _, known := range b.found.Derived {
		if known == what {
			return
		}
	}
	if len(b.found.Derived) < maxDamage {
		b.found.Derived = append(b.found.Derived, what)
	}
}
