package syncer

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
)

// victim is a session with a history, to which a test sends what it likes.
type victim struct {
	*side
	now time.Time
}

func newVictim(t *testing.T) *victim {
	f := newFake(t, "victim")
	common(t, 10, f)
	v := &victim{side: newSide(f, nil), now: t0}
	v.step(v.now, Start{})
	return v
}

func (v *victim) receive(m Message) {
	v.step(v.now, Received{m})
	for v.closed == nil && (len(v.work) > 0 || len(v.doors) > 0 || v.atDoor != nil) {
		if len(v.work) > 0 {
			ev := v.work[0]
			v.work = v.work[1:]
			v.step(v.now, ev)
		} else {
			v.door(v.now)
		}
	}
}

func (v *victim) hello(heads ...object.ID) { v.receive(&Hello{Version, HeadsOf(heads)}) }

func (v *victim) wants(t *testing.T, code Code) {
	t.Helper()
	if v.closed == nil || v.closed.Code != code || v.closed.Remote {
		t.Errorf("closed: %v, want %v", v.closed, code)
	}
	if out := v.s.Step(v.now, Received{&Hello{}}); out != nil { // invariant 11
		t.Errorf("effects after the end: %v", out)
	}
	if v.status != (Status{}) {
		t.Errorf("status after the end: %+v", v.status)
	}
}

func batchOf(t *testing.T, list ...*history.Commit) []byte {
	t.Helper()
	wire, err := history.EncodeBatch(&history.Batch{Commits: list})
	if err != nil {
		t.Fatal(err)
	}
	data, err := new(packer).pack(wire)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestHelloFirstAndOnce(t *testing.T) {
	for _, m := range []Message{&Chains{}, &Batch{Data: []byte{packStored}}, &Have{Heads: HeadsOf(nil)}} {
		v := newVictim(t)
		v.receive(m)
		v.wants(t, CodeProtocol)
	}
	v := newVictim(t)
	v.hello()
	v.hello()
	v.wants(t, CodeProtocol)
}

func TestMalformedEnds(t *testing.T) {
	for code, data := range map[Code][]byte{CodeMalformed: {kindHave}, CodeUnknown: {200, 1, 2}, CodeVersion: {kindHello, 9}} {
		v := newVictim(t)
		_, err := Decode(data)
		v.step(v.now, Malformed{err})
		v.wants(t, code)
		var m *MessageError
		if !errors.As(v.closed, &m) {
			t.Errorf("%v does not carry the cause", v.closed)
		}
	}
}

// Invariant 5: a third batch before an acknowledgement.
func TestTooManyBatches(t *testing.T) {
	v := newVictim(t)
	v.hello()
	w := newAuthor(9)
	for range MaxInFlight + 1 {
		v.step(v.now, Received{&Batch{Data: batchOf(t, w.on(t, v.Heads()))}})
	}
	v.wants(t, CodeProtocol)
}

func TestReceiptForNothing(t *testing.T) {
	for _, m := range []*Have{{Acked: 5}, {Round: 1}, {Sends: 1}} {
		v := newVictim(t)
		v.hello(v.Heads()...)
		m.Heads = HeadsOf(nil)
		v.receive(m)
		v.wants(t, CodeProtocol)
	}
}

func TestChainsTwice(t *testing.T) {
	v := newVictim(t)
	v.hello(someIDs(1)...)
	v.receive(&Chains{})
	v.receive(&Chains{})
	v.wants(t, CodeProtocol)
	v = newVictim(t)
	v.hello(someIDs(1)...)
	v.receive(&Chains{Round: 1})
	v.receive(&Chains{Round: 1})
	v.wants(t, CodeMissing)
}

// What the door says decides who is at fault.
func TestDoorDecides(t *testing.T) {
	for code, err := range map[Code]error{
		CodeRejected: fmt.Errorf("wrapped: %w", &replica.Reject{Rule: replica.RuleBadSignature, Cause: errors.New("no")}),
		CodeLocal:    errors.New("disk full"),
	} {
		v := newVictim(t)
		v.hello(someIDs(1)...)
		v.fake.door = err
		v.receive(&Batch{Data: batchOf(t, newAuthor(9).on(t, v.Heads()))})
		v.wants(t, code)
		if !errors.Is(v.closed, err) {
			t.Errorf("the cause is lost: %v", v.closed)
		}
		if (code == CodeRejected) != v.closed.Code.PeerFault() {
			t.Errorf("%v blames the wrong side", v.closed)
		}
	}
	for _, data := range [][]byte{nil, {packStored}, {packStored, 1, 2, 3}, {packDeflate, 200, 1}, {9}} {
		v := newVictim(t)
		v.hello(someIDs(1)...)
		v.receive(&Batch{Data: data})
		v.wants(t, CodeMalformed)
	}
}

// Invariant 8: a past that never comes is asked for once, then the session ends
// and nothing of it is stored.
func TestPastThatNeverComes(t *testing.T) {
	v := newVictim(t)
	before := len(v.commits)
	w := newAuthor(9)
	w.on(t, v.Heads()) // never sent
	lost := w.on(t, nil)
	v.hello(lost.ID)
	v.log = nil
	v.receive(&Batch{Data: batchOf(t, lost)})
	if v.closed != nil || len(v.log) == 0 || v.log[0] != "Chains" {
		t.Fatalf("no retry: %v, sent %v", v.closed, v.log)
	}
	v.receive(&Batch{Data: batchOf(t, lost)}) // on the way when the retry was sent
	if v.closed != nil {
		t.Fatalf("a batch of the old round: %v", v.closed)
	}
	v.receive(&Batch{Round: 1, Data: batchOf(t, lost)})
	v.wants(t, CodeMissing)
	if len(v.commits) != before {
		t.Error("something of it was stored")
	}
}

// A peer that tells heads and says it is done without sending them.
func TestDoneWithoutSending(t *testing.T) {
	v := newVictim(t)
	lie := HeadsOf(someIDs(1))
	v.receive(&Hello{Version, lie})
	v.receive(&Chains{Chains: v.Chains(nil)})
	v.receive(&Have{Done: true, Heads: lie})
	if v.closed != nil || v.status.Synced {
		t.Fatalf("closed %v, status %+v", v.closed, v.status)
	}
	v.receive(&Have{Done: true, Heads: lie}) // before it saw the retry: no reason to end
	if v.closed != nil {
		t.Fatal(v.closed)
	}
	v.receive(&Have{Round: 0, Sends: 1, Done: true, Heads: lie})
	v.wants(t, CodeMissing)
}

// Invariant 10.
func TestSlowPeers(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(v *victim)
		after   time.Duration
	}{
		"no hello":    {func(*victim) {}, HelloTimeout},
		"no chains":   {func(v *victim) { v.hello(someIDs(1)...) }, ProgressTimeout},
		"no batches":  {func(v *victim) { v.hello(someIDs(1)...); v.receive(&Chains{}) }, ProgressTimeout},
		"no receipts": {func(v *victim) { v.hello() }, ProgressTimeout},
		"not the last": {func(v *victim) {
			v.hello(v.Heads()...)
			w := newAuthor(9)
			c := w.on(v.t, v.Heads())
			v.receive(&Batch{Left: 5, Data: batchOf(t, c)})
		}, ProgressTimeout},
		"only receipts": {func(v *victim) {
			v.hello(someIDs(1)...)
			v.now = v.now.Add(ProgressTimeout / 2)
			v.receive(&Have{Heads: HeadsOf(someIDs(2))})
		}, ProgressTimeout / 2},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVictim(t)
			c.prepare(v)
			if v.closed != nil {
				t.Fatal(v.closed)
			}
			for v.s.Deadline().Sub(v.now) <= RelayDelay { // relays are no timeout
				v.now = v.s.Deadline()
				v.step(v.now, Tick{})
			}
			end := v.now.Add(c.after)
			v.step(end.Add(-time.Second), Tick{})
			if v.closed != nil {
				t.Fatalf("too early: %v", v.closed)
			}
			at := v.s.Deadline()
			if at.IsZero() || at.After(end.Add(time.Second)) {
				t.Fatalf("waits until %v", at.Sub(t0))
			}
			v.step(at, Tick{})
			v.now = at
			v.wants(t, CodeStalled)
		})
	}
}

func TestByeAndCut(t *testing.T) {
	v := newVictim(t)
	v.receive(&Bye{CodeRejected})
	if v.closed == nil || !v.closed.Remote || v.closed.Code != CodeRejected {
		t.Errorf("closed: %v", v.closed)
	}
	v = newVictim(t)
	v.hello()
	v.step(v.now, Cut{errors.New("gone")})
	if v.closed == nil || v.closed.Code.PeerFault() || v.status.Connected {
		t.Errorf("closed: %v, %+v", v.closed, v.status)
	}
}

// A liar that says it holds what it does not only hurts itself, and only until
// the retry.
func TestOmission(t *testing.T) {
	a, b := newFake(t, "a"), newFake(t, "b")
	w := common(t, 10, a, b)
	for range 10 {
		w.write(a)
	}
	a.filter = func(list []*history.Commit) []*history.Commit {
		if len(list) > 3 {
			return list[len(list)-3:] // the first ones are withheld
		}
		return list
	}
	p := newPair(a, b).start()
	p.settle()
	if p.b.closed == nil || p.b.closed.Code != CodeMissing || p.b.closed.Remote {
		t.Errorf("b closed: %v", p.b.closed)
	}
	if len(b.commits) != 10 {
		t.Errorf("b has %d commits", len(b.commits))
	}
}
