//go:build js

package webkey

import (
	"context"
	"fmt"
	"syscall/js"

	"github.com/hyperhyperspace/hhs-go/identity"
)

// UnsupportedError names what this browser or page lacks. No key was made.
type UnsupportedError struct {
	Missing string // "a secure context (https, or localhost)", "WebCrypto", "Ed25519 in WebCrypto", "IndexedDB"
	Cause   error
}

func (e *UnsupportedError) Error() string {
	s := "webkey: keys cannot be kept here, this browser or page lacks " + e.Missing
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Unwrap returns the browser's own error, if there was one.
func (e *UnsupportedError) Unwrap() error { return e.Cause }

// subtle returns crypto.subtle or says what is missing.
func subtle() (js.Value, error) {
	global := js.Global()
	if secure := global.Get("isSecureContext"); secure.Type() == js.TypeBoolean && !secure.Bool() {
		return js.Undefined(), &UnsupportedError{Missing: "a secure context (https, or localhost)"}
	}
	if c := global.Get("crypto"); c.Type() == js.TypeObject {
		if s := c.Get("subtle"); s.Type() == js.TypeObject {
			return s, nil
		}
	}
	return js.Undefined(), &UnsupportedError{Missing: "WebCrypto"}
}

func algorithm() any { return map[string]any{"name": "Ed25519"} }

// Key is a Signer over a private CryptoKey that the browser will not give out.
type Key struct {
	public identity.PublicKey
	handle js.Value
}

// New wraps a private CryptoKey and its public key. It refuses a key that could be
// exported, and one that is not for signing with Ed25519. That the two halves
// belong together is seen when a signature is checked; Open does that.
func New(private js.Value, public identity.PublicKey) (*Key, error) {
	get := func(path ...string) js.Value {
		v := private
		for _, p := range path {
			if v.Type() != js.TypeObject {
				return js.Undefined()
			}
			v = v.Get(p)
		}
		return v
	}
	is := func(v js.Value, want string) bool { return v.Type() == js.TypeString && v.String() == want }
	switch {
	case public.IsZero() || !is(get("type"), "private"):
		return nil, fmt.Errorf("webkey: not a private key")
	case !is(get("algorithm", "name"), "Ed25519"):
		return nil, fmt.Errorf("webkey: not an Ed25519 key")
	case get("extractable").Type() != js.TypeBoolean || get("extractable").Bool():
		return nil, fmt.Errorf("webkey: the key could be exported; only non-extractable keys are used")
	}
	return &Key{public: public, handle: private}, nil
}

// Generate makes a new non-extractable key. Where the browser has no Ed25519 it
// returns an *UnsupportedError and makes nothing.
func Generate(ctx context.Context) (*Key, error) {
	s, err := subtle()
	if err != nil {
		return nil, err
	}
	promise, err := try(func() js.Value {
		return s.Call("generateKey", algorithm(), false, []any{"sign", "verify"})
	})
	if err != nil {
		return nil, &UnsupportedError{Missing: "Ed25519 in WebCrypto", Cause: err}
	}
	pair, err := await(ctx, promise)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, &UnsupportedError{Missing: "Ed25519 in WebCrypto", Cause: err}
	}
	raw, err := call(ctx, s, "exportKey", "raw", pair.Get("publicKey"))
	if err != nil {
		return nil, fmt.Errorf("webkey: read the new public key: %w", err)
	}
	point, err := toGo(raw, 32)
	if err != nil {
		return nil, err
	}
	public, err := identity.PublicKeyFromBytes(append([]byte{0xed, 0x01}, point...))
	if err != nil {
		return nil, fmt.Errorf("webkey: read the new public key: %w", err)
	}
	return New(pair.Get("privateKey"), public)
}

// call calls a method that returns a promise and waits for it.
func call(ctx context.Context, v js.Value, method string, args ...any) (js.Value, error) {
	promise, err := try(func() js.Value { return v.Call(method, args...) })
	if err != nil {
		return js.Undefined(), err
	}
	return await(ctx, promise)
}

// Public returns the public half.
func (k *Key) Public() identity.PublicKey { return k.public }

// Handle returns the CryptoKey, to be stored by structured clone.
func (k *Key) Handle() js.Value { return k.handle }

// Sign has the browser sign the statement.
func (k *Key) Sign(ctx context.Context, st identity.Statement) ([]byte, error) {
	if st.Purpose == "" {
		return nil, identity.ErrPurpose
	}
	s, err := subtle()
	if err != nil {
		return nil, err
	}
	sig, err := call(ctx, s, "sign", algorithm(), k.handle, toJS(st.Bytes()))
	if err != nil {
		return nil, fmt.Errorf("webkey: sign: %w", err)
	}
	return toGo(sig, identity.SignatureSize)
}
