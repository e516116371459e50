//go:build !js

package hhs_test

import (
	"bytes"
	"context"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/mesh/meshtest"
	"github.com/hyperhyperspace/hhs-go/signalling"
	"github.com/hyperhyperspace/hhs-go/store/pebble"
	"github.com/hyperhyperspace/hhs-go/transport"
	"github.com/hyperhyperspace/hhs-go/transport/ws"
)

// capture is a dialer that keeps a copy of all that goes over its connections.
type capture struct {
	ws ws.Dialer
	mu sync.Mutex
	b  bytes.Buffer
}

func (c *capture) Dial(ctx context.Context, url string) (transport.Conn, error) {
	conn, err := c.ws.Dial(ctx, url)
	if err != nil {
		return nil, err
	}
	c.note([]byte(url))
	return captured{conn, c}, nil
}

func (c *capture) note(msg []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.b.Write(msg)
}

type captured struct {
	transport.Conn
	c *capture
}

func (c captured) Send(ctx context.Context, msg []byte) error {
	c.c.note(msg)
	return c.Conn.Send(ctx, msg)
}

func (c captured) Receive(ctx context.Context) ([]byte, error) {
	msg, err := c.Conn.Receive(ctx)
	c.c.note(msg)
	return msg, err
}

// forms are what 32 secret bytes look like when somebody writes them down.
func forms(secret []byte) map[string]string {
	return map[string]string{
		"raw": string(secret), "hex": hex.EncodeToString(secret), "HEX": strings.ToUpper(hex.EncodeToString(secret)),
		"base64": base64.RawStdEncoding.EncodeToString(secret), "base64url": base64.RawURLEncoding.EncodeToString(secret),
		"base32": strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(secret)),
	}
}

// hits counts the forms of secrets that are in data.
func hits(t *testing.T, where string, data []byte, secrets map[string][]byte) (n int) {
	t.Helper()
	for name, secret := range secrets {
		for form, text := range forms(secret) {
			if bytes.Contains(data, []byte(text)) {
				t.Errorf("%s has the %s, %s", where, name, form)
				n++
			}
		}
	}
	return n
}

// privateKeys reads the secrets of a node's key file.
func privateKeys(t *testing.T, whose, dir string) map[string][]byte {
	t.Helper()
	keys := map[string][]byte{}
	for _, line := range strings.Split(string(must(os.ReadFile(filepath.Join(dir, "keys")))(t)), "\n") {
		name, value, _ := strings.Cut(line, ": ")
		if b, err := base64.RawStdEncoding.DecodeString(value); err == nil && len(b) == 32 {
			keys[whose+"'s "+name+" key"] = b
		}
	}
	if len(keys) != 2 {
		t.Fatalf("%s has %d keys", whose, len(keys))
	}
	return keys
}

// onDisk is all that a node's directory holds but its own keys: files as they
// are, and the pairs of the store as they read.
func onDisk(t *testing.T, dir string) []byte {
	t.Helper()
	var b bytes.Buffer
	ok(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || e.Name() == "keys" {
			return err
		}
		data, err := os.ReadFile(path)
		b.Write(data)
		return err
	}))
	db := must(pebble.Open(filepath.Join(dir, "store"), pebble.Options{}))(t)
	defer db.Close()
	snap := must(db.Snapshot())(t)
	defer snap.Close()
	for kv, err := range snap.Scan(nil, nil, false) {
		ok(t, err)
		b.Write(kv.Key)
		b.Write(kv.Value)
	}
	return b.Bytes()
}

// TestSecrets is R14: three people meet at a signalling server and share a
// space through an always-on peer. No private key is in what they said to each
// other, nor on the disk of another one; who listens to the wires learns neither
// the space nor who writes in it nor what.
func TestSecrets(t *testing.T) {
	server := must(signalling.NewServer(signalling.ServerOptions{}))(t)
	defer server.Close()
	at := "ws://" + listen(t, server)
	wire := &capture{}
	rtc := meshtest.New(1).RTC() // a pipe in the place of WebRTC, which nobody hears
	home := t.TempDir()
	open := func(name string, opts ...hhs.Option) *hhs.Node {
		opts = append(opts, hhs.Kinds(Notebook), hhs.WithDialer("ws", wire), hhs.WithRTC(rtc), hhs.WithServers(at), hhs.WithLabel(name+"'s"))
		n := must(hhs.Open(within(t), filepath.Join(home, name), opts...))(t)
		t.Cleanup(func() { n.Close() })
		return n
	}

	h := ws.NewHandler(ws.Config{})
	host := listen(t, h)
	relay := open("relay", hhs.WithEndpoints("ws://"+host))
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- relay.Serve(ctx, h) }()
	defer func() { stop(); <-served; h.Close() }()
	ana, ben := open("ana"), open("ben")

	kept := must(hhs.Create(within(t), relay, Notebook))(t)
	link := kept.Link().String()
	one, two := must(hhs.Join(within(t), ana, Notebook, link))(t), must(hhs.Join(within(t), ben, Notebook, link))(t)
	ok(t, one.SetName(within(t), "Ana of the hills"))
	write(t, one, "written for three people")
	write(t, two, "an answer")
	for _, s := range []*hhs.Space[Notes]{one, two, kept} {
		await(t, s.AnySpace, "both lines", func() bool { return len(lines(t, s)) == 2 })
	}
	await(t, kept.AnySpace, "the relay at the server", func() bool { return kept.Status().Servers == 1 })
	must(ben.Lookup(within(t), kept.Words(), at))(t)

	// What the members know and the wires must not tell.
	space := kept.ID().Digest()
	private := map[string][]byte{"space id": space[:]}
	plain := []string{"written for three people", "an answer", "Ana of the hills", kept.ID().String(), string(ana.Identity()), ana.Device(), string(relay.Identity())}
	for _, n := range []*hhs.Node{ana, ben, relay} {
		ok(t, n.Close())
	}
	heard := wire.b.Bytes()
	found := hits(t, "what was said", heard, private)
	for _, text := range plain {
		if bytes.Contains(heard, []byte(text)) {
			t.Errorf("what was said has %q", text)
			found++
		}
	}
	searched := len(heard)
	for _, who := range []string{"ana", "ben", "relay"} {
		keys := privateKeys(t, who, filepath.Join(home, who))
		found += hits(t, "what was said", heard, keys)
		for _, whose := range []string{"ana", "ben", "relay"} {
			data := onDisk(t, filepath.Join(home, whose))
			found += hits(t, "the disk of "+whose, data, keys)
			searched += len(data)
			if !bytes.Contains(data, []byte("written for three people")) {
				t.Errorf("what was written is not found on the disk of %s: the search is blind", whose)
			}
		}
	}
	if !bytes.Contains(heard, []byte(strings.TrimPrefix(at, "ws://"))) {
		t.Error("the address of the server was not heard: the search is deaf")
	}
	t.Logf("%d bytes searched for %d secrets, %d hits", searched, 6+len(private)+len(plain), found)
}
