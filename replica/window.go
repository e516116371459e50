package replica

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/store"
)

const (
	// scanFrom is the number of commits from which on one scan beats reading
	// them one by one.
	scanFrom = 8
	// windowCommits bounds what is read in one go: a scan costs less than each
	// of so many commits then, and other goroutines wait a few milliseconds
	// where there is one thread.
	windowCommits = 128
	// keepChunk is how many bytes are allocated at once for what is read.
	keepChunk = 32 << 10
)

// record is a stored commit with its parts.
type record struct {
	num      history.Num
	commit   *history.Commit
	attested bool
}

// window reads commits from the beginning of a span: windowCommits of them, or
// until they have the size of a batch. A scan is dear to begin and cheap to go
// on with; few commits are read one by one.
func (p *packer) window(span history.Span) ([]record, error) {
	if span.Len() < scanFrom {
		return p.windowByKey(span)
	}
	read, size := make([]record, 0, windowCommits), 0
	k := p.space.keys
	for kv, err := range p.r.Scan(k.commit(span.Start), k.commit(span.End), false) {
		if err != nil {
			return nil, err
		}
		n := span.Start + history.Num(len(read))
		if !bytes.Equal(kv.Key, k.commit(n)) {
			return nil, fmt.Errorf("commit %d: %w", n, store.ErrNotFound)
		}
		rec, err := p.decode(n, p.keep(kv.Value))
		if err != nil {
			return nil, err
		}
		read = append(read, rec)
		size += estimate(rec.commit)
		if len(read) == windowCommits || size >= p.max {
			break
		}
	}
	if len(read) == 0 {
		return nil, fmt.Errorf("commit %d: %w", span.Start, store.ErrNotFound)
	}
	return read, p.parts(read)
}

// parts reads the parts of commits that follow each other; some may be absent.
func (p *packer) parts(read []record) error {
	k, i := p.space.keys, 0
	for kv, err := range p.r.Scan(k.part(read[0].num, 0), k.part(read[len(read)-1].num+1, 0), false) {
		if err != nil {
			return err
		}
		n, at, ok := k.partOf(kv.Key)
		for ok && i < len(read) && read[i].num < n {
			i++
		}
		if !ok || i == len(read) || read[i].num != n || at >= len(read[i].commit.Parts) {
			return fmt.Errorf("part of commit %d: %w", n, store.ErrCorrupt)
		}
		if err := p.load(read[i].commit, at, p.keep(kv.Value)); err != nil {
			return err
		}
	}
	return nil
}

// windowByKey reads a whole short span.
func (p *packer) windowByKey(span history.Span) (read []record, err error) {
	k, size := p.space.keys, 0
	for n := span.Start; n < span.End && size < p.max; n++ {
		v, err := p.r.Get(k.commit(n))
		if err != nil {
			return nil, fmt.Errorf("commit %d: %w", n, err)
		}
		rec, err := p.decode(n, v)
		if err != nil {
			return nil, err
		}
		for i := range rec.commit.Parts {
			part, err := p.r.Get(k.part(n, i))
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			if err == nil {
				err = p.load(rec.commit, i, part)
			}
			if err != nil {
				return nil, err
			}
		}
		read = append(read, rec)
		size += estimate(rec.commit)
	}
	return read, nil
}

func (p *packer) decode(n history.Num, v []byte) (record, error) {
	rec, err := decodeCommitRecord(&p.dec, v)
	if err != nil {
		return record{}, fmt.Errorf("commit %d: %w", n, err)
	}
	return record{n, rec.commit, rec.attested}, nil
}

// load adds a part. One that is not as it was written is found here, and not by
// the peer, who would blame this side.
func (p *packer) load(c *history.Commit, i int, part []byte) error {
	if err := p.dec.Load(c, i, part); err != nil {
		return fmt.Errorf("%w: %w", store.ErrCorrupt, err)
	}
	return nil
}

// estimate is what a commit takes in a batch, its parts included, whether they
// are read already or not.
func estimate(c *history.Commit) int {
	n := len(c.Raw)
	for i := range c.Env.Ops {
		n += c.Env.Ops[i].Size
	}
	return n
}

// keep copies what a scan shows for a moment, many values into one allocation.
func (p *packer) keep(v []byte) []byte {
	if cap(p.bytes)-len(p.bytes) < len(v) {
		p.bytes = make([]byte, 0, max(keepChunk, len(v)))
	}
	from := len(p.bytes)
	p.bytes = append(p.bytes, v...)
	return p.bytes[from:len(p.bytes):len(p.bytes)]
}
