package hhs

import (
	"context"
	"errors"

	"github.com/hyperhyperspace/hhs-go/mesh"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
	"github.com/hyperhyperspace/hhs-go/syncer"
	"github.com/hyperhyperspace/hhs-go/transport"
)

// serve speaks with one peer about this space until the stream ends.
func (s *AnySpace) serve(ctx context.Context, st *mesh.Stream) {
	peer := st.Peer()
	s.poke(func() { s.peer.sessions[st] = syncer.Status{} })
	source := replica.Source{Device: peer.Device, Transport: peer.Transport}
	err := syncer.Run(ctx, stream{st}, syncReplica{s.rep}, syncer.Options{
		Source: source,
		Base:   s.rep.Acks(peer.Device),
		Relay:  &s.peer.relay,
		Blobs:  &s.peer.blobs,
		Turns:  &s.node.net.turns,
		Space:  s.ID(),
		Pace:   platformPace,

		ServeBlob: func(at syncer.BlockAt) ([]byte, syncer.BlockStatus) { return s.serveBlob(peer, at) },
		Report:    func(status syncer.Status) { s.poke(func() { s.peer.sessions[st] = status }) },
	})
	_ = s.rep.Damaged(err) // noted, if it is damage
	if blame(err) {
		s.refused(err, source)
		st.Violation(err.Error())
	}
	s.poke(func() { delete(s.peer.sessions, st) })
	s.node.opts.log.Debug("session ended", "space", s.ID(), "peer", peer.Device, "error", err)
	if said := (*syncer.CloseError)(nil); errors.As(err, &said) && said.Remote && said.Code.PeerFault() {
		s.suspect()
	}
}

// refused counts what never got as far as the door: the door counts the rest.
func (s *AnySpace) refused(err error, from replica.Source) {
	var closed *syncer.CloseError
	var door *replica.Reject
	if errors.As(err, &closed) && !errors.As(err, &door) {
		s.rep.Refuse(closed.Code.String(), err, from)
	}
}

// blame tells whether the peer broke the protocol or sent what the door
// refused, as against a connection that just ended.
func blame(err error) bool {
	var closed *syncer.CloseError
	if !errors.As(err, &closed) || closed.Remote || errors.Is(err, transport.ErrClosed) {
		return false
	}
	return closed.Code.PeerFault()
}

// stream is a mesh stream as a session wants it.
type stream struct{ *mesh.Stream }

// Close ends the stream in order.
func (s stream) Close() error {
	s.Stream.Close(mesh.ReasonDone)
	return nil
}

// syncReplica is this node's copy as a session wants it.
type syncReplica struct{ *replica.Space }

// Chains implements syncer.View. Where the store cannot be read there are none:
// the session then sends more than it would have to.
func (r syncReplica) Chains(since []object.ID) []syncer.Chain {
	tips, err := r.Space.Chains(since)
	if err != nil {
		return nil
	}
	list := make([]syncer.Chain, len(tips))
	for i, t := range tips {
		list[i] = syncer.Chain{Author: t.Author, Seq: t.Seq, Tip: t.Tip}
	}
	return list
}

// Subscribe implements syncer.Replica.
func (r syncReplica) Subscribe(changed func()) (cancel func()) { return r.OnChange(changed) }
