package mesh_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/mesh"
	"github.com/hyperhyperspace/hhs-go/mesh/meshtest"
	"github.com/hyperhyperspace/hhs-go/object"
)

func TestDialAnEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net, l := meshtest.New(1), newLedger()
		a, b := start(t, net, device(t, "a"), l), start(t, net, device(t, "b"), l)
		defer closeAll(a, b)
		ma := a.join(mesh.Group{Space: space("s")})
		mb := b.join(mesh.Group{Space: space("s"), Endpoints: []string{"ws://a"}})
		if st := ma.Status(); st.State != mesh.Offline {
			t.Error("alone, with nowhere to go:", st.State)
		}
		if st := mb.Status(); st.State != mesh.Connecting {
			t.Error("just joined:", st.State)
		}
		changed := ma.Changed()
		until(t, 2*time.Second, "connected", func() bool { return peers(ma) == 1 && peers(mb) == 1 })
		<-changed
		p := ma.Peers()[0]
		if p.Device != b.key() || p.Identity != b.device.Identity() || p.Transport != "pipe" || p.Dialled || p.Label != "b" {
			t.Errorf("%+v", p)
		}
		if st := ma.Status(); st.State != mesh.Connected || st.Peers != 1 {
			t.Errorf("%+v", st)
		}
		mb.Leave()
		until(t, time.Second, "left", func() bool { return peers(ma) == 0 && peers(mb) == 0 })
		l.check(t, 0)
		if _, err := b.mesh.Join(mesh.Group{Space: space("s"), Serve: b.serve}); err != nil {
			t.Error("cannot join again:", err)
		}
		if _, err := b.mesh.Join(mesh.Group{Space: space("s"), Serve: b.serve}); err == nil {
			t.Error("joined twice")
		}
	})
}

// Invariant 7.
func TestLocalOnlyOpensNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := meshtest.New(1)
		a := start(t, net, device(t, "a"), newLedger())
		defer closeAll(a)
		mb := a.join(mesh.Group{Space: space("s")})
		time.Sleep(time.Hour)
		if net.Dials() != 0 || mb.Status().State != mesh.Offline {
			t.Errorf("%d dials, %v", net.Dials(), mb.Status())
		}
	})
}

// Invariants 5 and 6: two devices that dial each other at once, in any
// interleaving, settle on one channel and one stream, and nothing accepted by
// Send on what was given up is lost.
func TestGlare(t *testing.T) {
	da, db := device(t, "a"), device(t, "b")
	seeds := uint64(200)
	if testing.Short() {
		seeds = 40
	}
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) {
			net, l := meshtest.New(seed), newLedger()
			net.Delay(time.Duration(1+seed%50) * time.Millisecond)
			a, b := start(t, net, da, l), start(t, net, db, l)
			defer closeAll(a, b)
			net.Serve("ws://sig")
			ga, gb := mesh.Group{Space: space("s")}, mesh.Group{Space: space("s")}
			if seed%3 != 0 {
				ga.Endpoints, gb.Endpoints = []string{"ws://b"}, []string{"ws://a"}
			}
			if seed%3 != 1 {
				ga.Servers, gb.Servers = []string{"ws://sig"}, []string{"ws://sig"}
			}
			ma, mb := a.join(ga), b.join(gb)
			until(t, 20*time.Second, fmt.Sprint("seed ", seed, ": connected"), func() bool { return peers(ma) == 1 && peers(mb) == 1 })
			time.Sleep(10 * time.Second) // whatever is under way settles
			synctest.Wait()
			if x, y := a.mesh.Links(), b.mesh.Links(); x != 1 || y != 1 {
				t.Errorf("seed %d: %d and %d channels remain", seed, x, y)
			}
			pa, pb := ma.Peers(), mb.Peers()
			if len(pa) != 1 || len(pb) != 1 || pa[0].Dialled == pb[0].Dialled {
				t.Fatalf("seed %d: %v, %v", seed, pa, pb)
			}
			if lower := pa[0].Dialled; len(ga.Endpoints) > 0 && lower != (da.Certificate.Device.Compare(db.Certificate.Device) < 0) {
				t.Errorf("seed %d: the channel of the higher device key was kept", seed)
			}
			since := pa[0].Since
			time.Sleep(5 * time.Second)
			if again := ma.Peers(); len(again) != 1 || again[0].Since != since {
				t.Errorf("seed %d: it does not stay settled", seed)
			}
			closeAll(a, b)
			l.check(t, seed)
		})
		if t.Failed() {
			return
		}
	}
}

func TestThreeNodesConverge(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			net, l := meshtest.New(seed), newLedger()
			net.Delay(time.Duration(1+seed*3) * time.Millisecond)
			net.Serve("ws://sig1")
			net.Serve("ws://sig2")
			var all []*node
			var groups []*mesh.Membership
			// The first knows one server, the last the other; the one in the
			// middle both, and the first one's address is known to the last.
			servers := [][]string{{"ws://sig1"}, {"ws://sig1", "ws://sig2"}, {"ws://sig2"}}
			for i, s := range servers {
				n := start(t, net, device(t, fmt.Sprint(i)), l)
				all = append(all, n)
				g := mesh.Group{Space: space("s"), Servers: s}
				if i == 2 {
					g.Endpoints = []string{"ws://0"}
				}
				groups = append(groups, n.join(g))
			}
			defer closeAll(all...)
			full := func() bool {
				return !slices.ContainsFunc(groups, func(mb *mesh.Membership) bool { return peers(mb) != 2 })
			}
			until(t, 30*time.Second, fmt.Sprint("seed ", seed, ": everyone connected"), full)
			time.Sleep(5 * time.Second)
			if !full() {
				t.Error("it does not last")
			}
			for _, n := range all {
				if n.mesh.Links() != 2 {
					t.Errorf("seed %d: node %s has %d channels", seed, n.name, n.mesh.Links())
				}
			}
			closeAll(all...)
			l.check(t, seed)
		})
	}
}

// Servers may go once peers are connected; after a restart of a node, peaceful
// or not, it is connected again.
func TestRestart(t *testing.T) {
	for _, how := range []string{"closed", "killed", "cable cut"} {
		synctest.Test(t, func(t *testing.T) {
			net, l := meshtest.New(3), newLedger()
			net.Serve("ws://sig")
			da, db := device(t, "a"), device(t, "b")
			a, b := start(t, net, da, l), start(t, net, db, l)
			group := mesh.Group{Space: space("s"), Servers: []string{"ws://sig"}}
			ma, mb := a.join(group), b.join(group)
			both := func() bool { return peers(ma) == 1 && peers(mb) == 1 }
			until(t, 5*time.Second, "connected", both)
			net.Stop("ws://sig")
			time.Sleep(time.Minute)
			if !both() || ma.Status().Servers != 0 {
				t.Fatal("the peers need the server", ma.Status())
			}
			net.Serve("ws://sig")
			time.Sleep(time.Minute)
			switch how {
			case "closed":
				closeAll(b)
			case "killed":
				net.Link.Pause() // nothing it says in dying is heard
				closeAll(b)
			case "cable cut":
				net.Link.Cut()
			}
			if how == "closed" || how == "killed" {
				b = start(t, net, db, l)
				if how == "killed" {
					net.Link.Resume()
				}
				mb = b.join(group)
			}
			until(t, 40*time.Second, how+": connected again", both)
			closeAll(a, b)
			l.check(t, 3)
		})
	}
}

// Invariant 4 and its consequence: silence is seen in the status within 10 s.
func TestSilenceBecomesOffline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net, l := meshtest.New(4), newLedger()
		a, b := start(t, net, device(t, "a"), l), start(t, net, device(t, "b"), l)
		ma := a.join(mesh.Group{Space: space("s")})
		mb := b.join(mesh.Group{Space: space("s"), Endpoints: []string{"ws://a"}})
		until(t, 5*time.Second, "connected", func() bool { return peers(ma) == 1 && peers(mb) == 1 })
		net.Link.Pause()
		until(t, 8*time.Second, "offline", func() bool {
			return ma.Status().State == mesh.Offline && mb.Status().State == mesh.Offline
		})
		net.Link.Resume()
		until(t, 45*time.Second, "connected again", func() bool { return peers(ma) == 1 && peers(mb) == 1 })
		closeAll(a, b)
		l.check(t, 4)
	})
}

func TestSpacesShareAChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net, l := meshtest.New(5), newLedger()
		net.Serve("ws://sig")
		a, b := start(t, net, device(t, "a"), l), start(t, net, device(t, "b"), l)
		defer closeAll(a, b)
		var all []*mesh.Membership
		for i := range 10 {
			g := mesh.Group{Space: space(fmt.Sprint(i)), Servers: []string{"ws://sig"}}
			all = append(all, a.join(g))
			if i%2 == 0 {
				g.Endpoints = []string{"ws://a"}
			}
			all = append(all, b.join(g))
		}
		until(t, 30*time.Second, "all connected", func() bool {
			return !slices.ContainsFunc(all, func(mb *mesh.Membership) bool { return peers(mb) != 1 })
		})
		time.Sleep(10 * time.Second)
		if a.mesh.Links() != 1 || b.mesh.Links() != 1 {
			t.Errorf("%d and %d channels for 10 spaces", a.mesh.Links(), b.mesh.Links())
		}
	})
}

func TestBoundsAndAdmission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net, l := meshtest.New(6), newLedger()
		hub := start(t, net, device(t, "hub"), l)
		var banned identity.PublicKey
		mh := hub.join(mesh.Group{Space: space("s"), In: 3, Admit: func(p mesh.PeerInfo) bool { return p.Device != banned }})
		all := []*node{hub}
		var groups []*mesh.Membership
		for i := range 6 {
			n := start(t, net, device(t, fmt.Sprint(i)), l)
			if i == 0 {
				banned = n.key()
			}
			all = append(all, n)
			groups = append(groups, n.join(mesh.Group{Space: space("s"), Endpoints: []string{"ws://hub"}}))
		}
		defer closeAll(all...)
		time.Sleep(time.Minute)
		if peers(mh) != 3 || peers(groups[0]) != 0 {
			t.Errorf("%d peers; the banned one has %d", peers(mh), peers(groups[0]))
		}
	})
}

func TestOutBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net, l := meshtest.New(7), newLedger()
		var all []*node
		var urls []string
		for i := range 6 {
			n := start(t, net, device(t, fmt.Sprint(i)), l)
			n.join(mesh.Group{Space: space("s")})
			all = append(all, n)
			urls = append(urls, "ws://"+n.name)
		}
		me := start(t, net, device(t, "me"), l)
		defer closeAll(append(all, me)...)
		mb := me.join(mesh.Group{Space: space("s"), Endpoints: append(urls, "ws://me", "ws://nowhere", "nonsense:"), Out: 2})
		until(t, 10*time.Second, "two peers", func() bool { return peers(mb) == 2 })
		time.Sleep(2 * time.Minute)
		if n := peers(mb); n != 2 {
			t.Errorf("%d peers dialled, 2 wanted", n)
		}
		_ = all[0].mesh.Close()
		_ = all[1].mesh.Close()
		_ = all[2].mesh.Close()
		until(t, 2*time.Minute, "replaced", func() bool { return peers(mb) == 2 })
	})
}

// A stranger gets the same answer, byte for byte in length and number, whether
// the space is not here or here and not for him.
func TestStrangersLearnNothing(t *testing.T) {
	answers := func(joined bool) (sizes []int, unknown uint64) {
		synctest.Test(t, func(t *testing.T) {
			net, l := meshtest.New(8), newLedger()
			a, b := start(t, net, device(t, "a"), l), start(t, net, device(t, "b"), l)
			defer closeAll(a, b)
			if joined {
				a.join(mesh.Group{Space: space("secret"), Admit: func(mesh.PeerInfo) bool { return false }})
			} else {
				a.join(mesh.Group{Space: space("other")})
			}
			net.Tap(func(url string, size int, toDialler bool) {
				if toDialler {
					sizes = append(sizes, size)
				}
			})
			mb := b.join(mesh.Group{Space: space("secret"), Endpoints: []string{"ws://a"}})
			time.Sleep(1900 * time.Millisecond)
			synctest.Wait()
			if peers(mb) != 0 {
				t.Error("connected")
			}
			unknown = a.mesh.Counters().Unknown
			sizes = slices.Clone(sizes[:4]) // handshake, proof, answer; then retries by chance
		})
		return sizes, unknown
	}
	here, n := answers(true)
	away, m := answers(false)
	if !slices.Equal(here, away) || n != 0 || m == 0 {
		t.Errorf("answers of %v and %v bytes; %d and %d unknown", here, away, n, m)
	}
}

func TestAnchorsAndSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net, l := meshtest.New(9), newLedger()
		a, b := start(t, net, device(t, "a"), l), start(t, net, device(t, "b"), l)
		defer closeAll(a, b)
		a.join(mesh.Group{Space: space("s")})
		kept := &anchors{}
		src := &source{urls: []string{"ws://nowhere", "ws://a"}}
		mb := b.join(mesh.Group{Space: space("s"), Anchors: kept, Source: src})
		until(t, 5*time.Second, "connected by source", func() bool { return peers(mb) == 1 })
		mb.Leave()
		if !slices.Equal(kept.urls, []string{"ws://a"}) {
			t.Fatal("anchors:", kept.urls)
		}
		mb = b.join(mesh.Group{Space: space("s"), Anchors: kept})
		until(t, 5*time.Second, "connected by anchor", func() bool { return peers(mb) == 1 })
	})
}

type anchors struct{ urls []string }

func (a *anchors) Load(object.ID) []string         { return a.urls }
func (a *anchors) Save(_ object.ID, urls []string) { a.urls = urls }

type source struct{ urls []string }

func (s *source) Next(ctx context.Context) (string, error) {
	if len(s.urls) == 0 {
		<-ctx.Done()
		return "", ctx.Err()
	}
	u := s.urls[0]
	s.urls = s.urls[1:]
	return u, nil
}

// Whoever breaks the protocol inside a stream is cut off and refused for a while,
// longer each time.
func TestMisbehaviourIsPenalised(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net, l := meshtest.New(10), newLedger()
		a, b := start(t, net, device(t, "a"), l), start(t, net, device(t, "b"), l)
		defer closeAll(a, b)
		b.every = 0
		var served atomic.Int64
		ma := a.join(mesh.Group{Space: space("s"), Serve: func(ctx context.Context, s *mesh.Stream) {
			served.Add(1)
			s.Violation("nonsense")
			<-s.Done()
		}})
		b.join(mesh.Group{Space: space("s"), Endpoints: []string{"ws://a"}})
		time.Sleep(50 * time.Second)
		if n := served.Load(); n != 1 {
			t.Errorf("served %d times in the first minute", n)
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		n, c := served.Load(), a.mesh.Counters()
		if n < 3 || n > 5 || c.Violations != uint64(n) || c.Penalised == 0 || peers(ma) != 0 {
			t.Errorf("served %d times, counters %+v", n, c)
		}
	})
}

// A change of network is used at once, without waiting for a backoff.
func TestNetworkChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net, l := meshtest.New(11), newLedger()
		a, b := start(t, net, device(t, "a"), l), start(t, net, device(t, "b"), l)
		defer closeAll(a, b)
		net.Shut("ws://a")
		ma := a.join(mesh.Group{Space: space("s")})
		b.join(mesh.Group{Space: space("s"), Endpoints: []string{"ws://a"}})
		time.Sleep(10 * time.Minute)
		net.Open("ws://a", a.mesh.Accept)
		b.mesh.NetworkChanged()
		until(t, time.Second, "connected at once", func() bool { return peers(ma) == 1 })
		net.Link.Pause()
		b.mesh.NetworkChanged()
		until(t, 4*time.Second, "dead channel dropped", func() bool { return b.mesh.Links() == 0 })
		net.Link.Resume()
	})
}

// 5,000 connections that say nothing, R8: what they take, and how long an honest
// peer that comes meanwhile waits, in simulated time.
func TestHandshakeFlood(t *testing.T) {
	const half, most = 5000, 64 << 20
	synctest.Test(t, func(t *testing.T) {
		net, l := meshtest.New(12), newLedger()
		a, b := start(t, net, device(t, "a"), l), start(t, net, device(t, "b"), l)
		ma := a.join(mesh.Group{Space: space("s")})
		heap := inUse()
		for range half {
			if _, err := net.Dialers()["ws"].Dial(t.Context(), "ws://a"); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if c := a.mesh.Counters(); c.Busy < 4900 {
			t.Errorf("%+v", c)
		}
		more := max(0, inUse()-heap)
		if more > most {
			t.Errorf("%d bytes for %d connections, at most %d", more, half, most)
		}
		came := time.Now()
		b.join(mesh.Group{Space: space("s"), Endpoints: []string{"ws://a"}})
		until(t, 2*time.Second, "an honest peer", func() bool { return peers(ma) == 1 })
		t.Logf("%d half-open connections hold %d kB more; an honest peer waited %.2f simulated seconds", half, more>>10, time.Since(came).Seconds())
		closeAll(a, b)
	})
}

// inUse is what the heap holds.
func inUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A thousand spaces between two devices, over one channel, and a thousand that
// only one of them has.
func TestManySpaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net, l := meshtest.New(13), newLedger()
		net.Delay(5 * time.Millisecond)
		a, b := start(t, net, device(t, "a"), l), start(t, net, device(t, "b"), l)
		defer closeAll(a, b)
		a.every, b.every = 0, 0
		var all []*mesh.Membership
		const many = 1000
		for i := range many {
			id := space(fmt.Sprint(i))
			a.join(mesh.Group{Space: id})
			all = append(all, b.join(mesh.Group{Space: id, Endpoints: []string{"ws://a"}}))
		}
		for _, mb := range all { // and spaces the other does not have
			b.join(mesh.Group{Space: object.Sum(object.Raw, mb.Space().Bytes()), Endpoints: []string{"ws://a"}})
		}
		until(t, 10*time.Second, "all connected", func() bool {
			return !slices.ContainsFunc(all, func(mb *mesh.Membership) bool { return peers(mb) != 1 })
		})
		time.Sleep(2 * time.Minute)
		if c := a.mesh.Counters(); a.mesh.Links() != 1 || c.Violations+c.Tampered != 0 {
			t.Errorf("%d channels, %+v", a.mesh.Links(), c)
		}
	})
}

// A node full of strangers' unused channels still takes an honest peer, and
// its own dials.
func TestSlotsCannotBeTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net, l := meshtest.New(15), newLedger()
		a, b, c := start(t, net, device(t, "a"), l), start(t, net, device(t, "b"), l), start(t, net, device(t, "c"), l)
		all := []*node{a, b, c}
		ma := a.join(mesh.Group{Space: space("s")})
		c.join(mesh.Group{Space: space("t")})
		for i := range 80 {
			n := start(t, net, device(t, fmt.Sprint("stranger", i)), l)
			n.join(mesh.Group{Space: space("x"), Endpoints: []string{"ws://a"}})
			all = append(all, n)
			time.Sleep(100 * time.Millisecond)
		}
		defer closeAll(all...)
		if n := a.mesh.Links(); n > 64 {
			t.Errorf("%d channels", n)
		}
		b.join(mesh.Group{Space: space("s"), Endpoints: []string{"ws://a"}})
		until(t, 10*time.Second, "an honest peer", func() bool { return peers(ma) == 1 })
		mt := a.join(mesh.Group{Space: space("t"), Endpoints: []string{"ws://c"}})
		until(t, time.Second, "an own dial", func() bool { return peers(mt) == 1 })
	})
}
