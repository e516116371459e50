package main

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/store"
)

// paper is a space with one text.
type paper struct{ Text hhs.Text }

var paperKind = hhs.Define[paper]("hhs.bench/paper", 1)

// keystrokes is how many single edits a commit has: what is typed in a few seconds.
const keystrokes = 32

// trace is a recorded editing session, as in the editing traces that other systems are measured with.
type trace struct {
	EndContent string `json:"endContent"`
	NumAgents  int    `json:"numAgents"`
	Txns       []txn  `json:"txns"`
}

// txn is edits made in one go: position, code points deleted there, text inserted there.
type txn struct {
	Parents []int
	Agent   int
	Patches []patch
}

type patch struct {
	at, del int
	text    string
}

// UnmarshalJSON reads [position, deleted, inserted].
func (p *patch) UnmarshalJSON(b []byte) error {
	return json.Unmarshal(b, &[]any{&p.at, &p.del, &p.text})
}

// openTrace reads a trace of the folder that the environment variable PEERS names, data within.
func openTrace(name string) (*trace, error) {
	dir := os.Getenv("PEERS")
	if dir == "" {
		return nil, errors.New("set PEERS to the folder with data/" + name + ".json.gz, an editing trace of github.com/josephg/editing-traces")
	}
	f, err := os.Open(filepath.Join(dir, "data", name+".json.gz"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	t := &trace{}
	return t, json.NewDecoder(z).Decode(t)
}

const textNote = "one commit for 32 edits, acknowledged in memory, signed in stretches of up to 256 commits and written to the write-ahead log, ready to be sent; all of it is before the clock stops; no fsync"

// textApply types the linear trace.
func textApply(ctx context.Context, r *run) error {
	t, err := openTrace("automerge-paper")
	if err != nil {
		return err
	}
	node, err := openPaper(ctx, r.path("node"))
	if err != nil {
		return err
	}
	defer node.Close()
	space, err := hhs.Create(ctx, node, paperKind)
	if err != nil {
		return err
	}
	n := min(r.n, len(t.Txns))
	took, err := r.measure(func() error { return typeTrace(ctx, space, t.Txns[:n]) })
	if err != nil {
		return err
	}
	if err := expectText(space, t, n); err != nil {
		return err
	}
	r.rate(took)
	r.set("edits_per_commit", keystrokes)
	r.set("durability", textNote)
	return nil
}

func openPaper(ctx context.Context, dir string) (*hhs.Node, error) {
	return openNode(ctx, dir, hhs.Kinds(paperKind), hhs.Offline())
}

// typeTrace types edits, so many in a commit, and waits until all is in the store.
func typeTrace(ctx context.Context, space *hhs.Space[paper], txns []txn) error {
	for len(txns) > 0 {
		some := txns[:min(keystrokes, len(txns))]
		txns = txns[len(some):]
		err := space.Update(ctx, func(tx *hhs.Tx, p paper) error {
			for _, t := range some {
				for _, e := range t.Patches {
					if err := e.do(tx, p.Text); err != nil {
						return err
					}
				}
			}
			return nil
		}, store.Memory)
		if err != nil {
			return err
		}
	}
	_, err := space.Root().Text.Len() // whoever reads waits for what is on its way
	return err
}

func (p *patch) do(tx *hhs.Tx, t hhs.Text) error {
	if p.del > 0 {
		if err := t.Delete(tx, p.at, p.del); err != nil {
			return err
		}
	}
	if p.text == "" {
		return nil
	}
	return t.Insert(tx, p.at, p.text)
}

// expectText checks the text after n edits of a trace; that of all is recorded.
func expectText(space *hhs.Space[paper], t *trace, n int) error {
	want := t.EndContent
	if n < len(t.Txns) {
		var text []rune
		for _, tx := range t.Txns[:n] {
			for _, p := range tx.Patches {
				text = append(text[:p.at:p.at], append([]rune(p.text), text[p.at+p.del:]...)...)
			}
		}
		want = string(text)
	}
	got, err := space.Root().Text.Slice(0, len(want)+1)
	if err == nil && got != want {
		err = fmt.Errorf("the text has %d bytes and is not that of the trace, which has %d", len(got), len(want))
	}
	return err
}

// textEncode counts the bytes of the trace's history: as it goes to a peer, and on the disk.
func textEncode(ctx context.Context, r *run) error {
	t, err := openTrace("automerge-paper")
	if err != nil {
		return err
	}
	from, err := openPaper(ctx, r.path("from"))
	if err != nil {
		return err
	}
	defer from.Close()
	space, err := hhs.Create(ctx, from, paperKind)
	if err != nil {
		return err
	}
	if err := typeTrace(ctx, space, t.Txns[:min(r.n, len(t.Txns))]); err != nil {
		return err
	}
	to, err := openPaper(ctx, r.path("to"))
	if err != nil {
		return err
	}
	defer to.Close()
	copied, err := to.JoinSpace(ctx, space.Link().String())
	if err != nil {
		return err
	}
	wire := &wire{}
	took, err := r.measure(func() error { return wire.sync(ctx, space.AnySpace, copied) })
	if err != nil {
		return err
	}
	got, err := hhs.As(copied, paperKind)
	if err == nil {
		err = expectText(got, t, min(r.n, len(t.Txns)))
	}
	if err != nil {
		return err
	}
	r.rate(took)
	r.set("bytes", wire.bytes.Load())
	r.set("what", "sent to an empty peer, verified there, and its text compared; CPU of both sides")
	if err := settled(ctx, from, r.path("from")); err != nil {
		return err
	}
	disk, err := diskBytes(r.path("from"), storeReserve)
	r.set("disk_bytes", disk)
	return err
}

// textLoad opens a text typed before and reads all of it, in a process of its own.
func textLoad(ctx context.Context, r *run) error {
	t, err := openTrace("automerge-paper")
	if err != nil {
		return err
	}
	s := stage{Dir: r.path("node"), N: min(r.n, len(t.Txns)), Profile: r.profile}
	node, err := openPaper(ctx, s.Dir)
	if err != nil {
		return err
	}
	space, err := hhs.Create(ctx, node, paperKind)
	if err != nil {
		return err
	}
	s.Space = space.ID().String()
	if err := typeTrace(ctx, space, t.Txns[:s.N]); err != nil {
		return err
	}
	s.Value = space.Root().Text.String()
	if err := settled(ctx, node, s.Dir); err != nil {
		return err
	}
	out, err := r.in(ctx, "text", s)
	if err != nil {
		return err
	}
	s.Profile = ""
	idle, err := r.in(ctx, "paper", s)
	if err != nil {
		return err
	}
	r.set("cpu_ms", out["cpu_ms"])
	r.set("wall_ms", out["wall_ms"])
	r.set("ops_per_cpu_s", perSecond(r.n, out["cpu_ms"]))
	r.set("open_cpu_ms", idle["cpu_ms"])
	r.set("peak_rss_mb", out["peak_rss_mb"])
	r.set("open_peak_rss_mb", idle["peak_rss_mb"])
	r.set("cache", coldNote)
	return nil
}

// readText reads the whole text.
func readText(ctx context.Context, s *stage) error {
	return s.withPaper(ctx, func(space *hhs.Space[paper]) error {
		if got := space.Root().Text.String(); got != s.Value {
			return fmt.Errorf("the text has %d bytes, not the %d that were typed", len(got), len(s.Value))
		}
		return nil
	})
}

// openText opens the space and reads nothing.
func openText(ctx context.Context, s *stage) error {
	return s.withPaper(ctx, func(*hhs.Space[paper]) error { return nil })
}

func (s *stage) withPaper(ctx context.Context, work func(space *hhs.Space[paper]) error) error {
	id, err := object.ParseID(s.Space)
	if err != nil {
		return err
	}
	node, err := openPaper(ctx, s.Dir)
	if err != nil {
		return err
	}
	defer node.Close()
	anySpace, err := node.Space(id)
	if err != nil {
		return err
	}
	space, err := hhs.As(anySpace, paperKind)
	if err == nil {
		err = work(space)
	}
	s.done()
	return err
}
