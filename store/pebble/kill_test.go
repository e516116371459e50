//go:build !js

package pebble

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/hyperhyperspace/hhs-go/store"
)

var killRounds = flag.Int("kill.rounds", 12, "how many times TestKill kills a writing process")

// writeForever is the child of TestKill: it applies numbered batches and prints each number once it is acknowledged.
func writeForever(dir string) {
	d, err := Open(dir, Options{Ballast: -1, tune: small})
	if err != nil {
		fmt.Println("open:", err)
		os.Exit(1)
	}
	first, _ := strconv.Atoi(os.Getenv("HHS_TEST_FIRST"))
	for i := first; ; i++ {
		var b store.Batch
		b.Put([]byte(entry(i)), []byte(strings.Repeat("x", 500)))
		b.Put([]byte("last"), fmt.Append(nil, i))
		if err := d.Apply(context.Background(), &b, store.Synced); err != nil {
			fmt.Println("apply:", err)
			os.Exit(1)
		}
		fmt.Println(i)
	}
}

// TestKill kills a writing process again and again and finds every acknowledged batch (RELIABILITY G6-60). The ledger
// of what was acknowledged is kept here, in another process.
func TestKill(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir, acked := t.TempDir(), 0
	r := rand.New(rand.NewPCG(uint64(os.Getpid()), 0))
	for round := range *killRounds {
		acked = killOnce(t, exe, dir, acked, 1+r.IntN(60))
		d := mustOpen(t, dir, Options{Ballast: -1, tune: small})
		checkPrefix(t, fmt.Sprintf("round %d", round), d, acked, acked+1)
		snap, err := d.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		last, err := snap.Get([]byte("last"))
		if err != nil {
			t.Fatal(err)
		}
		if acked, err = strconv.Atoi(string(last)); err != nil { // the next child goes on after it
			t.Fatal(err)
		}
		mustClose(t, d)
	}
	t.Logf("%d rounds, %d batches", *killRounds, acked)
}

// killOnce lets a child write from acked+1 on, kills it after n acknowledgements and returns the last one seen.
func killOnce(t *testing.T, exe, dir string, acked, n int) int {
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), "HHS_TEST_WRITE="+dir, fmt.Sprint("HHS_TEST_FIRST=", acked+1))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for i := 0; lines.Scan(); i++ {
		id, err := strconv.Atoi(lines.Text())
		if err != nil || id != acked+1 {
			t.Fatalf("child says %q after %d", lines.Text(), acked)
		}
		acked = id
		if i == n {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait() // killed
	return acked
}
