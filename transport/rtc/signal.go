package rtc

import (
	"fmt"

	"github.com/hyperhyperspace/hhs-go/object"
)

// signalKind is the first element of a message of the exchange: a wire
// constant.
type signalKind int64

const (
	kindOffer      signalKind = 1
	kindAnswer     signalKind = 2
	kindCandidates signalKind = 3
)

// signal is one message of the exchange.
type signal struct {
	kind       signalKind
	sdp        string // offer and answer
	candidates []string
}

func (s *signal) encode() []byte {
	w := &object.Writer{}
	if s.kind == kindCandidates {
		w.List(2)
		w.Int(int64(s.kind))
	} else {
		w.List(3)
		w.Int(int64(s.kind))
		w.String(s.sdp)
	}
	w.List(len(s.candidates))
	for _, c := range s.candidates {
		w.String(c)
	}
	return w.Buf
}

// decodeSignal accepts exactly what encode writes, within the limits, or
// returns an *ExchangeError.
func decodeSignal(b []byte) (*signal, error) {
	if len(b) > maxSignal {
		return nil, &ExchangeError{fmt.Sprintf("%d bytes", len(b))}
	}
	r := object.NewReader(b)
	n, err := r.List()
	if err != nil {
		return nil, &ExchangeError{err.Error()}
	}
	kind, err := r.Int()
	if err != nil {
		return nil, &ExchangeError{err.Error()}
	}
	s := &signal{kind: signalKind(kind)}
	switch {
	case n == 3 && (s.kind == kindOffer || s.kind == kindAnswer):
		if s.sdp, err = readText(r, maxSDP); err != nil {
			return nil, err
		}
	case n == 2 && s.kind == kindCandidates:
	default:
		return nil, &ExchangeError{fmt.Sprintf("kind %d with %d elements", kind, n)}
	}
	count, err := r.List()
	if err != nil {
		return nil, &ExchangeError{err.Error()}
	}
	if count > maxCandidates {
		return nil, &ExchangeError{fmt.Sprintf("%d candidates", count)}
	}
	for range count {
		c, err := readText(r, maxCandidate)
		if err != nil {
			return nil, err
		}
		s.candidates = append(s.candidates, c)
	}
	if err := r.End(); err != nil {
		return nil, &ExchangeError{err.Error()}
	}
	return s, nil
}

func readText(r *object.Reader, limit int) (string, error) {
	s, err := r.String()
	if err != nil {
		return "", &ExchangeError{err.Error()}
	}
	if len(s) > limit {
		return "", &ExchangeError{fmt.Sprintf("text of %d bytes", len(s))}
	}
	return s, nil
}
