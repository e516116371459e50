package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/examples/chat/room"
	"github.com/hyperhyperspace/hhs-go/internal/server"
	"github.com/hyperhyperspace/hhs-go/web"
)

// serving are the flags of commands that listen.
type serving struct {
	server.Options
	noWS, noRTC bool
	verbose     bool
	lose        func(error) // hears why the store can be written no more
}

func (s *serving) flags(c *cobra.Command, short bool) {
	f := c.Flags()
	f.StringVar(&s.Listen, "listen", "", "address to listen on, HOST:PORT; kept for the next time (default the kept one, or "+server.DefaultAddr+")")
	f.BoolVar(&s.noWS, "no-ws", false, "no WebSocket between peers: WebRTC only")
	f.BoolVar(&s.noRTC, "no-rtc", false, "no WebRTC: WebSocket only")
	f.BoolVar(&s.verbose, "verbose", false, "log what happens to standard error")
	if short {
		return
	}
	f.StringVar(&s.TLSCert, "tls-cert", "", "certificate chain, a PEM file; the default is then to listen on :443")
	f.StringVar(&s.TLSKey, "tls-key", "", "private key of the certificate, a PEM file")
	f.StringVar(&s.Domain, "domain", "", "get a certificate for this domain by ACME (Let's Encrypt), and listen on :443")
	f.StringVar(&s.PublicURL, "public-url", "", "the URL a reverse proxy in front is known by, such as https://chat.example.org")
}

// check refuses flags that leave no way to connect.
func (s *serving) check() error {
	if s.noWS && s.noRTC {
		return usagef("--no-ws and --no-rtc together leave no transport")
	}
	return nil
}

// role is that of a node behind these flags.
func (s *serving) role(log *slog.Logger) role {
	r := role{online: true, stays: true, peers: hhs.Peers{NoRTC: s.noRTC, NoWS: s.noWS}, options: []hhs.Option{hhs.WithLog(log), hhs.Kinds(room.Chat),
		hhs.WithLost(s.lose)}}
	if s.noRTC {
		r.options = append(r.options, hhs.WithRTC(nil))
	}
	return r
}

// host is a node with its server.
type host struct {
	*owner
	server *server.Server
	served chan error
	store  context.Context // ends when the store can be written no more
	stop   context.CancelFunc
}

// host opens the directory, listens, and tells the spaces here where they can
// be met now.
func (a *app) host(ctx context.Context, s *serving) (*host, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	s.Log = slog.New(slog.DiscardHandler)
	if s.verbose {
		s.Log = slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	store, lose := context.WithCancelCause(context.WithoutCancel(ctx))
	s.lose = func(err error) { lose(lostStore(err)) }
	o, err := a.own(ctx, s.role(s.Log))
	if err != nil {
		return nil, err
	}
	h := &host{owner: o, served: make(chan error, 1), store: store}
	s.Dir, s.NoPeer = o.service.dir, s.noWS
	if h.server, err = server.Listen(s.Options); err != nil {
		return nil, errors.Join(err, o.Close())
	}
	o.service.meetAt(h.server.Hosts())
	spaces, err := o.service.node.Spaces()
	for _, space := range spaces {
		if o.service.node.Health() == nil {
			err = errors.Join(err, space.AddLink(ctx, o.service.meeting()))
		}
	}
	if err != nil {
		return nil, errors.Join(err, h.server.Close(), o.Close())
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	h.stop = stop
	go func() { h.served <- h.server.Serve(running, o.service.node) }()
	return h, nil
}

// Close ends server and node.
func (h *host) Close() error {
	h.stop()
	return errors.Join(<-h.served, h.owner.Close())
}

// wait returns when ctx ends, or with an error when the server does or the store
// can be written no more.
func (h *host) wait(ctx context.Context) error {
	select {
	case err := <-h.served:
		h.served <- nil // for Close
		return err
	case <-h.store.Done():
		return context.Cause(h.store)
	case <-ctx.Done():
		return nil
	}
}

// pages gives the server the built pages.
func (s *serving) pages() (built bool, err error) {
	s.NoPages = web.ErrNotBuilt.Error()
	s.Pages, err = pageFiles()
	if errors.Is(err, web.ErrNotBuilt) {
		return false, nil
	}
	return err == nil, err
}

// examples are the addresses of those that are built: one needs npm.
func (s *serving) examples(url string) (list []string) {
	pages, err := fs.Glob(s.Pages, "examples/*/index.html")
	if err != nil {
		return nil // the pattern is one
	}
	for _, page := range pages {
		list = append(list, url+"/"+path.Dir(page))
	}
	return list
}

// pageFiles are the pages; a variable because a test has its own.
var pageFiles = func() (fs.FS, error) { return web.Files() }

// greeting is what serve and demo print with --json.
type greeting struct {
	URL   string `json:"url"`
	Pages bool   `json:"pages"`
	server.Hosts
	Space string `json:"space,omitempty"`
	Link  string `json:"link,omitempty"`
	Words string `json:"words,omitempty"`
}

func (a *app) serveCommand() *cobra.Command {
	s := &serving{}
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run a node that stays, with its own signalling server and pages",
		Long: `Runs a node until Ctrl-C: it keeps the spaces of this directory in sync with whoever connects, and serves, on one
address, the signalling server that introduces peers, the pages, and STUN on UDP beside it. Other commands of the
same directory go through it.

It is reachable from this machine only, unless you say otherwise. Browsers run the pages on localhost or over https:
give it a certificate (--tls-cert, --tls-key) or let it get one (--domain), and it listens on port 443 of all
interfaces; or put it behind a proxy that has one (--public-url). The address goes into the links made here.`,
		Example: `  hhs serve
  hhs serve --domain chat.example.org
  hhs serve --listen 127.0.0.1:8080 --public-url https://chat.example.org`,
		Args: exactly(0, 0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error { return a.serve(c.Context(), s) },
	}
	s.flags(c, false)
	return c
}

func (a *app) serve(ctx context.Context, s *serving) error {
	built, err := s.pages()
	if err != nil {
		return err
	}
	h, err := a.host(ctx, s)
	if err != nil {
		return err
	}
	hosts := h.server.Hosts()
	err = a.emit(greeting{URL: h.server.URL(), Pages: built, Hosts: hosts}, func() {
		if built {
			a.printf("Pages:      %s/\n", h.server.URL())
		} else {
			a.printf("Pages:      none: %s\n", s.NoPages)
		}
		a.printf("Signalling: %s\n", strings.Join(hosts.Servers, " "))
		a.printf("Peers:      %s\nSTUN:       %s\n", orNone(hosts.Endpoints), orNone(hosts.STUN))
		a.printf("Ctrl-C ends it.\n")
	})
	if err == nil {
		err = h.wait(ctx)
	}
	return errors.Join(err, h.Close())
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, " ")
}

func (a *app) demoCommand() *cobra.Command {
	s := &serving{}
	c := &cobra.Command{
		Use:   "demo",
		Short: "Open a chat room in two browsers",
		Long: `Makes a chat room, or opens the one of the last time, and serves everything it needs on this machine: the page, the
signalling server, and a peer. Open the URL it prints in two browsers, or in one normal and one private window, and
write in both. Nothing but this machine is contacted.

Its data is in a directory of its own, beside the usual one.`,
		Example: "  hhs demo",
		Args:    exactly(0, 0, "no arguments"),
		RunE:    func(c *cobra.Command, _ []string) error { return a.demo(c.Context(), s) },
	}
	s.flags(c, true)
	return c
}

func (a *app) demo(ctx context.Context, s *serving) error {
	built, err := s.pages()
	if err != nil {
		return err
	}
	if a.dir == "" {
		dir, err := a.dataDir()
		if err != nil {
			return err
		}
		a.dir = filepath.Clean(dir) + "-demo"
	}
	h, err := a.host(ctx, s)
	if err != nil {
		return err
	}
	r, err := demoRoom(ctx, h.service.node)
	if err == nil {
		err = r.AddLink(ctx, h.service.meeting())
	}
	if err != nil {
		return errors.Join(err, h.Close())
	}
	link := r.Link()
	url := h.server.URL() + "/#" + link.String()
	err = a.emit(greeting{URL: url, Pages: built, Hosts: h.server.Hosts(), Space: r.ID().String(), Link: link.String(), Words: h.service.words(link)}, func() {
		if built {
			a.printf("Open this in two browsers (or one normal and one private window):\n\n  %s\n\n", url)
		} else {
			a.printf("There is no page: %s.\n\n", s.NoPages)
		}
		a.printf("Link:  %s\n", link)
		a.printWords("Words: %s\n", h.service.words(link))
		a.printf("\n")
		a.printf("Next: write in both. Or join from a terminal:  %s chat '%s'\n", program(os.Args[0]), link)
		a.printf("Then stop this with Ctrl-C and write on: the browsers go on without it.\n")
		if built {
			a.printf("Examples to read and copy, each one page:  %s\nTo try from the console:  %s/playground\n", strings.Join(s.examples(h.server.URL()), "  "), h.server.URL())
		}
	})
	if err == nil {
		err = h.wait(ctx)
	}
	return errors.Join(err, h.Close())
}

// program is how this program can be started again: as it was, unless it was
// go run, which leaves no program behind.
func program(started string) string {
	if strings.Contains(filepath.ToSlash(started), "/go-build") {
		return "go run ./cmd/hhs"
	}
	return quoted(started)
}

// quoted puts a path with spaces in quotes.
func quoted(path string) string {
	if strings.ContainsAny(path, " '\"$&()") {
		return "'" + path + "'"
	}
	return path
}

// demoRoom opens the chat room that is here, or makes one.
func demoRoom(ctx context.Context, n *hhs.Node) (*hhs.Space[room.Room], error) {
	spaces, err := n.Spaces()
	if err != nil {
		return nil, err
	}
	for _, space := range spaces {
		if r, err := hhs.As(space, room.Chat); err == nil {
			return r, nil
		}
	}
	if name, err := n.Name(); err != nil {
		return nil, err
	} else if name == "" {
		if err := n.SetName(ctx, "hhs demo"); err != nil {
			return nil, err
		}
	}
	r, err := hhs.Create(ctx, n, room.Chat)
	if err != nil {
		return nil, err
	}
	return r, r.Update(ctx, func(tx *hhs.Tx, d room.Room) error { return d.Topic.Set(tx, "Demo") })
}
