package replica

import (
	"errors"
	"fmt"
	"sync"

	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/schema"
)

// ErrOldSchema is wrapped with the place, and with what helps: the program
// defines it, and the space has it not yet.
var ErrOldSchema = errors.New("the program defines it, and the space has it not yet")

// ErrSchema is wrapped with why the schema cannot be changed so.
var ErrSchema = errors.New("the schema cannot be changed so")

// ErrUnfit is wrapped with the field that the space and a program have of
// different types.
var ErrUnfit = errors.New("the program does not fit the space")

// Program is a kind as a program defines it, laid over what the space has: what
// the space has not yet is read as empty, and what only the space has is not
// looked at. nil is a program that knows what the space has.
type Program struct {
	space    *Space
	manifest *authority.Manifest
	own      *kind // the program's alone

	mu         sync.Mutex
	over, lens *kind // for the kind asked about last
}

// Program makes one. ErrUnfit when what both have is of different types.
func (s *Space) Program(m *authority.Manifest) (*Program, error) {
	k := s.kind.Load()
	if k == nil {
		return nil, ErrPending
	}
	p := &Program{space: s, manifest: m, own: s.newKind(&authority.Founding{Manifest: m})}
	for i := range m.Fields {
		if _, err := p.own.field(m.Fields[i].Name); err != nil {
			return nil, err
		}
	}
	_, err := p.lay(k)
	return p, err
}

// Manifest is the kind as the program defines it.
func (p *Program) Manifest() *authority.Manifest { return p.manifest }

// lay is what the program sees of a kind.
func (p *Program) lay(k *kind) (*kind, error) {
	if p == nil {
		return k, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over == k {
		return p.lens, nil
	}
	have := k.holds.Manifest()
	if err := authority.Fits(have, p.manifest); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnfit, err)
	}
	lens := k
	if fields := authority.Extend(have.Fields, p.manifest.Fields); authority.Count(fields) > authority.Count(have.Fields) {
		m := *have
		m.Fields = fields
		lens = p.space.newKind(&authority.Founding{Manifest: &m})
	}
	p.over, p.lens = k, lens
	return lens, nil
}

// Knows is the schema of the values at a place of the program, or nil: any value.
func (p *Program) Knows(field string, path []crdt.Step) *schema.Schema {
	if p == nil {
		return nil
	}
	f, err := p.own.field(field)
	if err != nil {
		return nil
	}
	if at := f.shape.At(path); at != nil {
		return at.Schema
	}
	return nil
}

// EnvOf is Env as a program sees the field.
func (v *View) EnvOf(p *Program, name string) (*crdt.Env, error) {
	if p == nil || name == authority.UndoField {
		return v.Env(name)
	}
	if v.past != nil {
		return v.past.env(v.snap, name, p)
	}
	k := v.space.kind.Load()
	if k == nil {
		return nil, ErrPending
	}
	f, err := p.field(k, name)
	if err != nil {
		return nil, err
	}
	return f.env(v.space, f.reading(v.snap), viewPast{v.space}, v.space.opsFrom(v.snap)), nil
}

// field is a field as the program sees it.
func (p *Program) field(k *kind, name string) (*field, error) {
	lens, err := p.lay(k)
	if err != nil {
		return nil, err
	}
	return lens.field(name)
}

// EnvOf is Env as a program sees the field.
func (tx *Tx) EnvOf(p *Program, name string) (*crdt.Env, error) {
	if tx.ended {
		return nil, ErrTxEnded
	}
	f, err := p.field(tx.group.kind, name)
	if err == nil {
		err = tx.release(name)
	}
	if err != nil {
		return nil, err
	}
	return f.env(tx.space, &txState{tx: tx, f: f}, &tx.group.past, txOps{tx}), nil
}

// Has tells whether what is written at a place of a program has a place in the
// space: ErrOldSchema when it has not yet.
func (tx *Tx) Has(p *Program, field string, path []crdt.Step) error {
	missing := ""
	f, err := tx.group.kind.field(field)
	if err == nil {
		if missing = f.shape.Missing(path); missing == "" {
			return nil
		}
	}
	return fmt.Errorf("%s%s: %w; %s", field, missing, ErrOldSchema, tx.Upgrading(p))
}

// Upgrading says for people how the space comes by what a program defines and the space has not.
func (tx *Tx) Upgrading(p *Program) string {
	has, own := tx.group.kind.holds.Version(), p.manifest.Version
	if own > has {
		return fmt.Sprintf("it is of version %d, and the program's version %d upgrades it when a founder opens it (or Upgrade, hhs space upgrade)", has, own)
	}
	return fmt.Sprintf("it is of version %d, and the program of version %d: raise the program's version to %d, so that it upgrades the space when a founder opens it (or Upgrade, hhs space upgrade)",
		has, own, min(has+1, authority.MaxKindVersion))
}

// Shape is what the space has at a place, nil for nothing.
func (tx *Tx) Shape(field string, path []crdt.Step) *crdt.Shape {
	f, err := tx.group.kind.field(field)
	if err != nil {
		return nil
	}
	return f.shape.At(path)
}

// Schema is the schema of the values of the space at a place, nil: any value.
func (tx *Tx) Schema(field string, path []crdt.Step) *schema.Schema {
	if at := tx.Shape(field, path); at != nil {
		return at.Schema
	}
	return nil
}

// ChangeSchema adds a change of the schema: fields that are new, and others with
// all they are to be. It holds from the next transaction on.
func (tx *Tx) ChangeSchema(version int64, fields []authority.Field) error {
	if tx.ended {
		return ErrTxEnded
	}
	op, err := authority.SchemaOp(version, fields)
	if err != nil {
		return err
	}
	k := tx.group.kind
	if err := k.holds.Check(&op, tx.group.author().person, checkField); err != nil {
		return fmt.Errorf("%w: %w", ErrSchema, err)
	}
	tx.put(txOp{op: op})
	return nil
}

// Kind is what holds for the transaction.
func (tx *Tx) Kind() *authority.Kind { return tx.group.kind.holds }

// Kind is what holds in the space: what its first commit declares, with the
// changes of its schema that are here. ErrPending before the first commit is.
func (s *Space) Kind() (*authority.Kind, error) {
	k := s.kind.Load()
	if k == nil {
		return nil, ErrPending
	}
	return k.holds, nil
}

// Kind is what held at the version.
func (p *Past) Kind() *authority.Kind { return p.kind.holds }
