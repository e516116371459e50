//go:build !js

package keyfile

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/identity/internal/secret"
)

func testKeys(t testing.TB, seed byte) Keys {
	t.Helper()
	k, err := newFrom(t.Context(), rand.NewChaCha8([32]byte{seed}), "test", 1700000000000)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func created(t *testing.T) (string, Keys) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys")
	k := testKeys(t, 1)
	if err := Create(path, k); err != nil {
		t.Fatal(err)
	}
	return path, k
}

func same(a, b Keys) bool {
	return a.Identity.Public() == b.Identity.Public() && a.DeviceKey.Public() == b.DeviceKey.Public() && bytes.Equal(a.Certificate.Sig, b.Certificate.Sig)
}

func TestCreateLoad(t *testing.T) {
	path, k := created(t)
	back, err := Load(path)
	if err != nil || !same(back, k) || !back.HasIdentity() {
		t.Fatalf("Load: %v, %v", back, err)
	}
	sig, err := back.Device().Signer.Sign(t.Context(), identity.Statement{Purpose: identity.PurposeCommit})
	if err != nil || identity.Verify(identity.Check{Key: k.DeviceKey.Public(), Statement: identity.Statement{Purpose: identity.PurposeCommit}, Sig: sig}) != nil {
		t.Errorf("the loaded key does not sign: %v", err)
	}
	info, err := os.Stat(path)
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	text, err := os.ReadFile(path)
	if err != nil || !strings.HasPrefix(string(text), "# PRIVATE KEYS") {
		t.Errorf("no warning in the first line: %v", err)
	}
	if err := Create(path, testKeys(t, 2)); !errors.Is(err, ErrExist) {
		t.Errorf("Create over a key file: %v", err)
	}
	if again, err := Load(path); err != nil || !same(again, k) {
		t.Errorf("the file was changed: %v", err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func TestWithoutIdentityKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	k := testKeys(t, 1)
	k.Identity = identity.PrivateKey{}
	if err := Create(path, k); err != nil {
		t.Fatal(err)
	}
	back, err := Load(path)
	if err != nil || back.HasIdentity() || back.Device().Verify() != nil {
		t.Errorf("%v, %v", back, err)
	}
}

func TestLoosePermissionsRefused(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no mode bits")
	}
	path, _ := created(t)
	for _, mode := range []os.FileMode{0o644, 0o640, 0o604, 0o620, 0o601} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := Load(path)
		if !errors.Is(err, ErrPermissions) || !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("mode %v: %v", mode, err)
		}
		if err := Protect(path, "x"); !errors.Is(err, ErrPermissions) {
			t.Errorf("mode %v, Protect: %v", mode, err)
		}
	}
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); err != nil {
		t.Errorf("a read-only file: %v", err)
	}
}

func TestProtect(t *testing.T) {
	path, k := created(t)
	if err := Protect(path, ""); err == nil {
		t.Error("an empty passphrase is taken")
	}
	if err := protect(path, "correct horse", 10); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil || !bytes.HasPrefix(text, []byte(ageHeader)) || bytes.Contains(text, []byte("device")) {
		t.Errorf("not an age file: %q, %v", text, err)
	}
	if on, err := Protected(path); !on || err != nil {
		t.Errorf("Protected: %v, %v", on, err)
	}
	if _, err := Load(path); !errors.Is(err, ErrProtected) {
		t.Errorf("Load: %v", err)
	}
	if err := protect(path, "again", 10); !errors.Is(err, ErrProtected) {
		t.Errorf("Protect twice: %v", err)
	}
	for _, wrong := range []string{"", "wrong", "correct horse "} {
		if _, err := Unlock(path, wrong); !errors.Is(err, ErrPassphrase) {
			t.Errorf("Unlock(%q): %v", wrong, err)
		}
	}
	back, err := Unlock(path, "correct horse")
	if err != nil || !same(back, k) {
		t.Errorf("Unlock: %v", err)
	}
	if err := Unprotect(path, "wrong"); !errors.Is(err, ErrPassphrase) {
		t.Errorf("Unprotect: %v", err)
	}
	if err := Unprotect(path, "correct horse"); err != nil {
		t.Fatal(err)
	}
	if back, err := Load(path); err != nil || !same(back, k) {
		t.Errorf("Load after Unprotect: %v", err)
	}
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestDamagedProtectedFile(t *testing.T) {
	path, _ := created(t)
	if err := protect(path, "p", 10); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range [][]byte{text[:len(text)-1], text[:40], append(bytes.Clone(text), 0), bytes.Replace(text, []byte(" 10\n"), []byte(" 30\n"), 1)} {
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Unlock(path, "p"); !errors.Is(err, ErrFormat) && !errors.Is(err, ErrPassphrase) {
			t.Errorf("%d bytes: %v", len(bad), err)
		}
	}
}

func TestRefusedFiles(t *testing.T) {
	dir := t.TempDir()
	if _, err := Load(filepath.Join(dir, "none")); !errors.Is(err, ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if err := Create(filepath.Join(dir, "no", "such"), testKeys(t, 1)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
	if err := Create(filepath.Join(dir, "empty"), Keys{}); err == nil {
		t.Error("empty keys are stored")
	}
	if _, err := Load(dir); err == nil {
		t.Error("a directory is read")
	}
	mixed := testKeys(t, 1)
	mixed.Certificate = testKeys(t, 2).Certificate
	if err := Create(filepath.Join(dir, "mixed"), mixed); err == nil {
		t.Error("keys that do not belong together are stored")
	}
	good, err := encode(testKeys(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	other, err := encode(testKeys(t, 2))
	if err != nil {
		t.Fatal(err)
	}
	lineOf := func(text []byte, name string) string {
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, name+": ") {
				return line
			}
		}
		t.Fatal("no line " + name)
		return ""
	}
	swap := func(name string) string {
		return strings.Replace(string(good), lineOf(good, name), lineOf(other, name), 1)
	}
	seed, err := testKeys(t, 1).DeviceKey.Seed(secret.Grant())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"empty": "", "noise": "\x00\xff", "other identity": swap("identity"), "other device": swap("device"), "other certificate": swap("certificate"),
		"twice": string(good) + lineOf(good, "device"), "unknown": string(good) + "more: x\n", "newer": strings.Replace(string(good), format, "hhs-keys/2", 1),
		"no device": strings.Replace(string(good), lineOf(good, "device"), "", 1), "cut": string(good[:len(good)-20]), "huge": string(good) + strings.Repeat("#\n", maxFile),
	} {
		path := filepath.Join(dir, "bad")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Load(path)
		if !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		} else if strings.Contains(err.Error(), b64.EncodeToString(seed)) {
			t.Errorf("%s: the message shows the seed", name)
		}
	}
}

func FuzzDecode(f *testing.F) {
	good, err := encode(testKeys(f, 1))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte("format: hhs-keys/1\ndevice: \ncertificate: x"))
	f.Add([]byte("# only a comment"))
	f.Fuzz(func(t *testing.T, text []byte) {
		k, err := decode(text)
		if err == nil && k.Device().Verify() != nil {
			t.Error("keys that do not belong together are accepted")
		}
	})
}
