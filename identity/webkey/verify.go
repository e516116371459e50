//go:build js

package webkey

import (
	"context"
	"encoding/hex"
	"sync"
	"syscall/js"
	"time"

	"github.com/hyperhyperspace/hhs-go/identity"
)

// Verifier checks signatures with WebCrypto, many at once, after the pre-check in
// Go. It is made by NewVerifier.
type Verifier struct {
	subtle  js.Value
	swallow js.Func // turns a rejection into undefined: Go decides then

	mu       sync.Mutex
	imported map[identity.PublicKey]js.Value // promises of CryptoKey
}

// NewVerifier returns the fastest verifier of this browser that follows the rule:
// a *Verifier over WebCrypto if that judges the probe signatures as we do,
// otherwise identity.Serial, which gives way between checks.
func NewVerifier(ctx context.Context) identity.Verifier {
	serial := identity.Serial{Pause: func() { time.Sleep(pause) }}
	s, err := subtle()
	if err != nil {
		return serial
	}
	for _, p := range probes {
		if ok, err := p.ask(ctx, s); err != nil || ok != p.valid {
			return serial
		}
	}
	swallow := js.FuncOf(func(js.Value, []js.Value) any { return js.Undefined() })
	return &Verifier{subtle: s, swallow: swallow, imported: make(map[identity.PublicKey]js.Value)}
}

// probe is a signature on which implementations of Ed25519 differ.
type probe struct {
	key, message, sig string
	valid             bool
}

// After the pre-check only the equation is left to differ, and a cofactored one
// accepts the last two. From ed25519-speccheck: cases 3, 4 and 5; the first is
// RFC 8032 test 2.
var probes = []probe{
	{"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72", "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00", true},
	{"cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d", "9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79", "9046a64750444938de19f227bb80485e92b83fdb4b6506c160484c016cc1852f87909e14428a7a1d62e9f22f3d3ad7802db02eb2e688b6c52fcd6648a98bd009", true},
	{"cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d", "e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c", "160a1cb0dc9c0258cd0a7d23e94d8fa878bcb1925f2c64246b2dee1796bed5125ec6bc982a269b723e0668e540911a9a6a58921d6925e434ab10aa7940551a09", false},
	{"cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d", "e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c", "21122a84e0b5fca4052f5b1235c80a537878b38f3142356b2c2384ebad4668b7e40bc836dac0f71076f9abe3a53f9c03c1ceeeddb658d0030494ace586687405", false},
}

func (p probe) ask(ctx context.Context, s js.Value) (bool, error) {
	key, err := hex.DecodeString(p.key)
	if err != nil {
		return false, err
	}
	message, err := hex.DecodeString(p.message)
	if err != nil {
		return false, err
	}
	sig, err := hex.DecodeString(p.sig)
	if err != nil {
		return false, err
	}
	handle, err := call(ctx, s, "importKey", "raw", toJS(key), algorithm(), false, []any{"verify"})
	if err != nil {
		return false, err
	}
	ok, err := call(ctx, s, "verify", algorithm(), handle, toJS(sig), toJS(message))
	if err != nil {
		return false, err
	}
	return ok.Truthy(), nil
}

// Verify implements identity.Verifier.
func (v *Verifier) Verify(ctx context.Context, checks []identity.Check) error {
	for lo := 0; lo < len(checks); lo += window {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := v.some(ctx, lo, checks[lo:min(lo+window, len(checks))]); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// some starts the checks of one window and then takes their answers in order, so
// that the first failing index is the one reported.
func (v *Verifier) some(ctx context.Context, base int, checks []identity.Check) error {
	answers := make([]js.Value, 0, len(checks))
	var refused error
	for _, c := range checks {
		if refused = identity.Precheck(c); refused != nil {
			break // what comes after cannot be the first
		}
		answers = append(answers, v.start(c))
	}
	for i, promise := range answers {
		if err := v.settle(ctx, promise, checks[i]); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return &identity.BadSignature{Index: base + i, Cause: err}
		}
	}
	if refused != nil {
		return &identity.BadSignature{Index: base + len(answers), Cause: refused}
	}
	return nil
}

// start asks WebCrypto, or returns undefined where Go has to decide: WebCrypto
// refuses an R of small order, the rule does not (and no honest signer makes one).
func (v *Verifier) start(c identity.Check) js.Value {
	if identity.SmallOrderR(c.Sig) {
		return js.Undefined()
	}
	promise, err := try(func() js.Value {
		message, sig := toJS(c.Statement.Bytes()), toJS(c.Sig)
		var then js.Func
		then = js.FuncOf(func(_ js.Value, args []js.Value) any {
			defer then.Release()
			answer, err := try(func() js.Value { return v.subtle.Call("verify", algorithm(), first(args), sig, message) })
			if err != nil { // the key did not import
				return js.Undefined()
			}
			return answer
		})
		return v.key(c.Key).Call("then", then, then).Call("catch", v.swallow)
	})
	if err != nil {
		return js.Undefined()
	}
	return promise
}

// settle takes WebCrypto's answer. Anything but a plain true or false (a key that
// does not import, an engine that fails) is decided in Go, so that trouble with
// the browser is never taken for a bad signature.
func (v *Verifier) settle(ctx context.Context, promise js.Value, c identity.Check) error {
	if promise.Type() == js.TypeObject {
		answer, err := await(ctx, promise)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil && answer.Type() == js.TypeBoolean && answer.Bool() {
			return nil
		}
	}
	return identity.Verify(c)
}

// key returns the promise of the imported key. The same few authors come again
// and again, so imports are kept; when there are too many all are forgotten.
func (v *Verifier) key(k identity.PublicKey) js.Value {
	v.mu.Lock()
	defer v.mu.Unlock()
	if p, ok := v.imported[k]; ok {
		return p
	}
	if len(v.imported) >= maxImported {
		clear(v.imported)
	}
	p := v.subtle.Call("importKey", "raw", toJS(k.Bytes()[2:]), algorithm(), false, []any{"verify"})
	v.imported[k] = p
	return p
}
