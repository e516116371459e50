package hhs

import (
	"context"
	"errors"
	"testing"

	"github.com/hyperhyperspace/hhs-go/replica"
	"github.com/hyperhyperspace/hhs-go/syncer"
)

// stray is a stream of a peer that says one thing.
type stray struct{ messages chan []byte }

func (s stray) Send(context.Context, []byte) error { return nil }

func (s stray) Receive(ctx context.Context) ([]byte, error) {
	select {
	case m := <-s.messages:
		return m, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s stray) Close() error { return nil }

// What is no message, and what is no batch inside of one, never gets to the door: it is counted all the same, once.
func TestRefusedBeforeTheDoor(t *testing.T) {
	n, err := Open(t.Context(), "", Offline())
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	type kind struct{ Title Register[string] }
	s, err := Create(t.Context(), n, Define[kind]("example.org/refused", 1))
	if err != nil {
		t.Fatal(err)
	}
	hello := syncer.Encode(&syncer.Hello{Version: syncer.Version})
	for name, messages := range map[string][][]byte{
		"no message": {hello[:len(hello)-1]},
		"no batch":   {hello, syncer.Encode(&syncer.Batch{Data: []byte{0, 1, 2, 3}})},
	} {
		before, _ := s.Replica().Refused()
		st := stray{make(chan []byte, len(messages))}
		for _, m := range messages {
			st.messages <- m
		}
		err := syncer.Run(t.Context(), st, syncReplica{s.rep}, syncer.Options{})
		if !blame(err) {
			t.Errorf("%s: nobody is blamed for %v", name, err)
			continue
		}
		s.refused(err, replica.Source{Transport: "pipe"})
		after, last := s.Replica().Refused()
		rule := syncer.CodeMalformed.String()
		if after[rule] != before[rule]+1 || last[len(last)-1].Reject.Rule != rule {
			t.Errorf("%s: %v, was %v", name, after, before)
		}
	}
	// What the door refused it has counted itself.
	before, _ := s.Replica().Refused()
	s.refused(&syncer.CloseError{Code: syncer.CodeRejected, Cause: &replica.Reject{Rule: "rule"}}, replica.Source{})
	if after, _ := s.Replica().Refused(); len(after) != len(before) || after["rule"] != 0 {
		t.Errorf("counted twice: %v", after)
	}
	if blame(errors.New("cut")) {
		t.Error("a cut is nobody's fault")
	}
}
