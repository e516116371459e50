//go:build !js

package hhs_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
	"github.com/hyperhyperspace/hhs-go/store"
	"github.com/hyperhyperspace/hhs-go/store/pebble"
	"github.com/hyperhyperspace/hhs-go/store/storetest/crashfs"
)

// writerDir makes the test binary a process that writes to the directory that it
// names until it is killed.
const writerDir = "HHS_TEST_WRITER_DIR"

// writeUntilKilled prints a line for each thing that was acknowledged, after it
// was: "space <id>" and "commit <id> <text>".
func writeUntilKilled(dir string) int {
	ctx := context.Background()
	fail := func(err error) int {
		fmt.Println("error", err)
		return 1
	}
	node, err := hhs.Open(ctx, dir, hhs.Kinds(Notebook), hhs.Offline())
	if err != nil {
		return fail(err)
	}
	spaces, err := node.Spaces()
	if err != nil {
		return fail(err)
	}
	var s *hhs.Space[Notes]
	if len(spaces) == 0 {
		s, err = hhs.Create(ctx, node, Notebook)
	} else {
		s, err = hhs.As(spaces[0], Notebook)
	}
	if err != nil {
		return fail(err)
	}
	fmt.Println("space", s.ID())
	failed := make(chan error)
	for w := range 3 {
		go func() {
			for i := 0; ; i++ {
				text := fmt.Sprint(os.Getpid(), ".", w, ".", i)
				r, err := s.Commit(ctx, func(tx *hhs.Tx, n Notes) error {
					return errors.Join(n.Lines.Append(tx, text), n.Title.Set(tx, text), n.Copy.Set(tx, text))
				})
				if err != nil {
					failed <- err
					return
				}
				fmt.Println("commit", r.Commit, text)
			}
		}()
	}
	return fail(<-failed)
}

// ledger is what the killed processes were told, kept by another process.
type ledger struct {
	space   string
	commits map[string]string // id -> text
}

// read takes what a process says until it has said n things, or has ended.
func (l *ledger) read(t *testing.T, out io.Reader, n int, enough func()) {
	in := bufio.NewReader(out)
	for said := 0; ; said++ {
		if said == n {
			enough()
		}
		line, err := in.ReadString('\n')
		if err != nil {
			return // the last line may be torn
		}
		words := strings.Fields(line)
		switch {
		case words[0] == "space" && l.space == "":
			l.space = words[1]
		case words[0] == "space" && l.space != words[1]:
			t.Fatalf("space %s became %s", l.space, words[1])
		case words[0] == "commit":
			l.commits[words[1]] = words[2]
		case words[0] == "error":
			t.Fatal(line)
		}
	}
}

// A writing process is killed at any moment, again and again: nothing that it
// was told is kept is ever missing.
func TestKilledWriter(t *testing.T) {
	rounds := 20
	if os.Getenv("HHS_SOAK") != "" {
		rounds = 500
	}
	dir := t.TempDir()
	l := ledger{commits: map[string]string{}}
	rnd := rand.New(rand.NewPCG(1, 2))
	for round := range rounds {
		cmd := exec.Command(os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), writerDir+"="+dir)
		out := must(cmd.StdoutPipe())(t)
		ok(t, cmd.Start())
		l.read(t, out, rnd.IntN(60), func() { cmd.Process.Kill() })
		if err := cmd.Wait(); err == nil {
			t.Fatal("the writer ended by itself")
		}
		if l.space != "" {
			checkLedger(t, dir, &l, round%25 == 24 || round == rounds-1)
		}
	}
	t.Logf("killed %d times, %d commits acknowledged, 0 lost", rounds, len(l.commits))
}

func checkLedger(t *testing.T, dir string, l *ledger, replay bool) {
	t.Helper()
	ctx := within(t)
	node := must(hhs.Open(ctx, dir, hhs.Kinds(Notebook), hhs.Offline()))(t)
	defer node.Close()
	s := must(hhs.As(must(node.Space(must(object.ParseID(l.space))(t)))(t), Notebook))(t)
	there := map[string]bool{}
	for _, line := range lines(t, s) {
		there[line] = true
	}
	for id, text := range l.commits {
		if !s.Replica().Has(must(object.ParseID(id))(t)) || !there[text] {
			t.Fatalf("commit %s (%q) was acknowledged and is gone", id, text)
		}
	}
	if replay {
		checkReplay(t, s)
	}
}

// checkReplay gives everything to a fresh node, which must read the same.
func checkReplay(t *testing.T, s *hhs.Space[Notes]) {
	t.Helper()
	ctx := within(t)
	node := must(hhs.Open(ctx, "", hhs.Kinds(Notebook), hhs.Offline()))(t)
	defer node.Close()
	fresh := must(node.JoinSpace(ctx, s.ID().String()))(t)
	for b, err := range s.Replica().Batches(nil, 256<<10) {
		ok(t, err)
		must(fresh.Replica().Ingest(ctx, b, replica.Source{}))(t)
	}
	again := must(hhs.As(fresh, Notebook))(t)
	if !slices.Equal(again.Replica().Heads(), s.Replica().Heads()) || again.Replica().Len() != s.Replica().Len() {
		t.Fatal("a replay has other commits")
	}
	if title(t, again) != title(t, s) || !slices.Equal(lines(t, again), lines(t, s)) {
		t.Fatal("a replay reads otherwise")
	}
}

// disk is a node's store over a file system that can be filled.
func disk(t testing.TB, fs vfs.FS, free func() uint64, device identity.Device) (*hhs.Node, *pebble.DB) {
	t.Helper()
	db := must(pebble.Open("db", pebble.Options{FS: fs, LowWater: 1 << 20, Ballast: -1,
		Free: func(string) (uint64, error) { return free(), nil }}))(t)
	return must(hhs.Open(within(t), "", hhs.Kinds(Notebook), hhs.Offline(), hhs.WithStore(db), hhs.WithDevice(device)))(t), db
}

func plenty() uint64 { return 1 << 40 }

// Below the low-water mark writes are refused by name, reading goes on, and
// writing too as soon as there is room.
func TestFullDisk(t *testing.T) {
	ctx := within(t)
	var free atomic.Uint64
	free.Store(1 << 30)
	node, db := disk(t, vfs.NewMem(), free.Load, newDevice(t))
	defer db.Close()
	defer node.Close()
	s := must(hhs.Create(ctx, node, Notebook))(t)
	write(t, s, "before")
	free.Store(1000)
	append1 := func(tx *hhs.Tx, n Notes) error { return n.Lines.Append(tx, "full") }
	for what, call := range map[string]func() error{
		"update": func() error { return s.Update(ctx, append1) },
		"create": func() error { _, err := hhs.Create(ctx, node, Notebook); return err },
		"join": func() error {
			_, err := node.JoinSpace(ctx, object.Sum(object.DagCBOR, []byte("x")).String())
			return err
		},
		"put":     func() error { _, err := node.Put(ctx, "x"); return err },
		"name":    func() error { return node.SetName(ctx, "Ana") },
		"address": func() error { return s.AddAddresses(ctx, []string{"ws://host/signal"}, nil) },
	} {
		if err := call(); !errors.Is(err, hhs.ErrFull) {
			t.Errorf("%s on a full disk: %v", what, err)
		}
	}
	if got := lines(t, s); !slices.Equal(got, []string{"before"}) {
		t.Errorf("lines %q", got)
	}
	if n := len(must(node.Spaces())(t)); n != 1 {
		t.Errorf("%d spaces", n)
	}
	if l := s.Link(); len(l.Servers) != 0 {
		t.Errorf("an address that was not kept: %v", l)
	}
	free.Store(1 << 30)
	write(t, s, "after")
	if got := lines(t, s); !slices.Equal(got, []string{"before", "after"}) {
		t.Errorf("lines %q", got)
	}
	checkReplay(t, s)
}

// The disk fills up during each of the writes in turn, unannounced.
func TestDiskFillsUp(t *testing.T) {
	tried := 0
	for n := int64(1); ; n += 1 + n/8 {
		if !fillUpAt(t, n) {
			break
		}
		tried++
	}
	if tried < 10 {
		t.Errorf("the disk was full only %d times", tried)
	}
	t.Logf("full at %d moments", tried)
}

func fillUpAt(t *testing.T, n int64) (full bool) {
	ctx := within(t)
	device := newDevice(t)
	mem := vfs.NewMem()
	// The node is made while there is room.
	node, db := disk(t, mem, plenty, device)
	id := must(hhs.Create(ctx, node, Notebook))(t).ID()
	ok(t, errors.Join(node.Close(), db.Close()))

	var count atomic.Int64
	var armed atomic.Bool
	failing := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if !armed.Load() || op.Kind.ReadOrWrite() != errorfs.OpIsWrite || op.Kind == errorfs.OpFileClose || op.Kind == errorfs.OpRemove {
			return nil
		}
		if count.Add(1) < n {
			return nil
		}
		return syscall.ENOSPC
	}))
	node, db = disk(t, failing, plenty, device)
	s := must(hhs.As(must(node.Space(id))(t), Notebook))(t)
	armed.Store(true)
	var acked []string
	for i := range 40 {
		text := fmt.Sprint("line ", i)
		err := s.Update(ctx, func(tx *hhs.Tx, n Notes) error { return n.Lines.Append(tx, text) })
		if err == nil && !full {
			acked = append(acked, text)
			continue
		}
		full = true
		if !errors.Is(err, hhs.ErrFull) {
			t.Fatalf("write %d: %v", n, err)
		}
		if i > len(acked)+2 {
			break
		}
	}
	if got := lines(t, s); !slices.Equal(got, acked) {
		t.Fatalf("write %d: reads %q, acknowledged %q", n, got, acked)
	}
	node.Close()
	db.Close() // may report the failure again
	armed.Store(false)
	node, db = disk(t, mem, plenty, device)
	defer db.Close()
	defer node.Close()
	s = must(hhs.As(must(node.Space(id))(t), Notebook))(t)
	if got := lines(t, s); len(got) < len(acked) || !slices.Equal(got[:len(acked)], acked) {
		t.Fatalf("write %d: after reopening %q, acknowledged %q", n, got, acked)
	}
	write(t, s, "room again")
	return full
}

// The store fails at each of its writes in turn while the node is used through
// its public calls: every call that failed left the node as it was.
func TestStoreFailsUnderTheNode(t *testing.T) {
	broken := errors.New("broken")
	for at := 1; ; at++ {
		ctx := within(t)
		mem := store.NewMem()
		device := newDevice(t)
		open := func() *hhs.Node {
			return must(hhs.Open(ctx, "", hhs.Kinds(Notebook), hhs.Offline(), hhs.WithStore(mem), hhs.WithDevice(device)))(t)
		}
		node := open()
		mem.FailAt(at, broken)
		failed := 0
		try := func(call func() error) {
			t.Helper()
			for {
				err := call()
				if err == nil {
					return
				}
				if !errors.Is(err, broken) || failed > 0 {
					t.Fatalf("call %d: %v", at, err)
				}
				failed++
			}
		}
		var s, dropped *hhs.Space[Notes]
		try(func() (err error) { s, err = hhs.Create(ctx, node, Notebook); return err })
		try(func() error { return s.AddAddresses(ctx, []string{"ws://host/signal"}, nil) })
		try(func() error { return node.SetName(ctx, "Ana") })
		try(func() error {
			return s.Update(ctx, func(tx *hhs.Tx, n Notes) error { return n.Lines.Append(tx, "one") })
		})
		try(func() (err error) { dropped, err = hhs.Create(ctx, node, Notebook); return err })
		try(func() error { return node.Leave(ctx, dropped.ID()) })
		try(func() error {
			_, err := node.JoinSpace(ctx, "hhs:"+object.Sum(object.DagCBOR, []byte("x")).String()+"?s=ws://host/signal")
			return err
		})
		try(func() error {
			return s.Update(ctx, func(tx *hhs.Tx, n Notes) error { return n.Lines.Append(tx, "two") })
		})
		for range 2 {
			spaces := must(node.Spaces())(t)
			again := must(hhs.As(must(node.Space(s.ID()))(t), Notebook))(t)
			if len(spaces) != 2 || !slices.Equal(lines(t, again), []string{"one", "two"}) {
				t.Fatalf("call %d: %d spaces, lines %q", at, len(spaces), lines(t, again))
			}
			for _, one := range spaces {
				if l := one.Link(); len(l.Servers) != 1 {
					t.Fatalf("call %d: link %v", at, l)
				}
			}
			if name := must(node.Name())(t); name != "Ana" {
				t.Fatalf("call %d: name %q", at, name)
			}
			ok(t, node.Close())
			node = open() // what the store says
		}
		ok(t, node.Close())
		if failed == 0 {
			t.Logf("%d calls of the store failed, each once", at-1)
			return
		}
	}
}

// allOf is what a person sees of a node: its name and every space with its fields and heads.
func allOf(t testing.TB, node *hhs.Node) string {
	t.Helper()
	var parts []string
	for _, one := range must(node.Spaces())(t) {
		s := must(hhs.As(one, Notebook))(t)
		parts = append(parts, fmt.Sprint(s.ID(), title(t, s), lines(t, s), tags(t, s), s.Replica().Heads()))
	}
	slices.Sort(parts)
	return fmt.Sprint(must(node.Name())(t), parts)
}

func tags(t testing.TB, s *hhs.Space[Notes]) []string {
	t.Helper()
	var list []string
	for tag, err := range s.Root().Tags.All() {
		ok(t, err)
		list = append(list, tag.Value)
	}
	return list
}

// Power is lost before each operation on the disk while a node is used, edits are taken back and given again: it opens with what the person had done last, or
// with what was being done, and a replay reads the same.
func TestCrashedNode(t *testing.T) {
	ctx := within(t)
	device := newDevice(t)
	var states []string // after each edit
	var done int        // edits that were acknowledged
	var mu sync.Mutex
	var points int
	type left struct {
		what  string
		image vfs.FS
		done  int
	}
	var images []left
	disks := crashfs.New(func(m crashfs.Moment) {
		mu.Lock()
		defer mu.Unlock()
		for _, image := range m.Images() {
			images = append(images, left{fmt.Sprint("before ", m.What, ", ", image.Kept), image.MemFS, done})
		}
	})
	node, db := disk(t, disks, plenty, device)
	var s *hhs.Space[Notes]
	edit := func(call func() error) {
		t.Helper()
		ok(t, call())
		state := allOf(t, node) // not under the lock: what the store does meanwhile asks for it
		mu.Lock()
		defer mu.Unlock()
		states = append(states, state)
		done = len(states) - 1
	}
	edit(func() error { return nil })
	edit(func() error { return node.SetName(ctx, "Ana") })
	edit(func() (err error) { s, err = hhs.Create(ctx, node, Notebook); return err })
	peer, fresh := strangerEdits(t, s)
	defer peer.Close()
	for i := range 12 {
		edit(func() error {
			return s.Update(ctx, func(tx *hhs.Tx, n Notes) error {
				text := fmt.Sprint("line ", i)
				return errors.Join(n.Lines.Append(tx, text), n.Title.Set(tx, text), n.Tags.Add(tx, text), n.Tags.Remove(tx, fmt.Sprint("line ", i-2)))
			})
		})
	}
	for b, err := range fresh.Replica().Batches(nil, 256<<10) {
		ok(t, err)
		edit(func() error { _, err := s.Replica().Ingest(ctx, b, replica.Source{}); return err })
	}
	ok(t, errors.Join(node.Close(), db.Close()))
	node, db = disk(t, disks, plenty, device)
	s = must(hhs.As(must(node.Space(s.ID()))(t), Notebook))(t)
	edit(func() error { _, err := db.Compact(ctx, nil); return err })
	for range 4 {
		edit(func() error {
			return s.Update(ctx, func(tx *hhs.Tx, n Notes) error { return n.Lines.Append(tx, "again") })
		})
	}
	for range 7 { // those four, and three of the others: a title, a line, a tag added and one removed
		edit(func() error { _, err := s.Undo(ctx); return err })
	}
	edit(func() error { _, err := s.Redo(ctx); return err })
	ok(t, errors.Join(node.Close(), db.Close()))
	for i, l := range images {
		points++
		again, store := disk(t, l.image, plenty, device)
		got := allOf(t, again)
		if n := slices.Index(states[l.done:min(l.done+2, len(states))], got); n < 0 {
			t.Errorf("%s: holds neither what it held after edit %d nor after the next\n%s\n%s", l.what, l.done, got, states[l.done])
		}
		if spaces := must(again.Spaces())(t); i%10 == 0 && len(spaces) > 0 {
			checkReplay(t, must(hhs.As(spaces[0], Notebook))(t))
		}
		ok(t, errors.Join(again.Close(), store.Close()))
	}
	t.Logf("%d moments, %d crash points", disks.Moments(), points)
}

// strangerEdits is a second person's copy of a space, with edits that the first has not seen.
func strangerEdits(t testing.TB, s *hhs.Space[Notes]) (*hhs.Node, *hhs.Space[Notes]) {
	t.Helper()
	ctx := within(t)
	node := must(hhs.Open(ctx, "", hhs.Kinds(Notebook), hhs.Offline()))(t)
	joined := must(node.JoinSpace(ctx, s.ID().String()))(t)
	for b, err := range s.Replica().Batches(nil, 256<<10) {
		ok(t, err)
		must(joined.Replica().Ingest(ctx, b, replica.Source{}))(t)
	}
	theirs := must(hhs.As(joined, Notebook))(t)
	for i := range 5 {
		ok(t, theirs.Update(ctx, func(tx *hhs.Tx, n Notes) error { return n.Lines.Append(tx, fmt.Sprint("theirs ", i)) }))
	}
	return node, theirs
}

// A node on a medium that cannot be written reads everything, refuses to write by name, and says why.
func TestReadOnlyNode(t *testing.T) {
	ctx := within(t)
	device := newDevice(t)
	mem := vfs.NewMem()
	node, db := disk(t, mem, plenty, device)
	s := must(hhs.Create(ctx, node, Notebook))(t)
	write(t, s, "before")
	want := allOf(t, node)
	if err := node.Health(); err != nil {
		t.Errorf("health: %v", err)
	}
	ok(t, errors.Join(node.Close(), db.Close()))
	medium := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsRead || op.Kind == errorfs.OpFileClose {
			return nil
		}
		return &fs.PathError{Op: "write", Path: op.Path, Err: syscall.EROFS}
	}))
	node, db = disk(t, medium, plenty, device)
	defer db.Close()
	defer node.Close()
	if got := allOf(t, node); got != want {
		t.Errorf("reads %s, want %s", got, want)
	}
	s = must(hhs.As(must(node.Space(s.ID()))(t), Notebook))(t)
	err := s.Update(ctx, func(tx *hhs.Tx, n Notes) error { return n.Lines.Append(tx, "more") })
	for what, err := range map[string]error{"update": err, "health": node.Health(), "name": node.SetName(ctx, "Ana")} {
		if !errors.Is(err, store.ErrReadOnly) || !errors.Is(err, syscall.EROFS) || hhs.Code(err) != "read_only" {
			t.Errorf("%s: %v [%s]", what, err, hhs.Code(err))
		}
	}
	if got := allOf(t, node); got != want {
		t.Errorf("after writes that failed it reads %s, want %s", got, want)
	}
}
