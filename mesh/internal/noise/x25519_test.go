//go:build !js

package noise

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"io"
	"testing"

	flynn "github.com/flynn/noise"
)

// TestLadder holds both implementations of Curve25519 to RFC 7748, section 5.2, and to each other.
func TestLadder(t *testing.T) {
	k, u := [KeySize]byte{9}, [KeySize]byte{9}
	for i := 1; i <= 1000; i++ {
		k, u = ladder(&k, &u), k
		want := map[int]string{
			1:    "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079",
			1000: "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51",
		}[i]
		if want != "" && !bytes.Equal(k[:], unhex(t, want)) {
			t.Fatalf("after %d steps: %x", i, k)
		}
	}
	for range 200 {
		var scalar, point [KeySize]byte
		_, _ = rand.Read(scalar[:])
		_, _ = rand.Read(point[:]) // half of them are on the twist, and half have the ignored bit
		if a, err := x25519(&scalar, &point); err != nil || a != ladder(&scalar, &point) {
			t.Fatalf("%x times %x: %x, %v, and %x", scalar, point, a, err, ladder(&scalar, &point))
		}
	}
}

// lowOrder are the points of small order and their non-canonical encodings (RFC 7748, section 6.1).
var lowOrder = []string{
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0100000000000000000000000000000000000000000000000000000000000000",
	"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
	"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
}

func TestLowOrder(t *testing.T) {
	scalar := [KeySize]byte{7}
	for _, text := range lowOrder {
		point := [KeySize]byte(unhex(t, text))
		if ladder(&scalar, &point) != [KeySize]byte{} {
			t.Errorf("%s is not of small order", text)
		}
		if _, err := x25519(&scalar, &point); !errors.Is(err, ErrWeakKey) {
			t.Errorf("%s: %v", text, err)
		}
		_, responder := pair(t, 0)
		if _, _, _, err := responder.Read(nil, point[:]); err != nil {
			t.Fatal(err)
		}
		if _, _, _, err := responder.Write(nil, nil); !errors.Is(err, ErrWeakKey) {
			t.Errorf("a handshake with %s: %v", text, err)
		}
	}
}

// TestAgainstFlynn shakes hands with github.com/flynn/noise, in either role, and talks across new keys.
func TestAgainstFlynn(t *testing.T) {
	suite := flynn.NewCipherSuite(flynn.DH25519, flynn.CipherChaChaPoly, flynn.HashSHA256)
	for _, initiator := range []bool{true, false} {
		ours, err := NewKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if k, err := ecdh.X25519().NewPrivateKey(ours.Private[:]); err != nil || !bytes.Equal(k.PublicKey().Bytes(), ours.Public[:]) {
			t.Fatalf("public key %x: %v", ours.Public, err)
		}
		theirs, err := suite.GenerateKeypair(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		us := New(Config{Initiator: initiator, Prologue: []byte("prologue"), Static: ours, Random: rand.Reader})
		them, err := flynn.NewHandshakeState(flynn.Config{
			CipherSuite: suite, Random: rand.Reader, Pattern: flynn.HandshakeXX, Initiator: !initiator,
			Prologue: []byte("prologue"), StaticKeypair: theirs,
		})
		if err != nil {
			t.Fatal(err)
		}
		ciphers, other := shake(t, us, them, initiator)
		if peer := us.PeerStatic(); !bytes.Equal(peer[:], theirs.Public) || !bytes.Equal(them.PeerStatic(), ours.Public[:]) {
			t.Error("a side has the wrong key of the other")
		}
		if hash := us.Hash(); !bytes.Equal(hash[:], them.ChannelBinding()) {
			t.Error("the sides have different hashes")
		}
		for i := range 20 {
			message := make([]byte, i*100)
			_, _ = io.ReadFull(rand.Reader, message)
			sealed, err := ciphers[i%2].Encrypt(nil, nil, message)
			if err != nil {
				t.Fatal(err)
			}
			if opened, err := other[i%2].Decrypt(nil, nil, sealed); err != nil || !bytes.Equal(opened, message) {
				t.Fatalf("record %d: %v", i, err)
			}
			if i%4 == 3 {
				for d := range 2 {
					ciphers[d].Rekey()
					other[d].Rekey()
				}
			}
		}
	}
}

func shake(t *testing.T, us *Handshake, them *flynn.HandshakeState, ourTurn bool) (ours [2]*Cipher, theirs [2]*flynn.CipherState) {
	t.Helper()
	for range pattern {
		var message, payload []byte
		var err, errRead error
		if ourTurn {
			message, ours[0], ours[1], err = us.Write(nil, []byte("payload"))
			payload, theirs[0], theirs[1], errRead = them.ReadMessage(nil, message)
		} else {
			message, theirs[0], theirs[1], err = them.WriteMessage(nil, []byte("payload"))
			payload, ours[0], ours[1], errRead = us.Read(nil, message)
		}
		if err != nil || errRead != nil || string(payload) != "payload" {
			t.Fatalf("%q, %v, %v", payload, err, errRead)
		}
		ourTurn = !ourTurn
	}
	return ours, theirs
}
