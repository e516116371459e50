package history

import "encoding/binary"

// RunError says which run of a stored graph cannot be used, and why.
type RunError struct {
	Start  Num
	Reason string
}

// Error names the run.
func (e *RunError) Error() string {
	return "history: run at " + utoa(e.Start) + " of the stored graph " + e.Reason
}

// AppendRun appends the record of a run to dst: its length, its height, how far its floor is below its start, the number
// of its edges, and for each, nearest first, the distance to the one before (beginning at the run's start), all as
// uvarints. The start itself is the record's key. The format belongs to the store and may change with its version.
func AppendRun(dst []byte, r Run) []byte {
	dst = binary.AppendUvarint(dst, r.Len)
	dst = binary.AppendUvarint(dst, r.Height)
	dst = binary.AppendUvarint(dst, r.Start-r.Floor)
	dst = binary.AppendUvarint(dst, uint64(len(r.Edges)))
	at := r.Start
	for i := len(r.Edges) - 1; i >= 0; i-- {
		dst = binary.AppendUvarint(dst, at-r.Edges[i])
		at = r.Edges[i]
	}
	return dst
}

// DecodeRun reads the record of the run that begins at start. *RunError when it is damaged.
func DecodeRun(start Num, record []byte) (Run, error) {
	c := wire{buf: record}
	r := Run{Start: start, Len: c.uvarint(), Height: c.uvarint()}
	r.Floor = start - c.uvarint() // above start if it wraps
	n := c.count(1)
	if n > 0 {
		r.Edges = make([]Num, n)
	}
	at := start
	for i := n - 1; i >= 0; i-- {
		d := c.uvarint()
		if d == 0 || d > at {
			return Run{}, &RunError{start, "has an edge that is not before it"}
		}
		at -= d
		r.Edges[i] = at
	}
	if c.err != nil || len(c.buf) != 0 || !r.valid() {
		return Run{}, &RunError{start, "is damaged"}
	}
	return r, nil
}
