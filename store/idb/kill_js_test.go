package idb

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strconv"
	"strings"
	"syscall/js"
	"testing"

	"github.com/hyperhyperspace/hhs-go/store"
)

var killRounds = flag.Int("kill.rounds", 6, "how many times TestKill ends a writing worker")

func init() { child["HHS_TEST_WRITE"] = writeForever }

func entry(i int) string { return fmt.Sprintf("k%05d", i) }

// writeForever is the worker of TestKill: it applies numbered batches, several at once, and posts each number once it
// is acknowledged. The sizes are small, so that runs are written and merged
// on the way.
func writeForever(name string) {
	post := func(v any) { js.Global().Call("postMessage", v) }
	d, err := open(context.Background(), name, Options{}, small)
	if err != nil {
		post(err.Error())
		select {}
	}
	last := 0
	snap, err := d.Snapshot()
	if err == nil {
		for kv := range snap.Scan([]byte("k"), []byte("l"), true) {
			last, _ = strconv.Atoi(string(kv.Key[1:]))
			break
		}
		err = snap.Close()
	}
	filler := strings.Repeat("x", 10<<10)
	for i := last + 1; err == nil; i++ {
		var b store.Batch
		b.Put([]byte(entry(i)), []byte(filler))
		b.Put([]byte("last"), fmt.Append(nil, i))
		if i > 100 {
			b.Delete([]byte(entry(i - 100)))
		}
		if err = d.Apply(context.Background(), &b, store.Synced); err == nil {
			post(i)
		}
	}
	post(err.Error())
	select {}
}

// TestKill ends a writing worker in the middle of its transactions, again and again, and finds every acknowledged
// batch, whole (RELIABILITY G8-72).
func TestKill(t *testing.T) {
	name := newName(t)
	r := rand.New(rand.NewPCG(1, uint64(*killRounds)))
	acked := 0
	for round := range *killRounds {
		acked = max(acked, killOnce(t, name, 1+r.IntN(60)))
		d := mustOpenSmall(t, name)
		acked = checkWhole(t, fmt.Sprintf("round %d", round), d, acked)
		if err := d.Health(); err != nil {
			t.Fatal(err)
		}
		mustClose(t, d)
	}
	t.Logf("%d rounds, %d batches", *killRounds, acked)
}

// killOnce starts a worker, ends it after n acknowledgements and returns the last one seen.
func killOnce(t *testing.T, name string, n int) (acked int) {
	t.Helper()
	type message struct {
		id   int
		text string
	}
	messages := make(chan message, 1024)
	query := url.Values{"child": {"1"}, "env": {"HHS_TEST_WRITE=" + name}}
	worker := js.Global().Get("Worker").New("/worker.js?" + query.Encode())
	var cb callbacks
	cb.on(worker, "message", func(e js.Value) {
		if v := e.Get("data"); v.Type() == js.TypeNumber {
			messages <- message{id: v.Int()}
		} else {
			messages <- message{text: js.Global().Get("JSON").Call("stringify", v).String()}
		}
	})
	cb.on(worker, "error", func(e js.Value) { messages <- message{text: e.Get("message").String()} })
	for range n {
		m := <-messages
		if m.text != "" {
			t.Fatalf("worker: %s", m.text)
		}
		acked = m.id
	}
	worker.Call("terminate")
	for len(messages) > 0 { // acknowledged before it ended
		acked = (<-messages).id
	}
	cb.release()
	return acked
}

// checkWhole checks that the store holds the batches up to some n >= acked, and nothing of later ones; it returns n.
func checkWhole(t *testing.T, what string, d *DB, acked int) int {
	t.Helper()
	snap, err := d.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	v, err := snap.Get([]byte("last"))
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	n, err := strconv.Atoi(string(v))
	if err != nil || n < acked {
		t.Fatalf("%s: last is %s, but %d was acknowledged", what, v, acked)
	}
	want := max(1, n-99)
	for kv, err := range snap.Scan([]byte("k"), []byte("l"), false) {
		if err != nil || string(kv.Key) != entry(want) {
			t.Fatalf("%s: %s, %v, want %s", what, kv.Key, err, entry(want))
		}
		want++
	}
	if want != n+1 {
		t.Fatalf("%s: entries end at %d, last is %d", what, want-1, n)
	}
	return n
}
