//go:build !js

package hhs_test

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
	"github.com/hyperhyperspace/hhs-go/transport"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(writerDir); dir != "" {
		os.Exit(writeUntilKilled(dir))
	}
	if text := os.Getenv(floodPlan); text != "" {
		os.Exit(flooding(text))
	}
	goleak.VerifyTestMain(m)
}

// Notes is the kind of the tests.
type Notes struct {
	Title  hhs.Register[string]
	Copy   hhs.Register[string] // always what Title is
	Person hhs.Register[object.ID]
	Lines  hhs.Log[string]
	Tags   hhs.Set[string]
}

var Notebook = hhs.Define[Notes]("test.example/notes", 1)

// patience is how long a test waits for what must happen; it is only reached
// when the test fails.
const patience = 60 * time.Second

// within gives a test's calls an end.
func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// wires is a network in memory: nodes listen at names, and dial names.
type wires struct {
	link transport.Link

	mu    sync.Mutex
	nodes map[string]*hhs.Node
	raw   []byte // all that was sent, while tapped
	tap   bool
}

// Dial makes wires a dialer.
func (w *wires) Dial(_ context.Context, url string) (transport.Conn, error) {
	w.mu.Lock()
	n := w.nodes[url]
	w.mu.Unlock()
	if n == nil {
		return nil, errors.New("nobody is there")
	}
	here, there := transport.Pipe(transport.WithLink(&w.link), transport.WithFault(func(p transport.Packet) ([][]byte, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.tap {
			w.raw = append(w.raw, p.Message...)
		}
		return [][]byte{p.Message}, nil
	}))
	return here, n.Accept(there)
}

// at makes a node answer at a name; nil takes it away.
func (w *wires) at(url string, n *hhs.Node) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.nodes == nil {
		w.nodes = map[string]*hhs.Node{}
	}
	w.nodes[url] = n
}

// open opens a node on the wires; without options all of it is in memory.
func (w *wires) open(t testing.TB, opts ...hhs.Option) *hhs.Node {
	t.Helper()
	opts = append([]hhs.Option{hhs.Kinds(Notebook), hhs.WithDialer("ws", w), hhs.WithRTC(nil)}, opts...)
	n, err := hhs.Open(within(t), "", opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

// listen is open with a name to be dialled at.
func (w *wires) listen(t testing.TB, url string, opts ...hhs.Option) *hhs.Node {
	t.Helper()
	n := w.open(t, append(opts, hhs.WithEndpoints(url))...)
	w.at(url, n)
	return n
}

func newDevice(t testing.TB) identity.Device {
	t.Helper()
	_, d, err := identity.NewDevice(context.Background(), rand.Reader, "test", 1)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// await returns once cond holds. It looks again whenever something of the
// space changed.
func await(t testing.TB, s *hhs.AnySpace, what string, cond func() bool) {
	t.Helper()
	wake := make(chan struct{}, 1)
	defer s.Replica().OnChange(func() {
		select {
		case wake <- struct{}{}:
		default:
		}
	})()
	ctx := within(t)
	for {
		changed := s.StatusChanged()
		if cond() {
			return
		}
		select {
		case <-wake:
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("waited in vain: %s; status %+v, %d commits", what, s.Status(), s.Replica().Len())
		}
	}
}

func synced(s *hhs.AnySpace, peers int) func() bool {
	return func() bool { st := s.Status(); return st.State == hhs.StateSynced && st.Peers == peers }
}

// write adds a line.
func write(t testing.TB, s *hhs.Space[Notes], text string) hhs.Receipt {
	t.Helper()
	r, err := s.Commit(within(t), func(tx *hhs.Tx, n Notes) error { return n.Lines.Append(tx, text) })
	if err != nil {
		t.Fatalf("write %q: %v", text, err)
	}
	return r
}

// lines reads all lines.
func lines(t testing.TB, s *hhs.Space[Notes]) []string {
	t.Helper()
	var list []string
	for e, err := range s.Root().Lines.All() {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, e.Value)
	}
	return list
}

func title(t testing.TB, s *hhs.Space[Notes]) string {
	t.Helper()
	v, _, err := s.Root().Title.Get()
	ok(t, err)
	return v
}

func held(t testing.TB, r hhs.Receipt) int {
	t.Helper()
	n, err := r.Held()
	ok(t, err)
	return n
}

func hasAll(list []string, want ...string) bool {
	for _, w := range want {
		if !slices.Contains(list, w) {
			return false
		}
	}
	return true
}

func mentions(t testing.TB, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not mention %q", err, w)
		}
	}
}

// text is a string as a change carries it, "" for nothing.
func text(t testing.TB, block []byte) string {
	t.Helper()
	if block == nil {
		return ""
	}
	v, err := object.Decode(block)
	ok(t, err)
	return v.(string)
}

// registerIn reads a register in a view.
func registerIn(t testing.TB, view *replica.View, field string) string {
	env, err := view.Env(field)
	if err == nil {
		var e crdt.Entry
		if e, _, err = crdt.RegisterValue(env); err == nil {
			return text(t, e.Value)
		}
	}
	t.Error(err)
	return ""
}
