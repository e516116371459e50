package syncer

import (
	"slices"
	"time"

	"github.com/hyperhyperspace/hhs-go/internal/order"
	"github.com/hyperhyperspace/hhs-go/object"
)

// View is what the machine asks of a replica: quick local questions.
type View interface {
	Heads() []object.ID               // all, sorted, durable
	Has(id object.ID) bool            // whether a commit is durably here
	Chains(since []object.ID) []Chain // the author branches that are not in the past of since
}

// Event is something that happened to a session: one of Start, Received,
// Malformed, Changed, Loaded, Decoded, Ingested, Failed, Cut, Stop, Tick.
type Event interface{ event() }

type (
	// Start begins the session.
	Start struct{}
	// Received is a message of the peer.
	Received struct{ Message Message }
	// Malformed says that what the peer sent is no message.
	Malformed struct{ Err error }
	// Changed says that the heads changed, by a commit made here or, if Relayed,
	// only by commits that came from peers.
	Changed struct{ Relayed bool }
	// Loaded answers Load. Data is nil where nothing was left.
	Loaded struct {
		Transfer int
		Data     []byte // packed
		Left     uint64 // commits after it
		Last     bool
	}
	// Decoded comes before Ingested, and before the door has the batch. Tips are its
	// commits that no other in it has as an edge, Edges what they name outside of it.
	Decoded struct {
		Round       uint64
		Tips, Edges []object.ID
	}
	// Ingested answers Ingest.
	Ingested struct {
		Round   uint64
		Outcome Outcome
		Err     error
	}
	// Failed says that this side cannot go on.
	Failed struct{ Err error }
	// Cut says that the stream has ended.
	Cut struct{ Err error }
	// Stop asks for an orderly end.
	Stop struct{}
	// Tick says that Deadline has passed.
	Tick struct{}
)

func (Start) event()     {}
func (Received) event()  {}
func (Malformed) event() {}
func (Changed) event()   {}
func (Loaded) event()    {}
func (Decoded) event()   {}
func (Ingested) event()  {}
func (Failed) event()    {}
func (Cut) event()       {}
func (Stop) event()      {}
func (Tick) event()      {}

// Outcome is what became of a batch at the door.
type Outcome int

const (
	Admitted Outcome = iota // it is durable here
	Missing                 // its past is not here
	Rejected                // it breaks a rule: the sender's fault
	Broken                  // it is not the wire form of a batch: the sender's fault
	Unable                  // this side cannot store it now
)

// Effect is something the driver has to do: one of Send, Open, Load, Cancel,
// Ingest, Acked, Report, Close.
type Effect interface{ effect() }

type (
	// Send sends a message. A have that still waits to be sent is replaced by the
	// next.
	Send struct{ Message Message }
	// Open begins a transfer of everything that is not in the past of Have; Load
	// asks for its batches one by one.
	Open struct {
		Transfer int
		Have     []object.ID
	}
	// Load asks for the next batch of the open transfer.
	Load struct{ Transfer int }
	// Cancel ends the open transfer.
	Cancel struct{ Transfer int }
	// Ingest hands the data of a batch to the door.
	Ingest struct {
		Round uint64
		Data  []byte
	}
	// Acked says that the peer holds these commits durably.
	Acked struct{ Heads []object.ID }
	// Report says that the status changed.
	Report struct{ Status Status }
	// Close ends the session, after a bye unless the peer said it.
	Close struct{ Err *CloseError }
)

func (Send) effect()   {}
func (Open) effect()   {}
func (Load) effect()   {}
func (Cancel) effect() {}
func (Ingest) effect() {}
func (Acked) effect()  {}
func (Report) effect() {}
func (Close) effect()  {}

// Status is what is true of the session now.
type Status struct {
	Connected bool // the peer has said hello
	Synced    bool // both replicas are equal, as far as the peer has told
	Receiving int  // commits to come, as the peer told; 0 may mean not known
	Sending   int  // commits the peer has not acknowledged
}

// Session is the machine. Step takes one event and returns what to do about it;
// Deadline says when the next Tick is wanted. It is not safe for concurrent use.
type Session struct {
	view   View
	base   []object.ID // what the peer is remembered to hold
	delay  time.Duration
	now    time.Time
	out    []Effect
	closed bool
	status Status

	heads []object.ID // our own at this step
	hash  [32]byte

	started   bool
	startedAt time.Time
	greeted   []object.ID // the heads of our hello
	saidHello bool
	agreed    [32]byte // the last hash that both had
	told      Have     // the last receipt, or what hello and batches told instead

	peer peer
	send sending
	recv receiving
}

// peer is what the other side has told.
type peer struct {
	hello   bool
	hash    [32]byte
	done    bool
	chains  bool        // its first chains have come
	list    []object.ID // heads it told, as many as it listed
	whole   bool        // the list is all of its heads
	unknown []object.ID // those of the list that are not here
	fresh   []object.ID // those found here that are to be recorded as acknowledged
}

// sending is our side of the transfer.
type sending struct {
	ready     bool // enough is known to send
	round     uint64
	chainsDue bool
	holds     idSet // ids here that the peer holds, or will when it took what was sent
	since     []object.ID
	transfer  int
	open      bool
	heads     []object.ID // ours when the transfer was opened
	loading   bool
	next      *Loaded
	sent      uint64
	acked     uint64
	left      uint64
	movedAt   time.Time // last acknowledgement, or first batch after all were
	pushAt    time.Time // relayed commits wait until then
	pushWaits bool
}

// receiving is the peer's.
type receiving struct {
	round    uint64
	retryDue bool
	received uint64
	ingested uint64
	waiting  int     // batches at the door
	door     Decoded // the one that the door has now
	stale    int     // batches of the round before
	left     uint64
	owedAt   time.Time
	owed     bool
}

// NewSession returns a session over a view. base are commits that the peer is
// remembered to hold, from an earlier session; it may be nil.
func NewSession(view View, base []object.ID) *Session {
	s := &Session{view: view, base: slices.Clone(base), delay: RelayDelay}
	if len(s.base) > MaxHeads {
		s.base = nil
	}
	order.By(s.base, object.ID.Compare)
	s.base = slices.Compact(s.base)
	return s
}

// Step takes an event at a time and returns the effects, in order. Events only
// change what is known; decide alone says what to do.
func (s *Session) Step(now time.Time, ev Event) []Effect {
	if s.closed {
		return nil // invariant 11
	}
	s.now, s.out = now, nil
	if heads := s.view.Heads(); !s.started || !slices.Equal(heads, s.heads) {
		s.heads, s.hash = heads, hashOf(heads)
	}
	switch ev := ev.(type) {
	case Start:
		if !s.started {
			s.started, s.startedAt = true, now
			s.greeted = s.heads
		}
	case Received:
		s.received(ev.Message)
	case Malformed:
		s.malformed(ev.Err)
	case Changed:
		s.changed(ev.Relayed)
	case Loaded:
		s.loaded(ev)
	case Decoded:
		s.decoded(ev)
	case Ingested:
		s.ingested(ev)
	case Failed:
		s.fail(CodeLocal, "this side cannot go on", ev.Err)
	case Cut:
		s.end(&CloseError{Code: CodeDone, Remote: true, Detail: "the connection ended", Cause: ev.Err})
	case Stop:
		s.fail(CodeDone, "stopped", nil)
	case Tick:
		s.expire()
	}
	s.decide()
	return s.out
}

func (s *Session) emit(e Effect) { s.out = append(s.out, e) }

// fail ends the session with our reason.
func (s *Session) fail(code Code, detail string, cause error) {
	s.end(&CloseError{Code: code, Detail: detail, Cause: cause})
}

func (s *Session) end(err *CloseError) {
	if s.closed {
		return
	}
	if s.status.Connected || s.status.Synced {
		s.status = Status{}
		s.emit(Report{s.status})
	}
	s.emit(Close{err})
	s.closed = true
}

// Deadline returns when the next Tick is wanted; zero if nothing is awaited.
func (s *Session) Deadline() time.Time {
	var at time.Time
	want := func(t time.Time) {
		if at.IsZero() || t.Before(at) {
			at = t
		}
	}
	if s.closed || !s.started {
		return at
	}
	if !s.peer.hello {
		want(s.startedAt.Add(HelloTimeout))
	}
	if s.send.sent > s.send.acked {
		want(s.send.movedAt.Add(ProgressTimeout))
	}
	if s.recv.owed {
		want(s.recv.owedAt.Add(ProgressTimeout))
	}
	if s.send.pushWaits {
		want(s.send.pushAt)
	}
	return at
}

// expire is invariant 10.
func (s *Session) expire() {
	switch {
	case !s.peer.hello && !s.now.Before(s.startedAt.Add(HelloTimeout)):
		s.fail(CodeStalled, "the peer did not say hello", nil)
	case s.send.sent > s.send.acked && !s.now.Before(s.send.movedAt.Add(ProgressTimeout)):
		s.fail(CodeStalled, "the peer did not acknowledge a batch", nil)
	case s.recv.owed && !s.now.Before(s.recv.owedAt.Add(ProgressTimeout)):
		s.fail(CodeStalled, "the peer did not send what it has", nil)
	}
}

// idSet is a small set of ids, listed in a fixed order.
type idSet map[object.ID]struct{}

func (m *idSet) add(ids ...object.ID) {
	if *m == nil {
		*m = idSet{}
	}
	for _, id := range ids {
		(*m)[id] = struct{}{}
	}
}

func (m idSet) has(id object.ID) bool { _, ok := m[id]; return ok }

func (m idSet) sorted() []object.ID {
	ids := make([]object.ID, 0, len(m))
	for id := range m {
		ids = append(ids, id)
	}
	order.By(ids, object.ID.Compare)
	return ids
}
