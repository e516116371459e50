package identity

import (
	"errors"
	"strconv"
)

// ErrSignature reports that a signature is not valid for its key and statement.
var ErrSignature = errors.New("identity: invalid signature")

// SignatureError says which part of the rule a signature breaks. It matches
// ErrSignature.
type SignatureError struct {
	Key    PublicKey
	Reason string
}

func (e *SignatureError) Error() string {
	return "identity: invalid signature by " + e.Key.Short() + ": " + e.Reason
}

// Is reports whether target is ErrSignature.
func (e *SignatureError) Is(target error) bool { return target == ErrSignature }

// BadSignature says which of the checks handed to a Verifier failed: the first
// in their order. It matches ErrSignature.
type BadSignature struct {
	Index int
	Cause error
}

func (e *BadSignature) Error() string {
	return "identity: check " + strconv.Itoa(e.Index) + " failed: " + e.Cause.Error()
}

// Unwrap returns the reason.
func (e *BadSignature) Unwrap() error { return e.Cause }

// Is reports whether target is ErrSignature.
func (e *BadSignature) Is(target error) bool { return target == ErrSignature }

// Check is one signature to verify.
type Check struct {
	Key       PublicKey
	Statement Statement
	Sig       []byte
}

// Verify checks one signature by the rule in the package comment. It returns nil
// or a *SignatureError.
func Verify(c Check) error {
	if err := Precheck(c); err != nil {
		return err
	}
	if !equation(c.Key.key[:], c.Statement.Bytes(), c.Sig) {
		return &SignatureError{c.Key, "it was not made by this key over this statement"}
	}
	return nil
}

// Precheck is the first half of the rule: everything that can be seen from the
// encodings, without curve arithmetic. A verifier built on another Ed25519 (the
// browser's) calls it first, so that only the cofactorless equation is left.
func Precheck(c Check) error {
	switch {
	case len(c.Sig) != SignatureSize:
		return &SignatureError{c.Key, "it does not have 64 bytes"}
	case !c.Statement.Purpose.valid():
		return &SignatureError{c.Key, "its statement has no valid purpose"}
	}
	return precheck(&c.Key.key, (*[64]byte)(c.Sig), c.Key)
}

func precheck(a *[32]byte, sig *[64]byte, key PublicKey) error {
	switch {
	case !canonicalPoint(a):
		return &SignatureError{key, "the key is not canonically encoded"}
	case smallOrder(a):
		return &SignatureError{key, "the key is of small order"}
	case !canonicalPoint((*[32]byte)(sig[:32])):
		return &SignatureError{key, "R is not canonically encoded"}
	case !belowOrder((*[32]byte)(sig[32:])):
		return &SignatureError{key, "S is not below the group order"}
	}
	return nil
}
