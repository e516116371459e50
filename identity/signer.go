package identity

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"

	"github.com/hyperhyperspace/hhs-go/identity/internal/secret"
)

// ErrPurpose reports a statement whose purpose cannot be signed: empty or
// longer than any in use.
var ErrPurpose = errors.New("identity: statement has no valid purpose")

// errNoKey reports use of the zero PrivateKey.
var errNoKey = errors.New("identity: the private key is empty; make one with NewKey or load a key file")

// Signer signs statements with one key: a key file, an agent, or a key the
// browser holds.
//
// Sign may be slow (it may ask a person) and may fail; it must honour ctx,
// must be safe for concurrent use, and returns 64 bytes of its own on success.
// It must sign exactly s.Bytes(). Public never fails and is always the same.
type Signer interface {
	Public() PublicKey
	Sign(ctx context.Context, s Statement) ([]byte, error)
}

// PrivateKey is a Signer that holds its key in memory. It has no encoder: only
// the key file package can take the seed out, and no fmt verb shows it.
type PrivateKey struct{ held *held }

type held struct {
	key    ed25519.PrivateKey
	public PublicKey
}

// NewKey makes a key from 32 bytes of rand, which must be a cryptographic
// source (crypto/rand.Reader) unless the key is for a test.
func NewKey(rand io.Reader) (PrivateKey, error) {
	var seed [ed25519.SeedSize]byte
	if _, err := io.ReadFull(rand, seed[:]); err != nil {
		return PrivateKey{}, fmt.Errorf("identity: read randomness for a new key: %w", err)
	}
	defer clear(seed[:])
	return fromSeed(seed[:]), nil
}

func fromSeed(seed []byte) PrivateKey {
	key := ed25519.NewKeyFromSeed(seed)
	public := PublicKey{key: [32]byte(key[ed25519.SeedSize:])}
	return PrivateKey{held: &held{key: key, public: public}}
}

// KeyFromSeed rebuilds a key. It is for the packages that store keys.
func KeyFromSeed(a secret.Access, seed []byte) (PrivateKey, error) {
	if !a.Granted() || len(seed) != ed25519.SeedSize {
		return PrivateKey{}, errors.New("identity: a seed has 32 bytes")
	}
	return fromSeed(seed), nil
}

// Seed returns a copy of the key's seed. It is for the packages that store keys.
func (k PrivateKey) Seed(a secret.Access) ([]byte, error) {
	if !a.Granted() || k.held == nil {
		return nil, errNoKey
	}
	return k.held.key.Seed(), nil
}

// Public returns the public half, or the zero key if k is empty.
func (k PrivateKey) Public() PublicKey {
	if k.held == nil {
		return PublicKey{}
	}
	return k.held.public
}

// Sign signs the statement.
func (k PrivateKey) Sign(ctx context.Context, s Statement) ([]byte, error) {
	if k.held == nil {
		return nil, errNoKey
	}
	if !s.Purpose.valid() {
		return nil, ErrPurpose
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return sign(k.held.key, s.Bytes()), nil
}

// String names the key by its public half.
func (k PrivateKey) String() string { return "private key of " + k.Public().Short() }

// Format prints String for every verb, so that %x or %#v show no secret.
func (k PrivateKey) Format(f fmt.State, _ rune) { io.WriteString(f, k.String()) }
