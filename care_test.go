//go:build !js

package hhs_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/store"
)

// in opens a node in a directory on the wires; with a name it can be dialled at.
func (w *wires) in(t testing.TB, dir, url string) *hhs.Node {
	t.Helper()
	opts := []hhs.Option{hhs.Kinds(Notebook), hhs.WithDialer("ws", w), hhs.WithRTC(nil)}
	if url != "" {
		opts = append(opts, hhs.WithEndpoints(url))
	}
	n := must(hhs.Open(within(t), dir, opts...))(t)
	t.Cleanup(func() { n.Close() })
	if url != "" {
		w.at(url, n)
	}
	return n
}

// notebook opens a space that is here.
func notebook(t testing.TB, n *hhs.Node, s *hhs.AnySpace) *hhs.Space[Notes] {
	t.Helper()
	return must(hhs.As(must(n.Space(s.ID()))(t), Notebook))(t)
}

// A backup made while the node runs is restored, and both go on writing: one
// person with two devices, none of whose keys forked.
func TestBackupRestore(t *testing.T) {
	w := &wires{}
	dir, to := t.TempDir(), t.TempDir()
	ana := w.in(t, dir, "ws://ana")
	ok(t, ana.SetName(within(t), "Ana"))
	hers := must(hhs.Create(within(t), ana, Notebook))(t)
	write(t, hers, "before")
	var last hhs.Step
	b := must(ana.Backup(within(t), filepath.Join(to, "b.tar"), false, func(s hhs.Step) { last = s }))(t)
	if !b.Keys || b.Protected || b.Device != ana.Device() || last.Bytes != b.Bytes || last.Bytes != last.AllBytes || last.Items != last.AllItems {
		t.Errorf("backup %+v, progress %+v", b, last)
	}
	if info := must(os.Stat(b.Path))(t); info.Mode().Perm() != 0o600 {
		t.Errorf("the backup has mode %v", info.Mode())
	}
	if _, err := ana.Backup(within(t), b.Path, false, nil); !errors.Is(err, os.ErrExist) {
		t.Errorf("over another one: %v", err)
	}
	write(t, hers, "after the backup")

	second := filepath.Join(to, "restored")
	must(hhs.Restore(within(t), b.Path, second, nil))(t)
	if _, err := hhs.Restore(within(t), b.Path, second, nil); !errors.Is(err, os.ErrExist) {
		t.Errorf("over a directory: %v", err)
	}
	again := w.in(t, second, "")
	if again.Identity() != ana.Identity() || again.Device() == ana.Device() {
		t.Errorf("restored as %s with %s", again.Identity(), again.Device())
	}
	if r, known, err := again.Renewed(); err != nil || !known || r.Before != ana.Device() || !strings.Contains(r.Why, "restored") {
		t.Errorf("the reason is %+v, %v", r, err)
	}
	fresh := again.Device()
	ok(t, again.Close())
	again = w.in(t, second, "")
	if again.Device() != fresh {
		t.Error("opened again, it has yet another key")
	}
	restored := notebook(t, again, hers.AnySpace)
	write(t, restored, "restored")
	write(t, hers, "meanwhile")
	want := []string{"before", "after the backup", "restored", "meanwhile"}
	for _, s := range []*hhs.Space[Notes]{hers, restored} {
		await(t, s.AnySpace, "both have it all", func() bool { return len(lines(t, s)) == len(want) })
		if !hasAll(lines(t, s), want...) || len(s.Replica().Forks()) != 0 {
			t.Errorf("lines %q, forked %v", lines(t, s), s.Replica().Forks())
		}
	}
}

// A copy of a directory that hears of what its key wrote elsewhere goes on under
// a fresh one. Both take turns online, as two copies of one device do.
func TestCopiedDirectory(t *testing.T) {
	w := &wires{}
	dir, second := t.TempDir(), filepath.Join(t.TempDir(), "copy")
	bob := w.listen(t, "ws://bob")
	his := must(hhs.Create(within(t), bob, Notebook))(t)
	ana := w.in(t, dir, "")
	hers := must(hhs.Join(within(t), ana, Notebook, his.Link().String()))(t)
	write(t, hers, "one")
	ok(t, ana.Close())
	ok(t, os.CopyFS(second, os.DirFS(dir)))
	ok(t, os.Chmod(filepath.Join(second, "keys"), 0o600))

	ana = w.in(t, dir, "")
	hers = notebook(t, ana, his.AnySpace)
	write(t, hers, "two")
	await(t, his.AnySpace, "bob has it", func() bool { return len(lines(t, his)) == 2 })
	ok(t, ana.Close())

	again := w.in(t, second, "")
	copied := notebook(t, again, his.AnySpace)
	before := again.Device()
	await(t, copied.AnySpace, "the copy hears of it", func() bool { return len(lines(t, copied)) == 2 })
	write(t, copied, "three")
	await(t, his.AnySpace, "bob has that", func() bool { return len(lines(t, his)) == 3 })
	if again.Device() == before || again.Identity() != ana.Identity() || len(his.Replica().Forks()) != 0 {
		t.Errorf("the copy has %s, was %s; forked %v", again.Device(), before, his.Replica().Forks())
	}
	if r, known, err := again.Renewed(); err != nil || !known || r.Before != before || !strings.Contains(r.Why, "in use elsewhere") {
		t.Errorf("the reason is %+v, %v", r, err)
	}
	fresh := again.Device()
	ok(t, again.Close())
	if again = w.in(t, second, ""); again.Device() != fresh {
		t.Error("the fresh key was not kept")
	}
}

// A backup that is not as it was made is refused, and leaves nothing behind.
func TestDamagedBackup(t *testing.T) {
	dir, to := t.TempDir(), t.TempDir()
	n := must(hhs.Open(within(t), dir, hhs.Kinds(Notebook), hhs.Offline()))(t)
	write(t, must(hhs.Create(within(t), n, Notebook))(t), "x")
	b := must(n.Backup(within(t), to, true, nil))(t)
	if b.Keys || filepath.Dir(b.Path) != to {
		t.Errorf("backup %+v", b)
	}
	ok(t, n.Close())
	whole := must(os.ReadFile(b.Path))(t)
	bad := filepath.Join(to, "bad")
	target := filepath.Join(to, "target")
	for _, at := range []int{0, 100, 512, 1500, 3000, len(whole) / 2, len(whole) - 3000} {
		for _, cut := range []bool{false, true} {
			data := slices.Clone(whole)
			if cut {
				data = data[:at]
			} else {
				data[at] ^= 4
			}
			ok(t, os.WriteFile(bad, data, 0o600))
			_, err := hhs.Restore(within(t), bad, target, nil)
			if err == nil {
				t.Errorf("changed at %d (cut off: %v): restored", at, cut)
				ok(t, os.RemoveAll(target))
			}
			if _, err := os.Lstat(target); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("changed at %d (cut off: %v): something is left", at, cut)
			}
		}
	}
	must(hhs.Restore(within(t), to, target, nil))(t) // the latest in a directory
	list, err := filepath.Glob(filepath.Join(to, ".*"))
	if err != nil || len(list) != 0 {
		t.Errorf("left: %v %v", list, err)
	}
}

// A backup that is given up leaves no file, neither there nor here.
func TestBackupGivenUp(t *testing.T) {
	dir, to := t.TempDir(), t.TempDir()
	n := must(hhs.Open(within(t), dir, hhs.Kinds(Notebook), hhs.Offline()))(t)
	defer n.Close()
	write(t, must(hhs.Create(within(t), n, Notebook))(t), "x")
	ctx, cancel := context.WithCancel(within(t))
	defer cancel()
	if _, err := n.Backup(ctx, filepath.Join(to, "b.tar"), false, func(hhs.Step) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	if _, err := n.Backup(within(t), filepath.Join(to, "no", "b.tar"), false, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("nowhere: %v", err)
	}
	ok(t, n.Close()) // one that was killed leaves something, until the next opening
	ok(t, os.MkdirAll(filepath.Join(dir, "backup-123", "store"), 0o700))
	n = must(hhs.Open(within(t), dir, hhs.Kinds(Notebook), hhs.Offline()))(t)
	defer n.Close()
	for _, d := range []string{to, dir} {
		for _, e := range must(os.ReadDir(d))(t) {
			if strings.Contains(e.Name(), "backup") {
				t.Errorf("%s is left in %s", e.Name(), d)
			}
		}
	}
}

// Rot that a session meets is repaired while the node runs: the space is
// opened anew and takes from its peer what it lost.
func TestRotHealsWhileRunning(t *testing.T) {
	w := &wires{}
	mem := store.NewMem()
	ana := w.listen(t, "ws://ana")
	hers := must(hhs.Create(within(t), ana, Notebook))(t)
	bob := w.open(t, hhs.WithStore(mem), hhs.WithDevice(newDevice(t)))
	his := must(hhs.Join(within(t), bob, Notebook, hers.Link().String()))(t)
	write(t, hers, "one")
	write(t, his, "two")
	await(t, his.AnySpace, "bob has both", func() bool { return len(lines(t, his)) == 2 })
	await(t, hers.AnySpace, "and ana", func() bool { return len(lines(t, hers)) == 2 })
	heads := his.Replica().Heads()
	damageCommits(t, mem)
	if _, err := his.Replica().Commit(heads[0]); !errors.Is(err, hhs.ErrCorrupt) {
		t.Fatalf("read: %v", err)
	}
	<-his.Replica().Done() // rebuilt
	his = waitSpace(t, bob, hers.AnySpace)
	await(t, his.AnySpace, "it is back", func() bool { return len(lines(t, his)) == 2 })
	await(t, his.AnySpace, "nothing is aside any more", sound(his))
	write(t, his, "three")
	await(t, hers.AnySpace, "bob goes on", func() bool { return len(lines(t, hers)) == 3 })
}

// sound tells that nothing of a space is set aside.
func sound(s *hhs.Space[Notes]) func() bool {
	return func() bool {
		_, known := s.Replica().Trouble()
		return !known
	}
}

// damageCommits flips a bit in each commit but the first.
func damageCommits(t testing.TB, mem *store.Mem) {
	t.Helper()
	snap := must(mem.Snapshot())(t)
	defer snap.Close()
	var b store.Batch
	for kv, err := range snap.Scan([]byte("s"), []byte("t"), false) {
		ok(t, err)
		if kv.Key[5] == 'c' && kv.Key[13] != 0 {
			v := slices.Clone(kv.Value)
			v[len(v)-1] ^= 1
			b.Put(kv.Key, v)
		}
	}
	ok(t, mem.Apply(within(t), &b, store.Synced))
}

// waitSpace waits until a rebuilt space can be read.
func waitSpace(t testing.TB, n *hhs.Node, of *hhs.AnySpace) *hhs.Space[Notes] {
	t.Helper()
	s := must(n.Space(of.ID()))(t)
	ok(t, s.Wait(within(t)))
	return must(hhs.As(s, Notebook))(t)
}

// Two copies of one directory that run at the same time come to be two devices.
func TestTwoCopiesAtOnce(t *testing.T) {
	w := &wires{}
	dir, second := t.TempDir(), filepath.Join(t.TempDir(), "copy")
	bob := w.listen(t, "ws://bob")
	his := must(hhs.Create(within(t), bob, Notebook))(t)
	ana := w.in(t, dir, "")
	hers := must(hhs.Join(within(t), ana, Notebook, his.Link().String()))(t)
	write(t, hers, "one")
	ok(t, ana.Close())
	ok(t, os.CopyFS(second, os.DirFS(dir)))
	ok(t, os.Chmod(filepath.Join(second, "keys"), 0o600))

	ana, again := w.in(t, dir, ""), w.in(t, second, "")
	hers, copied := notebook(t, ana, his.AnySpace), notebook(t, again, his.AnySpace)
	write(t, hers, "two")
	await(t, copied.AnySpace, "the copy hears of it", func() bool { return len(lines(t, copied)) == 2 })
	write(t, copied, "three")
	await(t, hers.AnySpace, "ana hears of that", func() bool { return len(lines(t, hers)) == 3 })
	write(t, hers, "four")
	await(t, his.AnySpace, "bob has all", func() bool { return len(lines(t, his)) == 4 })
	await(t, his.AnySpace, "both are connected", func() bool { return len(his.Peers()) == 2 })
	if ana.Device() == again.Device() || len(his.Replica().Forks()) != 0 {
		t.Errorf("%s and %s; forked %v", ana.Device(), again.Device(), his.Replica().Forks())
	}
}

// Two copies of one directory that meet each other come to be two devices, and
// what they write goes over, without anybody between or an edit by the other.
func TestCopiesMeet(t *testing.T) {
	w := &wires{}
	dir, second := t.TempDir(), filepath.Join(t.TempDir(), "copy")
	ana := w.in(t, dir, "ws://ana")
	hers := must(hhs.Create(within(t), ana, Notebook))(t)
	write(t, hers, "one")
	ok(t, ana.Close())
	ok(t, os.CopyFS(second, os.DirFS(dir)))
	ok(t, os.Chmod(filepath.Join(second, "keys"), 0o600))

	ana = w.in(t, dir, "ws://ana")
	again := w.in(t, second, "")
	hers, copied := notebook(t, ana, hers.AnySpace), notebook(t, again, hers.AnySpace)
	await(t, copied.AnySpace, "they are connected", func() bool { return len(copied.Peers()) == 1 })
	write(t, hers, "two")
	await(t, copied.AnySpace, "the copy hears of it", func() bool { return len(lines(t, copied)) == 2 })
	if ana.Device() == again.Device() || len(copied.Replica().Forks()) != 0 {
		t.Errorf("%s and %s; forked %v", ana.Device(), again.Device(), copied.Replica().Forks())
	}
}

// Check finds rot, Check with repair leaves a complete space, and a peer makes it
// whole again.
func TestCheckAndRepair(t *testing.T) {
	w := &wires{}
	mem := store.NewMem()
	ana := w.listen(t, "ws://ana")
	hers := must(hhs.Create(within(t), ana, Notebook))(t)
	write(t, hers, "one")
	device := newDevice(t)
	bob := w.open(t, hhs.WithStore(mem), hhs.WithDevice(device))
	his := must(hhs.Join(within(t), bob, Notebook, hers.Link().String()))(t)
	write(t, his, "two")
	await(t, his.AnySpace, "bob has both", func() bool { return len(lines(t, his)) == 2 })
	await(t, hers.AnySpace, "and ana", func() bool { return len(lines(t, hers)) == 2 })
	ok(t, bob.Close())

	damageCommits(t, mem)
	bob = w.open(t, hhs.WithStore(mem), hhs.WithDevice(device), hhs.Offline())
	for _, repair := range []bool{false, true} {
		var last hhs.Step
		list := must(bob.Check(within(t), repair, func(s hhs.Step) { last = s }))(t)
		if len(list) != 1 || list[0].Sound() || list[0].Lost == 0 || list[0].Repaired != repair || !errors.Is(list[0].Damaged[0], hhs.ErrCorrupt) {
			t.Errorf("repair %v: %+v", repair, list)
		}
		if last.Items != 3 || last.AllItems != 3 {
			t.Errorf("repair %v: progress %+v", repair, last)
		}
	}
	trouble, known := must(bob.Space(hers.ID()))(t).Replica().Trouble()
	if !known || trouble.Damaged != 2 || !strings.Contains(trouble.What, "damaged in space") {
		t.Errorf("trouble %+v", trouble)
	}
	ok(t, bob.Close())
	bob = w.open(t, hhs.WithStore(mem), hhs.WithDevice(device))
	his = waitSpace(t, bob, hers.AnySpace)
	await(t, his.AnySpace, "it is whole", func() bool { return len(lines(t, his)) == 2 })
	await(t, his.AnySpace, "nothing is aside any more", sound(his))
	if list := must(bob.Check(within(t), false, nil))(t); !list[0].Sound() {
		t.Errorf("afterwards: %+v", list)
	}
}
