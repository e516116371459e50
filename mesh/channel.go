package mesh

import (
	"context"
	"fmt"

	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/mesh/internal/noise"
	"github.com/hyperhyperspace/hhs-go/transport"
)

// remote is who is at the other end of a channel, as proven.
type remote struct {
	certificate identity.Certificate
	static      [32]byte // its Noise key, fresh for each start of its node
}

func (r remote) device() identity.PublicKey { return r.certificate.Device }

// channel encrypts records over a connection. Records have 1 to maxRecord bytes.
// One goroutine sends and one receives at a time.
type channel struct {
	conn      transport.Conn
	initiator bool
	hash      [32]byte // of the handshake; names this channel
	peer      remote

	out, in   *noise.Cipher
	sealed    []byte // reused by send
	opened    []byte // reused by receive
	sent, got uint64
}

// send encrypts one record and gives it to the transport.
func (c *channel) send(ctx context.Context, record []byte) error {
	var err error
	if c.sealed, err = c.out.Encrypt(c.sealed[:0], nil, record); err != nil {
		return err
	}
	if c.sent++; c.sent%rekeyEvery == 0 {
		c.out.Rekey()
	}
	return c.conn.Send(ctx, c.sealed)
}

// receive returns the next record; it is valid until the next call. A record
// that does not open ends the channel for good: the error matches ErrTampered.
func (c *channel) receive(ctx context.Context) ([]byte, error) {
	msg, err := c.conn.Receive(ctx)
	if err != nil {
		return nil, err
	}
	return c.open(msg)
}

func (c *channel) open(msg []byte) ([]byte, error) {
	if len(msg) > maxRecord+tagLength {
		return nil, tampered("a record is too long")
	}
	var err error
	if c.opened, err = c.in.Decrypt(c.opened[:0], nil, msg); err != nil {
		return nil, tampered(err.Error())
	}
	if c.got++; c.got%rekeyEvery == 0 {
		c.in.Rekey()
	}
	return c.opened, nil
}

// tagLength is what ChaCha20-Poly1305 adds to a record.
const tagLength = 16

func tampered(detail string) error { return fmt.Errorf("%w: %s", ErrTampered, detail) }
