package mesh

import (
	"encoding/binary"
	"errors"
)

// frameKind is the first byte of a frame. Kinds are wire constants; an unknown
// one is a violation.
type frameKind byte

const (
	frameMessage frameKind = iota + 1 // a whole message
	frameBegin                        // the total length, and the first bytes of a longer message
	frameMore                         // its next bytes
	frameOpen                         // opens a stream: purpose, proof
	frameAccept                       // the proof in return
	frameRefuse                       // a reason
	frameClose                        // the sender sends no more on this stream: a reason and words
	frameReset                        // the stream is over at once: a reason and words
	frameCredit                       // bytes the other side may send in addition
	framePing                         // 8 bytes, to be sent back
	framePong                         // the 8 bytes
	frameRetire                       // the sender opens no more streams on this channel
	frameGoodbye                      // the channel ends: a reason and words
	frameKinds
)

// frame is one unit inside a record:
//
//	kind (1 byte)  stream (uvarint)  length (uvarint)  payload
//
// with shortest varints. Stream 0 stands for the channel. A record is one or
// more frames and nothing else.
type frame struct {
	kind    frameKind
	stream  uint32
	payload []byte
}

// maxFrameHead is the longest head: 1 + 5 + 3 bytes.
const maxFrameHead = 9

// maxStreamID keeps ids within 31 bits, where every language counts exactly.
const maxStreamID = 1<<31 - 1

var (
	errFrameShort   = errors.New("truncated frame")
	errFrameVarint  = errors.New("number not in shortest form")
	errFrameKind    = errors.New("unknown frame kind")
	errFrameStream  = errors.New("frame kind and stream number do not fit")
	errFramePayload = errors.New("payload does not fit the frame kind")
)

// appendFrame appends f's bytes. It is only given frames that fit.
func appendFrame(dst []byte, f frame) []byte {
	dst = append(dst, byte(f.kind))
	dst = binary.AppendUvarint(dst, uint64(f.stream))
	dst = binary.AppendUvarint(dst, uint64(len(f.payload)))
	return append(dst, f.payload...)
}

func frameSize(payload int) int { return maxFrameHead + payload }

// nextFrame cuts the first frame off b. The payload aliases b.
func nextFrame(b []byte) (f frame, rest []byte, err error) {
	if len(b) == 0 {
		return frame{}, nil, errFrameShort
	}
	f.kind = frameKind(b[0])
	if f.kind == 0 || f.kind >= frameKinds {
		return frame{}, nil, errFrameKind
	}
	stream, b, err := uvarint(b[1:])
	if err != nil {
		return frame{}, nil, err
	}
	length, b, err := uvarint(b)
	if err != nil {
		return frame{}, nil, err
	}
	if stream > maxStreamID || (stream == 0) != (f.kind >= framePing) {
		return frame{}, nil, errFrameStream
	}
	if length > uint64(len(b)) {
		return frame{}, nil, errFrameShort
	}
	f.stream, f.payload = uint32(stream), b[:length:length]
	return f, b[length:], f.check()
}

// check judges the payload's size by the kind; contents are read by the stream.
func (f frame) check() error {
	n, ok := len(f.payload), true
	switch f.kind {
	case frameMore:
		ok = n > 0
	case frameBegin:
		ok = n >= 2
	case frameOpen:
		ok = n == 1+tagSize
	case frameAccept:
		ok = n == tagSize
	case framePing, framePong:
		ok = n == 8
	case frameRetire:
		ok = n == 0
	case frameRefuse, frameClose, frameReset, frameGoodbye:
		ok = n >= 1 && n <= 3+maxReasonText
	case frameCredit:
		ok = n >= 1 && n <= 5
	}
	if !ok {
		return errFramePayload
	}
	return nil
}

// uvarint reads a number in its shortest form.
func uvarint(b []byte) (uint64, []byte, error) {
	v, n := binary.Uvarint(b)
	switch {
	case n == 0:
		return 0, nil, errFrameShort
	case n < 0, n > 1 && b[n-1] == 0:
		return 0, nil, errFrameVarint
	}
	return v, b[n:], nil
}

// appendReason is the payload of frames that end something.
func appendReason(r Reason, text string) []byte {
	if len(text) > maxReasonText {
		text = text[:maxReasonText]
	}
	return append(binary.AppendUvarint(nil, uint64(r)), text...)
}

// readReason reads it; the words are made printable by whoever shows them.
func readReason(p []byte) (Reason, string, error) {
	v, rest, err := uvarint(p)
	if err != nil {
		return 0, "", err
	}
	if v > 1<<16-1 || len(rest) > maxReasonText {
		return 0, "", errFramePayload
	}
	return Reason(v), string(rest), nil
}
