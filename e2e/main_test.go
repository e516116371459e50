package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/hyperhyperspace/hhs-go/e2e/browser"
)

// patience is how long a test waits for one thing at most, so that it ends only what hangs: more than the mesh waits
// between two tries (30 s), and many times what anything else takes.
const patience = 45 * time.Second

// chromium is the one browser of this process; each test opens profiles of its own in it.
var chromium = sync.OnceValues(func() (*browser.Browser, error) {
	b, err := browser.Start(context.Background(), browser.Options{})
	started = b
	return b, err
})

// started is what chromium started, for TestMain.
var started *browser.Browser

func TestMain(m *testing.M) {
	code := m.Run()
	if started != nil {
		_ = started.Close() // the profile's remains are in a temporary directory
	}
	os.Exit(code)
}

// built finds something that the build made: in the environment, or where the build puts it.
func built(t testing.TB, variable, fallback string) string {
	t.Helper()
	path := os.Getenv(variable)
	if path == "" {
		path = filepath.Join("..", filepath.FromSlash(fallback))
	}
	path, err := filepath.Abs(path)
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		t.Fatalf("%s: %v; build it with: go run ./internal/build bin", variable, err)
	}
	return path
}

func binary(t testing.TB) string { return built(t, "HHS_BIN", "build/hhs") }
func pages(t testing.TB) string  { return built(t, "HHS_WEB", "build/web") }

// needInterface fails a test whose pages could not reach each other: browsers offer no loopback addresses.
func needInterface(t *testing.T) net.IP {
	t.Helper()
	interfaces, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagLoopback != 0 {
			continue
		}
		addresses, err := i.Addrs()
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range addresses {
			if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
				return n.IP
			}
		}
	}
	t.Fatal("The page-to-page test needs one non-loopback interface that is up.")
	return nil
}

// tab is a page in the browser, with the test it belongs to. What goes wrong in it fails the test.
type tab struct {
	*browser.Page
	t     *testing.T
	name  string
	allow []*regexp.Regexp
}

// profile opens a tab in a profile of its own: another person's browser.
func profile(t *testing.T, name string) *tab {
	t.Helper()
	b, err := chromium()
	if err != nil {
		t.Fatal(err)
	}
	p, err := b.Isolated(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return watch(t, name, p)
}

// sibling opens another tab in the profile of p.
func (p *tab) sibling(name string) *tab {
	p.t.Helper()
	s, err := p.Sibling(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	return watch(p.t, name, s)
}

func watch(t *testing.T, name string, p *browser.Page) *tab {
	t.Helper()
	w := &tab{Page: p, t: t, name: name}
	t.Cleanup(func() {
		for _, e := range p.Errors() {
			if !w.allowed(e) {
				t.Errorf("%s: console: %s", name, e)
			}
		}
		if t.Failed() {
			w.keep()
		}
		p.Close()
	})
	w.must(p.Resize(w.ctx(), 1280, 800))
	w.inject(seeConnections)
	w.inject(recordStatus)
	return w
}

// seeConnections keeps the page's connections where a test can ask them for their statistics.
const seeConnections = `{
	const Real = globalThis.RTCPeerConnection
	globalThis.seenConnections = []
	if (Real) globalThis.RTCPeerConnection = class extends Real {
		constructor(...args) { super(...args); seenConnections.push(this) }
	}
}`

// inject runs a script in every document of the tab before the document's own.
func (p *tab) inject(script string) {
	p.t.Helper()
	add := func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, target, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
		return chromedp.Void{}, err
	}
	p.must(p.Do(p.ctx(), add))
}

// allowing lets console errors that match pass.
func (p *tab) allowing(patterns ...string) *tab {
	for _, s := range patterns {
		p.allow = append(p.allow, regexp.MustCompile(s))
	}
	return p
}

func (p *tab) allowed(line string) bool {
	for _, r := range p.allow {
		if r.MatchString(line) {
			return true
		}
	}
	return false
}

// keep leaves what is needed to understand a failure.
func (p *tab) keep() {
	dir := os.Getenv("HHS_SHOTS")
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "hhs-e2e-"); err != nil {
			p.t.Log(err)
			return
		}
	} else if err := os.MkdirAll(dir, 0o755); err != nil {
		p.t.Log(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	name := filepath.Join(dir, strings.ReplaceAll(p.t.Name(), "/", "-")+"-"+p.name)
	if err := p.Screenshot(ctx, name+".png"); err != nil {
		p.t.Log(err)
	}
	var state map[string]string
	if err := p.Eval(ctx, `({...document.documentElement.dataset})`, &state); err != nil {
		p.t.Log(err)
	}
	var moments []moment
	if err := p.Eval(ctx, `moments`, &moments); err != nil {
		p.t.Log(err)
	}
	text := strings.Join(p.Console(), "\n") + fmt.Sprintf("\n%v\n", state)
	for _, m := range moments {
		text += fmt.Sprintln(m)
	}
	if err := os.WriteFile(name+".txt", []byte(text), 0o644); err != nil {
		p.t.Log(err)
	}
	p.t.Logf("%s: see %s.png and .txt; state %v", p.name, name, state)
}

// ctx bounds one step.
func (p *tab) ctx() context.Context { return step(p.t) }

// step returns a context for one step of a test.
func step(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func (p *tab) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
}

func (p *tab) open(url string) *tab {
	p.t.Helper()
	p.must(p.Goto(p.ctx(), url))
	return p
}

func (p *tab) reload() {
	p.t.Helper()
	p.must(p.Reload(p.ctx()))
}

// until waits for an expression in which d is what the page publishes.
func (p *tab) until(expression string) {
	p.t.Helper()
	p.must(p.Until(p.ctx(), `(d => `+expression+`)(document.documentElement.dataset)`))
}

// text evaluates an expression with a text value.
func (p *tab) text(expression string) string {
	p.t.Helper()
	var s string
	p.must(p.Eval(p.ctx(), expression, &s))
	return s
}

// data returns a published value.
func (p *tab) data(name string) string {
	p.t.Helper()
	return p.text(`String(document.documentElement.dataset.` + name + `)`)
}

// do evaluates an expression for its effect.
func (p *tab) do(expression string) {
	p.t.Helper()
	p.must(p.Eval(p.ctx(), expression, nil))
}
