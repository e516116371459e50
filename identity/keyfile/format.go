//go:build !js

package keyfile

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/identity/internal/secret"
	"github.com/hyperhyperspace/hhs-go/object"
)

// warning is the first line of every key file.
const warning = "# PRIVATE KEYS of Hyper Hyper Space. Whoever reads this file can write as you. Do not share or sync it; `hhs id protect` encrypts it."

const format = "hhs-keys/1"

var b64 = base64.RawStdEncoding.Strict()

func encode(k Keys) ([]byte, error) {
	if err := k.Device().Verify(); err != nil {
		return nil, fmt.Errorf("keyfile: check the keys to store: %w", err)
	}
	cert, err := object.Encode(k.Certificate.Value())
	if err != nil {
		return nil, fmt.Errorf("keyfile: encode the certificate: %w", err)
	}
	device, err := k.DeviceKey.Seed(secret.Grant())
	if err != nil {
		return nil, err
	}
	defer clear(device)
	var b bytes.Buffer
	b.WriteString(warning + "\nformat: " + format + "\n")
	if k.HasIdentity() {
		id, err := k.Identity.Seed(secret.Grant())
		if err != nil {
			return nil, err
		}
		defer clear(id)
		b.WriteString("identity: " + b64.EncodeToString(id) + "\n")
	}
	b.WriteString("device: " + b64.EncodeToString(device) + "\n")
	b.WriteString("certificate: " + b64.EncodeToString(cert) + "\n")
	return b.Bytes(), nil
}

// decode reads the text and checks that device key, certificate and identity key
// belong together. Its errors never quote a value.
func decode(text []byte) (Keys, error) {
	fields, err := lines(string(text))
	if err != nil {
		return Keys{}, err
	}
	if fields["format"] == "" {
		return Keys{}, errors.New("it has no format line")
	}
	if fields["format"] != format {
		return Keys{}, errors.New("it has a format this version does not know; a newer hhs may")
	}
	var k Keys
	if k.DeviceKey, err = key(fields, "device"); err != nil {
		return Keys{}, err
	}
	if _, ok := fields["identity"]; ok {
		if k.Identity, err = key(fields, "identity"); err != nil {
			return Keys{}, err
		}
	}
	raw, err := b64.DecodeString(fields["certificate"])
	if err != nil {
		return Keys{}, errors.New("its certificate line is not base64")
	}
	v, err := object.Decode(raw)
	if err != nil {
		return Keys{}, errors.New("its certificate is damaged")
	}
	if k.Certificate, err = identity.CertificateFromValue(v); err != nil {
		return Keys{}, errors.New("its certificate is damaged")
	}
	if err := k.Device().Verify(); err != nil {
		return Keys{}, errors.New("its certificate does not belong to its device key")
	}
	if k.HasIdentity() && k.Identity.Public() != k.Certificate.Identity {
		return Keys{}, errors.New("its certificate does not belong to its identity key")
	}
	return k, nil
}

func key(fields map[string]string, name string) (identity.PrivateKey, error) {
	seed, err := b64.DecodeString(fields[name])
	if err != nil || len(seed) != 32 {
		return identity.PrivateKey{}, errors.New("its " + name + " line does not hold a 32-byte seed in base64")
	}
	defer clear(seed)
	return identity.KeyFromSeed(secret.Grant(), seed)
}

// lines splits the text into its fields, refusing unknown and repeated names.
func lines(text string) (map[string]string, error) {
	fields := make(map[string]string)
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return nil, errors.New("it has a line that is not \"name: value\"")
		}
		switch name {
		case "format", "identity", "device", "certificate":
		default:
			return nil, errors.New("it has a line with an unknown name")
		}
		if _, twice := fields[name]; twice {
			return nil, errors.New("it has two " + name + " lines")
		}
		fields[name] = strings.TrimSpace(value)
	}
	return fields, nil
}
