// Package noise is one protocol of the Noise Protocol Framework, revision 34 (noiseprotocol.org/noise.html):
// Noise_XX_25519_ChaChaPoly_SHA256. The two sides make a Handshake each, with the same prologue, and exchange three
// messages by Write and Read in turn:
//
//	-> e
//	<- e, ee, s, es
//	-> s, se
//
// The call that ends it returns two Ciphers. Names and numbered sections below are those of the framework.
//
// It is here, and not github.com/flynn/noise, which tests hold it to, because that imports crypto/ecdh for
// Curve25519: with it come 100 kB of tables for P-256 that do not compress, a tenth of the engine for browsers. See
// docs/decisions/0013-noise.md.
package noise

import (
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"math"

	"golang.org/x/crypto/chacha20poly1305"
)

// Sizes in bytes. Part of the protocol: they may not change.
const (
	KeySize    = 32
	HashSize   = sha256.Size
	TagSize    = chacha20poly1305.Overhead
	MaxMessage = 65535 // of a handshake (3)
)

// name is as long as a hash: it is the first one (5.2).
const name = "Noise_XX_25519_ChaChaPoly_SHA256"

// Errors of a handshake or a Cipher. What a peer sends can bring ErrShort, ErrOpen and ErrWeakKey.
var (
	ErrShort   = errors.New("noise: message is too short")
	ErrLong    = errors.New("noise: message is too long")
	ErrOpen    = errors.New("noise: message authentication failed")
	ErrWeakKey = errors.New("noise: the peer's key is of small order")
	ErrTurn    = errors.New("noise: it is not this side's turn, or the handshake is over")
	ErrNonces  = errors.New("noise: a cipher's nonces are used up")
)

// Key is a key pair of Curve25519.
type Key struct {
	Private, Public [KeySize]byte
}

// NewKey makes a key pair of 32 random bytes.
func NewKey(random io.Reader) (Key, error) {
	var k Key
	if _, err := io.ReadFull(random, k.Private[:]); err != nil {
		return Key{}, err
	}
	basepoint := [KeySize]byte{9}
	var err error
	k.Public, err = x25519(&k.Private, &basepoint)
	return k, err
}

// Cipher encrypts or decrypts the messages of one direction, in order (5.1). It is for one goroutine at a time.
type Cipher struct {
	aead cipher.AEAD
	next uint64
}

func newCipher(key []byte) *Cipher {
	aead, err := chacha20poly1305.New(key)
	if err != nil {
		panic("noise: " + err.Error()) // a key here is a hash
	}
	return &Cipher{aead: aead}
}

// nonce is that of ChaChaPoly: four zeros and the number, little-endian (12.3).
func nonce(n uint64) []byte { return binary.LittleEndian.AppendUint64(make([]byte, 4, 12), n) }

// Encrypt appends the ciphertext and its tag to out.
func (c *Cipher) Encrypt(out, ad, plaintext []byte) ([]byte, error) {
	if c.next == math.MaxUint64 {
		return nil, ErrNonces
	}
	out = c.aead.Seal(out, nonce(c.next), plaintext, ad)
	c.next++
	return out, nil
}

// Decrypt appends the plaintext to out. After ErrOpen the Cipher is as it was.
func (c *Cipher) Decrypt(out, ad, ciphertext []byte) ([]byte, error) {
	if c.next == math.MaxUint64 {
		return nil, ErrNonces
	}
	out, err := c.aead.Open(out, nonce(c.next), ciphertext, ad)
	if err != nil {
		return nil, ErrOpen
	}
	c.next++
	return out, nil
}

// Rekey replaces the key by one made of it (4.2). Nonces go on.
func (c *Cipher) Rekey() {
	key := c.aead.Seal(nil, nonce(math.MaxUint64), make([]byte, KeySize), nil)
	c.aead = newCipher(key[:KeySize]).aead
}

// hkdf is HKDF of 4.3 with two outputs.
func hkdf(chaining *[HashSize]byte, input []byte) (first, second [HashSize]byte) {
	temp := mac(chaining[:], input)
	first = mac(temp[:], []byte{1})
	second = mac(temp[:], append(first[:len(first):len(first)], 2))
	return first, second
}

func mac(key, data []byte) (sum [HashSize]byte) {
	h := hmac.New(sha256.New, key)
	h.Write(data)
	h.Sum(sum[:0])
	return sum
}
