package authority

import (
	"errors"
	"fmt"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
)

// Known is what authority remembers of an admitted commit.
type Known struct {
	Author   identity.PublicKey // the device key
	Seq      uint64
	Identity identity.PublicKey // whom the device signs for, from the certificate in its chain
}

// ErrMissing is what Past.Commit returns for a commit that has not been admitted.
var ErrMissing = errors.New("authority: the commit has not been admitted")

// Past answers for what a replica has admitted, commits judged earlier in the same batch included. Its
// answers about the past of a commit never change. Errors other than ErrMissing end the judgement and are
// passed on as they are: they are the store's trouble and no verdict.
type Past interface {
	// Commit returns what Judge said of an admitted commit. ErrMissing when it was not admitted.
	Commit(id object.ID) (Known, error)

	// Beside reports whether a commit of author is one of version, or in the past of one, that is neither
	// prev nor in prev's past; for the zero prev whether any commit of theirs is. Prev is an admitted commit of author, or zero.
	Beside(author identity.PublicKey, prev object.ID, version []object.ID) (bool, error)

	// Kind is what holds in the past of a commit, itself not included.
	Kind(c *history.Commit) (*Kind, error)
}

// Judge decides a commit by its bytes and its own past, all of which must be admitted. It returns what
// is to be remembered of it; or a *Refused; or, with the Past's own error inside, what kept it from deciding:
// errors.Is(err, ErrMissing) when an edge is not there.
//
// Under the policy of this format a commit that is not refused is effective.
func Judge(f *Founding, c *history.Commit, past Past, checks ...FieldCheck) (Known, error) {
	e := c.Env
	known := Known{Author: e.Author, Seq: e.Seq}
	refuse := func(rule, detail string) (Known, error) {
		return Known{}, &Refused{Commit: c.ID, Rule: rule, Detail: detail}
	}
	if c.ID == f.Space {
		known.Identity = f.Creator
		return known, nil
	}
	switch {
	case e.Grant.Index == history.NoGrant:
		return refuse(RuleGenesis, "it is the first commit of another space")
	case e.Epoch != 0:
		return refuse(RuleEpoch, "epoch 0 is the only one")
	case e.Grant != history.GrantRef{}:
		return refuse(RuleGrant, "an open space has one grant, 0, to anyone")
	}
	first := 0 // op that judgeOps begins with
	if e.Seq == 1 {
		first = 1
		who, detail := certified(e, 0)
		if detail != "" {
			return refuse(RuleDevice, detail)
		}
		known.Identity = who
	} else {
		prev, err := past.Commit(e.Prev)
		if err != nil {
			return Known{}, fmt.Errorf("authority: judge commit %s: %w", c.ID, err)
		}
		if prev.Author != e.Author || prev.Seq+1 != e.Seq {
			return refuse(RuleChain, "prev is not the author's commit before it")
		}
		known.Identity = prev.Identity
	}
	if forked, err := past.Beside(e.Author, e.Prev, c.Edges()); err != nil {
		return Known{}, fmt.Errorf("authority: judge commit %s: %w", c.ID, err)
	} else if forked {
		return refuse(RuleBranch, "it has another branch of its own author in its past")
	}
	k, err := past.Kind(c)
	if err != nil {
		return Known{}, fmt.Errorf("authority: judge commit %s: %w", c.ID, err)
	}
	if k, err = changed(k, c, known.Identity, checks); err != nil {
		return Known{}, err
	}
	if r := judgeOps(k, c, first, known.Identity); r != nil {
		return Known{}, r
	}
	return known, nil
}

// changed is what holds for a commit that changes the schema, itself included.
func changed(k *Kind, c *history.Commit, author identity.PublicKey, checks []FieldCheck) (*Kind, error) {
	found := -1
	for i := range c.Env.Ops {
		op := &c.Env.Ops[i]
		if op.Field != "" || op.Action != ActionSchema {
			continue
		}
		if found >= 0 {
			return nil, &Refused{c.ID, RuleSchema, "it changes the schema twice"}
		}
		found = i
		if err := k.Check(op, author, checks...); err != nil {
			return nil, &SchemaError{Refused{c.ID, RuleSchema, "it cannot change the schema so"}, err}
		}
	}
	if found < 0 {
		return k, nil
	}
	ch := ReadChange(c, author, k.Changes)
	if n := len(k.Changes); n > 0 { // the commit may not have been given its height
		ch.Height = max(ch.Height, k.Changes[n-1].Height+1)
	}
	return Merge(k.Founding, Counted(k.Changes, []*Change{ch})), nil
}

// SchemaError is a Refused with the reason why a change of the schema is not one. errors.As finds both.
type SchemaError = GenesisError

// judgeOps holds the ops from index first on to what holds for them and to the author's identity.
func judgeOps(k *Kind, c *history.Commit, first int, who identity.PublicKey) *Refused {
	for i := first; i < len(c.Env.Ops); i++ {
		op := &c.Env.Ops[i]
		switch {
		case op.Field == "" && op.Action == ActionDevice:
			named, detail := certified(c.Env, i)
			if detail == "" && named != who {
				detail = "the certificate is of another identity than the device's chain"
			}
			if detail != "" {
				return &Refused{c.ID, RuleDevice, detail}
			}
		case op.Field == "" && op.Action == ActionCreate:
			return &Refused{c.ID, RuleAction, "a space is created once, by the first op of its first commit"}
		case op.Field == "" && op.Action == ActionSchema && c.Env.Grant.Index != history.NoGrant:
		case op.Field == "":
			return &Refused{c.ID, RuleAction, "the authority action " + op.Action + " is not known here"}
		case op.Field != ProfileField && op.Field != UndoField && !k.has(op.Field):
			return &Refused{c.ID, RuleField, "the space has no field " + op.Field + " in the past of it"}
		}
	}
	return nil
}
