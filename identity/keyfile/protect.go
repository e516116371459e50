//go:build !js

package keyfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
)

// ageHeader is how every age file begins.
const ageHeader = "age-encryption.org/v1\n"

func isProtected(b []byte) bool { return bytes.HasPrefix(b, []byte(ageHeader)) }

func seal(text []byte, passphrase string, logN int) ([]byte, error) {
	r, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return nil, fmt.Errorf("keyfile: use the passphrase: %w", err)
	}
	r.SetWorkFactor(logN)
	var b bytes.Buffer
	w, err := age.Encrypt(&b, r)
	if err != nil {
		return nil, fmt.Errorf("keyfile: encrypt the keys: %w", err)
	}
	if _, err := w.Write(text); err != nil {
		return nil, fmt.Errorf("keyfile: encrypt the keys: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("keyfile: encrypt the keys: %w", err)
	}
	return b.Bytes(), nil
}

func open(sealed []byte, passphrase string) ([]byte, error) {
	id, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, ErrPassphrase
	}
	id.SetMaxWorkFactor(maxWorkFactor)
	r, err := age.Decrypt(bytes.NewReader(sealed), id)
	if noMatch := new(age.NoIdentityMatchError); errors.As(err, &noMatch) {
		return nil, ErrPassphrase
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	text, err := io.ReadAll(io.LimitReader(r, maxFile))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return text, nil
}
