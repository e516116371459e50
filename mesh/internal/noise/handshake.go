package noise

import (
	"crypto/sha256"
	"io"
)

// token is what a message of a pattern consists of (7.1).
type token byte

const (
	e token = iota
	s
	ee
	es
	se
)

// pattern is XX (7.5): each side sends its static key encrypted.
var pattern = [...][]token{{e}, {e, ee, s, es}, {s, se}}

// Config is what a side brings.
type Config struct {
	Initiator bool
	Prologue  []byte    // what both sides must agree on
	Static    Key       // this side's
	Random    io.Reader // for the ephemeral key
}

// Handshake is one side of a handshake (5.3). After an error of Read or Write it is of no more use.
type Handshake struct {
	Config
	ephemeral               Key
	theirStatic, theirFresh [KeySize]byte
	turn                    int // of the next message in pattern

	// The symmetric state (5.2). cipher is nil as long as there is no key.
	chaining, hash [HashSize]byte
	cipher         *Cipher
}

// New begins a handshake.
func New(c Config) *Handshake {
	h := &Handshake{Config: c}
	copy(h.hash[:], name)
	h.chaining = h.hash
	h.mixHash(c.Prologue)
	return h
}

// Hash names the session uniquely once the handshake is complete (11.2).
func (h *Handshake) Hash() [HashSize]byte { return h.hash }

// PeerStatic is the other side's static key, once a message with it was read.
func (h *Handshake) PeerStatic() [KeySize]byte { return h.theirStatic }

// Write appends this side's next message, with a payload, to out. With the last message come the ciphers for what the
// initiator sends and for what the responder sends.
func (h *Handshake) Write(out, payload []byte) (message []byte, initiators, responders *Cipher, err error) {
	if !h.mine(true) {
		return nil, nil, nil, ErrTurn
	}
	begin := len(out)
	for _, t := range pattern[h.turn] {
		switch t {
		case e:
			if h.ephemeral, err = NewKey(h.Random); err == nil {
				out = append(out, h.ephemeral.Public[:]...)
				h.mixHash(h.ephemeral.Public[:])
			}
		case s:
			out, err = h.encrypt(out, h.Static.Public[:])
		default:
			err = h.mixDH(t)
		}
		if err != nil {
			return nil, nil, nil, err
		}
	}
	if out, err = h.encrypt(out, payload); err != nil {
		return nil, nil, nil, err
	}
	if len(out)-begin > MaxMessage {
		return nil, nil, nil, ErrLong
	}
	initiators, responders = h.advance()
	return out, initiators, responders, nil
}

// Read takes the other side's next message and appends its payload to out; the ciphers are as with Write.
func (h *Handshake) Read(out, message []byte) (payload []byte, initiators, responders *Cipher, err error) {
	if !h.mine(false) {
		return nil, nil, nil, ErrTurn
	}
	if len(message) > MaxMessage {
		return nil, nil, nil, ErrLong
	}
	for _, t := range pattern[h.turn] {
		var key []byte
		switch t {
		case e:
			if key, message, err = cut(message, KeySize); err == nil {
				copy(h.theirFresh[:], key)
				h.mixHash(key)
			}
		case s:
			size := KeySize
			if h.cipher != nil {
				size += TagSize
			}
			if key, message, err = cut(message, size); err == nil {
				_, err = h.decrypt(h.theirStatic[:0], key)
			}
		default:
			err = h.mixDH(t)
		}
		if err != nil {
			return nil, nil, nil, err
		}
	}
	if out, err = h.decrypt(out, message); err != nil {
		return nil, nil, nil, err
	}
	initiators, responders = h.advance()
	return out, initiators, responders, nil
}

// mine tells whether this side's next act is to write, or to read.
func (h *Handshake) mine(write bool) bool {
	return h.turn < len(pattern) && (h.turn%2 == 0) == (h.Initiator == write)
}

func cut(message []byte, size int) (head, rest []byte, err error) {
	if len(message) < size {
		return nil, nil, ErrShort
	}
	return message[:size], message[size:], nil
}

// advance goes to the next message, or makes the ciphers (Split).
func (h *Handshake) advance() (initiators, responders *Cipher) {
	if h.turn++; h.turn < len(pattern) {
		return nil, nil
	}
	first, second := hkdf(&h.chaining, nil)
	return newCipher(first[:]), newCipher(second[:])
}

// mixDH mixes the secret of two keys in: in es and se, e is the initiator's key if it comes first.
func (h *Handshake) mixDH(t token) error {
	ours, theirs := &h.ephemeral.Private, &h.theirFresh
	switch {
	case t == es && h.Initiator, t == se && !h.Initiator:
		theirs = &h.theirStatic
	case t != ee:
		ours = &h.Static.Private
	}
	secret, err := x25519(ours, theirs)
	if err != nil {
		return err
	}
	var key [HashSize]byte
	h.chaining, key = hkdf(&h.chaining, secret[:])
	h.cipher = newCipher(key[:])
	return nil
}

func (h *Handshake) mixHash(data []byte) {
	d := sha256.New()
	d.Write(h.hash[:])
	d.Write(data)
	d.Sum(h.hash[:0])
}

func (h *Handshake) encrypt(out, plaintext []byte) ([]byte, error) {
	begin := len(out)
	if h.cipher == nil {
		out = append(out, plaintext...)
	} else {
		var err error
		if out, err = h.cipher.Encrypt(out, h.hash[:], plaintext); err != nil {
			return nil, err
		}
	}
	h.mixHash(out[begin:])
	return out, nil
}

func (h *Handshake) decrypt(out, data []byte) ([]byte, error) {
	if h.cipher == nil {
		out = append(out, data...)
	} else {
		var err error
		if out, err = h.cipher.Decrypt(out, h.hash[:], data); err != nil {
			return nil, err
		}
	}
	h.mixHash(data)
	return out, nil
}
