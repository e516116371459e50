package replica

import (
	"context"
	"encoding/binary"
	"errors"
	"strings"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/object"
)

// WatchFind calls read with the present version, and then with a later one each time that the answer to a query
// may be another one; who is slow finds several changes in one. After each, when that version is
// let go of, it calls tell, which may take its time. It returns when tell
// wants no more or ctx is done, with the error of read, and with ErrClosed when the space is closed.
func (s *Space) WatchFind(ctx context.Context, q Query, read func(v *View) error, tell func() (more bool)) error {
	want, err := q.check()
	if err != nil {
		return err
	}
	wake := make(chan struct{}, 1)
	defer s.OnChange(func() {
		select {
		case wake <- struct{}{}:
		default:
		}
	})()
	feed := s.follow(true)
	defer feed.Close()
	for known, first := uint64(0), true; ; first = false {
		if was, err := s.findAgain(feed, &want, &known, first, read); err != nil || was && !tell() {
			return err
		}
		select {
		case <-wake:
		case <-s.Done():
			return ErrClosed
		case <-ctx.Done():
			return nil
		}
	}
}

// findAgain takes the next step of a feed, and returns whether the answer was read.
func (s *Space) findAgain(feed *Feed, want *wanted, known *uint64, first bool, read func(v *View) error) (was bool, err error) {
	v, version, changes, err := feed.Next()
	if err != nil {
		return false, err
	}
	defer v.Close()
	since := *known
	if *known = version; !first {
		if version == since {
			return false, nil // somebody acknowledged something
		}
		if may, err := v.mayAnswer(want, since, changes); err != nil || !may {
			return false, s.Damaged(err)
		}
	}
	return true, read(v)
}

// mayAnswer tells whether a query may be answered otherwise: by what commits from a number on brought, or by what came and
// went of what was here.
func (v *View) mayAnswer(want *wanted, since uint64, changes []Change) (bool, error) {
	prefix := append(v.space.keys.field(factFieldNumber), want.tag[:]...)
	for _, err := range v.snap.Scan(binary.BigEndian.AppendUint64(append([]byte{}, prefix...), since), end(prefix), false) {
		return err == nil, err
	}
	for i := range changes {
		c := &changes[i]
		if c.Resync || c.Schema != nil || c.Lost || want.record && want.meets(c) {
			return true, nil
		}
		f, err := v.space.field(c.Field)
		if err != nil {
			if errors.Is(err, ErrNoField) {
				continue // another change tells of the schema
			}
			return false, err
		}
		if in := f.shape.At(c.Path); in != nil && in.Fields != nil || !want.record && want.changes(c) {
			return true, nil // a record comes or goes with all that is in it
		}
	}
	return false, nil
}

// meets tells whether a change may be in records that are asked for.
func (w *wanted) meets(c *Change) bool {
	name := w.Type[1:]
	return name == c.Field || strings.HasPrefix(name, c.Field+".")
}

// changes tells whether a change takes away or brings a value that is asked for.
func (w *wanted) changes(c *Change) bool {
	if w.fits(c.Before) || w.fits(c.After) {
		return true
	}
	for i := range c.Edits {
		for _, part := range [2]*crdt.Content{&c.Edits[i].Deleted, &c.Edits[i].Inserted} {
			for _, value := range part.Values {
				if block, err := object.Encode(value); err != nil || w.fits(block) {
					return true
				}
			}
		}
	}
	return false
}
