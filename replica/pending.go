package replica

import (
	"slices"

	"github.com/hyperhyperspace/hhs-go/crdt"
)

// Pending is edits of one value inside a transaction that are not ops yet: keystrokes, of which many make one op.
type Pending interface {
	// Drafts are the ops that the edits make. Nothing is added after it was called.
	Drafts() ([]crdt.Draft, error)
}

// held is what a transaction holds for a value.
type held struct {
	field, value string
	edits        Pending
}

// Hold returns the pending edits of a value, which begin makes when there are none, from the field as the transaction sees
// it. They become ops when the field is read or another op on it is added, and when the transaction ends.
func (tx *Tx) Hold(field, value string, begin func(env *crdt.Env) (Pending, error)) (Pending, error) {
	if tx.ended {
		return nil, ErrTxEnded
	}
	for _, h := range tx.held {
		if h.field == field && h.value == value {
			return h.edits, nil
		}
	}
	env, err := tx.Env(field)
	if err != nil {
		return nil, err
	}
	edits, err := begin(env)
	if err == nil {
		tx.held = append(tx.held, held{field, value, edits})
	}
	return edits, err
}

// release makes ops of the pending edits of a field; without a name, of all.
func (tx *Tx) release(field string) error {
	for i := 0; i < len(tx.held); {
		h := tx.held[i]
		if field != "" && h.field != field {
			i++
			continue
		}
		tx.held = slices.Delete(tx.held, i, i+1)
		drafts, err := h.edits.Drafts()
		if err != nil {
			return err
		}
		for _, d := range drafts {
			if err := tx.add(h.field, d); err != nil {
				return err
			}
		}
	}
	return nil
}
