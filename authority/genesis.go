package authority

import (
	"fmt"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
)

// SpaceType is the $type of the body of a space's create op.
const SpaceType = "hhs/space"

// The actions of authority ops, on field "".
const (
	ActionCreate = "create" // the first op of a space: manifest, salt, founders
	ActionDevice = "device" // a certificate: this device signs for that identity
	ActionSchema = "schema" // a change of the fields, see Change
)

// Founding is what a space's first commit says. The id of that commit is the space's.
type Founding struct {
	Space    object.ID
	Manifest *Manifest
	Salt     [SaltSize]byte
	Founders []identity.PublicKey // identities, each once; Creator is one of them
	Creator  identity.PublicKey   // the identity whose device wrote the first commit
	Device   identity.PublicKey
	Time     int64 // what the creator's clock said, in ms; advisory
}

// FoundingOps returns the two ops that a space's first commit begins with.
func FoundingOps(m *Manifest, salt [SaltSize]byte, founders []identity.PublicKey, cert identity.Certificate) ([]history.Op, error) {
	keys := make([]any, len(founders))
	for i, k := range founders {
		keys[i] = k.Bytes()
	}
	body, err := object.Encode(map[string]any{
		"$type":    SpaceType,
		"manifest": m.Value(),
		"salt":     salt[:],
		"founders": keys,
	})
	if err != nil {
		return nil, fmt.Errorf("authority: encode the founding of a space: %w", err)
	}
	device, err := DeviceOp(cert)
	if err != nil {
		return nil, err
	}
	return []history.Op{inline(ActionCreate, body), device}, nil
}

// DeviceOp returns the op with which a device's first commit in a space begins.
func DeviceOp(cert identity.Certificate) (history.Op, error) {
	body, err := object.Encode(cert.Value())
	if err != nil {
		return history.Op{}, fmt.Errorf("authority: encode a certificate: %w", err)
	}
	return inline(ActionDevice, body), nil
}

func inline(action string, body []byte) history.Op {
	return history.Op{Action: action, Part: history.NoPart, Size: len(body), Body: body}
}

// Genesis reads a space's first commit: no edges, op 0 create, op 1 the creator's certificate, then any
// ops on its own fields. It needs no past. *Refused when it is not one; the manifest's own trouble is
// the *ManifestError inside.
func Genesis(c *history.Commit, checks ...FieldCheck) (*Founding, error) {
	e := c.Env
	refuse := func(rule, detail string) error { return &Refused{Commit: c.ID, Rule: rule, Detail: detail} }
	switch {
	case e.Seq != 1 || len(c.Edges()) != 0 || e.Grant.Index != history.NoGrant:
		return nil, refuse(RuleGenesis, "a space's first commit has no edges and exercises no grant")
	case e.Epoch != 0:
		return nil, refuse(RuleEpoch, "epoch 0 is the only one")
	case len(e.Ops) < 2 || e.Ops[0].Field != "" || e.Ops[0].Action != ActionCreate:
		return nil, refuse(RuleGenesis, "the first op does not create a space")
	}
	f := &Founding{Space: c.ID, Device: e.Author, Time: e.Time}
	if err := f.read(e.Ops[0].Body, checks); err != nil {
		return nil, &GenesisError{Refused{c.ID, RuleGenesis, "the create op does not describe a space"}, err}
	}
	who, detail := certified(e, 1)
	if detail != "" {
		return nil, refuse(RuleDevice, detail)
	}
	f.Creator = who
	founder := false
	for _, k := range f.Founders {
		founder = founder || k == who
	}
	if !founder {
		return nil, refuse(RuleGenesis, "its author's identity is not among the founders")
	}
	if r := judgeOps(Merge(f, nil), c, 2, f.Creator); r != nil {
		return nil, r
	}
	return f, nil
}

// GenesisError is a Refused with the reason why the create op is not one. errors.As finds both.
type GenesisError struct {
	Refusal Refused
	Cause   error
}

// Error names commit, rule and cause.
func (e *GenesisError) Error() string { return e.Refusal.Error() + ": " + e.Cause.Error() }

// Unwrap returns the refusal and the cause.
func (e *GenesisError) Unwrap() []error { return []error{&e.Refusal, e.Cause} }

func (f *Founding) read(body []byte, checks []FieldCheck) error {
	v, err := object.Decode(body)
	if err != nil {
		return fmt.Errorf("authority: decode the create op: %w", err)
	}
	r := record{v: v}
	r.is(SpaceType)
	manifest, _ := r.get("manifest")
	salt, founders := r.bytes("salt"), r.list("founders")
	if err := r.end(); err != nil {
		return err
	}
	if f.Manifest, err = ParseManifest(manifest, checks...); err != nil {
		return err
	}
	if len(salt) != SaltSize {
		return &ManifestError{Path: "salt", Reason: "does not have 16 bytes"}
	}
	copy(f.Salt[:], salt)
	if len(founders) == 0 || len(founders) > MaxFounders {
		return &ManifestError{Path: "founders", Reason: "a space has 1 to 16"}
	}
	for _, v := range founders {
		b, _ := v.([]byte)
		k, err := identity.PublicKeyFromBytes(b)
		if err != nil {
			return &ManifestError{Path: "founders", Reason: "one is not a key", Cause: err}
		}
		for _, other := range f.Founders {
			if k == other {
				return &ManifestError{Path: "founders", Reason: "one is there twice"}
			}
		}
		f.Founders = append(f.Founders, k)
	}
	return nil
}

// certified reads op i of an envelope as the certificate of the envelope's own author; detail says why it is not one.
func certified(e *history.Envelope, i int) (who identity.PublicKey, detail string) {
	if i >= len(e.Ops) || e.Ops[i].Field != "" || e.Ops[i].Action != ActionDevice {
		return who, "the certificate of its device is missing"
	}
	v, err := object.Decode(e.Ops[i].Body)
	if err != nil {
		return who, err.Error()
	}
	cert, err := identity.CertificateFromValue(v)
	if err != nil {
		return who, err.Error()
	}
	if cert.Device != e.Author {
		return who, "the certificate is for another device"
	}
	if err := cert.Verify(); err != nil {
		return who, err.Error()
	}
	return cert.Identity, ""
}
