package replica

import (
	"bytes"
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
		size += len(kv.Value)
		if len(read) == windowCommits || size >= p.max {
			break
		}
	}
	if len(read) == 0 {
		return nil, fmt.Errorf("commit %d: %w", span.Start, store.ErrNotFound)
	}
	return read, nil
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
		read = append(read, rec)
		size += len(v)
	}
	return read, nil
}

func (p *packer) decode(n history.Num, v []byte) (record, error) {
	rec, err := p.commits.decode(n, v)
	if err != nil {
		return record{}, fmt.Errorf("commit %d: %w", n, err)
	}
	return record{n, rec.commit, rec.attested}, nil
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
