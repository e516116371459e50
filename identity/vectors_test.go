package identity

import (
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"testing"

	"github.com/hyperhyperspace/hhs-go/object"
)

const vectorFile = "../testdata/vectors/identity.json"

var update = flag.Bool("update", false, "write the derived part of "+vectorFile)

// vectors is the file's form. Bytes are hex.
type vectors struct {
	Comment string `json:"comment"`
	// Keys: bytes and text of public keys; refused ones have a reason instead.
	Keys []keyVector `json:"keys"`
	// Statements: what is signed, and a signature over it.
	Statements []statementVector `json:"statements"`
	// Raw: the verification rule on any message, engine by engine.
	Raw []rawVector `json:"raw"`
	// Certificates: canonical bytes of the value, and whether it verifies.
	Certificates []certificateVector `json:"certificates"`
}

type keyVector struct {
	Name  string `json:"name"`
	Seed  string `json:"seed,omitempty"`
	Bytes string `json:"bytes"`
	Text  string `json:"text,omitempty"`
	Valid bool   `json:"valid"`
}

type statementVector struct {
	Seed    string  `json:"seed"`
	Purpose Purpose `json:"purpose"`
	Space   string  `json:"space"`
	Hash    string  `json:"hash"`
	Bytes   string  `json:"bytes"`
	Sig     string  `json:"sig"`
}

type rawVector struct {
	Name    string `json:"name"`
	Key     string `json:"key"` // 32 bytes, without the suite tag
	Message string `json:"message"`
	Sig     string `json:"sig"`
	Valid   bool   `json:"valid"`
	Rule    int    `json:"rule,omitempty"` // which of the four rules refuses it
}

type certificateVector struct {
	Name  string `json:"name"`
	Bytes string `json:"bytes"`
	Valid bool   `json:"valid"`
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func loadVectors(t testing.TB) vectors {
	t.Helper()
	b, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestVectors(t *testing.T) {
	if *update {
		writeVectors(t)
	}
	v := loadVectors(t)
	if len(v.Keys) == 0 || len(v.Statements) == 0 || len(v.Raw) < 12 || len(v.Certificates) == 0 {
		t.Fatal("the vector file is not complete")
	}
	for _, k := range v.Keys {
		key, err := PublicKeyFromBytes(unhex(t, k.Bytes))
		if (err == nil) != k.Valid {
			t.Errorf("%s: %v", k.Name, err)
		}
		if k.Valid && key.String() != k.Text {
			t.Errorf("%s: text %s", k.Name, key)
		}
	}
	for _, s := range v.Statements {
		st := Statement{Purpose: s.Purpose, Hash: [32]byte(unhex(t, s.Hash))}
		if s.Space != "" {
			id, err := object.IDFromBytes(unhex(t, s.Space))
			if err != nil {
				t.Fatal(err)
			}
			st.Space = id
		}
		k := fromSeed(unhex(t, s.Seed))
		sig, err := k.Sign(t.Context(), st)
		if err != nil || hex.EncodeToString(sig) != s.Sig || hex.EncodeToString(st.Bytes()) != s.Bytes {
			t.Errorf("%s: bytes %x, sig %x, %v", s.Purpose, st.Bytes(), sig, err)
		}
		if err := Verify(Check{k.Public(), st, sig}); err != nil {
			t.Error(err)
		}
	}
	for _, r := range v.Raw {
		rule := rawRule([32]byte(unhex(t, r.Key)), unhex(t, r.Message), [64]byte(unhex(t, r.Sig)))
		if rule != r.Rule || (rule == 0) != r.Valid {
			t.Errorf("%s: refused by rule %d, want %d", r.Name, rule, r.Rule)
		}
	}
	for _, c := range v.Certificates {
		err := verifyCertificateBytes(unhex(t, c.Bytes))
		if (err == nil) != c.Valid {
			t.Errorf("certificate, %s: %v", c.Name, err)
		}
	}
}

func verifyCertificateBytes(b []byte) error {
	v, err := object.Decode(b)
	if err != nil {
		return err
	}
	c, err := CertificateFromValue(v)
	if err != nil {
		return err
	}
	return c.Verify()
}

// rawRule judges any message as Verify judges a statement's bytes and returns
// the number of the rule that refuses it, 0 for none.
func rawRule(a [32]byte, message []byte, sig [64]byte) int {
	err := precheck(&a, &sig, PublicKey{})
	switch {
	case !canonicalPoint(&a), err != nil && !canonicalPoint((*[32]byte)(sig[:32])):
		return 1
	case smallOrder(&a):
		return 2
	case err != nil:
		return 3
	case !equation(a[:], message, sig[:]):
		return 4
	}
	return 0
}

// The two implementations of the equation must give one answer wherever the
// pre-check lets a signature through, and here even where it does not matter.
func TestEquationAgreesWithStandardLibrary(t *testing.T) {
	agree := func(name string, a [32]byte, message []byte, sig [64]byte) {
		if precheck(&a, &sig, PublicKey{}) != nil {
			return
		}
		if ours, std := equation(a[:], message, sig[:]), ed25519.Verify(a[:], message, sig[:]); ours != std {
			t.Errorf("%s: %v, crypto/ed25519 %v; key %x message %x sig %x", name, ours, std, a, message, sig)
		}
	}
	for _, r := range loadVectors(t).Raw {
		agree(r.Name, [32]byte(unhex(t, r.Key)), unhex(t, r.Message), [64]byte(unhex(t, r.Sig)))
	}
	random := testRand(9)
	for range 300 {
		var seed [32]byte
		random.Read(seed[:])
		key := ed25519.NewKeyFromSeed(seed[:])
		a, sig := [32]byte(key[32:]), [64]byte(ed25519.Sign(key, seed[:]))
		agree("valid", a, seed[:], sig)
		var noise [2]byte
		random.Read(noise[:])
		sig[noise[0]%64] ^= noise[1]
		agree("bent signature", a, seed[:], sig)
		a[noise[1]%32] ^= noise[0]
		agree("bent key", a, seed[:], sig)
		if small := smallOrderY[noise[0]%5]; noise[1]&1 == 0 {
			agree("small R", [32]byte(key[32:]), seed[:], [64]byte(append(small[:], sig[32:]...)))
		}
	}
}

// writeVectors derives everything but the raw vectors that are in the file.
func writeVectors(t *testing.T) {
	v := loadVectors(t)
	v.Keys, v.Statements, v.Certificates = nil, nil, nil
	seed := unhex(t, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")
	k := fromSeed(seed)
	addKey := func(name, seed string, b []byte) {
		key, err := PublicKeyFromBytes(b)
		kv := keyVector{Name: name, Seed: seed, Bytes: hex.EncodeToString(b), Valid: err == nil}
		if err == nil {
			kv.Text = key.String()
		}
		v.Keys = append(v.Keys, kv)
	}
	tag := []byte{tag0, tag1}
	with := func(b [32]byte) []byte { return append(append([]byte(nil), tag...), b[:]...) }
	addKey("from seed", hex.EncodeToString(seed), k.Public().Bytes())
	addKey("the key of the did:key specification", "", unhex(t, "ed012e6fcce36701dc791488e0d0b1745cc1e33a4c1c9fcc41c63bd343dbbe0970e6"))
	addKey("another suite (x25519)", "", append([]byte{0xec, 1}, k.Public().Bytes()[2:]...))
	addKey("one byte short", "", k.Public().Bytes()[:33])
	addKey("one byte long", "", append(k.Public().Bytes(), 0))
	for i := range smallOrderY {
		addKey("small order", "", with(smallOrderY[i]))
	}
	addKey("y = p", "", with(primeP))
	negZero := smallOrderY[0]
	negZero[31] |= 0x80
	addKey("x = 0 with the sign bit", "", with(negZero))
	for _, p := range []Purpose{PurposeCommit, PurposeDevice, PurposeInvite, PurposeHandshake, PurposeListen} {
		st := Statement{Purpose: p, Hash: [32]byte{1, 2, 3}}
		sv := statementVector{Seed: hex.EncodeToString(seed), Purpose: p, Hash: hex.EncodeToString(st.Hash[:])}
		if p == PurposeCommit || p == PurposeInvite {
			st.Space = object.Sum(object.DagCBOR, []byte{0xa0})
			sv.Space = hex.EncodeToString(st.Space.Bytes())
		}
		sig, err := k.Sign(t.Context(), st)
		if err != nil {
			t.Fatal(err)
		}
		sv.Bytes, sv.Sig = hex.EncodeToString(st.Bytes()), hex.EncodeToString(sig)
		v.Statements = append(v.Statements, sv)
	}
	addCertificates(t, &v, k)
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(vectorFile, append(b, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

func addCertificates(t *testing.T, v *vectors, id PrivateKey) {
	device := testKey(t, 42)
	cert, err := Certify(t.Context(), id, device.Public(), "kitchen laptop", 1700000000000)
	if err != nil {
		t.Fatal(err)
	}
	add := func(name string, change func(m map[string]any)) {
		m := cert.Value().(map[string]any)
		change(m)
		b, err := object.Encode(m)
		if err != nil {
			t.Fatal(err)
		}
		v.Certificates = append(v.Certificates, certificateVector{name, hex.EncodeToString(b), verifyCertificateBytes(b) == nil})
	}
	other := testKey(t, 43).Public()
	add("valid", func(map[string]any) {})
	add("another label", func(m map[string]any) { m["label"] = "kitchen laptoq" })
	add("another time", func(m map[string]any) { m["time"] = int64(1700000000001) })
	add("another device", func(m map[string]any) { m["device"] = other.Bytes() })
	add("another identity", func(m map[string]any) { m["identity"] = other.Bytes() })
	add("a field more", func(m map[string]any) { m["x"] = nil })
	add("a field less", func(m map[string]any) { delete(m, "label") })
	add("the device signed for itself", func(m map[string]any) {
		self := cert
		self.Identity = device.Public()
		sig, err := device.Sign(t.Context(), self.statement())
		if err != nil && !errors.Is(err, ErrPurpose) {
			t.Fatal(err)
		}
		m["identity"], m["sig"] = device.Public().Bytes(), sig
	})
}
