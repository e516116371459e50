package mesh_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hyperhyperspace/hhs-go/mesh"
	"github.com/hyperhyperspace/hhs-go/mesh/meshtest"
)

// Two who look each other up at the same moment begin with each other, and one of the introductions gives way to the
// other: both find what they look for all the same.
func TestLookupBothWays(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			net, l := meshtest.New(seed+1), newLedger()
			net.Serve("ws://sig")
			a, b := start(t, net, device(t, "a"), l), start(t, net, device(t, "b"), l)
			defer closeAll(a, b)
			const words = 0x123456789
			for name, n := range map[string]*node{"one": a, "two": b} {
				n.join(mesh.Group{Space: space(name), Servers: []string{"ws://sig"}, Announce: true, Words: words,
					Candidate: func() []byte { return []byte("record of " + name) }})
			}
			time.Sleep(time.Second)
			done := make(chan struct{}, 2)
			for want, n := range map[string]*node{"record of two": a, "record of one": b} {
				go func() {
					found, err := n.mesh.Lookup(t.Context(), words, []string{"ws://sig"}, nil)
					if err != nil || len(found) != 1 || string(found[0].Record) != want {
						t.Errorf("seed %d: %s is not found: %v, %v", seed, want, found, err)
					}
					done <- struct{}{}
				}()
			}
			<-done
			<-done
		})
	}
}

func TestLookup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net, l := meshtest.New(1), newLedger()
		net.Serve("ws://sig")
		a, b, c := start(t, net, device(t, "a"), l), start(t, net, device(t, "b"), l), start(t, net, device(t, "c"), l)
		defer closeAll(a, b, c)
		const words = 0x123456789
		group := func(name string) mesh.Group {
			return mesh.Group{
				Space: space(name), Servers: []string{"ws://sig"}, Announce: true, Words: words,
				Candidate: func() []byte { return []byte("record of " + name) },
			}
		}
		a.join(group("one"))
		b.join(group("two")) // another space with the same words
		time.Sleep(time.Second)
		// Who listens on the words' topic already, for a space of its own, finds the others as well.
		for range 2 {
			found, err := b.mesh.Lookup(t.Context(), words, []string{"ws://sig"}, nil)
			if err != nil || len(found) != 1 || string(found[0].Record) != "record of one" {
				t.Errorf("asked by one who is found by the words: %v, %v", found, err)
			}
		}
		for _, how := range []struct {
			name               string
			bits               uint64
			servers, endpoints []string
			want               int
		}{
			{"by server", words, []string{"ws://sig"}, nil, 2},
			{"by endpoint", words, nil, []string{"ws://a"}, 1},
			{"by both", words, []string{"ws://sig"}, []string{"ws://b"}, 2},
			{"other words", words + 1, []string{"ws://sig"}, []string{"ws://a"}, 0},
			{"one dead server", words, []string{"ws://none", "ws://sig"}, nil, 2},
		} {
			began := time.Now()
			found, err := c.mesh.Lookup(t.Context(), how.bits, how.servers, how.endpoints)
			if err != nil || len(found) != how.want {
				t.Errorf("%s: %d candidates, %v", how.name, len(found), err)
			}
			for _, f := range found {
				if s := string(f.Record); s != "record of one" && s != "record of two" {
					t.Errorf("%s: %q", how.name, s)
				}
			}
			if d := time.Since(began); d > 5*time.Second {
				t.Errorf("%s took %v", how.name, d)
			}
		}
		if _, err := c.mesh.Lookup(t.Context(), words, nil, []string{"ws://nobody"}); !errors.Is(err, meshtest.ErrDown) {
			t.Error("nobody could be asked:", err)
		}
		if _, err := c.mesh.Lookup(t.Context(), 1<<36, nil, []string{"ws://a"}); !errors.Is(err, mesh.ErrWords) {
			t.Error(err)
		}
		// Whoever asks may join over the channel that is there.
		mb := c.join(mesh.Group{Space: space("one"), Servers: []string{"ws://sig"}})
		until(t, 5*time.Second, "joined what was found", func() bool { return peers(mb) == 1 })
	})
}
