package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/hyperhyperspace/hhs-go/store"
)

// TestLostStore: a host whose store can be written no more ends, says why, and has an exit code of its own.
func TestLostStore(t *testing.T) {
	life, lose := context.WithCancelCause(t.Context())
	h := &host{served: make(chan error, 1), store: life}
	lose(lostStore(fmt.Errorf("%w: write 000004.log: %w", store.ErrReadOnly, store.ErrFull)))
	err := h.wait(t.Context())
	for _, asJSON := range []bool{false, true} {
		var out bytes.Buffer
		a := &app{err: &out, json: asJSON}
		if got := a.fail(errors.Join(err, nil)); got != exitStore {
			t.Errorf("exit code %d", got)
		}
		for _, part := range []string{"000004.log", "what was acknowledged is kept", "full"} {
			if !strings.Contains(out.String(), part) {
				t.Errorf("%q is not in %s", part, out.String())
			}
		}
	}
}
