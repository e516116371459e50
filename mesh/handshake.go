package mesh

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"io"

	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/mesh/internal/noise"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/transport"
)

// prologue begins what both ends must agree on before the first message; the
// transport's binding follows. A change of protocol changes it.
const prologue = "hhs/mesh/1"

// proofDomain begins the hash that a device signs in a handshake.
const proofDomain = "hhs/mesh/proof/1"

// The role of a side, in every hash that must not be reflected to its maker.
const (
	roleInitiator byte = 1
	roleResponder byte = 2
)

func role(initiator bool) byte {
	if initiator {
		return roleInitiator
	}
	return roleResponder
}

// hands is what a node brings to a handshake.
type hands struct {
	device   identity.Device
	static   noise.Key
	verifier identity.Verifier
	random   io.Reader
	sign     func(context.Context, identity.Statement) ([]byte, error)
}

// handshake makes a connection a channel, or closes it and returns a
// *HandshakeError. The order is: three Noise XX messages, the initiator's proof,
// the responder's proof; so a responder spends no signature on someone who has
// not proven a device. ctx bounds all of it.
func (h *hands) handshake(ctx context.Context, conn transport.Conn) (*channel, error) {
	return h.shake(ctx, conn, nil)
}

// shake is handshake with a function to be called for each message that comes.
func (h *hands) shake(ctx context.Context, conn transport.Conn, heard func()) (*channel, error) {
	x := &greeting{hands: h, conn: conn, initiator: conn.Info().Initiator, heard: heard}
	ch, err := x.run(ctx)
	if err == nil {
		return ch, nil
	}
	_ = conn.Close()
	if cause := context.Cause(ctx); cause != nil && errors.Is(err, ctx.Err()) {
		err = cause
	}
	return nil, &HandshakeError{Step: x.step, Err: err}
}

// greeting is one handshake under way.
type greeting struct {
	*hands
	conn      transport.Conn
	initiator bool
	heard     func() // may be nil
	step      string

	state   *noise.Handshake
	channel *channel
}

func (x *greeting) run(ctx context.Context) (*channel, error) {
	info := x.conn.Info()
	x.step = "begin"
	x.state = noise.New(noise.Config{
		Initiator: x.initiator,
		Prologue:  append([]byte(prologue), info.Binding...),
		Static:    x.static,
		Random:    x.random,
	})
	x.channel = &channel{conn: x.conn, initiator: x.initiator}
	steps := x.responder
	if x.initiator {
		steps = x.initiate
	}
	if err := steps(ctx); err != nil {
		return nil, err
	}
	return x.channel, nil
}

func (x *greeting) initiate(ctx context.Context) error {
	if err := x.write(ctx, "send the first message", []byte{Version}); err != nil {
		return err
	}
	if err := x.read(ctx, "read the second message", nil); err != nil {
		return err
	}
	if err := x.write(ctx, "send the third message", nil); err != nil {
		return err
	}
	if err := x.prove(ctx); err != nil {
		return err
	}
	return x.check(ctx)
}

func (x *greeting) responder(ctx context.Context) error {
	if err := x.read(ctx, "read the first message", []byte{Version}); err != nil {
		return err
	}
	if err := x.write(ctx, "send the second message", nil); err != nil {
		return err
	}
	if err := x.read(ctx, "read the third message", nil); err != nil {
		return err
	}
	if err := x.check(ctx); err != nil {
		return err
	}
	return x.prove(ctx)
}

func (x *greeting) write(ctx context.Context, step string, payload []byte) error {
	x.step = step
	msg, first, second, err := x.state.Write(nil, payload)
	if err != nil {
		return err
	}
	if err := x.split(first, second); err != nil {
		return err
	}
	return x.conn.Send(ctx, msg)
}

func (x *greeting) read(ctx context.Context, step string, want []byte) error {
	x.step = step
	msg, err := x.receive(ctx)
	if err != nil {
		return err
	}
	payload, first, second, err := x.state.Read(nil, msg)
	if err != nil {
		return tampered(err.Error())
	}
	if len(want) == 1 && len(payload) == 1 && payload[0] != want[0] {
		return &VersionError{Theirs: int(payload[0])}
	}
	if string(payload) != string(want) {
		return tampered("unexpected contents")
	}
	return x.split(first, second)
}

func (x *greeting) receive(ctx context.Context) ([]byte, error) {
	msg, err := x.conn.Receive(ctx)
	if err == nil && len(msg) > maxHandshake {
		err = tampered("message too long")
	}
	if err == nil && x.heard != nil {
		x.heard()
	}
	return msg, err
}

// split keeps what the last Noise message yields. The first cipher is for what
// the initiator sends.
func (x *greeting) split(first, second *noise.Cipher) error {
	if first == nil {
		return nil
	}
	c := x.channel
	c.out, c.in = second, first
	if x.initiator {
		c.out, c.in = first, second
	}
	c.hash, c.peer.static = x.state.Hash(), x.state.PeerStatic()
	if subtle.ConstantTimeCompare(c.peer.static[:], x.static.Public[:]) == 1 {
		return ErrSelf
	}
	return nil
}

// proofStatement is what a side's device key signs for one handshake.
func proofStatement(hash [32]byte, initiator bool) identity.Statement {
	b := append([]byte(proofDomain), role(initiator))
	b = append(b, hash[:]...)
	return identity.Statement{Purpose: identity.PurposeHandshake, Hash: sha256.Sum256(b)}
}

// proof is what each side sends inside the channel: its device certificate and
// the device's signature over the handshake. On the wire: the canonical value
// [certificate, signature].
type proof struct {
	certificate identity.Certificate
	sig         []byte
}

func (p proof) encode() ([]byte, error) {
	return object.Encode([]any{p.certificate.Value(), p.sig})
}

var errProofShape = errors.New("the proof is not a list of a certificate and a signature of 64 bytes")

func decodeProof(b []byte) (proof, error) {
	if len(b) > maxHandshake {
		return proof{}, errProofShape
	}
	v, err := object.Decode(b)
	if err != nil {
		return proof{}, err
	}
	list, ok := v.([]any)
	if !ok || len(list) != 2 {
		return proof{}, errProofShape
	}
	sig, ok := list[1].([]byte)
	if !ok || len(sig) != identity.SignatureSize {
		return proof{}, errProofShape
	}
	c, err := identity.CertificateFromValue(list[0])
	return proof{c, sig}, err
}

func (x *greeting) prove(ctx context.Context) error {
	x.step = "sign"
	sig, err := x.sign(ctx, proofStatement(x.channel.hash, x.initiator))
	if err != nil {
		return err
	}
	x.step = "send the proof"
	b, err := proof{x.device.Certificate, sig}.encode()
	if err != nil {
		return err
	}
	return x.channel.send(ctx, b)
}

func (x *greeting) check(ctx context.Context) error {
	x.step = "read the peer's proof"
	msg, err := x.receive(ctx)
	if err != nil {
		return err
	}
	b, err := x.channel.open(msg)
	if err != nil {
		return err
	}
	p, err := decodeProof(b)
	if err != nil {
		return err
	}
	x.step = "verify the peer's proof"
	err = x.verifier.Verify(ctx, []identity.Check{
		p.certificate.Check(),
		{Key: p.certificate.Device, Statement: proofStatement(x.channel.hash, !x.initiator), Sig: p.sig},
	})
	if err != nil {
		return err
	}
	if p.certificate.Device == x.device.Certificate.Device { // with another channel key: see split
		return ErrTwin
	}
	x.channel.peer.certificate = p.certificate
	return nil
}
