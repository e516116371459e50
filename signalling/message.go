package signalling

import (
	"encoding/hex"
	"fmt"

	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
)

// Topic names a meeting point. It should be a hash of something the server
// does not know.
type Topic = [32]byte

// Handle is the server's random name for one listener on one topic. The same
// listener has unrelated handles on other topics and after listening anew.
type Handle [16]byte

// Short returns the first 8 digits, for logs and people.
func (h Handle) Short() string { return hex.EncodeToString(h[:4]) }

// kind is the first element of every message. The numbers are wire constants
// of Version 1 and never change.
type kind int64

const (
	kindHello     kind = 0  // server: [0, version, name, nonce, time, topics]
	kindListen    kind = 1  // client: [1, topic, key, name, expiry, signature]
	kindListening kind = 2  // server: [2, topic, handle, expiry]
	kindUnlisten  kind = 3  // client: [3, topic]
	kindPresent   kind = 4  // server: [4, topic, handle, existing]
	kindGone      kind = 5  // server: [5, topic, handle]
	kindSend      kind = 6  // client: [6, topic, handle, body]
	kindMessage   kind = 7  // server: [7, topic, handle, body]
	kindPing      kind = 8  // both:   [8, number]
	kindPong      kind = 9  // both:   [9, number]
	kindError     kind = 10 // server: [10, code, text, topic or empty, handle or empty]
)

// message is any message; which fields mean something depends on kind.
type message struct {
	kind     kind
	version  int64
	name     string
	nonce    [32]byte
	time     int64 // milliseconds since 1970 by the server's clock
	topics   int64
	topic    Topic
	hasTopic bool // error only
	key      identity.PublicKey
	expiry   int64 // milliseconds since 1970 by the server's clock
	sig      []byte
	handle   Handle
	hasWho   bool // error only: handle is set
	existing bool
	body     []byte
	number   int64
	code     Code
	text     string
}

// encode gives the canonical bytes.
func (m *message) encode() []byte {
	w := &object.Writer{Buf: make([]byte, 0, 160+len(m.body))}
	switch m.kind {
	case kindHello:
		m.head(w, 6)
		w.Int(m.version)
		w.String(m.name)
		w.Bytes(m.nonce[:])
		w.Int(m.time)
		w.Int(m.topics)
	case kindListen:
		m.head(w, 6)
		w.Bytes(m.topic[:])
		w.Bytes(m.key.Bytes())
		w.String(m.name)
		w.Int(m.expiry)
		w.Bytes(m.sig)
	case kindListening:
		m.head(w, 4)
		w.Bytes(m.topic[:])
		w.Bytes(m.handle[:])
		w.Int(m.expiry)
	case kindUnlisten:
		m.head(w, 2)
		w.Bytes(m.topic[:])
	case kindPresent:
		m.head(w, 4)
		w.Bytes(m.topic[:])
		w.Bytes(m.handle[:])
		w.Bool(m.existing)
	case kindGone:
		m.head(w, 3)
		w.Bytes(m.topic[:])
		w.Bytes(m.handle[:])
	case kindSend, kindMessage:
		m.head(w, 4)
		w.Bytes(m.topic[:])
		w.Bytes(m.handle[:])
		w.Bytes(m.body)
	case kindPing, kindPong:
		m.head(w, 2)
		w.Int(m.number)
	case kindError:
		m.head(w, 5)
		w.String(string(m.code))
		w.String(m.text)
		w.Bytes(optional(m.topic[:], m.hasTopic))
		w.Bytes(optional(m.handle[:], m.hasWho))
	}
	return w.Buf
}

func (m *message) head(w *object.Writer, elements int) {
	w.List(elements)
	w.Int(int64(m.kind))
}

func optional(b []byte, set bool) []byte {
	if !set {
		return []byte{}
	}
	return b
}

// MessageError reports bytes that are not a message of this protocol.
type MessageError struct {
	Reason string
	Cause  error // may be nil
}

// Error says what is wrong.
func (e *MessageError) Error() string {
	if e.Cause != nil {
		return "signalling: malformed message: " + e.Reason + ": " + e.Cause.Error()
	}
	return "signalling: malformed message: " + e.Reason
}

// Unwrap gives the cause.
func (e *MessageError) Unwrap() error { return e.Cause }

// decode reads one message. It accepts exactly what encode writes, or returns
// a *MessageError.
func decode(b []byte) (*message, error) {
	if len(b) > MaxMessage {
		return nil, &MessageError{Reason: fmt.Sprintf("%d bytes, the limit is %d", len(b), MaxMessage)}
	}
	d := &decoder{r: object.NewReader(b)}
	n := d.list()
	m := &message{kind: kind(d.int("kind", 0, int64(kindError)))}
	if d.err == nil && n != elements[m.kind] {
		d.fail(fmt.Sprintf("kind %d has %d elements, not %d", m.kind, elements[m.kind], n))
	}
	if d.err == nil {
		d.fields(m)
	}
	if d.err == nil {
		if err := d.r.End(); err != nil {
			d.err = &MessageError{"end", err}
		}
	}
	if d.err != nil {
		return nil, d.err
	}
	return m, nil
}

// elements is the length of the list of each kind.
var elements = [...]int{6, 6, 4, 2, 4, 3, 4, 4, 2, 2, 5}

const maxInt = 1<<63 - 1

// decoder keeps the first error, so that the fields can be read in a row.
type decoder struct {
	r   *object.Reader
	err error
}

func (d *decoder) fields(m *message) {
	switch m.kind {
	case kindHello:
		m.version = d.int("version", 1, maxInt)
		m.name = d.text("name", MaxName)
		copy(m.nonce[:], d.bytes("nonce", 32, 32))
		m.time = d.int("time", 0, maxInt)
		m.topics = d.int("topics", 0, maxInt)
	case kindListen:
		d.topic(m)
		m.key = d.key()
		m.name = d.text("name", MaxName)
		m.expiry = d.int("expiry", 0, maxInt)
		m.sig = d.bytes("signature", identity.SignatureSize, identity.SignatureSize)
	case kindListening:
		d.topic(m)
		d.handle(m)
		m.expiry = d.int("expiry", 0, maxInt)
	case kindUnlisten:
		d.topic(m)
	case kindPresent:
		d.topic(m)
		d.handle(m)
		m.existing = d.bool("existing")
	case kindGone:
		d.topic(m)
		d.handle(m)
	case kindSend, kindMessage:
		d.topic(m)
		d.handle(m)
		m.body = d.bytes("body", 0, MaxBody)
	case kindPing, kindPong:
		m.number = d.int("number", 0, maxInt)
	case kindError:
		m.code = Code(d.text("code", maxCode))
		m.text = d.text("text", maxText)
		m.hasTopic = copy(m.topic[:], d.either("topic", len(m.topic))) > 0
		m.hasWho = copy(m.handle[:], d.either("handle", len(m.handle))) > 0
	}
}

func (d *decoder) fail(reason string) {
	if d.err == nil {
		d.err = &MessageError{Reason: reason}
	}
}

func (d *decoder) check(what string, err error) bool {
	if d.err == nil && err != nil {
		d.err = &MessageError{what, err}
	}
	return d.err == nil
}

func (d *decoder) list() int {
	n, err := d.r.List()
	if !d.check("list", err) {
		return 0
	}
	return int(n)
}

func (d *decoder) int(what string, low, high int64) int64 {
	if d.err != nil {
		return 0
	}
	n, err := d.r.Int()
	if !d.check(what, err) {
		return 0
	}
	if n < low || n > high {
		d.fail(what + " out of range")
		return 0
	}
	return n
}

func (d *decoder) bool(what string) bool {
	if d.err != nil {
		return false
	}
	v, err := d.r.Bool()
	return d.check(what, err) && v
}

// bytes returns a copy of a byte string of low to high bytes.
func (d *decoder) bytes(what string, low, high int) []byte {
	if d.err != nil {
		return nil
	}
	b, err := d.r.Bytes()
	if !d.check(what, err) {
		return nil
	}
	if len(b) < low || len(b) > high {
		d.fail(fmt.Sprintf("%s has %d bytes", what, len(b)))
		return nil
	}
	return append([]byte{}, b...)
}

// either returns a byte string of size bytes or of none.
func (d *decoder) either(what string, size int) []byte {
	b := d.bytes(what, 0, size)
	if len(b) != 0 && len(b) != size {
		d.fail(fmt.Sprintf("%s has %d bytes", what, len(b)))
		return nil
	}
	return b
}

func (d *decoder) text(what string, high int) string {
	if d.err != nil {
		return ""
	}
	s, err := d.r.String()
	if !d.check(what, err) {
		return ""
	}
	if len(s) > high {
		d.fail(what + " is too long")
		return ""
	}
	return s
}

func (d *decoder) topic(m *message)  { copy(m.topic[:], d.bytes("topic", 32, 32)) }
func (d *decoder) handle(m *message) { copy(m.handle[:], d.bytes("handle", 16, 16)) }

func (d *decoder) key() identity.PublicKey {
	b := d.bytes("key", 34, 34)
	if d.err != nil {
		return identity.PublicKey{}
	}
	k, err := identity.PublicKeyFromBytes(b)
	d.check("key", err)
	return k
}
