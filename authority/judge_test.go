package authority

import (
	"errors"
	"testing"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
)

// tales are named by what they are about; see tale for the language.
var tales = map[string]string{
	"two people, a merge": `
			G -> A1 -> A2
			G -> B1
			A2 B1 -> A3 -> B2 {prev=B1}`,
	"the creator writes on": `
			G -> G2 -> G3 {field=topic}`,
	"profiles are in every space": `
			G -> A1 {field=$profile}`,
	"an empty merge": `
			G -> A1
			G -> B1
			A1 B1 -> A2 {empty}`,

	"a device without a certificate": `
			G -> A1 {nocert} !device`,
	"with another one's": `
			G -> A1 {cert=B} !device`,
	"with a forged one": `
			G -> A1 {forged} !device`,
	"the same identity again": `
			G -> A1 -> A2 {recert=A}`,
	"another identity later": `
			G -> A1 -> A2 {recert=B} !device`,
	"two identities at once": `
			G -> A1 {recert=B} !device`,

	"seq too high": `
			G -> A1 -> A2 {seq=3} !chain`,
	"prev is another author's": `
			G -> A1
			A1 -> B1 {prev=A1} !chain`,

	"another grant": `
			G -> A1 {grant=1} !grant`,
	"a grant by an op": `
			G -> A1 {grantop=G} !grant`,
	"an epoch": `
			G -> A1 {epoch=1} !epoch`,
	"a field of another kind": `
			G -> A1 {field=secrets} !field`,
	"a reserved field": `
			G -> A1 {field=$rules} !field`,
	"a second creation": `
			G -> A1 -> A2 {authority=create} !action`,
	"an action of later software": `
			G -> A1 -> A2 {authority=grant} !action`,

	// An equivocation alone is nobody else's trouble: both branches are admitted.
	"two branches": `
			G -> A1 -> A2 -> A3
			A1 -> A2' -> A3'
			A3 A3' -> B1`,
	// But no commit of the author may have two in its past.
	"merging one's own branches": `
			G -> A1 -> A2
			A1 -> A2'
			A2 A2' -> A3 !branch
			A2' A2 -> A3 !branch`,
	"by way of somebody else": `
			G -> A1 -> A2
			A1 -> A2'
			G -> B1
			A2' B1 -> B2
			A2 B2 -> A3 !branch
			A2 B1 -> A3
			A2' B2 -> A3'`,
	"by naming an op": `
			G -> A1 -> A2
			A1 -> A2'
			A2 -> A3 {names=A2'} !branch
			A2 -> A3 {names=A1}`,
	"having seen one's own later commit": `
			G -> A1 -> A2 -> A3
			G -> B1
			A2 B1 -> B2
			A1 B2 -> A2' !branch
			A1 A3 -> A2' !branch
			A1 B1 -> A2'`,
	"two first commits": `
			G -> A1
			G -> A1' -> A2'
			A1 -> B1
			A2' B1 -> A3' !branch
			A2' -> A3'`,
	"a first commit having seen another one": `
			G -> A1 -> B1
			B1 -> A1' !branch`,
	"three branches at different places": `
			G -> A1 -> A2 -> A3
			A2 -> A3' -> A4'
			A1 -> A2'' -> A3''
			G -> B1
			A3'' B1 -> B2
			A4' B2 -> A5' !branch
			A3 B2 -> A4 !branch
			A4' B1 -> A5'`,
}

func TestTales(t *testing.T) {
	for name, lines := range tales {
		t.Run(name, func(t *testing.T) {
			newTale(t).tell(lines)
		})
	}
}

func TestJudgeForeignAndMissing(t *testing.T) {
	w := newTale(t)
	other := w.genesis(func(f *Founding) { f.Salt[0] = 1 })
	var refused *Refused
	if _, err := Judge(w.founded, other, w.past); !errors.As(err, &refused) || refused.Rule != RuleGenesis {
		t.Errorf("another space's first commit: %v", err)
	}
	w.tell("G -> A1")
	c := w.build([]string{"A1"}, "A2", "")
	empty := newMemory()
	if _, err := Judge(w.founded, c, empty); !errors.Is(err, ErrMissing) {
		t.Errorf("a past that is not here: %v", err)
	}
	if v := refused.Verdict(); v.Outcome.String() != "refused" || v.Rule != RuleGenesis {
		t.Errorf("verdict %v", v)
	}
}

func TestGenesis(t *testing.T) {
	w := newTale(t)
	g := w.device("G")
	f := w.founded
	if f.Creator != g.Identity() || f.Device != g.Signer.Public() || f.Space != w.commits["G"].ID || len(f.Manifest.Fields) != 3 {
		t.Errorf("founding %+v", f)
	}
	base := w.commits["G"].Env
	stranger := w.device("S").Identity()
	many := make([]identity.PublicKey, MaxFounders+1)
	for i := range many {
		many[i] = w.device(string(rune('a' + i))).Identity()
	}
	ops := func(change func(f *Founding)) *history.Commit { return w.genesis(change) }
	with := func(change func(e *history.Envelope)) *history.Commit {
		e := *base
		e.Ops = append([]history.Op(nil), base.Ops...)
		change(&e)
		return w.encode(&e)
	}
	body := func(v any) []byte {
		b, err := object.Encode(v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for name, c := range map[string]struct {
		commit *history.Commit
		rule   string
	}{
		"no founders":       {ops(func(f *Founding) { f.Founders = nil }), RuleGenesis},
		"a founder twice":   {ops(func(f *Founding) { f.Founders = append(f.Founders, f.Founders[0]) }), RuleGenesis},
		"17 founders":       {ops(func(f *Founding) { f.Founders = many }), RuleGenesis},
		"founded by others": {ops(func(f *Founding) { f.Founders = []identity.PublicKey{stranger} }), RuleGenesis},
		"a closed policy":   {ops(func(f *Founding) { f.Manifest.Policy = "closed" }), RuleGenesis},
		"epoch 1":           {with(func(e *history.Envelope) { e.Epoch = 1 }), RuleEpoch},
		"ops swapped":       {with(func(e *history.Envelope) { e.Ops[0], e.Ops[1] = e.Ops[1], e.Ops[0] }), RuleGenesis},
		"no certificate":    {with(func(e *history.Envelope) { e.Ops = e.Ops[:1] }), RuleGenesis},
		"create alone": {with(func(e *history.Envelope) {
			e.Ops[1] = history.Op{Field: "topic", Action: "set", Part: history.NoPart}
		}), RuleDevice},
		"another certificate": {with(func(e *history.Envelope) { e.Ops[1] = w.cert(w.device("S").Certificate) }), RuleDevice},
		"created twice":       {with(func(e *history.Envelope) { e.Ops = append(e.Ops, e.Ops[0]) }), RuleAction},
		"an unknown field": {with(func(e *history.Envelope) {
			e.Ops = append(e.Ops, history.Op{Field: "nope", Action: "set", Part: history.NoPart})
		}), RuleField},
		"an empty body": {with(func(e *history.Envelope) { e.Ops[0].Body = body(map[string]any{}) }), RuleGenesis},
		"not the first": {w.build([]string{"G"}, "A1", ""), RuleGenesis},
		"an unknown key": {with(func(e *history.Envelope) {
			e.Ops[0].Body = body(map[string]any{"$type": SpaceType, "manifest": chatManifest().Value(), "salt": make([]byte, 16),
				"founders": []any{g.Identity().Bytes()}, "motd": "hi"})
		}), RuleGenesis},
		"a short salt": {with(func(e *history.Envelope) {
			e.Ops[0].Body = body(map[string]any{"$type": SpaceType, "manifest": chatManifest().Value(), "salt": make([]byte, 15),
				"founders": []any{g.Identity().Bytes()}})
		}), RuleGenesis},
	} {
		_, err := Genesis(c.commit)
		var refused *Refused
		if !errors.As(err, &refused) || refused.Rule != c.rule {
			t.Errorf("%s: %v, want %s", name, err, c.rule)
		}
	}
	first := with(func(e *history.Envelope) {
		e.Ops = append(e.Ops, history.Op{Field: "topic", Action: "set", Part: history.NoPart})
	})
	if _, err := Genesis(first); err != nil {
		t.Errorf("a first value: %v", err)
	}
	sour := errors.New("sour")
	if _, err := Genesis(w.commits["G"], func(Field) error { return sour }); !errors.Is(err, sour) {
		t.Errorf("a field check that refuses: %v", err)
	}
}
