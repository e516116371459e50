package export

import (
	"errors"
	"fmt"
	"io"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/object/car"
)

// Rules that a file can break besides those of package car.
const (
	RuleHead        = "export.head"        // its first block is not the head of an export
	RuleVersion     = "export.version"     // of a format this software does not know
	RuleOrder       = "export.order"       // a block stands where another one belongs
	RuleBatch       = "export.batch"       // counts of a batch are malformed, or over the limits
	RuleCommit      = "export.commit"      // an envelope, or a commit with its parts, is malformed
	RulePart        = "export.part"        // not the part that the envelope before names
	RuleAttestation = "export.attestation" // a list of attestations is malformed
	RuleObject      = "export.object"      // an object that no commit of its batch attaches
	RuleBlob        = "export.blob"        // a part of a blob is malformed, or not of that blob
	RuleEnd         = "export.end"         // there is more after the last commit and the last part of a blob
)

// Reader reads an export once, from its beginning to its end.
type Reader struct {
	in    *car.Reader
	head  Head
	left  uint64
	blobs uint64 // parts to come
	dec   history.Decoder
	at    map[object.ID]int64 // of the commits of the latest batch
	begin int64               // of the latest batch
}

// NewReader reads the head. Whatever is wrong with a file is a *car.Error that says where; other errors are those of r.
func NewReader(r io.Reader) (*Reader, error) {
	in, err := car.NewReader(r)
	if err != nil {
		var e *car.Error
		if errors.As(err, &e) && e.Offset == 0 {
			e.Detail = "this is no file that hhs export wrote: " + e.Detail
		}
		return nil, err
	}
	x := &Reader{in: in}
	if err := x.readHead(); err != nil {
		return nil, err
	}
	return x, nil
}

// Head is what the file says of itself. Nothing of it is proven before all was read.
func (r *Reader) Head() Head { return r.head }

// Size is how many bytes of the file were read.
func (r *Reader) Size() int64 { return r.in.Offset() }

// Offset is where a commit of the latest batch stands in the file; for another one, where that batch does.
func (r *Reader) Offset(commit object.ID) int64 {
	if at, ok := r.at[commit]; ok {
		return at
	}
	return r.begin
}

func (r *Reader) readHead() error {
	b, m, err := r.table(typeHead)
	var e *car.Error
	if errors.As(err, &e) && e.Rule == RuleOrder {
		e.Rule, e.Detail = RuleHead, "this is no export of a space: "+e.Detail
	}
	if err != nil {
		return err
	}
	version, known := m["version"].(int64)
	if known && version != Version {
		return fault(b, RuleVersion, fmt.Sprintf("version %d, this program knows %d", version, Version), nil)
	}
	space, isLink := m["space"].(object.ID)
	commits, counted := count(m, "commits")
	roots := r.in.Roots()
	keys := 4
	if _, has := m["blobs"]; has {
		keys++
		if r.blobs, has = count(m, "blobs"); !has || r.blobs == 0 {
			counted = false
		}
	}
	if !known || !isLink || !counted || len(m) != keys || commits == 0 || len(roots) == 0 || roots[0] != space {
		return fault(b, RuleHead, "not {$type, version, space, commits, blobs if any} of the space that is the first root", nil)
	}
	r.head, r.left = Head{Space: space, Commits: commits, Blobs: r.blobs, Heads: roots[1:]}, commits
	if len(r.head.Heads) == 0 && commits == 1 {
		r.head.Heads = []object.ID{space}
	}
	return nil
}

// Next is the next batch, io.EOF after the last one; Part goes on from there.
func (r *Reader) Next() (*history.Batch, error) {
	if r.left == 0 && r.head.Blobs > 0 {
		return nil, io.EOF
	}
	if r.left == 0 {
		b, err := r.in.Next()
		if err == nil {
			err = fault(b, RuleEnd, fmt.Sprintf("all %d commits were before it", r.head.Commits), nil)
		}
		return nil, err
	}
	head, m, err := r.table(typeBatch)
	if err != nil {
		return nil, err
	}
	commits, ok1 := count(m, "commits")
	objects, ok2 := count(m, "objects")
	proofs, ok3 := count(m, "attestations")
	if !ok1 || !ok2 || !ok3 || len(m) != 4 || commits == 0 || proofs > commits {
		return nil, fault(head, RuleBatch, "not {$type, commits, objects, attestations}, with one commit or more and no more attestations", nil)
	}
	if commits > r.left {
		return nil, fault(head, RuleBatch, fmt.Sprintf("%d commits, where %d are left", commits, r.left), nil)
	}
	r.left -= commits
	r.begin, r.at = head.Offset, map[object.ID]int64{}
	x := batchReader{Reader: r, batch: &history.Batch{}}
	for x.need(proofs, &err, len(x.batch.Attestations)) {
		err = x.proofs(int(min(proofs-uint64(len(x.batch.Attestations)), proofsPerBlock)))
	}
	for x.need(commits, &err, len(x.batch.Commits)) {
		err = x.commit()
	}
	attached := x.attached()
	for x.need(objects, &err, len(x.batch.Objects)) {
		err = x.object(attached)
	}
	if err != nil {
		return nil, err
	}
	return x.batch, nil
}

// batchReader is one batch being read.
type batchReader struct {
	*Reader
	batch *history.Batch
	size  int
}

func (x *batchReader) need(all uint64, err *error, have int) bool {
	return *err == nil && uint64(have) < all
}

// spend counts what is kept of the batch.
func (x *batchReader) spend(b car.Block, n int) error {
	if x.size += n; x.size > maxBatch {
		return fault(b, RuleBatch, fmt.Sprintf("the batch that begins at byte %d takes more than %d bytes", x.begin, maxBatch), nil)
	}
	return nil
}

func (x *batchReader) proofs(want int) error {
	b, m, err := x.table(typeProofs)
	if err != nil {
		return err
	}
	list, _ := m["list"].([]any)
	if len(m) != 2 || len(list) != want {
		return fault(b, RuleAttestation, fmt.Sprintf("not {$type, list} of %d attestations", want), nil)
	}
	for i, one := range list {
		var a history.Attestation
		pair, _ := one.([]any)
		ok := len(pair) == 2
		if ok {
			a.Commit, ok = pair[0].(object.ID)
		}
		if ok {
			a.Sig, _ = pair[1].([]byte)
			ok = len(a.Sig) == history.SignatureSize
		}
		if !ok {
			return fault(b, RuleAttestation, fmt.Sprintf("list[%d] is not [commit, signature]", i), nil)
		}
		x.batch.Attestations = append(x.batch.Attestations, a)
	}
	return x.spend(b, len(b.Data)+len(list)*history.SignatureSize)
}

func (x *batchReader) commit() error {
	b, err := x.block()
	if err != nil {
		return err
	}
	if b.ID.Codec() != object.DagCBOR {
		return fault(b, RuleOrder, "an envelope belongs here", nil)
	}
	env, err := history.DecodeEnvelope(b.Data)
	if err != nil {
		return fault(b, RuleCommit, "", err)
	}
	parts := make([][]byte, len(env.Parts))
	for i := range parts {
		p, err := x.block()
		if err != nil {
			return err
		}
		if p.ID.Digest() != env.Parts[i] {
			return fault(p, RulePart, fmt.Sprintf("part %d of commit %s belongs here", i, b.ID), nil)
		}
		parts[i] = p.Data
	}
	c, err := x.dec.Decode(b.Data, parts)
	if err != nil {
		return fault(b, RuleCommit, "", err)
	}
	x.at[c.ID] = b.Offset
	x.batch.Commits = append(x.batch.Commits, c)
	return x.spend(b, history.CommitSize(c))
}

// attached is what the commits of the batch attach.
func (x *batchReader) attached() map[object.ID]bool {
	ids := map[object.ID]bool{}
	for _, c := range x.batch.Commits {
		for _, id := range c.Attached() {
			ids[id] = true
		}
	}
	return ids
}

func (x *batchReader) object(attached map[object.ID]bool) error {
	b, err := x.block()
	if err != nil {
		return err
	}
	if !attached[b.ID] {
		return fault(b, RuleObject, "no commit of its batch attaches it, or it is there twice", nil)
	}
	delete(attached, b.ID)
	x.batch.Objects = append(x.batch.Objects, b.Data)
	return x.spend(b, len(b.Data)+objectCost)
}

// objectCost is what an object takes besides its bytes.
const objectCost = 128

// block is the next block; that there is none is an error.
func (r *Reader) block() (car.Block, error) {
	at := r.in.Offset()
	b, err := r.in.Next()
	if err == io.EOF {
		err = &car.Error{Offset: at, Rule: car.RuleTruncated, Detail: fmt.Sprintf("the file ends before its last commit, of %d", r.head.Commits)}
	}
	return b, err
}

// table reads a block that is a map of the format.
func (r *Reader) table(typ string) (car.Block, map[string]any, error) {
	b, err := r.block()
	if err != nil {
		return b, nil, err
	}
	wrong := fault(b, RuleOrder, "a block with $type "+typ+" belongs here", nil)
	if b.ID.Codec() != object.DagCBOR {
		return b, nil, wrong
	}
	v, err := object.Decode(b.Data)
	if err != nil {
		return b, nil, wrong
	}
	m, _ := v.(map[string]any)
	if m["$type"] != typ {
		return b, nil, wrong
	}
	return b, m, nil
}

func count(m map[string]any, name string) (uint64, bool) {
	n, ok := m[name].(int64)
	return uint64(n), ok && n >= 0 && n <= maxCount
}

func fault(b car.Block, rule, detail string, cause error) error {
	return &car.Error{Offset: b.Offset, Block: b.ID, Rule: rule, Detail: detail, Cause: cause}
}
