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
	media, size := 0, -1
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
			size = int(n)
		}
	}
	switch {
	case media != 1:
		return nil, &ExchangeError{fmt.Sprintf("the description has %d sections, not one", media)}
	case found == nil:
		return nil, &ExchangeError{"the description has no fingerprint"}
	case size < 0:
		return nil, &ExchangeError{"the description does not say how large messages may be"}
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
