//go:build !js

package keyfile

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/hyperhyperspace/hhs-go/identity"
)

func TestRenew(t *testing.T) {
	ctx := context.Background()
	for _, pass := range []string{"", "a passphrase"} {
		path, before := created(t)
		if pass != "" {
			if err := protect(path, pass, 10); err != nil {
				t.Fatal(err)
			}
			if _, err := renew(ctx, path, "another", 9, 10); !errors.Is(err, ErrPassphrase) {
				t.Errorf("with a wrong passphrase: %v", err)
			}
		}
		k, err := renew(ctx, path, pass, 9, 10)
		if err != nil {
			t.Fatal(err)
		}
		stored, err := Unlock(path, pass)
		if err != nil || !same(stored, k) {
			t.Errorf("the file holds %+v, %v", stored.Certificate, err)
		}
		if p, err := Protected(path); err != nil || p != (pass != "") {
			t.Errorf("protected: %v, %v", p, err)
		}
		if k.Device().Verify() != nil || k.Certificate.Identity != before.Certificate.Identity || k.Certificate.Label != before.Certificate.Label ||
			k.Certificate.Time != 9 || k.DeviceKey.Public() == before.DeviceKey.Public() {
			t.Errorf("renewed to %+v, from %+v", k.Certificate, before.Certificate)
		}
	}
}

func TestRenewWithoutIdentity(t *testing.T) {
	k := testKeys(t, 3)
	k.Identity = identity.PrivateKey{}
	path := filepath.Join(t.TempDir(), "keys")
	if err := Create(path, k); err != nil {
		t.Fatal(err)
	}
	if _, err := Renew(context.Background(), path, "", 9); !errors.Is(err, ErrNoIdentity) {
		t.Error(err)
	}
	if stored, err := Load(path); err != nil || !same(stored, k) {
		t.Errorf("the file was changed: %v", err)
	}
}
