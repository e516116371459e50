package rtc

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/hyperhyperspace/hhs-go/transport"
)

// fingerprint reads the one SHA-256 DTLS fingerprint of a description, and
// refuses descriptions that hold more than a data channel needs: a second
// fingerprint would let two readers bind to different ones.
func fingerprint(sdp string) ([]byte, error) {
	var found []byte
	media := 0
	for line := range strings.Lines(sdp) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case strings.HasPrefix(line, "m="):
			media++
			if !strings.HasPrefix(line, "m=application ") {
				return nil, &ExchangeError{"the description asks for more than a data channel"}
			}
		case hasPrefixFold(line, "a=fingerprint:"):
			sum, err := readFingerprint(line[len("a=fingerprint:"):])
			if err != nil {
				return nil, err
			}
			if found != nil && !bytes.Equal(found, sum) {
				return nil, &ExchangeError{"the description has several fingerprints"}
			}
			found = sum
		case hasPrefixFold(line, "a=max-message-size:"):
			n, err := strconv.ParseUint(strings.TrimSpace(line[len("a=max-message-size:"):]), 10, 32)
			if err != nil || n != 0 && n < transport.MaxMessage {
				return nil, &ExchangeError{"the description allows no messages of 64 KiB"}
			}
		}
	}
	switch {
	case media != 1:
		return nil, &ExchangeError{fmt.Sprintf("the description has %d sections, not one", media)}
	case found == nil:
		return nil, &ExchangeError{"the description has no fingerprint"}
	}
	return found, nil
}

func hasPrefixFold(line, prefix string) bool {
	return len(line) >= len(prefix) && strings.EqualFold(line[:len(prefix)], prefix)
}

func readFingerprint(value string) ([]byte, error) {
	name, text, ok := strings.Cut(strings.TrimSpace(value), " ")
	if !ok || !strings.EqualFold(name, "sha-256") {
		return nil, &ExchangeError{"the description has a fingerprint other than SHA-256"}
	}
	sum, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(text), ":", ""))
	if err != nil || len(sum) != 32 {
		return nil, &ExchangeError{"the description has a malformed fingerprint"}
	}
	return sum, nil
}

// binding is what both ends compute alike: the two fingerprints, sorted.
func binding(a, b []byte) []byte {
	if bytes.Compare(a, b) > 0 {
		a, b = b, a
	}
	return append(append(make([]byte, 0, len(a)+len(b)), a...), b...)
}

// withMessageSize says in a description that messages may have 64 KiB where it
// says nothing: that is what nothing means (RFC 8841 section 6.1, and Chromium
// leaves it out), but pion takes it for one byte less.
func withMessageSize(sdp string) string {
	for line := range strings.Lines(sdp) {
		if hasPrefixFold(line, "a=max-message-size:") {
			return sdp
		}
	}
	if !strings.HasSuffix(sdp, "\n") {
		sdp += "\r\n"
	}
	return sdp + "a=max-message-size:" + strconv.Itoa(transport.MaxMessage) + "\r\n"
}
