package crdt

import (
	"fmt"
	"iter"

	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/schema"
)

// profileType is "profile": a register for each identity. An op touches the one of its own author's identity and no
// other, so nobody can write another's name, whatever the rules of the space allow.
type profileType struct{}

func (profileType) Name() string { return "profile" }

func (profileType) Check(s *schema.Schema, op Op) error {
	if op.Identity.IsZero() {
		return ignored("a profile needs an author with an identity", nil)
	}
	return checkSet("profile", s, &op)
}

func (t profileType) Apply(env *Env, op Op, effective bool) ([]Change, error) {
	f := on(env)
	if done, err := f.appliedIgnored(&op, t.Check(env.Schema, op)); done {
		return nil, err
	}
	return (&cell{field: f, key: op.Identity.Bytes()}).apply(&op, effective)
}

func (profileType) Flip(env *Env, op Op, effective bool) ([]Change, error) {
	if op.Identity.IsZero() {
		return nil, on(env).wasIgnored(&op)
	}
	return (&cell{field: on(env), key: op.Identity.Bytes()}).flip(&op, effective)
}

// ProfileSet makes the op that writes the value of the identity that will sign it; me is that identity.
func ProfileSet(env *Env, me identity.PublicKey, payload []byte) (Draft, error) {
	return setCell(env, me.Bytes(), payload)
}

// ProfileValue reads the shown value of an identity; ok is false when there is none. It needs only State.
func ProfileValue(env *Env, who identity.PublicKey) (e Entry, ok bool, err error) {
	return valueIn(env, who.Bytes())
}

// ProfileConflicts reads all concurrent values of an identity (written on several of its devices), the shown one first.
func ProfileConflicts(env *Env, who identity.PublicKey) ([]Entry, error) {
	return shownIn(env, who.Bytes())
}

// ProfileScan yields the shown value of every identity that has one, by identity; Entry.Key is the identity. It needs
// only State. An error ends it.
func ProfileScan(env *Env) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		f := on(env)
		prefix := []byte{spaceShown}
		for kv, err := range env.State.Scan(prefix, after(prefix), false) {
			if err != nil {
				yield(Entry{}, fmt.Errorf("read state: %w", err))
				return
			}
			b, err := f.bundleAt(kv)
			if err != nil {
				yield(Entry{}, err)
				return
			}
			e, ok, err := f.greatest(b)
			if (ok || err != nil) && !yield(e, err) || err != nil {
				return
			}
		}
	}
}
