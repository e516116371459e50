//go:build !js

package keyfile

import (
	"context"
	"crypto/rand"
	"errors"

	"github.com/hyperhyperspace/hhs-go/identity"
)

// ErrNoIdentity reports that the identity key is not in the file, so that no
// device can be certified with it.
var ErrNoIdentity = errors.New("keyfile: the identity key is kept elsewhere")

// Renewed returns the keys with a fresh device key of the same person and under
// the same label, dated timeMS; ErrNoIdentity without an identity key.
func (k Keys) Renewed(ctx context.Context, timeMS int64) (Keys, error) {
	if !k.HasIdentity() {
		return Keys{}, ErrNoIdentity
	}
	device, err := identity.NewKey(rand.Reader)
	if err != nil {
		return Keys{}, err
	}
	cert, err := identity.Certify(ctx, k.Identity, device.Public(), k.Certificate.Label, timeMS)
	if err != nil {
		return Keys{}, err
	}
	return Keys{Identity: k.Identity, DeviceKey: device, Certificate: cert}, nil
}

// Renew gives the person in a key file a fresh device key: it replaces the one in
// the file, in one step, for a device whose key turned out to be in use elsewhere.
// A protected file stays protected by its passphrase, which is "" for another one.
// When it returns nil the new key is on disk.
func Renew(ctx context.Context, path, passphrase string, timeMS int64) (Keys, error) {
	return renew(ctx, path, passphrase, timeMS, workFactor)
}

func renew(ctx context.Context, path, passphrase string, timeMS int64, logN int) (Keys, error) {
	protected, err := Protected(path)
	if err != nil {
		return Keys{}, err
	}
	k, err := Unlock(path, passphrase)
	if err != nil {
		return Keys{}, err
	}
	if k, err = k.Renewed(ctx, timeMS); err != nil {
		next := ""
		if errors.Is(err, ErrNoIdentity) {
			next = "bring the identity key to this device, or join the spaces from a new directory"
		}
		return Keys{}, &Error{Path: path, Next: next, Cause: err}
	}
	text, err := encode(k)
	if err != nil {
		return Keys{}, &Error{Path: path, Cause: err}
	}
	defer clear(text)
	if protected {
		if text, err = seal(text, passphrase, logN); err != nil {
			return Keys{}, &Error{Path: path, Cause: err}
		}
	}
	return k, replaceFile(path, text)
}
