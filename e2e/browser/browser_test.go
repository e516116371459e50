package browser_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hyperhyperspace/hhs-go/e2e/browser"
)

const document = `<!doctype html><title>test</title><script>
addEventListener('message', e => { document.documentElement.dataset.state = e.data })
async function later() { await null; throw new Error('unhandled ' + 1) }
</script>`

func start(t *testing.T) (context.Context, *browser.Browser, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(document))
	}))
	t.Cleanup(server.Close)
	b, err := browser.Start(ctx, browser.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		if err := syscall.Kill(b.PID(), 0); err == nil {
			t.Error("the browser outlives Close")
		}
	})
	return ctx, b, server.URL
}

func TestPage(t *testing.T) {
	ctx, b, url := start(t)
	p, err := b.Page(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.Goto(ctx, url); err != nil {
		t.Fatal(err)
	}
	t.Run("Eval", func(t *testing.T) {
		var v struct{ A []int }
		if err := p.Eval(ctx, `Promise.resolve({A: [1, 2]})`, &v); err != nil || len(v.A) != 2 {
			t.Fatalf("%v, %v", v, err)
		}
		var secure bool
		if err := p.Eval(ctx, `isSecureContext`, &secure); err != nil || !secure {
			t.Fatalf("secure context: %v, %v", secure, err)
		}
	})
	t.Run("Until", func(t *testing.T) {
		done := make(chan error)
		go func() { done <- p.Until(ctx, `document.documentElement.dataset.state === 'ready'`) }()
		other, err := p.Sibling(ctx)
		if err != nil {
			t.Fatal(err)
		}
		other.Close()
		if err := p.Eval(ctx, `postMessage('ready')`, nil); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	})
	t.Run("Errors", func(t *testing.T) {
		if errs := p.Errors(); len(errs) > 0 {
			t.Fatalf("unexpected: %q", errs)
		}
		if err := p.Eval(ctx, `console.error('one', 2, {a: 3}); void later(); fetch('http://127.0.0.1:1/').catch(() => 0)`, nil); err != nil {
			t.Fatal(err)
		}
		if err := p.Eval(ctx, `new Promise(done => setTimeout(done))`, nil); err != nil { // rejections are reported in a task
			t.Fatal(err)
		}
		all := strings.Join(p.ForgetErrors(), "\n")
		for _, want := range []string{"one 2", "unhandled 1", "127.0.0.1:1"} {
			if !strings.Contains(all, want) {
				t.Errorf("%q is not among the errors:\n%s", want, all)
			}
		}
	})
	t.Run("Screenshot", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "page.png")
		if err := p.Resize(ctx, 360, 640); err != nil {
			t.Fatal(err)
		}
		if err := p.Screenshot(ctx, file); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(file); err != nil || info.Size() == 0 {
			t.Fatalf("%v, %v", info, err)
		}
	})
	t.Run("Context", func(t *testing.T) {
		short, cancel := context.WithCancel(ctx)
		cancel()
		if err := p.Until(short, `false`); err == nil {
			t.Fatal("no error after cancel")
		}
		if err := p.Eval(ctx, `1`, nil); err != nil {
			t.Fatalf("the tab is unusable after a cancelled wait: %v", err)
		}
	})
}

// TestIsolated: two profiles of one browser share no storage, siblings do.
func TestIsolated(t *testing.T) {
	ctx, b, url := start(t)
	first, err := b.Isolated(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	second, err := b.Isolated(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	sibling, err := first.Sibling(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer sibling.Close()
	for _, p := range []*browser.Page{first, second, sibling} {
		if err := p.Goto(ctx, url); err != nil {
			t.Fatal(err)
		}
	}
	if err := first.Eval(ctx, `localStorage.x = 'mine'`, nil); err != nil {
		t.Fatal(err)
	}
	for p, want := range map[*browser.Page]string{first: "mine", second: "none", sibling: "mine"} {
		var got string
		if err := p.Eval(ctx, `localStorage.x || 'none'`, &got); err != nil || got != want {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}
}
