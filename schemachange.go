package hhs

import (
	"context"
	"fmt"
	"time"

	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
	"github.com/hyperhyperspace/hhs-go/schema"
)

// ErrOldSchema is returned by a write to what the program defines and the space
// has not yet. It is there when a founder's program of that version has upgraded
// the space, which it does when it opens it (see Space.Upgrade). Until then it is
// read as empty.
var ErrOldSchema = replica.ErrOldSchema

// ErrSchema is wrapped with why the schema of a space cannot be changed so: only
// founders change it, and nothing is removed or given another type.
var ErrSchema = replica.ErrSchema

// Upgrade declares in the space what the program defines and the space has not:
// new fields, new properties, other schemas. The space's version becomes the
// program's, unless it is higher. It is done by itself when a founder's program of a higher version
// opens the space, unless the node was opened WithoutUpgrade. It writes nothing
// when there is nothing to change, and returns the fields it declared.
//
// Older programs go on: they pass over what they do not know, keep it when they
// replace a value, and are told (Change.Schema).
func (s *Space[R]) Upgrade(ctx context.Context) ([]authority.Field, error) {
	return s.UpgradeTo(ctx, s.program.Manifest())
}

// UpgradeTo is Upgrade for a kind given as data.
func (s *AnySpace) UpgradeTo(ctx context.Context, m *authority.Manifest) (fields []authority.Field, err error) {
	_, err = s.Commit(ctx, func(tx *Tx) error {
		if fields, err = planned(tx.Kind(), m); err != nil || len(fields) == 0 {
			return err
		}
		return tx.ChangeSchema(max(m.Version, tx.Kind().Version()), fields)
	})
	if err != nil {
		return nil, fmt.Errorf("upgrade space %s: %w", s.ID().Short(), err)
	}
	return fields, nil
}

// PlanUpgrade is what UpgradeTo would declare now.
func (s *AnySpace) PlanUpgrade(m *authority.Manifest) ([]authority.Field, error) {
	k, err := s.rep.Kind()
	if err == nil {
		var fields []authority.Field
		if fields, err = planned(k, m); err == nil {
			return fields, nil
		}
	}
	return nil, fmt.Errorf("upgrade space %s: %w", s.ID().Short(), err)
}

func planned(k *authority.Kind, m *authority.Manifest) ([]authority.Field, error) {
	err := authority.Fits(k.Manifest(), m)
	if err == nil {
		err = authority.Turned(k.Manifest().Fields, m.Fields)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKind, err)
	}
	return authority.Upgrade(k.Manifest(), m), nil
}

// Founder tells whether this person founded the space: founders change its schema.
func (s *AnySpace) Founder() bool {
	f, err := s.rep.Founding()
	return err == nil && foundersOf(f)[s.node.Identity()]
}

// foundersOf are the people who founded a space.
func foundersOf(f *authority.Founding) map[Identity]bool {
	founders := make(map[Identity]bool, len(f.Founders))
	for _, k := range f.Founders {
		founders[Identity(k.String())] = true
	}
	return founders
}

// SchemaChange is a change of the schema of a space.
type SchemaChange struct {
	Commit   object.ID
	Identity Identity
	Time     time.Time // by the writer's clock; advisory
	Version  int       // of the kind from then on
	Fields   []string  // the names of those declared
	Ignored  []string  // what of it takes no effect, and why
}

// SchemaChanges lists the changes of the schema, in the order in which they take effect.
func (s *AnySpace) SchemaChanges() ([]SchemaChange, error) {
	k, err := s.rep.Kind()
	if err != nil {
		return nil, err
	}
	var list []SchemaChange
	for _, c := range k.Changes {
		one := SchemaChange{Commit: c.Op.Commit, Identity: Identity(c.By.String()), Time: WallTime(c.Time), Version: int(c.Version())}
		for _, f := range c.Fields() {
			one.Fields = append(one.Fields, f.Name)
		}
		for _, i := range k.Ignored() {
			if i.Op == c.Op {
				one.Ignored = append(one.Ignored, i.Path+": "+i.Reason)
			}
		}
		list = append(list, one)
	}
	return list, nil
}

// Fits tells whether a program with a kind given as data can open the space, as As
// does: ErrKind where it is another kind, or a field of another type.
func (s *AnySpace) Fits(m *authority.Manifest) error {
	have, err := s.Manifest()
	if err != nil {
		return err
	}
	if err := authority.Fits(have, m); err != nil {
		return fmt.Errorf("space %s: %w: %w", s.ID().Short(), err, ErrKind)
	}
	return nil
}

// open ties a program's kind to the space, and upgrades it if that is to be.
func (s *AnySpace) open(m *authority.Manifest) (*replica.Program, error) {
	have, err := s.Manifest()
	if err != nil {
		return nil, err
	}
	if err := s.Fits(m); err != nil {
		return nil, err
	}
	p, err := s.rep.Program(m)
	if err != nil {
		return nil, err
	}
	if m.Version > have.Version && !s.node.opts.keepSchema && s.Founder() {
		if _, err := s.UpgradeTo(context.Background(), m); err != nil {
			s.node.opts.log.Warn("the space was not upgraded", "space", s.ID(), "error", err)
		}
	}
	return p, nil
}

// WithoutUpgrade leaves the schema of spaces as it is until Space.Upgrade is
// called, also when a founder's program of a higher version opens them.
func WithoutUpgrade() Option { return func(o *options) { o.keepSchema = true } }

// laidOver is a value as a typed program writes it.
func (b binding) laidOver(tx *Tx, block []byte, shown func() (crdt.Entry, bool, error)) ([]byte, error) {
	if b.program == nil {
		return block, nil
	}
	return laidOver(b.program.Knows(b.field, b.path), tx.Schema(b.field, b.path), block, shown)
}

// laidOver is a value as a program says it that has a schema of its own.
func (op *Op) laidOver(b binding, tx *Tx, block []byte, shown func() (crdt.Entry, bool, error)) ([]byte, error) {
	if op.Known == nil {
		return block, nil
	}
	knows, err := schema.Parse(op.Known)
	if err != nil {
		return nil, err
	}
	return laidOver(knows, tx.Schema(b.field, b.path), block, shown)
}

// laidOver is a value as it is written: over the one shown, where that holds what
// the program that writes it does not know.
func laidOver(knows, field *schema.Schema, block []byte, shown func() (crdt.Entry, bool, error)) ([]byte, error) {
	if !knows.Closed() {
		return block, nil
	}
	e, ok, err := shown()
	if err != nil || !ok {
		return block, err
	}
	was, err := object.Decode(e.Value)
	if err != nil {
		return nil, err
	}
	written, err := object.Decode(block)
	if err != nil {
		return nil, err
	}
	kept, err := schema.Keep(knows, field, was, written)
	if err != nil {
		return nil, err
	}
	return object.Encode(kept)
}

// elementAt reads one element of a list.
func elementAt(env *crdt.Env, at uint64) (e crdt.Entry, ok bool, err error) {
	for e, err := range crdt.ListScan(env, at, at+1) {
		return e, err == nil, err
	}
	return e, false, nil
}
