package identity

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/hyperhyperspace/hhs-go/object"
)

// CertificateType is the $type of a certificate as an object value.
const CertificateType = "hhs/device"

// Certificate says that a device key signs for an identity. The identity key
// signs it, once for all spaces; a device's first commit in a space carries it.
//
// As a value it is the map {"$type": "hhs/device", "identity", "device": the 34
// bytes of each key, "label": string, "time": int, "sig": 64 bytes}. The
// signature is over the SHA-256 of the canonical bytes of that map without
// "sig", for the purpose "device" and no space.
type Certificate struct {
	Identity, Device PublicKey
	Label            string // for people to tell devices apart, at most MaxLabel bytes
	Time             int64  // milliseconds since 1970; advisory
	Sig              []byte
}

// CertificateError says why a value is no certificate.
type CertificateError struct{ Reason string }

func (e *CertificateError) Error() string { return "identity: not a device certificate: " + e.Reason }

func (c Certificate) unsigned() map[string]any {
	return map[string]any{
		"$type":    CertificateType,
		"identity": c.Identity.Bytes(),
		"device":   c.Device.Bytes(),
		"label":    c.Label,
		"time":     c.Time,
	}
}

// Value returns the certificate as an object value.
func (c Certificate) Value() any {
	v := c.unsigned()
	v["sig"] = c.Sig
	return v
}

// statement returns what the identity key signs. Encoding fails only on a label
// that is not UTF-8; such a certificate is refused before, and one built by hand
// gets a statement that nothing was ever signed for.
func (c Certificate) statement() Statement {
	s := Statement{Purpose: PurposeDevice}
	if b, err := object.Encode(c.unsigned()); err == nil {
		s.Hash = sha256.Sum256(b)
	}
	return s
}

// Check returns what has to be verified: the identity's signature.
func (c Certificate) Check() Check {
	return Check{Key: c.Identity, Statement: c.statement(), Sig: c.Sig}
}

// Verify checks shape and signature. It returns a *CertificateError or an error
// that matches ErrSignature.
func (c Certificate) Verify() error {
	if err := c.shape(); err != nil {
		return err
	}
	return Verify(c.Check())
}

func (c Certificate) shape() error {
	switch {
	case c.Identity.IsZero() || c.Device.IsZero():
		return &CertificateError{"a key is missing"}
	case c.Identity == c.Device:
		return &CertificateError{"the identity key cannot be its own device key"}
	case len(c.Label) > MaxLabel:
		return &CertificateError{"its label is longer than 64 bytes"}
	case !utf8.ValidString(c.Label):
		return &CertificateError{"its label is not valid UTF-8"}
	case c.Time < 0:
		return &CertificateError{"its time is before 1970"}
	case len(c.Sig) != SignatureSize:
		return &CertificateError{"its signature does not have 64 bytes"}
	}
	return nil
}

// CertificateFromValue reads the object value. It checks the shape, strictly, and
// not the signature: see [Certificate.Check].
func CertificateFromValue(v any) (Certificate, error) {
	m, ok := v.(map[string]any)
	if !ok {
		return Certificate{}, &CertificateError{"it is not a map"}
	}
	if t, ok := m["$type"].(string); !ok || t != CertificateType {
		return Certificate{}, &CertificateError{`its $type is not "` + CertificateType + `"`}
	}
	if len(m) != 6 {
		return Certificate{}, &CertificateError{"it does not have exactly the fields of one"}
	}
	var c Certificate
	var err error
	if c.Identity, err = keyField(m, "identity"); err != nil {
		return Certificate{}, err
	}
	if c.Device, err = keyField(m, "device"); err != nil {
		return Certificate{}, err
	}
	label, ok1 := m["label"].(string)
	time, ok2 := m["time"].(int64)
	sig, ok3 := m["sig"].([]byte)
	if !ok1 || !ok2 || !ok3 {
		return Certificate{}, &CertificateError{"label, time or sig is missing or of the wrong kind"}
	}
	c.Label, c.Time, c.Sig = label, time, sig
	if err := c.shape(); err != nil {
		return Certificate{}, err
	}
	return c, nil
}

func keyField(m map[string]any, name string) (PublicKey, error) {
	b, ok := m[name].([]byte)
	if !ok {
		return PublicKey{}, &CertificateError{name + " is missing or not bytes"}
	}
	k, err := PublicKeyFromBytes(b)
	if err != nil {
		return PublicKey{}, fmt.Errorf("identity: read a certificate's %s: %w", name, err)
	}
	return k, nil
}

// Certify makes the certificate of a device key, signed by the identity.
// A signer that answers with a wrong signature is reported, not passed on.
func Certify(ctx context.Context, identity Signer, device PublicKey, label string, timeMS int64) (Certificate, error) {
	c := Certificate{Identity: identity.Public(), Device: device, Label: label, Time: timeMS, Sig: make([]byte, SignatureSize)}
	if err := c.shape(); err != nil {
		return Certificate{}, err
	}
	sig, err := identity.Sign(ctx, c.statement())
	if err != nil {
		return Certificate{}, fmt.Errorf("identity: sign a device certificate: %w", err)
	}
	c.Sig = sig
	if err := c.Verify(); err != nil {
		return Certificate{}, fmt.Errorf("identity: the signer returned a wrong signature: %w", err)
	}
	return c, nil
}

// Device is what a node writes with: a device key and its certificate.
type Device struct {
	Signer      Signer
	Certificate Certificate
}

// Identity returns the identity the device signs for.
func (d Device) Identity() PublicKey { return d.Certificate.Identity }

// Verify checks that the certificate is valid and for this signer's key.
func (d Device) Verify() error {
	if d.Signer == nil {
		return errors.New("identity: the device has no signer")
	}
	if d.Signer.Public() != d.Certificate.Device {
		return &CertificateError{"it is for another device key"}
	}
	return d.Certificate.Verify()
}

// NewDevice makes a new person with a first device: two keys from rand and the
// certificate, dated timeMS. The identity key is returned to be kept away.
func NewDevice(ctx context.Context, rand io.Reader, label string, timeMS int64) (PrivateKey, Device, error) {
	id, err := NewKey(rand)
	if err != nil {
		return PrivateKey{}, Device{}, err
	}
	key, err := NewKey(rand)
	if err != nil {
		return PrivateKey{}, Device{}, err
	}
	cert, err := Certify(ctx, id, key.Public(), label, timeMS)
	if err != nil {
		return PrivateKey{}, Device{}, err
	}
	return id, Device{Signer: key, Certificate: cert}, nil
}
