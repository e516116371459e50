//go:build js

package webkey

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"syscall/js"
	"testing"

	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
)

func statement(n byte) identity.Statement {
	return identity.Statement{Purpose: identity.PurposeCommit, Space: object.Sum(object.DagCBOR, []byte{n}), Hash: [32]byte{n}}
}

func newKey(t *testing.T) *Key {
	t.Helper()
	k, err := Generate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestGenerateSignVerify(t *testing.T) {
	k := newKey(t)
	sig, err := k.Sign(t.Context(), statement(1))
	if err != nil {
		t.Fatal(err)
	}
	check := identity.Check{Key: k.Public(), Statement: statement(1), Sig: sig}
	if err := identity.Verify(check); err != nil {
		t.Errorf("Go does not accept the browser's signature: %v", err)
	}
	if _, err := New(k.Handle(), k.Public()); err != nil {
		t.Errorf("New refuses a generated key: %v", err)
	}
	if _, err := k.Sign(t.Context(), identity.Statement{}); !errors.Is(err, identity.ErrPurpose) {
		t.Errorf("a statement without purpose: %v", err)
	}
}

func TestExtractableKeyIsRefused(t *testing.T) {
	s, err := subtle()
	if err != nil {
		t.Fatal(err)
	}
	pair, err := call(t.Context(), s, "generateKey", algorithm(), true, []any{"sign", "verify"})
	if err != nil {
		t.Fatal(err)
	}
	public := newKey(t).Public()
	for name, v := range map[string]js.Value{
		"extractable": pair.Get("privateKey"), "public": pair.Get("publicKey"), "undefined": js.Undefined(), "string": js.ValueOf("key"),
	} {
		if _, err := New(v, public); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestVerifier(t *testing.T) {
	v, ok := NewVerifier(t.Context()).(*Verifier)
	if !ok {
		t.Fatal("this engine's WebCrypto is not used")
	}
	var checks []identity.Check
	for range 3 {
		k := newKey(t)
		for i := range 50 {
			sig, err := k.Sign(t.Context(), statement(byte(i)))
			if err != nil {
				t.Fatal(err)
			}
			checks = append(checks, identity.Check{Key: k.Public(), Statement: statement(byte(i)), Sig: sig})
		}
	}
	if err := v.Verify(t.Context(), checks); err != nil {
		t.Fatal(err)
	}
	for _, at := range []int{0, 63, 64, 149} {
		for name, change := range map[string]func(*identity.Check){
			"hash": func(c *identity.Check) { c.Statement.Hash[0] ^= 1 }, "short": func(c *identity.Check) { c.Sig = c.Sig[1:] },
			"R": func(c *identity.Check) { c.Sig[3] ^= 1 }, "S": func(c *identity.Check) { c.Sig[63] |= 0xf0 },
			"small R": func(c *identity.Check) { copy(c.Sig, make([]byte, 32)) }, "other key": func(c *identity.Check) { c.Key = checks[(at+60)%150].Key },
			"key off the curve": func(c *identity.Check) {
				c.Key, _ = identity.PublicKeyFromBytes(append([]byte{0xed, 1, 2}, make([]byte, 31)...))
			},
		} {
			bad := append([]identity.Check(nil), checks...)
			bad[at].Sig = bytes.Clone(bad[at].Sig)
			change(&bad[at])
			var b *identity.BadSignature
			if err := v.Verify(t.Context(), bad); !errors.As(err, &b) || b.Index != at {
				t.Errorf("%s at %d: %v", name, at, err)
			}
		}
	}
}

func TestVectorsUnderWebCrypto(t *testing.T) {
	b, err := os.ReadFile("../../testdata/vectors/identity.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Statements []struct{ Seed, Purpose, Space, Hash, Sig string }
		Raw        []struct {
			Name, Key, Message, Sig string
			Valid                   bool
			Rule                    int
		}
	}
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	s, err := subtle()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range file.Raw {
		sig, err := hex.DecodeString(r.Sig)
		if err != nil {
			t.Fatal(err)
		}
		if r.Rule != 0 && r.Rule != 4 || identity.SmallOrderR(sig) {
			continue // WebCrypto is not asked
		}
		ok, err := probe{r.Key, r.Message, r.Sig, r.Valid}.ask(t.Context(), s)
		if err == nil && ok != r.Valid {
			t.Errorf("%s: WebCrypto says %v", r.Name, ok)
		}
	}
}

func TestUnsupportedIsNamed(t *testing.T) {
	crypto := js.Global().Get("crypto")
	defer js.Global().Get("Object").Call("defineProperty", js.Global(), "crypto", map[string]any{"value": crypto, "configurable": true, "writable": true})
	refuse := js.Global().Call("eval", `({subtle: {generateKey: async () => { throw new DOMException("no such algorithm", "NotSupportedError") }, importKey: async () => { throw new Error("no") }}})`)
	for want, replacement := range map[string]any{"WebCrypto": js.Undefined(), "Ed25519 in WebCrypto": refuse} {
		js.Global().Get("Object").Call("defineProperty", js.Global(), "crypto", map[string]any{"value": replacement, "configurable": true, "writable": true})
		_, err := Generate(t.Context())
		var u *UnsupportedError
		if !errors.As(err, &u) || u.Missing != want || !strings.Contains(err.Error(), want) {
			t.Errorf("without %s: %v", want, err)
		}
		if _, ok := NewVerifier(t.Context()).(identity.Serial); !ok {
			t.Errorf("without %s: no fallback for verification", want)
		}
	}
}

// fakeIndexedDB is as much of IndexedDB as the key store uses; the real one is
// used by the browser tests.
const fakeIndexedDB = `(() => {
  const dbs = {};
  const later = f => setTimeout(f, 0);
  const db = stores => ({
    close() {},
    createObjectStore(name) { stores[name] = new Map(); },
    transaction(name) {
      const tx = { error: null };
      let failed = false, pending = 0;
      const end = () => { if (--pending === 0 && !failed) later(() => tx.oncomplete && tx.oncomplete()); };
      tx.objectStore = () => ({
        add(value, key) {
          pending++;
          later(() => {
            if (stores[name].has(key)) { failed = true; tx.error = new DOMException("key exists", "ConstraintError"); tx.onabort && tx.onabort(); return; }
            stores[name].set(key, value); end();
          });
          return {};
        },
        put(value, key) { pending++; later(() => { stores[name].set(key, value); end(); }); return {}; },
        get(key) { const r = { error: null }; pending++; later(() => { r.result = stores[name].get(key); end(); r.onsuccess && r.onsuccess(); }); return r; },
      });
      return tx;
    },
  });
  return { dbs, open(name) {
    const r = { error: null };
    later(() => {
      if (name === "blocked") { r.onblocked(); return; }
      if (name === "fails") { r.error = new DOMException("disk", "UnknownError"); r.onerror(); return; }
      const fresh = !dbs[name]; dbs[name] ??= {};
      r.result = db(dbs[name]);
      if (fresh) r.onupgradeneeded();
      r.onsuccess();
    });
    return r;
  }};
})()`

func TestOpen(t *testing.T) {
	var u *UnsupportedError
	if _, _, err := Open(t.Context(), "keys", "", 1); !errors.As(err, &u) || u.Missing != "IndexedDB" {
		t.Fatalf("without IndexedDB: %v", err)
	}
	js.Global().Set("indexedDB", js.Global().Call("eval", fakeIndexedDB))
	defer js.Global().Delete("indexedDB")
	type opened struct {
		keys Keys
		made bool
		err  error
	}
	results := make(chan opened, 4)
	for range 4 { // four tabs at once
		go func() {
			k, made, err := Open(t.Context(), "keys", "this browser", 1700000000000)
			results <- opened{k, made, err}
		}()
	}
	made := 0
	var first Keys
	for range 4 {
		r := <-results
		if r.err != nil {
			t.Fatal(r.err)
		}
		if r.made {
			made++
		}
		if first.DeviceKey == nil {
			first = r.keys
		}
		if r.keys.DeviceKey.Public() != first.DeviceKey.Public() || r.keys.Device().Verify() != nil {
			t.Error("two tabs have different keys")
		}
	}
	if made != 1 {
		t.Errorf("%d tabs say they made the keys", made)
	}
	again, isNew, err := Open(t.Context(), "keys", "another label", 1)
	if err != nil || isNew || again.Certificate.Label != "this browser" {
		t.Errorf("opened again: %+v, %v, %v", again.Certificate, isNew, err)
	}
	sig, err := again.DeviceKey.Sign(t.Context(), statement(1))
	if err != nil || identity.Verify(identity.Check{Key: again.DeviceKey.Public(), Statement: statement(1), Sig: sig}) != nil {
		t.Errorf("the stored key does not sign: %v", err)
	}
	renewed, err := Renew(t.Context(), "keys", 1700000000001)
	if err != nil || renewed.Device().Verify() != nil || renewed.DeviceKey.Public() == first.DeviceKey.Public() ||
		renewed.Certificate.Identity != first.Certificate.Identity || renewed.Certificate.Label != "this browser" {
		t.Errorf("renewed: %+v, %v", renewed.Certificate, err)
	}
	if k, _, err := Open(t.Context(), "keys", "", 1); err != nil || k.DeviceKey.Public() != renewed.DeviceKey.Public() {
		t.Errorf("opened after the renewal: %v", err)
	}
	if _, err := Renew(t.Context(), "nobody's", 1); !errors.Is(err, errNone) {
		t.Errorf("renewed nobody's: %v", err)
	}
	for _, name := range []string{"blocked", "fails"} {
		if _, _, err := Open(t.Context(), name, "", 1); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	js.Global().Get("indexedDB").Get("dbs").Get("keys").Get("keys").Call("get", recordKey).Set("certificate", toJS([]byte{0xa0}))
	if _, _, err := Open(t.Context(), "keys", "", 1); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("damaged record: %v", err)
	}
}
