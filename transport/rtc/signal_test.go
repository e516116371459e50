package rtc

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// goodSDP is what a browser offers, without what does not matter here.
const goodSDP = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n" +
	"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\n" +
	"a=ice-pwd:0123456789012345678901\r\na=fingerprint:sha-256 " +
	"01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F:20\r\n" +
	"a=setup:actpass\r\na=mid:0\r\na=sctp-port:5000\r\na=max-message-size:262144\r\n"

var signals = []*signal{
	{kind: kindOffer, sdp: goodSDP, candidates: []string{`{"candidate":"x"}`, ""}},
	{kind: kindAnswer, sdp: "v=0"},
	{kind: kindCandidates, candidates: []string{"a", "b"}},
}

func TestSignals(t *testing.T) {
	for _, s := range signals {
		b := s.encode()
		got, err := decodeSignal(b)
		if err != nil || !reflect.DeepEqual(got, s) {
			t.Errorf("%+v became %+v, %v", s, got, err)
		}
		for i := range b {
			var bad *ExchangeError
			if _, err := decodeSignal(b[:i]); !errors.As(err, &bad) {
				t.Errorf("first %d bytes of %x: %v", i, b, err)
			}
		}
		if _, err := decodeSignal(append(b, 0)); err == nil {
			t.Errorf("%x with a trailing byte was accepted", b)
		}
	}
}

func FuzzSignal(f *testing.F) {
	for _, s := range signals {
		f.Add(s.encode())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decodeSignal(b)
		if err == nil && !bytes.Equal(s.encode(), b) {
			t.Fatalf("%x encodes as %x", b, s.encode())
		}
	})
}

func TestFingerprint(t *testing.T) {
	sum, err := fingerprint(goodSDP)
	if err != nil || len(sum) != 32 || sum[0] != 1 || sum[31] != 32 {
		t.Fatalf("fingerprint %x, %v", sum, err)
	}
	again, err := fingerprint(strings.ToLower(goodSDP) + "a=Fingerprint: SHA-256 " + strings.TrimPrefix(
		goodSDP[strings.Index(goodSDP, "sha-256 "):strings.Index(goodSDP, "a=setup")], "sha-256 "))
	if err != nil || !bytes.Equal(again, sum) {
		t.Fatalf("the same twice: %x, %v", again, err)
	}
	for name, sdp := range map[string]string{
		"short":         strings.Replace(goodSDP, "01:02", "01", 1),
		"no hash":       strings.Replace(goodSDP, "sha-256 ", "", 1),
		"small message": strings.Replace(goodSDP, "262144", "65535", 1),
		"no section":    strings.Replace(goodSDP, "m=application", "x=application", 1),
		"no key":        strings.Replace(goodSDP, "a=fingerprint", "a=thumbprint", 1),
	} {
		if _, err := fingerprint(sdp); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestMessageSize(t *testing.T) {
	if got := withMessageSize(goodSDP); got != goodSDP {
		t.Errorf("a size that was there: %q", got)
	}
	silent := strings.Replace(goodSDP, "a=max-message-size:262144\r\n", "", 1)
	if got := withMessageSize(silent); got != silent+"a=max-message-size:65536\r\n" {
		t.Errorf("no size: %q", got)
	}
}

func TestBindingSorts(t *testing.T) {
	if !bytes.Equal(binding([]byte{1}, []byte{2}), binding([]byte{2}, []byte{1})) {
		t.Fatal("the binding depends on the end")
	}
}
