package crdttest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/store"
)

// State is a field's state in memory that holds a type to the contract: what a scan yields is overwritten at the next
// step, and writing during a scan fails.
type State struct {
	tx    *store.Tx
	scans int
}

var _ crdt.State = (*State)(nil)

// errScanning is what a write during a scan gets.
var errScanning = errors.New("crdttest: the type writes while it scans")

// NewState returns an empty state.
func NewState() *State { return &State{tx: store.NewTx(nothing{})} }

// nothing is the empty Reader.
type nothing struct{}

func (nothing) Get([]byte) ([]byte, error) { return nil, store.ErrNotFound }

func (nothing) Scan(lo, hi []byte, reverse bool) iter.Seq2[store.KV, error] {
	return func(func(store.KV, error) bool) {}
}

// before comes before all keys: a Tx gives none out that begins with 00, as the count of a field does.
const before = "s"

func at(key []byte) []byte { return append([]byte(before), key...) }

// all yields everything between two keys.
func (s *State) all(lo, hi []byte, reverse bool) iter.Seq2[store.KV, error] {
	end := []byte{before[0] + 1}
	if hi != nil {
		end = at(hi)
	}
	return func(yield func(store.KV, error) bool) {
		for kv, err := range s.tx.Scan(at(lo), end, reverse) {
			if err == nil {
				kv.Key = kv.Key[len(before):]
			}
			if !yield(kv, err) {
				return
			}
		}
	}
}

// Get implements crdt.State.
func (s *State) Get(key []byte) ([]byte, error) {
	v, err := s.tx.Get(at(key))
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return v, err
}

// Put implements crdt.State.
func (s *State) Put(key, value []byte) error {
	if s.scans > 0 {
		return errScanning
	}
	s.tx.Put(at(key), value)
	return nil
}

// Delete implements crdt.State.
func (s *State) Delete(key []byte) error {
	if s.scans > 0 {
		return errScanning
	}
	s.tx.Delete(at(key))
	return nil
}

// Scan implements crdt.State.
func (s *State) Scan(lo, hi []byte, reverse bool) iter.Seq2[store.KV, error] {
	return func(yield func(store.KV, error) bool) {
		s.scans++
		defer func() { s.scans-- }()
		for kv, err := range s.all(lo, hi, reverse) {
			k, v := bytes.Clone(kv.Key), bytes.Clone(kv.Value)
			more := yield(store.KV{Key: k, Value: v}, err)
			scribble(k)
			scribble(v)
			if !more {
				return
			}
		}
	}
}

func scribble(b []byte) {
	for i := range b {
		b[i] = 0xee
	}
}

// bytes returns all keys and values, each after its length: equal states have equal bytes.
func (s *State) bytes() string {
	var b []byte
	for kv := range s.all(nil, nil, false) {
		for _, part := range [][]byte{kv.Key, kv.Value} {
			b = append(binary.AppendUvarint(b, uint64(len(part))), part...)
		}
	}
	return string(b)
}

// Dump writes the state out for people, a line for each key.
func (s *State) Dump() string { return dump(s.bytes()) }

func dump(state string) string {
	var lines strings.Builder
	for b := []byte(state); len(b) > 0; {
		for _, end := range []string{" = ", "\n"} {
			n, size := binary.Uvarint(b)
			fmt.Fprintf(&lines, "%x%s", b[size:size+int(n)], end)
			b = b[size+int(n):]
		}
	}
	return lines.String()
}

// Size returns the number of keys and the bytes of keys and values.
func (s *State) Size() (keys, size int) {
	for kv := range s.all(nil, nil, false) {
		keys, size = keys+1, size+len(kv.Key)+len(kv.Value)
	}
	return keys, size
}
