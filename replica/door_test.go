package replica_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
	"github.com/hyperhyperspace/hhs-go/store"
)

func asReject(t *testing.T, err error) *replica.Reject {
	t.Helper()
	var r *replica.Reject
	if !errors.As(err, &r) {
		t.Fatalf("error %v (%T), want a *Reject", err, err)
	}
	return r
}

// hostile is one batch that the door must refuse.
type hostile struct {
	name string
	rule string
	// make returns the batch and the commit that must be named, if any.
	make func(w *world) (*history.Batch, *history.Commit)
}

// world is a space with some history, and a modified client.
type world struct {
	t     testing.TB
	mem   *store.Mem
	space *replica.Space
	other object.ID // another space
	bad   forger
	good  forger // a third device, whose key the forger has not
	root  object.ID
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, mem: store.NewMem(), bad: newForger(t, 50), good: newForger(t, 51)}
	n := newNode(t, 1, func(c *replica.Config) { c.Store = w.mem })
	w.space = create(t, n)
	w.other = create(t, n).ID()
	line(t, w.space, "hello")
	w.root = w.space.Heads()[0]
	return w
}

func (w *world) id() object.ID { return w.space.ID() }

// one is a batch of one signed commit.
func (w *world) one(d *draft, objects ...[]byte) (*history.Batch, *history.Commit) {
	c := d.commit(w.t)
	return w.bad.signed(w.id(), c, objects...), c
}

// after is a batch of a proper first commit and one that follows it.
func (w *world) after(change func(d *draft)) (*history.Batch, *history.Commit) {
	first := w.bad.first("a", w.root).commit(w.t)
	d := w.bad.next("b", first.ID, 2)
	change(d)
	c := d.commit(w.t)
	return batch([]*history.Commit{first, c}, w.bad.attest(w.id(), c)), c
}

func rawObject(size int, fill byte) ([]byte, object.ID) {
	b := slices.Repeat([]byte{fill}, size)
	return b, object.Sum(object.Raw, b)
}

var signatures = []hostile{
	{"a flipped signature", replica.RuleBadSignature, func(w *world) (*history.Batch, *history.Commit) {
		b, c := w.one(w.bad.first("x", w.root))
		b.Attestations[0].Sig[13] ^= 4
		return b, c
	}},
	{"another key's signature", replica.RuleBadSignature, func(w *world) (*history.Batch, *history.Commit) {
		c := w.good.first("x", w.root).commit(w.t)
		return w.bad.signed(w.id(), c), c
	}},
	{"an attestation for another space", replica.RuleBadSignature, func(w *world) (*history.Batch, *history.Commit) {
		c := w.bad.first("x", w.root).commit(w.t)
		return w.bad.signed(w.other, c), c
	}},
	{"an attestation for another seq", replica.RuleBadSignature, func(w *world) (*history.Batch, *history.Commit) {
		c := w.bad.first("x", w.root).commit(w.t)
		sig, err := w.bad.dev.Signer.Sign(context.Background(), history.AttestationStatement(w.id(), 2, c.ID))
		if err != nil {
			w.t.Fatal(err)
		}
		return batch([]*history.Commit{c}, history.Attestation{Commit: c.ID, Sig: sig}), c
	}},
	{"a signature of no length", replica.RuleBadSignature, func(w *world) (*history.Batch, *history.Commit) {
		c := w.bad.first("x", w.root).commit(w.t)
		return batch([]*history.Commit{c}, history.Attestation{Commit: c.ID}), c
	}},
	{"no attestation", replica.RuleUncovered, func(w *world) (*history.Batch, *history.Commit) {
		c := w.bad.first("x", w.root).commit(w.t)
		return batch([]*history.Commit{c}), c
	}},
	{"an attestation of the first of two only", replica.RuleUncovered, func(w *world) (*history.Batch, *history.Commit) {
		first := w.bad.first("a", w.root).commit(w.t)
		c := w.bad.next("b", first.ID, 2).commit(w.t)
		return batch([]*history.Commit{first, c}, w.bad.attest(w.id(), first)), c
	}},
	{"someone's commit in the middle of another's chain", replica.RuleUncovered, func(w *world) (*history.Batch, *history.Commit) {
		forged := w.good.first("not mine", w.root).commit(w.t)
		c := w.bad.first("x", forged.ID).commit(w.t)
		return batch([]*history.Commit{forged, c}, w.bad.attest(w.id(), c)), forged
	}},
	{"a forged middle under the forger's prev", replica.RuleUncovered, func(w *world) (*history.Batch, *history.Commit) {
		forged := w.good.first("not mine", w.root).commit(w.t)
		c := w.bad.next("x", forged.ID, 2).commit(w.t)
		return batch([]*history.Commit{forged, c}, w.bad.attest(w.id(), c)), forged
	}},
	{"two branches, one attestation", replica.RuleUncovered, func(w *world) (*history.Batch, *history.Commit) {
		first := w.bad.first("a", w.root).commit(w.t)
		b := w.bad.next("b", first.ID, 2).commit(w.t)
		c := w.bad.next("c", first.ID, 2).commit(w.t)
		return batch([]*history.Commit{first, b, c}, w.bad.attest(w.id(), c)), b
	}},
}

var chains = []hostile{
	{"a past that is not there", replica.RuleMissingPast, func(w *world) (*history.Batch, *history.Commit) {
		return w.one(w.bad.first("x", object.Sum(object.DagCBOR, []byte("nothing"))))
	}},
	{"an op named in a commit that is not there", replica.RuleMissingPast, func(w *world) (*history.Batch, *history.Commit) {
		d := w.bad.first("x", w.root)
		d.op(history.Op{Field: "tags", Action: "remove", Refs: []history.OpRef{{Commit: object.Sum(object.DagCBOR, []byte("nothing"))}}}, nil)
		return w.one(d)
	}},
	{"edges after the commit that has them", replica.RuleMissingPast, func(w *world) (*history.Batch, *history.Commit) {
		first := w.bad.first("a", w.root).commit(w.t)
		c := w.bad.next("b", first.ID, 2).commit(w.t)
		return batch([]*history.Commit{c, first}, w.bad.attest(w.id(), c)), c
	}},
	{"a gap in seq", authority.RuleChain, func(w *world) (*history.Batch, *history.Commit) {
		return w.after(func(d *draft) { d.env.Seq = 3 })
	}},
	{"a seq near the end of its range", authority.RuleChain, func(w *world) (*history.Batch, *history.Commit) {
		return w.after(func(d *draft) { d.env.Seq = math.MaxInt64 })
	}},
	{"another's commit as prev", authority.RuleChain, func(w *world) (*history.Batch, *history.Commit) {
		return w.one(w.bad.next("x", w.root, 3))
	}},
	{"own other branch among the parents", authority.RuleBranch, func(w *world) (*history.Batch, *history.Commit) {
		first := w.bad.first("a", w.root).commit(w.t)
		b := w.bad.next("b", first.ID, 2).commit(w.t)
		c := w.bad.next("c", first.ID, 2, b.ID).commit(w.t)
		return batch([]*history.Commit{first, b, c}, w.bad.attest(w.id(), b), w.bad.attest(w.id(), c)), c
	}},
	{"own other branch behind another's commit", authority.RuleBranch, func(w *world) (*history.Batch, *history.Commit) {
		first := w.bad.first("a", w.root).commit(w.t)
		b := w.bad.next("b", first.ID, 2).commit(w.t)
		between := w.good.first("m", b.ID).commit(w.t)
		c := w.bad.next("c", first.ID, 2).commit(w.t)
		d := w.bad.next("d", c.ID, 3, between.ID).commit(w.t)
		return batch([]*history.Commit{first, b, between, c, d},
			w.bad.attest(w.id(), b), w.good.attest(w.id(), between), w.bad.attest(w.id(), d)), d
	}},
	{"two beginnings in one past", authority.RuleBranch, func(w *world) (*history.Batch, *history.Commit) {
		a := w.bad.first("a", w.root).commit(w.t)
		b := w.bad.first("b", w.root, a.ID).commit(w.t)
		return batch([]*history.Commit{a, b}, w.bad.attest(w.id(), a), w.bad.attest(w.id(), b)), b
	}},
}

var contents = []hostile{
	{"a field the kind has not", authority.RuleField, func(w *world) (*history.Batch, *history.Commit) {
		d := w.bad.first("x", w.root)
		d.op(history.Op{Field: "price", Action: "set"}, enc(w.t, int64(3)))
		return w.one(d)
	}},
	{"an authority action of a later version", authority.RuleAction, func(w *world) (*history.Batch, *history.Commit) {
		return w.after(func(d *draft) {
			d.env.Ops = append(d.env.Ops, history.Op{Action: "grant", Part: history.NoPart, Size: 1, Body: enc(w.t, int64(1))})
		})
	}},
	{"a second creation", authority.RuleAction, func(w *world) (*history.Batch, *history.Commit) {
		create := w.bad.genesis(manifest, 9).Env.Ops[0]
		return w.after(func(d *draft) { d.env.Ops = append(d.env.Ops, create) })
	}},
	{"the first commit of another space", authority.RuleGenesis, func(w *world) (*history.Batch, *history.Commit) {
		c := w.bad.genesis(manifest, 9)
		return w.bad.signed(w.id(), c), c
	}},
	{"an epoch", authority.RuleEpoch, func(w *world) (*history.Batch, *history.Commit) {
		d := w.bad.first("x", w.root)
		d.env.Epoch = 1
		return w.one(d)
	}},
	{"a grant that does not exist", authority.RuleGrant, func(w *world) (*history.Batch, *history.Commit) {
		d := w.bad.first("x", w.root)
		d.env.Grant.Index = 1
		return w.one(d)
	}},
	{"a grant by an op", authority.RuleGrant, func(w *world) (*history.Batch, *history.Commit) {
		d := w.bad.first("x", w.root)
		d.env.Grant = history.GrantRef{Op: history.OpRef{Commit: w.root}}
		return w.one(d)
	}},
	{"no certificate", authority.RuleDevice, func(w *world) (*history.Batch, *history.Commit) {
		return w.one(w.bad.next("x", object.ID{}, 1, w.root))
	}},
	{"the certificate of another device", authority.RuleDevice, func(w *world) (*history.Batch, *history.Commit) {
		d := w.bad.first("x", w.root)
		d.env.Ops[0] = device(w.t, w.good.dev.Certificate)
		return w.one(d)
	}},
	{"a certificate its identity did not sign", authority.RuleDevice, func(w *world) (*history.Batch, *history.Commit) {
		cert := w.bad.dev.Certificate
		cert.Identity = w.good.dev.Certificate.Identity
		d := w.bad.first("x", w.root)
		d.env.Ops[0] = device(w.t, cert)
		return w.one(d)
	}},
	{"a later certificate of another identity", authority.RuleDevice, func(w *world) (*history.Batch, *history.Commit) {
		owner, _, err := identity.NewDevice(context.Background(), seeded(60), "x", 1)
		if err != nil {
			w.t.Fatal(err)
		}
		cert, err := identity.Certify(context.Background(), owner, w.bad.key(), "x", 1)
		if err != nil {
			w.t.Fatal(err)
		}
		return w.after(func(d *draft) { d.env.Ops = append(d.env.Ops, device(w.t, cert)) })
	}},
	{"a part that did not come", replica.RuleMissingPart, func(w *world) (*history.Batch, *history.Commit) {
		c := w.bad.first("x", w.root).commit(w.t)
		c, err := history.DecodeCommit(c.Raw, nil)
		if err != nil {
			w.t.Fatal(err)
		}
		return w.bad.signed(w.id(), c), c
	}},
}

var attachments = []hostile{
	{"an attached object that did not come", replica.RuleMissingObject, func(w *world) (*history.Batch, *history.Commit) {
		d := w.bad.first("x", w.root)
		d.attached = []object.ID{object.Sum(object.DagCBOR, enc(w.t, "nowhere"))}
		return w.one(d)
	}},
	{"an attached object of this node that no commit attaches", replica.RuleMissingObject, func(w *world) (*history.Batch, *history.Commit) {
		id, err := w.space.Node().Put(context.Background(), "private")
		if err != nil {
			w.t.Fatal(err)
		}
		d := w.bad.first("x", w.root)
		d.attached = []object.ID{id}
		return w.one(d)
	}},
	{"other bytes than the attached object's", replica.RuleMissingObject, func(w *world) (*history.Batch, *history.Commit) {
		_, id := rawObject(100, 1)
		other, _ := rawObject(100, 2)
		d := w.bad.first("x", w.root)
		d.attached = []object.ID{id}
		return w.one(d, other)
	}},
	{"attached bytes that are no canonical object", replica.RuleMalformed, func(w *world) (*history.Batch, *history.Commit) {
		block := []byte{0x18, 0x01} // 1, not in its shortest form
		d := w.bad.first("x", w.root)
		d.attached = []object.ID{object.Sum(object.DagCBOR, block)}
		return w.one(d, block)
	}},
	{"too many bytes attached", replica.RuleTooLarge, func(w *world) (*history.Batch, *history.Commit) {
		d := w.bad.first("x", w.root)
		var blocks [][]byte
		for i := range 2 {
			b, id := rawObject(replica.MaxAttachBytes/2+1, byte(i))
			d.attached, blocks = append(d.attached, id), append(blocks, b)
		}
		return w.one(d, blocks...)
	}},
	{"too many objects attached", replica.RuleTooLarge, func(w *world) (*history.Batch, *history.Commit) {
		d := w.bad.first("x", w.root)
		var blocks [][]byte
		for i := range replica.MaxAttachObjects + 1 {
			b := enc(w.t, int64(i))
			d.attached, blocks = append(d.attached, object.Sum(object.DagCBOR, b)), append(blocks, b)
		}
		return w.one(d, blocks...)
	}},
	{"a block over the limit", replica.RuleTooLarge, func(w *world) (*history.Batch, *history.Commit) {
		b, _ := rawObject(object.MaxBlock+1, 1)
		bb, _ := w.one(w.bad.first("x", w.root), b)
		return bb, nil
	}},
}

func hostileBatches() []hostile {
	return slices.Concat(signatures, chains, contents, attachments, otherSignatures(), otherCertificates(), otherContents())
}

// badly is a proper first commit of the forger under another signature than it
// should have.
func badly(name string, sign func(w *world, c *history.Commit) []byte) hostile {
	return hostile{name, replica.RuleBadSignature, func(w *world) (*history.Batch, *history.Commit) {
		c := w.bad.first("x", w.root).commit(w.t)
		return batch([]*history.Commit{c}, history.Attestation{Commit: c.ID, Sig: sign(w, c)}), c
	}}
}

// right is the signature as it should be.
func right(w *world, c *history.Commit) []byte { return w.bad.attest(w.id(), c).Sig }

// otherSignatures are good signatures for something else, and good ones in
// another form.
func otherSignatures() []hostile {
	list := []hostile{
		badly("a short signature", func(w *world, c *history.Commit) []byte { return right(w, c)[:63] }),
		badly("a long signature", func(w *world, c *history.Commit) []byte { return append(right(w, c), 0) }),
		badly("a signature of zeros", func(*world, *history.Commit) []byte { return make([]byte, 64) }),
		badly("a signature with S over the order", func(w *world, c *history.Commit) []byte {
			order, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
			sig := right(w, c)
			s := slices.Clone(sig[32:])
			slices.Reverse(s)
			sum := new(big.Int).Add(new(big.Int).SetBytes(s), order).FillBytes(make([]byte, 32))
			slices.Reverse(sum)
			return append(sig[:32:32], sum...)
		}),
		badly("a signature for no space", func(w *world, c *history.Commit) []byte { return w.bad.attest(object.ID{}, c).Sig }),
		badly("the signature of another commit of the author", func(w *world, c *history.Commit) []byte {
			return w.bad.attest(w.id(), w.bad.first("y", w.root).commit(w.t)).Sig
		}),
		{"signatures changed for each other", replica.RuleBadSignature, func(w *world) (*history.Batch, *history.Commit) {
			a, b := w.bad.first("a", w.root).commit(w.t), w.good.first("b", w.root).commit(w.t)
			x, y := w.bad.attest(w.id(), a), w.good.attest(w.id(), b)
			x.Sig, y.Sig = y.Sig, x.Sig
			return batch([]*history.Commit{a, b}, x, y), b // checked from the last on
		}},
		{"two attestations, the second bad", replica.RuleBadSignature, func(w *world) (*history.Batch, *history.Commit) {
			c := w.bad.first("x", w.root).commit(w.t)
			return batch([]*history.Commit{c}, w.bad.attest(w.id(), c), history.Attestation{Commit: c.ID, Sig: make([]byte, 64)}), c
		}},
		{"the founder's chain gone on with by another", replica.RuleBadSignature, func(w *world) (*history.Batch, *history.Commit) {
			c := w.founders().commit(w.t)
			return w.bad.signed(w.id(), c), c
		}},
		{"the founder's chain gone on with under the founder's last signature", replica.RuleBadSignature, func(w *world) (*history.Batch, *history.Commit) {
			c := w.founders().commit(w.t)
			return batch([]*history.Commit{c}, history.Attestation{Commit: c.ID, Sig: w.signatureOf(w.root)}), c
		}},
		{"the founder's chain gone on with under a commit of another", replica.RuleUncovered, func(w *world) (*history.Batch, *history.Commit) {
			forged := w.founders().commit(w.t)
			c := w.bad.first("x", forged.ID).commit(w.t)
			return batch([]*history.Commit{forged, c}, w.bad.attest(w.id(), c)), forged
		}},
		{"a commit of another space with its own attestation", replica.RuleMissingPast, func(w *world) (*history.Batch, *history.Commit) {
			d := w.good.first("elsewhere", w.other)
			c := d.commit(w.t)
			return w.good.signed(w.other, c), c
		}},
	}
	for _, purpose := range []identity.Purpose{identity.PurposeDevice, identity.PurposeInvite, identity.PurposeHandshake, identity.PurposeListen} {
		list = append(list, badly("a signature made to "+string(purpose), func(w *world, c *history.Commit) []byte {
			st := history.AttestationStatement(w.id(), c.Env.Seq, c.ID)
			st.Purpose = purpose
			sig, err := w.bad.dev.Signer.Sign(context.Background(), st)
			if err != nil {
				w.t.Fatal(err)
			}
			return sig
		}))
	}
	return list
}

// founders is what would be the founder's next commit.
func (w *world) founders() *draft {
	tip, err := w.space.Commit(w.root)
	if err != nil {
		w.t.Fatal(err)
	}
	d := w.bad.next("x", w.root, tip.Env.Seq+1)
	d.env.Author = tip.Env.Author
	return d
}

// signatureOf is the attestation that the space has of a commit.
func (w *world) signatureOf(id object.ID) []byte {
	for b, err := range w.space.Batches(nil, 1) {
		if err != nil {
			w.t.Fatal(err)
		}
		for _, a := range b.Attestations {
			if a.Commit == id {
				return a.Sig
			}
		}
	}
	w.t.Fatal("not attested")
	return nil
}

// otherCertificates are first commits with a certificate that is not theirs.
func otherCertificates() []hostile {
	with := func(name string, change func(w *world, c *identity.Certificate)) hostile {
		return hostile{name, authority.RuleDevice, func(w *world) (*history.Batch, *history.Commit) {
			cert := w.bad.dev.Certificate
			cert.Sig = slices.Clone(cert.Sig)
			change(w, &cert)
			d := w.bad.first("x", w.root)
			d.env.Ops[0] = device(w.t, cert)
			return w.one(d)
		}}
	}
	signed := func(w *world, key identity.Signer, st identity.Statement) []byte {
		sig, err := key.Sign(context.Background(), st)
		if err != nil {
			w.t.Fatal(err)
		}
		return sig
	}
	return []hostile{
		with("a certificate with another label", func(_ *world, c *identity.Certificate) { c.Label = "phone" }),
		with("a certificate with another time", func(_ *world, c *identity.Certificate) { c.Time++ }),
		with("a certificate with a flipped signature", func(_ *world, c *identity.Certificate) { c.Sig[7] ^= 1 }),
		with("a certificate that the device signed itself", func(w *world, c *identity.Certificate) {
			c.Sig = signed(w, w.bad.dev.Signer, c.Check().Statement)
		}),
		with("a certificate for the identity of another, signed by the device", func(w *world, c *identity.Certificate) {
			c.Identity = w.good.dev.Certificate.Identity
			c.Sig = signed(w, w.bad.dev.Signer, c.Check().Statement)
		}),
		with("a certificate under another's certificate's signature", func(w *world, c *identity.Certificate) {
			c.Identity, c.Sig = w.good.dev.Certificate.Identity, w.good.dev.Certificate.Sig
		}),
		{"a certificate that is not the first op", authority.RuleDevice, func(w *world) (*history.Batch, *history.Commit) {
			d := w.bad.first("x", w.root)
			slices.Reverse(d.env.Ops)
			return w.one(d)
		}},
		{"a certificate that is another object", authority.RuleDevice, func(w *world) (*history.Batch, *history.Commit) {
			d := w.bad.first("x", w.root)
			body := enc(w.t, map[string]any{"$type": "hhs/device"})
			d.env.Ops[0].Body, d.env.Ops[0].Size = body, len(body)
			return w.one(d)
		}},
	}
}

// otherContents are authority ops of versions to come, and fields that look
// like ours.
func otherContents() (list []hostile) {
	for _, action := range []string{"remove", "role", "rule", "recover", "device.remove"} {
		list = append(list, hostile{"the authority action " + action, authority.RuleAction, func(w *world) (*history.Batch, *history.Commit) {
			return w.after(func(d *draft) {
				d.env.Ops = append(d.env.Ops, history.Op{Action: action, Part: history.NoPart, Size: 1, Body: enc(w.t, int64(1))})
			})
		}})
	}
	for _, field := range []string{"$profile2", "Lines", "lines ", "__proto__"} {
		list = append(list, hostile{"the field " + field, authority.RuleField, func(w *world) (*history.Batch, *history.Commit) {
			return w.after(func(d *draft) { d.op(history.Op{Field: field, Action: "append"}, enc(w.t, "x")) })
		}})
	}
	return append(list,
		hostile{"the last grant there could be", authority.RuleGrant, func(w *world) (*history.Batch, *history.Commit) {
			return w.after(func(d *draft) { d.env.Grant.Index = 4095 })
		}})
}

func TestHostileBatches(t *testing.T) {
	for _, h := range hostileBatches() {
		t.Run(h.name, func(t *testing.T) {
			w := newWorld(t)
			b, c := h.make(w)
			var id object.ID
			if c != nil {
				id = c.ID
			}
			err := mayNot(t, w.space, w.mem, b, h.rule, id)
			if errors.Is(err, replica.ErrMissing) != (h.rule == replica.RuleMissingPast) {
				t.Errorf("ErrMissing in %v", err)
			}
			text := err.Error()
			if !strings.Contains(text, h.rule) || !strings.Contains(text, peer.Device.Short()) || c != nil && !strings.Contains(text, c.ID.String()) {
				t.Errorf("%q does not name commit, rule and peer", text)
			}
			// The door works on, here and for the honest.
			honest := w.good.first("fine", w.space.Heads()...).commit(t)
			if res, err := w.space.Ingest(context.Background(), w.good.signed(w.id(), honest), peer); err != nil || res.New != 1 {
				t.Fatalf("an honest batch afterwards: %v, %v", res, err)
			}
			line(t, w.space, "own")
			if got := lines(t, w.space); !slices.Equal(got, []string{"hello", "fine", "own"}) {
				t.Fatalf("lines are %q", got)
			}
			reopened(t, w.space, w.mem)
		})
	}
	t.Logf("%d kinds of hostile batches refused, 0 accepted", len(hostileBatches()))
}

// A hostile commit behind honest ones takes the whole batch with it.
func TestAllOrNothing(t *testing.T) {
	w := newWorld(t)
	a := w.good.first("a", w.root).commit(t)
	b := w.good.next("b", a.ID, 2).commit(t)
	bad := w.bad.next("x", object.ID{}, 1, b.ID).commit(t) // no certificate
	hostile := batch([]*history.Commit{a, b, bad}, w.good.attest(w.id(), b), w.bad.attest(w.id(), bad))
	mayNot(t, w.space, w.mem, hostile, authority.RuleDevice, bad.ID)
	if w.space.Has(a.ID) || w.space.Has(b.ID) {
		t.Fatal("a part of a refused batch is here")
	}
	honest := batch([]*history.Commit{a, b}, w.good.attest(w.id(), b))
	if res, err := w.space.Ingest(context.Background(), honest, peer); err != nil || res.New != 2 {
		t.Fatalf("without it: %v, %v", res, err)
	}
	reopened(t, w.space, w.mem)
}

// A space that was joined takes no first commit but the one it is named after.
func TestFirstCommit(t *testing.T) {
	f := newForger(t, 50)
	closed := *manifest
	closed.Policy = "members"
	strange := *manifest
	strange.Fields = []authority.Field{{Name: "title", Type: "hologram"}}
	right := f.genesis(manifest, 1)
	for _, c := range []struct {
		name    string
		joined  *history.Commit
		sent    *history.Commit
		rule    string
		mention string
	}{
		{"another space's", right, f.genesis(manifest, 2), replica.RuleWrongSpace, ""},
		{"no first commit", right, f.first("x", right.ID).commit(t), replica.RuleMissingPast, ""},
		{"a policy not known here", f.genesis(&closed, 3), f.genesis(&closed, 3), authority.RuleGenesis, "members"},
		{"a type not known here", f.genesis(&strange, 4), f.genesis(&strange, 4), authority.RuleGenesis, "hologram"},
	} {
		t.Run(c.name, func(t *testing.T) {
			mem := store.NewMem()
			n := newNode(t, 2, func(cfg *replica.Config) { cfg.Store = mem })
			s, err := n.Join(context.Background(), c.joined.ID)
			if err != nil {
				t.Fatal(err)
			}
			err = mayNot(t, s, mem, f.signed(s.ID(), c.sent), c.rule, c.sent.ID)
			if !strings.Contains(err.Error(), c.mention) {
				t.Errorf("%v does not mention %q", err, c.mention)
			}
			if _, err := s.Founding(); !errors.Is(err, replica.ErrPending) {
				t.Errorf("founded by a refused commit: %v", err)
			}
		})
	}
}

// What is passed over or taken as it is.
func TestHarmlessBatches(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct {
		name  string
		batch func(w *world) *history.Batch
		fresh int
		lines []string
	}{
		{"a commit twice", func(w *world) *history.Batch {
			c := w.bad.first("x", w.root).commit(w.t)
			return batch([]*history.Commit{c, c}, w.bad.attest(w.id(), c))
		}, 1, []string{"hello", "x"}},
		{"a part that does not fit its ops", func(w *world) *history.Batch {
			d := w.bad.first("x", w.root)
			raw, err := (&history.Part{Payloads: [][]byte{enc(w.t, "longer")}}).Encode()
			if err != nil {
				w.t.Fatal(err)
			}
			d.parts = [][]byte{raw}
			return w.bad.signed(w.id(), d.commit(w.t))
		}, 1, []string{"hello"}},
		{"a part that is none", func(w *world) *history.Batch {
			d := w.bad.first("x", w.root)
			d.parts = [][]byte{[]byte("no part at all")}
			return w.bad.signed(w.id(), d.commit(w.t))
		}, 1, []string{"hello"}},
		{"a value the schema does not allow", func(w *world) *history.Batch {
			b, _ := w.one(w.bad.first("more than ten", w.root))
			return b
		}, 1, []string{"hello"}},
		{"a value of another type", func(w *world) *history.Batch {
			d := w.bad.first("x", w.root)
			d.op(history.Op{Field: "lines", Action: "append"}, enc(w.t, []any{nil, map[string]any{"a": 1.5}}))
			b, _ := w.one(d)
			return b
		}, 1, []string{"hello", "x"}},
		{"a payload that is no object", func(w *world) *history.Batch {
			d := w.bad.first("x", w.root)
			d.op(history.Op{Field: "lines", Action: "append"}, []byte{0xff, 0xff})
			d.op(history.Op{Field: "title", Action: "set"}, []byte{0x1b, 0, 0, 0, 0, 0, 0, 0, 1})
			d.op(history.Op{Field: "tags", Action: "add"}, []byte{0x5f})
			b, _ := w.one(d)
			return b
		}, 1, []string{"hello", "x"}},
		{"actions of other types, and no payload", func(w *world) *history.Batch {
			d := w.bad.first("x", w.root)
			for _, field := range []string{"title", "tags", "lines", replica.ProfileField} {
				for _, action := range []string{"set", "add", "remove", "append", "explode"} {
					d.op(history.Op{Field: field, Action: action}, nil)
				}
			}
			b, _ := w.one(d)
			return b
		}, 1, []string{"hello", "x"}},
		{"ops that name ops of other fields, of no field and beyond the last", func(w *world) *history.Batch {
			d := w.bad.first("x", w.root)
			d.op(history.Op{Field: "tags", Action: "add"}, enc(w.t, "t"))
			for _, field := range []string{"title", "tags", "lines"} {
				for _, action := range []string{"set", "add", "remove", "append"} {
					for _, i := range []uint32{0, 1, 2, 3000} {
						d.op(history.Op{Field: field, Action: action, Refs: []history.OpRef{{Commit: w.root, Index: i}, {Commit: w.id(), Index: i}}}, enc(w.t, "t"))
					}
				}
			}
			b, _ := w.one(d)
			return b
		}, 1, []string{"hello", "x"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			b := c.batch(w)
			res, err := w.space.Ingest(ctx, b, peer)
			if err != nil || res.New != c.fresh {
				t.Fatalf("%d new, %v; want %d", res.New, err, c.fresh)
			}
			if again, err := w.space.Ingest(ctx, b, peer); err != nil || again.New != 0 {
				t.Fatalf("again: %d new, %v", again.New, err)
			}
			got := lines(t, w.space)
			if !slices.Equal(got, c.lines) {
				t.Fatalf("lines %q, want %q", got, c.lines)
			}
			line(t, w.space, "end")
			copied := join(t, newNode(t, 3), w.space)
			pull(t, copied, w.space, 1)
			same(t, w.space, copied)
			reopened(t, w.space, w.mem)
		})
	}
}

// What a clock says orders nothing.
func TestTimesOrderNothing(t *testing.T) {
	const century = 100 * 365 * 24 * 3600 * 1000
	const now = 1_700_000_000_000
	w := newWorld(t)
	prev, seq := object.ID{}, uint64(0)
	var want []string
	for i, at := range []int64{now + century, now - century, math.MaxInt64, 0, math.MinInt64, -1, now} {
		text := fmt.Sprint("t", i)
		d := w.bad.next(text, prev, seq+1)
		if seq == 0 {
			d = w.bad.first(text, w.root)
		}
		d.env.Time = at
		c := d.commit(t)
		if _, err := w.space.Ingest(context.Background(), rewire(t, w.bad.signed(w.id(), c)), peer); err != nil {
			t.Fatalf("time %d: %v", at, err)
		}
		prev, seq, want = c.ID, seq+1, append(want, text)
	}
	line(t, w.space, "last")
	if got := lines(t, w.space); !slices.Equal(got, append(append([]string{"hello"}, want...), "last")) {
		t.Fatalf("lines %q", got)
	}
	// 2^63 does not fit the format at all.
	d := w.bad.next("x", prev, seq+1)
	d.env.Time = math.MaxInt64
	raw := d.commit(t).Raw
	at := strings.Index(string(raw), "\x1b\x7f\xff\xff\xff\xff\xff\xff\xff")
	if at < 0 {
		t.Fatalf("no time in %x", raw)
	}
	over := slices.Concat(raw[:at], []byte("\x1b\x80\x00\x00\x00\x00\x00\x00\x00"), raw[at+9:])
	if _, err := history.DecodeCommit(over, nil); err == nil {
		t.Fatal("a time of 2^63 is accepted")
	}
}
