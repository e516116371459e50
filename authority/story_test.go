package authority

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
)

// tale tells a space's history in a small language, one line a step:
//
//	G -> A1 -> A2          A's first commits after the first one of the space
//	G -> B1                somebody else, concurrently
//	A2 B1 -> A3            a commit that has seen both
//	A1 -> A2' !branch      another commit of A after A1; authority must refuse it by that rule
//	A1 -> B1 {cert=C}      with something odd: see oddities
//
// The letters are the device; its identity has the same ones in lower case. prev is the commit of the
// same device among those named, if there is one. G is the first commit, by device G.
type tale struct {
	t       *testing.T
	devices map[string]identity.Device
	ids     map[string]identity.PrivateKey
	commits map[string]*history.Commit
	founded *Founding
	past    *memory
	time    int64
	change  func(n int) (int64, []Field) // for the oddity schema
	changed int
}

func newTale(t *testing.T) *tale {
	w := &tale{t: t, devices: map[string]identity.Device{}, ids: map[string]identity.PrivateKey{}, commits: map[string]*history.Commit{}, past: newMemory()}
	c := w.genesis(func(*Founding) {})
	f, err := Genesis(c)
	if err != nil {
		t.Fatal(err)
	}
	w.founded, w.past.founding = f, f
	w.commits["G"] = c
	known, err := Judge(f, c, w.past)
	if err != nil {
		t.Fatal(err)
	}
	w.past.admit(c, known)
	return w
}

// random is a source of keys that is the same in every run.
func random(name string) *rand.ChaCha8 {
	var seed [32]byte
	copy(seed[:], name)
	return rand.NewChaCha8(seed)
}

func (w *tale) device(name string) identity.Device {
	if d, ok := w.devices[name]; ok {
		return d
	}
	id, d, err := identity.NewDevice(context.Background(), random(name), name, 1)
	if err != nil {
		w.t.Fatal(err)
	}
	w.devices[name], w.ids[name] = d, id
	return d
}

func chatManifest() *Manifest {
	return &Manifest{Kind: "example.org/chat", Version: 1, Policy: PolicyOpen, Fields: []Field{
		{Name: "topic", Type: "register", Schema: map[string]any{"type": "string"}},
		{Name: "members", Type: "set"}, {Name: "messages", Type: "log"},
	}}
}

// genesis makes the first commit of a space by device G, after change had its way.
func (w *tale) genesis(change func(*Founding)) *history.Commit {
	d := w.device("G")
	f := &Founding{Manifest: chatManifest(), Founders: []identity.PublicKey{d.Identity()}}
	change(f)
	ops, err := FoundingOps(f.Manifest, f.Salt, f.Founders, d.Certificate)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.encode(&history.Envelope{
		Version: 1, Author: d.Signer.Public(), Seq: 1, Grant: history.GrantRef{Index: history.NoGrant}, Ops: ops,
	})
}

func (w *tale) encode(e *history.Envelope) *history.Commit {
	w.t.Helper()
	c, err := history.NewCommit(e, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// tell runs the lines and checks every verdict.
func (w *tale) tell(lines string) {
	w.t.Helper()
	for line := range strings.Lines(lines) {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		stages := strings.Split(line, "->")
		seen := strings.Fields(stages[0])
		for _, stage := range stages[1:] {
			words := strings.Fields(stage)
			name, rule, oddity := words[0], "", ""
			for _, word := range words[1:] {
				if word[0] == '!' {
					rule = word[1:]
				} else {
					oddity += strings.Trim(word, "{}") + " "
				}
			}
			w.step(line, seen, name, oddity, rule)
			seen = []string{name}
		}
	}
}

func (w *tale) step(line string, seen []string, name, oddity, rule string) {
	w.t.Helper()
	c := w.build(seen, name, oddity)
	known, err := Judge(w.founded, c, w.past)
	var refused *Refused
	switch {
	case rule != "":
		errors.As(err, &refused)
		if refused == nil || refused.Rule != rule || refused.Commit != c.ID {
			w.t.Errorf("%s: %s: %v, want refused by %s", line, name, err, rule)
		}
	case err != nil:
		w.t.Errorf("%s: %s: %v", line, name, err)
	default:
		w.commits[name] = c
		w.past.admit(c, known)
	}
}

// build makes the commit called name, which has seen the others.
func (w *tale) build(seen []string, name, oddity string) *history.Commit {
	w.t.Helper()
	device := strings.TrimRight(name, "0123456789'")
	d := w.device(device)
	w.time++
	e := &history.Envelope{Version: 1, Author: d.Signer.Public(), Seq: 1, Time: w.time}
	for _, s := range seen {
		c, ok := w.commits[s]
		if !ok {
			w.t.Fatalf("there is no commit %s", s)
		}
		if c.Env.Author == e.Author && e.Prev.IsZero() {
			e.Prev, e.Seq = c.ID, c.Env.Seq+1
		} else {
			e.Parents = append(e.Parents, c.ID)
		}
	}
	slices.SortFunc(e.Parents, object.ID.Compare)
	if e.Seq == 1 {
		e.Ops = append(e.Ops, w.cert(d.Certificate))
	}
	e.Ops = append(e.Ops, history.Op{Field: "messages", Action: "append", Part: history.NoPart})
	for _, what := range strings.Fields(oddity) {
		w.odd(e, what)
	}
	return w.encode(e)
}

func (w *tale) cert(c identity.Certificate) history.Op {
	op, err := DeviceOp(c)
	if err != nil {
		w.t.Fatal(err)
	}
	return op
}

// odd makes something about e odd: what=value.
func (w *tale) odd(e *history.Envelope, oddity string) {
	what, value, _ := strings.Cut(oddity, "=")
	number, _ := strconv.Atoi(value)
	op := &e.Ops[len(e.Ops)-1]
	switch what {
	case "nocert":
		e.Ops = e.Ops[1:]
	case "cert": // another device's certificate
		e.Ops[0] = w.cert(w.device(value).Certificate)
	case "recert": // a certificate of one's own key, by that identity
		w.device(value)
		again, err := identity.Certify(context.Background(), w.ids[value], e.Author, "again", 2)
		if err != nil {
			w.t.Fatal(err)
		}
		e.Ops = append(e.Ops, w.cert(again))
	case "forged": // one's own certificate with one bit of the signature flipped
		body := bytes.Clone(e.Ops[0].Body)
		i := bytes.Index(body, []byte("csig")) + 4 + 2 + 40
		body[i] ^= 1
		e.Ops[0].Body = body
	case "empty":
		e.Ops = nil
	case "grant":
		e.Grant.Index = number
	case "grantop":
		e.Grant = history.GrantRef{Op: history.OpRef{Commit: w.commits[value].ID}}
	case "epoch":
		e.Epoch = uint64(number)
	case "seq":
		e.Seq = uint64(number)
	case "prev":
		e.Prev = w.commits[value].ID
		e.Seq = w.commits[value].Env.Seq + 1
		e.Parents = slices.DeleteFunc(e.Parents, func(id object.ID) bool { return id == e.Prev })
	case "names": // an op of that commit
		op.Refs = []history.OpRef{{Commit: w.commits[value].ID}}
	case "field":
		op.Field = value
	case "schema", "schema+due", "schema+schema":
		version, fields := w.change(w.changed)
		w.changed++
		change, err := SchemaOp(version, fields)
		if err != nil {
			w.t.Fatal(err)
		}
		e.Ops = append(e.Ops, change)
		switch what {
		case "schema+due":
			e.Ops = append(e.Ops, history.Op{Field: "due", Action: "set", Part: history.NoPart})
		case "schema+schema":
			e.Ops = append(e.Ops, change)
		}
	case "founder":
		w.founded.Founders = append(w.founded.Founders, w.device(w.writer(e)).Identity())
	case "authority":
		*op = history.Op{Action: value, Part: history.NoPart, Body: []byte{0xa0}}
	default:
		w.t.Fatalf("nothing odd is called %s", what)
	}
}

// writer is the name of the device that writes a commit.
func (w *tale) writer(e *history.Envelope) string {
	for name, d := range w.devices {
		if d.Signer.Public() == e.Author {
			return name
		}
	}
	return ""
}

// memory is a Past that keeps everything and computes by closure.
type memory struct {
	founding *Founding
	commits  map[object.ID]*history.Commit
	known    map[object.ID]Known
	order    []object.ID
}

func newMemory() *memory {
	return &memory{commits: map[object.ID]*history.Commit{}, known: map[object.ID]Known{}}
}

func (m *memory) admit(c *history.Commit, k Known) {
	m.commits[c.ID], m.known[c.ID] = c, k
	m.order = append(m.order, c.ID)
}

func (m *memory) Commit(id object.ID) (Known, error) {
	k, ok := m.known[id]
	if !ok {
		return Known{}, fmt.Errorf("commit %s: %w", id, ErrMissing)
	}
	return k, nil
}

func (m *memory) Beside(author identity.PublicKey, prev object.ID, version []object.ID) (bool, error) {
	own := m.past(prev)
	for id := range m.past(version...) {
		if c := m.commits[id]; c != nil && c.Env.Author == author && !own[id] {
			return true, nil
		}
	}
	return false, nil
}

// past is the closure of a version.
func (m *memory) past(version ...object.ID) map[object.ID]bool {
	seen := map[object.ID]bool{}
	for todo := slices.Clone(version); len(todo) > 0; {
		at := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if !seen[at] {
			seen[at] = true
			if c := m.commits[at]; c != nil {
				todo = append(todo, c.Edges()...)
			}
		}
	}
	return seen
}
