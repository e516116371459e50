package authority

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/internal/order"
	"github.com/hyperhyperspace/hhs-go/object"
)

// SchemaType is the $type of the body of a schema op.
const SchemaType = "hhs/schema"

// Change is a change of the schema of a space: an op in the envelope of a founder's commit. Its body is {"$type":
// "hhs/schema", "version", "fields": [shape, ...]}: fields that are new, and fields that are there with another schema or
// with more properties, each as a whole. Nothing is removed, renamed or given another type.
//
// What it says is read when it is first asked for: to tell which changes count takes nothing of it.
type Change struct {
	Op     history.OpRef
	Height uint64             // of its commit
	By     identity.PublicKey // the founder
	Time   int64              // what their clock said, in ms; advisory
	Size   int                // of its body, in bytes
	After  []*Change          // those that count in its own past, in order

	body    []byte
	once    sync.Once
	version int64
	fields  []Field
}

// Version is that of the kind from then on.
func (c *Change) Version() int64 { c.open(); return c.version }

// Fields are those that it declares.
func (c *Change) Fields() []Field { c.open(); return c.fields }

// open reads the body. It was read before, when the change was judged, so that it can be read.
func (c *Change) open() {
	c.once.Do(func() {
		if c.body != nil {
			_ = c.read(c.body)
		}
	})
}

// order is the same on every replica, and a change stands after those in its past.
func (c *Change) order(d *Change) int {
	if n := cmp.Compare(c.Height, d.Height); n != 0 {
		return n
	}
	return object.ID.Compare(c.Op.Commit, d.Op.Commit)
}

// SchemaOp returns the op that changes a schema.
func SchemaOp(version int64, fields []Field) (history.Op, error) {
	body, err := object.Encode(map[string]any{"$type": SchemaType, "version": version, "fields": fieldValues(fields)})
	if err != nil {
		return history.Op{}, fmt.Errorf("authority: encode a change of the schema: %w", err)
	}
	return inline(ActionSchema, body), nil
}

// ReadChange reads the schema op of a commit; nil when it has none. Author is the identity that its device signs for, and after
// what counts in its past. It takes what [Judge] let pass: whether it may be is not asked again.
func ReadChange(c *history.Commit, author identity.PublicKey, after []*Change) *Change {
	for i := range c.Env.Ops {
		op := &c.Env.Ops[i]
		if op.Field != "" || op.Action != ActionSchema {
			continue
		}
		return &Change{Op: history.OpRef{Commit: c.ID, Index: uint32(i)}, Height: c.Height, By: author, Time: c.Env.Time, Size: len(op.Body), After: after, body: bytes.Clone(op.Body)}
	}
	return nil
}

func (c *Change) read(body []byte, checks ...FieldCheck) error {
	v, err := object.Decode(body)
	if err != nil {
		return fmt.Errorf("authority: decode a change of the schema: %w", err)
	}
	r := record{v: v}
	r.is(SchemaType)
	version, fields := r.int("version"), r.list("fields")
	if err := r.end(); err != nil {
		return err
	}
	switch {
	case len(body) > MaxChange:
		return &ManifestError{Reason: "a change of the schema has at most " + strconv.Itoa(MaxChange) + " bytes; make several"}
	case version < 1 || version > MaxKindVersion:
		return &ManifestError{Path: "version", Reason: "versions begin at 1"}
	case len(fields) == 0:
		return &ManifestError{Path: "fields", Reason: "it changes no field"}
	}
	p := &shapes{checks: checks, parse: true}
	c.version = version
	c.fields, err = p.fields("", "", fields, 1)
	return err
}

// Check judges a change by what holds in its past; the error says why it cannot be made.
func (k *Kind) Check(op *history.Op, author identity.PublicKey, checks ...FieldCheck) error {
	if !slices.Contains(k.Founding.Founders, author) {
		return &ManifestError{Reason: "only a founder of the space changes its schema"}
	}
	var c Change
	if err := c.read(op.Body, checks...); err != nil {
		return err
	}
	var own used
	for _, other := range k.Changes {
		if other.By == author {
			own.add(other)
		}
	}
	if own.up() {
		return &ManifestError{Reason: "its author has changed the schema " + strconv.Itoa(own.changes) + " times, with " + strconv.Itoa(own.bytes) +
			" bytes, and may " + strconv.Itoa(MaxChanges) + " times or with " + strconv.Itoa(MaxChangesBytes) + " bytes; another founder can"}
	}
	have := k.Manifest().Fields
	if err := clash("", have, c.fields); err != nil {
		return err
	}
	if Count(have)+news(have, c.fields) > MaxFields {
		return &ManifestError{Path: "fields", Reason: "with those that are there more than " + strconv.Itoa(MaxFields) + ", those inside others counted"}
	}
	return nil
}

// clash finds a field that is there with another type.
func clash(path string, have, want []Field) error {
	for i := range want {
		f, at := &want[i], under(path, want[i].Name)
		h := named(have, f.Name)
		if h == nil {
			continue
		}
		if a, b := h.Skeleton(), f.Skeleton(); a != b {
			return &ManifestError{Path: at, Reason: "it is a " + a + " in the space and cannot become a " + b}
		}
		for f.Of != nil {
			h, f, at = h.Of, f.Of, at+"[...]"
		}
		if err := clash(at, h.Fields, f.Fields); err != nil {
			return err
		}
	}
	return nil
}

func named(fields []Field, name string) *Field {
	for i := range fields {
		if fields[i].Name == name {
			return &fields[i]
		}
	}
	return nil
}

// Count is how many shapes there are, those inside others included.
func Count(fields []Field) int {
	n := 0
	for i := range fields {
		n += fields[i].count()
	}
	return n
}

func (f *Field) count() int {
	if f.Of != nil {
		return 1 + f.Of.count()
	}
	return 1 + Count(f.Fields)
}

// news is how many shapes fields that do not [clash] with those that are there would add to them.
func news(have, want []Field) int {
	n := 0
	for i := range want {
		h, w := named(have, want[i].Name), &want[i]
		if h == nil {
			n += w.count()
			continue
		}
		for w.Of != nil {
			h, w = h.Of, w.Of
		}
		n += news(h.Fields, w.Fields)
	}
	return n
}

// InOrder sorts changes as they take effect.
func InOrder(list []*Change) []*Change {
	order.By(list, (*Change).order)
	return list
}

// used is what one founder has used up of the room for changes.
type used struct{ changes, bytes int }

func (u *used) add(c *Change) { u.changes, u.bytes = u.changes+1, u.bytes+c.Size }

func (u *used) up() bool { return u.changes >= MaxChanges || u.bytes >= MaxChangesBytes }

// Counted are the changes that count among some, each once and in order: of each founder those before which there are fewer
// than [MaxChanges] with less than [MaxChangesBytes]. So they are the first ones, and a change that does not count among some
// does not among more either.
func Counted(lists ...[]*Change) []*Change {
	var all []*Change
	for _, l := range lists {
		all = append(all, l...)
	}
	InOrder(all)
	own := map[identity.PublicKey]*used{}
	var last *Change
	return slices.DeleteFunc(all, func(c *Change) bool {
		if last != nil && last.Op.Commit == c.Op.Commit {
			return true
		}
		last = c
		u := own[c.By]
		if u == nil {
			u = &used{}
			own[c.By] = u
		}
		full := u.up()
		u.add(c)
		return full
	})
}

// equalValue tells whether two object values have the same bytes.
func equalValue(a, b any) bool {
	x, errX := object.Encode(a)
	y, errY := object.Encode(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}
