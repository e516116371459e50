package idb

import (
	"errors"
	"fmt"
	"syscall/js"

	"github.com/hyperhyperspace/hhs-go/store"
)

// connection is values over an open database. It needs no lock: a page or worker has one thread, and what changes here
// changes between two events.
type connection struct {
	conn    js.Value
	own     uint64
	waiting bool   // not taken over for lack of room: own is the epoch of the writer before
	seen    []byte // the manifest then
}

var stores = [...]string{journalPlace: "journal", blocksPlace: "blocks", chunksPlace: "chunks"}

func (c *connection) takeOver() ([]byte, error) {
	err := c.begin("readwrite")
	if errors.Is(err, store.ErrFull) {
		// What is there must be readable also when not even a number can be written: the first write takes over.
		c.waiting = true
		err = c.begin("readonly")
	}
	return c.seen, err
}

// begin reads epoch and manifest, and raises the epoch if it may.
func (c *connection) begin(mode string) error {
	return transact(c.conn, mode, "strict", []any{"meta"}, func(t *transaction) {
		t.get("epoch", func(v js.Value) {
			c.own = 0
			if v.Type() == js.TypeNumber {
				c.own = uint64(v.Float())
			}
			if mode == "readwrite" {
				c.own++
				t.put("epoch", float64(c.own))
			}
		})
		t.get("manifest", func(v js.Value) { c.seen = toGo(v) })
	})
}

func (c *connection) epoch() (uint64, bool) { return c.own, !c.waiting }

func (c *connection) isOurs(v js.Value) bool {
	if v.IsUndefined() {
		return c.own == 0
	}
	return v.Type() == js.TypeNumber && v.Float() == float64(c.own)
}

func (c *connection) owned() bool {
	other := false
	err := transact(c.conn, "readonly", "default", []any{"meta"}, func(t *transaction) {
		t.get("epoch", func(v js.Value) { other = !c.isOurs(v) })
	})
	return err != nil || !other
}

func (c *connection) read(p place, first uint64, count int) (values [][]byte, err error) {
	last := uint64(maxNumber)
	if p == blocksPlace {
		last = first + uint64(count) - 1
	}
	err = transact(c.conn, "readonly", "default", []any{stores[p]}, func(t *transaction) {
		t.then(t.store(stores[p]).Call("getAll", keyRange(span{first, last}), count), func(v js.Value) {
			for i := range v.Length() {
				values = append(values, toGo(v.Index(i)))
			}
		})
	})
	return values, err
}

func (c *connection) apply(ch *change) error {
	durability := "relaxed"
	if ch.strict {
		durability = "strict"
	}
	names := []any{"blocks"}
	if ch.fenced() {
		names = []any{"meta", "journal"}
	}
	if ch.chunks {
		names = append(names, "chunks")
	}
	claim := ch.fenced() && c.waiting
	err := transact(c.conn, "readwrite", durability, names, func(t *transaction) {
		if !ch.fenced() {
			putBlocks(t, ch)
			return
		}
		c.fence(t)
		if claim {
			c.claim(t, ch)
		}
		c.put(t, ch)
	})
	if errors.Is(err, errUnknown) {
		return fmt.Errorf("%w: %w", errUnsettled, err)
	}
	if err == nil && claim {
		c.waiting = false
		c.own++
	}
	return err
}

func putBlocks(t *transaction, ch *change) {
	blocks := t.store("blocks")
	for i, b := range ch.blocks {
		blocks.Call("put", toJS(b), float64(ch.first+uint64(i)))
	}
	for _, s := range ch.free {
		t.drop("blocks", s)
	}
}

// fence is the first request of every change of the journal or the manifest (invariant 2).
func (c *connection) fence(t *transaction) {
	t.get("epoch", func(v js.Value) {
		if !c.isOurs(v) {
			t.abort(errFenced)
		}
	})
}

// claim is what a store that was opened full adds: with its first write it takes over, if nobody has written since it
// was read.
func (c *connection) claim(t *transaction, ch *change) {
	t.get("manifest", func(v js.Value) {
		if string(toGo(v)) != string(c.seen) {
			t.abort(errFenced)
		}
	})
	t.then(t.store("journal").Call("count", keyRange(span{ch.next, maxNumber})), func(v js.Value) {
		if v.Int() > 0 {
			t.abort(errFenced)
		}
	})
	t.put("epoch", float64(c.own+1))
}

func (c *connection) put(t *transaction, ch *change) {
	switch {
	case ch.manifest != nil:
		t.put("manifest", toJS(ch.manifest))
		t.drop("journal", span{0, ch.covered})
	case ch.entry != nil:
		t.store("journal").Call("add", toJS(ch.entry), float64(ch.next)) // add: an entry is never replaced
	case !c.waiting: // a barrier has to write something to make the browser sync
		t.put("epoch", float64(c.own))
	}
	if ch.chunks {
		t.store("chunks").Call("clear")
	}
}
