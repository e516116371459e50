package crdttest

import (
	"bytes"
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

// Get implements crdt.State.
func (s *State) Get(key []byte) ([]byte, error) {
	v, err := s.tx.Get(key)
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
	s.tx.Put(key, value)
	return nil
}

// Delete implements crdt.State.
func (s *State) Delete(key []byte) error {
	if s.scans > 0 {
		return errScanning
	}
	s.tx.Delete(key)
	return nil
}

// Scan implements crdt.State.
func (s *State) Scan(lo, hi []byte, reverse bool) iter.Seq2[store.KV, error] {
	return func(yield func(store.KV, error) bool) {
		s.scans++
		defer func() { s.scans-- }()
		for kv, err := range s.tx.Scan(lo, hi, reverse) {
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

// Dump writes the state out, a line for each key: equal states have equal dumps.
func (s *State) Dump() string {
	var b strings.Builder
	for kv := range s.tx.Scan(nil, nil, false) {
		fmt.Fprintf(&b, "%x = %x\n", kv.Key, kv.Value)
	}
	return b.String()
}

// Size returns the number of keys and the bytes of keys and values.
func (s *State) Size() (keys, size int) {
	for kv := range s.tx.Scan(nil, nil, false) {
		keys, size = keys+1, size+len(kv.Key)+len(kv.Value)
	}
	return keys, size
}
