//go:build !js

package signalling

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/hyperhyperspace/hhs-go/internal/netlimit"
)

// STUN (RFC 8489), the part a data channel needs: a binding request is answered
// with the address it came from, so that a peer behind a router learns what it
// looks like from outside. No authentication, no other method.
const (
	stunHeader  = 20
	stunCookie  = 0x2112A442
	stunRequest = 0x0001
	stunSuccess = 0x0101
	stunError   = 0x0111

	stunXORMappedAddress  = 0x0020
	stunErrorCode         = 0x0009
	stunUnknownAttributes = 0x000A

	// stunMax bounds a request: they have 20 to about 100 bytes.
	stunMax = 512

	// stunUnknown bounds the unknown attributes an error names, so that the
	// answer is hardly larger than the request.
	stunUnknown = 4

	// stunRate and stunBurst bound the answers to one address group: a peer
	// gathering candidates sends a handful. Past it requests are dropped, so
	// that the server is no use for flooding a forged address; an answer has at
	// most 2.2 times the bytes of its request.
	stunRate, stunBurst = 10, 40

	// stunFailures is how many reads may fail in a row.
	stunFailures = 100

	// stunTotal bounds the answers to all.
	stunTotal, stunTotalBurst = 2000, 4000
)

// ServeSTUN answers binding requests on conn, which it owns, until ctx ends
// (then it returns nil) or conn fails.
func ServeSTUN(ctx context.Context, conn net.PacketConn) error {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	defer conn.Close()
	perGroup := netlimit.NewRates(stunRate, stunBurst)
	total := netlimit.Bucket{PerSecond: stunTotal, Burst: stunTotalBurst}
	buf := make([]byte, stunMax+1)
	for failed := 0; ; {
		n, from, err := conn.ReadFrom(buf)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			// Some errors are about one packet (a port closed at the other end);
			// many in a row are about the socket.
			if failed++; failed > stunFailures || errors.Is(err, net.ErrClosed) {
				return fmt.Errorf("serve STUN: %w", err)
			}
			continue
		}
		failed = 0
		udp, ok := from.(*net.UDPAddr)
		if !ok || udp.Port == 0 {
			continue
		}
		addr := udp.AddrPort()
		answer := answerSTUN(buf[:n], netip.AddrPortFrom(addr.Addr().Unmap().WithZone(""), addr.Port()))
		now := time.Now()
		if answer == nil || !perGroup.Take(netlimit.GroupAddr(addr.Addr()), now) || !total.Take(now) {
			continue
		}
		_, _ = conn.WriteTo(answer, from) // a lost answer is asked for again
	}
}

// answerSTUN returns the answer to a packet, or nil if it deserves none.
func answerSTUN(b []byte, from netip.AddrPort) []byte {
	if len(b) < stunHeader || len(b) > stunMax ||
		binary.BigEndian.Uint16(b) != stunRequest ||
		int(binary.BigEndian.Uint16(b[2:])) != len(b)-stunHeader ||
		binary.BigEndian.Uint32(b[4:]) != stunCookie {
		return nil
	}
	unknown, ok := unknownSTUN(b[stunHeader:])
	if !ok {
		return nil
	}
	out := make([]byte, stunHeader, stunHeader+24)
	copy(out[4:], b[4:stunHeader]) // cookie and transaction id
	if len(unknown) > 0 {
		binary.BigEndian.PutUint16(out, stunError)
		out = appendSTUN(out, stunErrorCode, []byte{0, 0, 4, 20}) // 420: unknown attribute
		value := make([]byte, 0, 2*len(unknown))
		for _, kind := range unknown {
			value = binary.BigEndian.AppendUint16(value, kind)
		}
		out = appendSTUN(out, stunUnknownAttributes, value)
	} else {
		binary.BigEndian.PutUint16(out, stunSuccess)
		out = appendSTUN(out, stunXORMappedAddress, xorAddress(from, b[4:stunHeader]))
	}
	binary.BigEndian.PutUint16(out[2:], uint16(len(out)-stunHeader))
	return out
}

// unknownSTUN reads the attributes of a request and returns those it must not
// ignore and we do not know; false: the bytes are no attributes.
func unknownSTUN(b []byte) (unknown []uint16, ok bool) {
	for len(b) > 0 {
		if len(b) < 4 {
			return nil, false
		}
		kind, size := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
		padded := 4 + (size+3)&^3
		if padded > len(b) {
			return nil, false
		}
		b = b[padded:]
		// Credentials (USERNAME, MESSAGE-INTEGRITY, REALM, NONCE and the SHA-256
		// forms) mean nothing to a server that asks for none.
		switch kind {
		case 0x0006, 0x0008, 0x0014, 0x0015, 0x001C, 0x001D, 0x001E:
			continue
		}
		if kind < 0x8000 && len(unknown) < stunUnknown {
			unknown = append(unknown, kind)
		}
	}
	return unknown, true
}

// appendSTUN adds one attribute, padded to 4 bytes.
func appendSTUN(out []byte, kind uint16, value []byte) []byte {
	out = binary.BigEndian.AppendUint16(out, kind)
	out = binary.BigEndian.AppendUint16(out, uint16(len(value)))
	out = append(out, value...)
	for len(out)%4 != 0 {
		out = append(out, 0)
	}
	return out
}

// xorAddress is the value of XOR-MAPPED-ADDRESS; mask is the cookie and the
// transaction id.
func xorAddress(from netip.AddrPort, mask []byte) []byte {
	family := byte(1)
	if from.Addr().Is6() {
		family = 2
	}
	value := []byte{0, family}
	value = binary.BigEndian.AppendUint16(value, from.Port()^binary.BigEndian.Uint16(mask))
	for i, c := range from.Addr().AsSlice() {
		value = append(value, c^mask[i])
	}
	return value
}
