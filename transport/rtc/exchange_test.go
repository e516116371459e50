package rtc

import (
	"context"
	"testing"

	"github.com/hyperhyperspace/hhs-go/transport"
)

// memory is an Exchange within the process.
type memory struct {
	out chan<- []byte
	in  <-chan []byte
	// change, if not nil, may replace what is sent.
	change func([]byte) []byte
}

func exchange() (*memory, *memory) {
	a, b := make(chan []byte, 64), make(chan []byte, 64)
	return &memory{out: a, in: b}, &memory{out: b, in: a}
}

func (m *memory) Send(ctx context.Context, msg []byte) error {
	if m.change != nil {
		msg = m.change(msg)
	}
	select {
	case m.out <- msg:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (m *memory) Receive(ctx context.Context) ([]byte, error) {
	select {
	case msg := <-m.in:
		return msg, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

type result struct {
	conn transport.Conn
	err  error
}

// both dials and answers at once.
func both(t *testing.T, x, y Exchange, cfg Config) (dialled, answered result) {
	t.Helper()
	other := make(chan result, 1)
	go func() {
		c, err := Answer(t.Context(), y, cfg)
		other <- result{c, err}
	}()
	c, err := Dial(t.Context(), x, cfg)
	return result{c, err}, <-other
}
