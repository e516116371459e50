package identity

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"strings"
	"testing"

	"github.com/hyperhyperspace/hhs-go/identity/internal/secret"
	"github.com/hyperhyperspace/hhs-go/object"
)

func testRand(seed byte) *mathrand.ChaCha8 { return mathrand.NewChaCha8([32]byte{seed}) }

func testKey(t testing.TB, seed byte) PrivateKey {
	t.Helper()
	k, err := NewKey(testRand(seed))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func testCheck(t testing.TB, k PrivateKey, n byte) Check {
	t.Helper()
	s := Statement{Purpose: PurposeCommit, Space: object.Sum(object.DagCBOR, []byte{n}), Hash: [32]byte{n}}
	sig, err := k.Sign(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return Check{Key: k.Public(), Statement: s, Sig: sig}
}

func TestPublicKeyForms(t *testing.T) {
	k := testKey(t, 1).Public()
	if s := k.String(); !strings.HasPrefix(s, "did:key:z6Mk") || len(s) != 56 {
		t.Errorf("text form %q", s)
	}
	back, err := ParsePublicKey(k.String())
	if err != nil || back != k {
		t.Errorf("ParsePublicKey: %v, %v", back, err)
	}
	back, err = PublicKeyFromBytes(k.Bytes())
	if err != nil || back != k {
		t.Errorf("PublicKeyFromBytes: %v, %v", back, err)
	}
	if got := k.Short(); len(got) != 8 || !strings.HasSuffix(k.String(), got) {
		t.Errorf("Short() = %q", got)
	}
	if !(PublicKey{}).IsZero() || k.IsZero() || (PublicKey{}).String() != "" || (PublicKey{}).Short() != "" {
		t.Error("the zero key is not told from a key")
	}
}

func TestPublicKeyRefused(t *testing.T) {
	good := testKey(t, 1).Public()
	text := good.String()
	for _, bad := range []string{
		"", "did:key:", "did:key:z", "did:web:example.org", text[:len(text)-1], text + "1", "did:key:z1" + text[9:],
		strings.Replace(text, "6", "0", 1), strings.ToUpper(text), " " + text, strings.Repeat("z", 200),
	} {
		if k, err := ParsePublicKey(bad); !errors.Is(err, ErrKey) {
			t.Errorf("ParsePublicKey(%q) = %v, %v", bad, k, err)
		}
	}
	small := append([]byte{tag0, tag1}, smallOrderY[3][:]...)
	noncanonical := append([]byte{tag0, tag1}, primeP[:]...)
	for name, bad := range map[string][]byte{
		"empty": nil, "short": good.Bytes()[:33], "long": append(good.Bytes(), 0), "other suite": append([]byte{0xec, 1}, good.key[:]...),
		"zero": append([]byte{tag0, tag1}, make([]byte, 32)...), "small order": small, "non-canonical": noncanonical,
	} {
		if k, err := PublicKeyFromBytes(bad); !errors.Is(err, ErrKey) {
			t.Errorf("%s: PublicKeyFromBytes = %v, %v", name, k, err)
		}
	}
}

func FuzzParsePublicKey(f *testing.F) {
	f.Add(testKey(f, 1).Public().String())
	f.Add("did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK")
	f.Add("did:key:z11111")
	f.Fuzz(func(t *testing.T, s string) {
		k, err := ParsePublicKey(s)
		if err == nil && k.String() != s {
			t.Errorf("%q is accepted and printed as %q", s, k)
		}
	})
}

func TestStatementBytesDiffer(t *testing.T) {
	space := object.Sum(object.DagCBOR, []byte{1})
	seen := map[string]Statement{}
	for _, p := range []Purpose{PurposeCommit, PurposeDevice, PurposeInvite, PurposeHandshake, PurposeListen, "c", "commi"} {
		for _, sp := range []object.ID{{}, space, object.Sum(object.Raw, []byte{1})} {
			for _, h := range [][32]byte{{}, {1}, {31: 1}} {
				s := Statement{p, sp, h}
				b := string(s.Bytes())
				if other, ok := seen[b]; ok {
					t.Errorf("%v and %v have the same bytes", s, other)
				}
				seen[b] = s
			}
		}
	}
}

func TestSignVerify(t *testing.T) {
	k := testKey(t, 1)
	c := testCheck(t, k, 7)
	if err := Verify(c); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Check){
		"another key":     func(c *Check) { c.Key = testKey(t, 2).Public() },
		"another purpose": func(c *Check) { c.Statement.Purpose = PurposeListen },
		"no purpose":      func(c *Check) { c.Statement.Purpose = "" },
		"another space":   func(c *Check) { c.Statement.Space = object.ID{} },
		"another hash":    func(c *Check) { c.Statement.Hash[5] ^= 1 },
		"short":           func(c *Check) { c.Sig = c.Sig[:63] },
		"long":            func(c *Check) { c.Sig = append(bytes.Clone(c.Sig), 0) },
		"none":            func(c *Check) { c.Sig = nil },
		"zero key":        func(c *Check) { c.Key = PublicKey{} },
	} {
		bad := c
		change(&bad)
		if err := Verify(bad); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for bit := range 64 * 8 {
		bad := c
		bad.Sig = bytes.Clone(c.Sig)
		bad.Sig[bit/8] ^= 1 << (bit % 8)
		if err := Verify(bad); !errors.Is(err, ErrSignature) {
			t.Fatalf("bit %d flipped: %v", bit, err)
		}
	}
}

func TestSignRefuses(t *testing.T) {
	k := testKey(t, 1)
	if _, err := k.Sign(t.Context(), Statement{}); !errors.Is(err, ErrPurpose) {
		t.Errorf("no purpose: %v", err)
	}
	if _, err := k.Sign(t.Context(), Statement{Purpose: Purpose(strings.Repeat("x", maxPurpose+1))}); !errors.Is(err, ErrPurpose) {
		t.Errorf("long purpose: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := k.Sign(ctx, Statement{Purpose: PurposeCommit}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := (PrivateKey{}).Sign(t.Context(), Statement{Purpose: PurposeCommit}); err == nil {
		t.Error("the empty key signs")
	}
	if _, err := NewKey(bytes.NewReader(make([]byte, 31))); err == nil {
		t.Error("a key is made from too little randomness")
	}
}

func TestPrivateKeyStaysHidden(t *testing.T) {
	k := testKey(t, 1)
	seed, err := k.Seed(secret.Grant())
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		for _, v := range []any{k, &k, Device{Signer: k}, []any{k}} {
			s := fmt.Sprintf(verb, v)
			if strings.Contains(s, fmt.Sprintf("%x", seed[:8])) || strings.Contains(s, fmt.Sprint(seed[:8])[1:20]) {
				t.Errorf("%s of %T shows the seed: %s", verb, v, s)
			}
		}
	}
	if _, err := k.Seed(secret.Access{}); err == nil {
		t.Error("the seed is given without access")
	}
	again, err := KeyFromSeed(secret.Grant(), seed)
	if err != nil || again.Public() != k.Public() {
		t.Errorf("KeyFromSeed: %v, %v", again, err)
	}
}

func TestCertificate(t *testing.T) {
	id, device, err := NewDevice(t.Context(), testRand(1), "kitchen laptop", 1700000000000)
	if err != nil {
		t.Fatal(err)
	}
	if err := device.Verify(); err != nil {
		t.Fatal(err)
	}
	if device.Identity() != id.Public() {
		t.Error("the device belongs to another identity")
	}
	block, err := object.Encode(device.Certificate.Value())
	if err != nil {
		t.Fatal(err)
	}
	v, err := object.Decode(block)
	if err != nil {
		t.Fatal(err)
	}
	back, err := CertificateFromValue(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := back.Verify(); err != nil || back.Device != device.Certificate.Device || back.Label != "kitchen laptop" {
		t.Errorf("read back: %+v, %v", back, err)
	}
	for i := range block { // every byte counts
		bad := bytes.Clone(block)
		bad[i] ^= 1
		v, err := object.Decode(bad)
		if err != nil {
			continue
		}
		c, err := CertificateFromValue(v)
		if err == nil && c.Verify() == nil {
			t.Fatalf("byte %d changed and still valid", i)
		}
	}
}

func TestCertificateRefused(t *testing.T) {
	_, device, err := NewDevice(t.Context(), testRand(1), "x", 1)
	if err != nil {
		t.Fatal(err)
	}
	good := func() map[string]any { return device.Certificate.Value().(map[string]any) }
	if _, err := CertificateFromValue(good()); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(map[string]any){
		"type": func(m map[string]any) { m["$type"] = "hhs/other" }, "extra": func(m map[string]any) { m["more"] = true },
		"identity": func(m map[string]any) { m["identity"] = "did:key:z" }, "device": func(m map[string]any) { delete(m, "device") },
		"label": func(m map[string]any) { m["label"] = strings.Repeat("x", 65) }, "utf8": func(m map[string]any) { m["label"] = "\xff" },
		"time": func(m map[string]any) { m["time"] = int64(-1) }, "time kind": func(m map[string]any) { m["time"] = 1.5 },
		"sig": func(m map[string]any) { m["sig"] = make([]byte, 63) }, "self": func(m map[string]any) { m["device"] = m["identity"] },
		"short key": func(m map[string]any) { m["device"] = []byte{tag0, tag1} },
	} {
		m := good()
		change(m)
		if _, err := CertificateFromValue(m); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := CertificateFromValue([]any{}); err == nil {
		t.Error("a list is accepted")
	}
}

// liar signs something else than it is asked.
type liar struct{ PrivateKey }

func (l liar) Sign(ctx context.Context, _ Statement) ([]byte, error) {
	return l.PrivateKey.Sign(ctx, Statement{Purpose: PurposeListen})
}

func TestCertifyChecksItsSigner(t *testing.T) {
	_, err := Certify(t.Context(), liar{testKey(t, 1)}, testKey(t, 2).Public(), "", 0)
	if !errors.Is(err, ErrSignature) {
		t.Errorf("a wrong signature was passed on: %v", err)
	}
	k := testKey(t, 1)
	if _, err := Certify(t.Context(), k, k.Public(), "", 0); err == nil {
		t.Error("an identity certified itself as a device")
	}
}

func TestVerifiers(t *testing.T) {
	var checks []Check
	for i := range 100 {
		checks = append(checks, testCheck(t, testKey(t, byte(i%5)), byte(i)))
	}
	pauses := 0
	for name, v := range map[string]Verifier{
		"serial": Serial{Pause: func() { pauses++ }}, "parallel": Parallel{}, "cache": NewCache(Parallel{}, 30),
	} {
		if err := v.Verify(t.Context(), checks); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := v.Verify(t.Context(), nil); err != nil {
			t.Errorf("%s, nothing to check: %v", name, err)
		}
		for _, at := range [][]int{{0}, {99}, {50, 51}, {17, 80}, {33, 34, 35, 98}} {
			bad := append([]Check(nil), checks...)
			for _, i := range at {
				bad[i].Statement.Hash[31] ^= 1
			}
			var b *BadSignature
			err := v.Verify(t.Context(), bad)
			if !errors.As(err, &b) || !errors.Is(err, ErrSignature) || b.Index != at[0] {
				t.Errorf("%s, bad at %v: %v", name, at, err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := v.Verify(ctx, checks); !errors.Is(err, context.Canceled) {
			t.Errorf("%s, cancelled: %v", name, err)
		}
	}
	if pauses == 0 {
		t.Error("Serial never paused")
	}
}

// counting counts the checks that reach it.
type counting struct{ n int }

func (c *counting) Verify(ctx context.Context, checks []Check) error {
	c.n += len(checks)
	return Serial{}.Verify(ctx, checks)
}

func TestCache(t *testing.T) {
	inner := &counting{}
	cache := NewCache(inner, 4)
	k := testKey(t, 1)
	one, two := testCheck(t, k, 1), testCheck(t, k, 2)
	cache.Trust(one)
	verify := func(want int, checks ...Check) {
		t.Helper()
		inner.n = 0
		if err := cache.Verify(t.Context(), checks); err != nil {
			t.Error(err)
		}
		if inner.n != want {
			t.Errorf("%d checks reached the verifier, want %d", inner.n, want)
		}
	}
	verify(0, one)
	verify(1, one, two)
	verify(0, one, two)
	bad := two
	bad.Sig = bytes.Clone(two.Sig)
	bad.Sig[0] ^= 1
	for range 2 { // a failure is never remembered, and never taken for success
		if err := cache.Verify(t.Context(), []Check{one, bad}); !errors.Is(err, ErrSignature) {
			t.Errorf("bad signature: %v", err)
		}
	}
	for i := range 4 { // evicts
		verify(1, testCheck(t, k, byte(10+i)))
	}
	verify(1, one)
	if len(cache.known) != 4 || cache.order.Len() != 4 {
		t.Errorf("the cache holds %d of 4", len(cache.known))
	}
}

func BenchmarkVerify(b *testing.B) {
	c := testCheck(b, testKey(b, 1), 1)
	for b.Loop() {
		if err := Verify(c); err != nil {
			b.Fatal(err)
		}
	}
}
