package replica

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/store"
)

// This file reads the records of commits of data version 1 for a rebuild. It
// does not change any more: stores in that format stay readable.
//
//	c <num:8>           flags (1: attested, 2: not on the first branch), height
//	                    as uvarint, with flag 2 the branch's number as uvarint,
//	                    and the envelope
//	p <num:8> <part:1>  payload part
//	t <num:8>           attestation signature

// readStoredV1 reads one commit. A record that is not as it was written makes
// damage; another error is the store's.
func readStoredV1(r store.Reader, k keyspace, n history.Num) (c *history.Commit, sig []byte, err error) {
	rec, err := r.Get(k.num('c', n))
	if err != nil {
		return nil, nil, lost("envelope", err)
	}
	raw, ok := envelopeV1(rec)
	if !ok {
		return nil, nil, lost("envelope", errors.New("the record is cut off"))
	}
	bare, err := history.DecodeCommit(raw, nil)
	if err != nil {
		return nil, nil, lost("envelope", err)
	}
	var parts [][]byte
	for i := range bare.Parts {
		part, err := r.Get(append(k.num('p', n), byte(i)))
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return bare, nil, lost(fmt.Sprintf("part %d", i), err)
		}
		parts = append(parts, part)
	}
	if sig, err = r.Get(k.num('t', n)); err != nil && !errors.Is(err, store.ErrNotFound) {
		return bare, nil, lost("attestation", err)
	}
	c, err = history.DecodeCommit(raw, parts)
	if err != nil {
		return bare, sig, lost("part", err)
	}
	for i, p := range c.Parts {
		if p == nil {
			return bare, sig, lost(fmt.Sprintf("part %d", i), store.ErrNotFound)
		}
	}
	return c, sig, nil
}

// envelopeV1 is the envelope in a commit record.
func envelopeV1(rec []byte) ([]byte, bool) {
	if len(rec) < 2 {
		return nil, false
	}
	numbers := 1 // the height
	if rec[0]&2 != 0 {
		numbers++ // the branch
	}
	rest := rec[1:]
	for range numbers {
		_, size := binary.Uvarint(rest)
		if size <= 0 {
			return nil, false
		}
		rest = rest[size:]
	}
	return rest, true
}
