package crdttest

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/schema"
)

// For returns the generator of a built-in type.
func For(typ crdt.Type) (Gen, bool) {
	g := Gen{Schema: testSchema()}
	switch typ.Name() {
	case "register":
		g.Draft, g.Read, g.Model = draftRegister, readRegister, modelRegister
	case "profile":
		g.Draft, g.Read, g.Model = draftProfile, readProfile, modelProfile
	case "set":
		g.Draft, g.Read, g.Model = draftSet, readSet, modelSet(true)
	case "growset":
		g.Draft, g.Read, g.Model = draftSet, readSet, modelSet(false)
	case "log":
		g.Draft, g.Read, g.Model = draftLog, readLog, modelLog
	default:
		return Gen{}, false
	}
	return g, true
}

// maxText is the longest text the test schema takes, in characters.
const maxText = 200

func testSchema() *schema.Schema {
	s, err := schema.Parse(map[string]any{"type": "string", "max": int64(maxText)})
	if err != nil {
		panic(fmt.Sprintf("crdttest: schema: %v", err)) // a constant of this package is wrong
	}
	return s
}

// value makes a text: of few, so that they meet; some too long to be their own key, some too long for the schema.
func value(r *rand.Rand) []byte {
	text := fmt.Sprint("v", r.IntN(6))
	switch r.IntN(12) {
	case 0:
		text = strings.Repeat("long "+text, 22)
	case 1:
		text = strings.Repeat("x", maxText+r.IntN(2)) // the longest allowed, or one more
	}
	b, err := object.Encode(text)
	if err != nil {
		panic(fmt.Sprintf("crdttest: encode %q: %v", text, err)) // a constant of this package is wrong
	}
	return b
}

func draftRegister(r *rand.Rand, env *crdt.Env, _ identity.PublicKey) (crdt.Draft, bool) {
	d, err := crdt.RegisterSet(env, value(r))
	return d, err == nil
}

func draftProfile(r *rand.Rand, env *crdt.Env, me identity.PublicKey) (crdt.Draft, bool) {
	d, err := crdt.ProfileSet(env, me, value(r))
	return d, err == nil
}

func draftLog(r *rand.Rand, _ *crdt.Env, _ identity.PublicKey) (crdt.Draft, bool) {
	return crdt.LogAppend(value(r)), true
}

func draftSet(r *rand.Rand, env *crdt.Env, _ identity.PublicKey) (crdt.Draft, bool) {
	if r.IntN(5) > 1 {
		return crdt.SetAdd(value(r)), true
	}
	drafts, err := crdt.SetRemove(env, value(r))
	if err != nil || len(drafts) == 0 {
		return crdt.Draft{}, false
	}
	return drafts[0], true
}

func readRegister(env *crdt.Env) ([]Shown, error) {
	e, ok, err := crdt.RegisterValue(env)
	if err != nil || !ok {
		return nil, err
	}
	all, err := crdt.RegisterConflicts(env)
	return []Shown{{e, others(all)}}, err
}

// others returns the refs of all but the first.
func others(all []crdt.Entry) []history.OpRef {
	var refs []history.OpRef
	for _, e := range all[min(1, len(all)):] {
		refs = append(refs, e.Ref)
	}
	return refs
}

func readProfile(env *crdt.Env) ([]Shown, error) {
	var shown []Shown
	for e, err := range crdt.ProfileScan(env) {
		if err != nil {
			return nil, err
		}
		who, err := identity.PublicKeyFromBytes(e.Key)
		if err != nil {
			return nil, err
		}
		all, err := crdt.ProfileConflicts(env, who)
		if err != nil {
			return nil, err
		}
		one, ok, err := crdt.ProfileValue(env, who)
		if err != nil || !ok || one.Ref != e.Ref {
			return nil, fmt.Errorf("scan shows %v, value %v (%v, %w)", e.Ref, one.Ref, ok, err)
		}
		shown = append(shown, Shown{e, others(all)})
	}
	return shown, nil
}

func readSet(env *crdt.Env) ([]Shown, error) {
	var shown []Shown
	for e, err := range crdt.SetScan(env, crdt.SetRange{}) {
		if err != nil {
			return nil, err
		}
		if has, err := crdt.SetHas(env, e.Value); err != nil || !has {
			return nil, fmt.Errorf("scan shows %s, has says %v, %w", show(e.Value), has, err)
		}
		shown = append(shown, Shown{Entry: e})
	}
	n, err := crdt.SetLen(env)
	if err == nil && n != uint64(len(shown)) {
		err = fmt.Errorf("the scan shows %d elements, the counter says %d", len(shown), n)
	}
	return shown, err
}

func readLog(env *crdt.Env) ([]Shown, error) {
	var shown []Shown
	for e, err := range crdt.LogScan(env, crdt.LogRange{}) {
		if err != nil {
			return nil, err
		}
		shown = append(shown, Shown{Entry: e})
	}
	n, err := crdt.LogLen(env)
	if err == nil && n != uint64(len(shown)) {
		err = fmt.Errorf("the scan shows %d entries, the counter says %d", len(shown), n)
	}
	return shown, err
}
