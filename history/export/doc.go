// Package export writes all of a space into one CAR file and reads it again, batch by batch, with no more than one of
// them in memory.
//
//	w, err := export.NewWriter(file, export.Head{Space: id, Commits: n, Heads: heads})
//	err = w.Batch(batch) // for each, in causal order
//
//	r, err := export.NewReader(file)
//	for { batch, err := r.Next() ... }
//
// docs/spec/export.md says which blocks stand where. The reader takes nothing else: what it returns is made of bytes
// that have the hashes they are named by, in the order of the file. Whether the commits are valid it does not know: that
// the door of package replica says, and Reader.Offset finds the place of the one it refused.
package export
