package crdttest

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
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
	case "counter":
		g.Schema, g.Draft, g.Read, g.Model, g.Check = nil, draftCounter, readCounter, modelCounter, checkCounter
	case "once":
		g.Draft, g.Read, g.Model, g.Check = draftOnce, readOnce, modelOnce, checkOnce
	case "register":
		g.Draft, g.Read, g.Model = draftRegister, readRegister, modelRegister
	case "profile":
		g.Draft, g.Read, g.Model, g.Check = draftProfile, readProfile, modelProfile, checkProfile
	case "set":
		g.Draft, g.Read, g.Model, g.Check = draftSet, readSet, modelSet(true), checkSet
	case "growset":
		g.Draft, g.Read, g.Model, g.Check = draftSet, readSet, modelSet(false), checkSet
	case "log":
		g.Draft, g.Read, g.Model, g.Check = draftLog, readLog, modelLog("append"), checkLog
	case "fold":
		g.Draft, g.Read, g.Model, g.Check = draftFold, readLog, modelLog("do"), checkLog
	case "list", "text":
		g = seqGen(typ.Name() == "list")
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

// draftOnce sets what is not set, and now and then what is, as a modified client would.
func draftOnce(r *rand.Rand, env *crdt.Env, _ identity.PublicKey) (crdt.Draft, bool) {
	d, err := crdt.OnceSet(env, value(r))
	return d, err == nil || r.IntN(2) == 0
}

func draftProfile(r *rand.Rand, env *crdt.Env, me identity.PublicKey) (crdt.Draft, bool) {
	d, err := crdt.ProfileSet(env, me, value(r))
	return d, err == nil
}

func draftLog(r *rand.Rand, _ *crdt.Env, _ identity.PublicKey) (crdt.Draft, bool) {
	return crdt.LogAppend(value(r)), true
}

func draftFold(r *rand.Rand, _ *crdt.Env, _ identity.PublicKey) (crdt.Draft, bool) {
	if r.IntN(12) == 0 {
		return crdt.LogAppend(value(r)), true // of a modified client: a fold has no such action
	}
	return crdt.FoldDo(value(r)), true
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

// draftCounter adds a little, or as much as an op can, so that sums leave 64 bits and come back.
func draftCounter(r *rand.Rand, _ *crdt.Env, _ identity.PublicKey) (crdt.Draft, bool) {
	n := int64(r.IntN(7) - 3)
	switch r.IntN(4) {
	case 0:
		n = math.MaxInt64 - int64(r.IntN(2))
	case 1:
		n = math.MinInt64 + int64(r.IntN(2))
	}
	d, err := crdt.CounterAdd(n)
	return d, err == nil
}

// readCounter reads the digits: the sum may have any number of them.
func readCounter(env *crdt.Env) ([]Shown, error) {
	total, err := crdt.CounterTotal(env)
	if err != nil || total.Adds == 0 {
		return nil, err
	}
	value, err := sumValue(total.String())
	return []Shown{{Entry: crdt.Entry{Value: value}}}, err
}

// checkCounter holds the read as an integer against the digits.
func checkCounter(env *crdt.Env, shown []Shown) error {
	total, err := crdt.CounterTotal(env)
	if err != nil {
		return err
	}
	n, err := total.Int64()
	want, wrong := strconv.ParseInt(total.String(), 10, 64)
	if (err == nil) != (wrong == nil) || err == nil && n != want || err != nil && !errors.As(err, new(*crdt.Overflow)) {
		return fmt.Errorf("the counter stands at %s, Int64 says %d, %v", total, n, err)
	}
	if (total.Adds > 0) != (len(shown) > 0) {
		return fmt.Errorf("%d adds, shown are %d values", total.Adds, len(shown))
	}
	return nil
}

func readRegister(env *crdt.Env) ([]Shown, error) {
	e, ok, err := crdt.RegisterValue(env)
	if err != nil || !ok {
		return nil, err
	}
	all, err := crdt.RegisterConflicts(env)
	return []Shown{{Entry: e, Others: others(all)}}, err
}

func readOnce(env *crdt.Env) ([]Shown, error) {
	all, err := crdt.OnceConflicts(env)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return []Shown{{Entry: all[0], Others: others(all)}}, nil
}

// checkOnce holds reading and setting against what is shown.
func checkOnce(env *crdt.Env, shown []Shown) error {
	e, ok, err := crdt.OnceValue(env)
	if err != nil || ok != (len(shown) > 0) || ok && e.Ref != shown[0].Ref {
		return fmt.Errorf("%d values are shown, OnceValue says %v, %v, error %v", len(shown), e.Ref, ok, err)
	}
	var set *crdt.AlreadySet
	if _, err := crdt.OnceSet(env, nil); errors.As(err, &set) != ok {
		return fmt.Errorf("%d values are shown, OnceSet says %v", len(shown), err)
	}
	return nil
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
		shown = append(shown, Shown{Entry: e, Others: others(all)})
	}
	return shown, nil
}

func readSet(env *crdt.Env) ([]Shown, error) {
	var shown []Shown
	for e, err := range crdt.SetScan(env, crdt.SetRange{}) {
		if err != nil {
			return nil, err
		}
		e.Key = crdt.SetKey(e.Value)
		shown = append(shown, Shown{Entry: e})
	}
	return shown, nil
}

func readLog(env *crdt.Env) ([]Shown, error) {
	var shown []Shown
	for e, err := range crdt.LogScan(env, crdt.LogRange{}) {
		if err != nil {
			return nil, err
		}
		shown = append(shown, Shown{Entry: e})
	}
	return shown, nil
}

// checkSet holds membership, counter and paging against the scan.
func checkSet(env *crdt.Env, shown []Shown) error {
	for _, e := range shown {
		if has, err := crdt.SetHas(env, e.Value); err != nil || !has {
			return fmt.Errorf("the scan shows %s, SetHas says %v, error %v", show(e.Value), has, err)
		}
	}
	if n, err := crdt.SetLen(env); err != nil || n != uint64(len(shown)) {
		return fmt.Errorf("the scan shows %d elements, the counter says %d, error %v", len(shown), n, err)
	}
	return paged(shown, func(after, before []byte, reverse bool) iter.Seq2[crdt.Entry, error] {
		return crdt.SetScan(env, crdt.SetRange{After: after, Before: before, Reverse: reverse})
	})
}

// checkLog holds counter and paging against the scan.
func checkLog(env *crdt.Env, shown []Shown) error {
	if n, err := crdt.LogLen(env); err != nil || n != uint64(len(shown)) {
		return fmt.Errorf("the scan shows %d entries, the counter says %d, error %v", len(shown), n, err)
	}
	return paged(shown, func(after, before []byte, reverse bool) iter.Seq2[crdt.Entry, error] {
		return crdt.LogScan(env, crdt.LogRange{After: after, Before: before, Reverse: reverse})
	})
}

// checkProfile holds reading one by one against the scan.
func checkProfile(env *crdt.Env, shown []Shown) error {
	for _, s := range shown {
		who, err := identity.PublicKeyFromBytes(s.Key)
		if err != nil {
			return err
		}
		if e, ok, err := crdt.ProfileValue(env, who); err != nil || !ok || e.Ref != s.Ref {
			return fmt.Errorf("the scan shows %v for %s, ProfileValue says %v, %v, error %v", s.Ref, who, e.Ref, ok, err)
		}
	}
	return nil
}

// page is how many entries paged reads at a time.
const page = 3

// paged reads all again from either end, a page at a time by cursor, and compares.
func paged(all []Shown, scan func(after, before []byte, reverse bool) iter.Seq2[crdt.Entry, error]) error {
	for _, reverse := range []bool{false, true} {
		want := slices.Clone(all)
		if reverse {
			slices.Reverse(want)
		}
		var from, to, cursor []byte
		for len(want) > 0 || cursor == nil {
			if from = cursor; reverse {
				from, to = nil, cursor
			}
			n := 0
			for e, err := range scan(from, to, reverse) {
				if err != nil {
					return err
				}
				if len(want) == 0 || want[0].Ref != e.Ref || !bytes.Equal(want[0].Value, e.Value) {
					return fmt.Errorf("paging (reverse %v) after %x shows %s, the scan does not", reverse, cursor, show(e.Value))
				}
				want, cursor = want[1:], e.Cursor
				if n++; n == page {
					break
				}
			}
			if n == 0 {
				break
			}
		}
		if len(want) > 0 {
			return fmt.Errorf("paging (reverse %v) ends %d before the scan", reverse, len(want))
		}
	}
	return nil
}
