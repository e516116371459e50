package browser

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/inspector"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Page is one tab.
type Page struct {
	ctx    context.Context
	cancel context.CancelFunc

	mu      sync.Mutex
	errors  []string
	console []string

	crashed chan struct{} // closed when the page's process has ended
	once    sync.Once
}

// Page opens a tab in the browser's own profile.
func (b *Browser) Page(ctx context.Context) (*Page, error) { return b.open(ctx) }

// Isolated opens a tab in a new profile: nothing is shared with other tabs. Sibling opens further tabs in it.
func (b *Browser) Isolated(ctx context.Context) (*Page, error) {
	return b.open(ctx, chromedp.WithNewBrowserContext())
}

func (b *Browser) open(ctx context.Context, opts ...chromedp.ContextOption) (*Page, error) {
	return attach(ctx, b.ctx, opts...)
}

// Sibling opens another tab in the same profile as p.
func (p *Page) Sibling(ctx context.Context) (*Page, error) {
	id := chromedp.FromContext(p.ctx).BrowserContextID
	if id == "" {
		return attach(ctx, p.ctx)
	}
	return attach(ctx, p.ctx, chromedp.WithExistingBrowserContext(id))
}

func attach(ctx, parent context.Context, opts ...chromedp.ContextOption) (*Page, error) {
	p := &Page{crashed: make(chan struct{})}
	p.ctx, p.cancel = chromedp.NewContext(parent, append(opts, chromedp.WithListener(p.event))...)
	stop := context.AfterFunc(ctx, p.cancel)
	defer stop()
	if err := chromedp.Do(p.ctx, enable); err != nil {
		p.cancel()
		return nil, fmt.Errorf("open tab: %w", err)
	}
	return p, nil
}

// enable turns on the browser's own messages, such as a refused connection.
func enable(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
	_, err := cdp.Call(ctx, t, cdplog.Enable, cdp.Empty{})
	return chromedp.Void{}, err
}

// event collects what goes wrong in the page.
func (p *Page) event(ev any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch ev := ev.(type) {
	case *runtime.EventConsoleAPICalled:
		var words []string
		for _, a := range ev.Args {
			words = append(words, argument(a))
		}
		line := fmt.Sprintf("console.%s: %s", ev.Type, strings.Join(words, " "))
		p.console = append(p.console, line)
		if ev.Type == runtime.ConsoleAPICalledTypeError || ev.Type == runtime.ConsoleAPICalledTypeAssert {
			p.errors = append(p.errors, line)
		}
	case *runtime.EventExceptionThrown:
		p.errors = append(p.errors, (&chromedp.ExceptionError{ExceptionDetails: ev.ExceptionDetails}).Error())
	case *cdplog.EventEntryAdded:
		line := fmt.Sprintf("%s: %s %s", ev.Entry.Source, ev.Entry.Text, ev.Entry.URL)
		p.console = append(p.console, line)
		if ev.Entry.Level == cdplog.EntryLevelError {
			p.errors = append(p.errors, line)
		}
	case *inspector.EventTargetCrashed:
		p.errors = append(p.errors, "the tab crashed")
		p.once.Do(func() { close(p.crashed) })
	}
}

func argument(a *runtime.RemoteObject) string {
	var s string
	if len(a.Value) > 0 && json.Unmarshal(a.Value, &s) == nil {
		return s
	}
	if len(a.Value) > 0 {
		return string(a.Value)
	}
	return a.Description
}

// Errors returns the console errors, exceptions and unhandled rejections so far.
func (p *Page) Errors() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.errors...)
}

// ForgetErrors empties Errors, for a test that caused one on purpose, and returns what was there.
func (p *Page) ForgetErrors() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := p.errors
	p.errors = nil
	return old
}

// Crashed waits until the page's process has ended by itself.
func (p *Page) Crashed(ctx context.Context) error {
	select {
	case <-p.crashed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Console returns everything written to the console so far.
func (p *Page) Console() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.console...)
}

// Do performs chromedp actions on the tab. They end when ctx does.
func (p *Page) Do(ctx context.Context, actions ...chromedp.Action[chromedp.Void]) error {
	_, err := run(ctx, p, chromedp.Steps(actions...))
	return err
}

// run performs one action under both contexts: that of the tab and that of the caller.
func run[T any](ctx context.Context, p *Page, action chromedp.Action[T]) (T, error) {
	both, cancel := context.WithCancelCause(p.ctx)
	defer cancel(nil)
	stop := context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })
	defer stop()
	v, err := chromedp.Run(both, action)
	if err != nil && ctx.Err() != nil {
		return v, errors.Join(ctx.Err(), err)
	}
	return v, err
}

// Goto loads a page and waits for its load event.
func (p *Page) Goto(ctx context.Context, url string) error {
	if err := p.Do(ctx, chromedp.Navigate(url)); err != nil {
		return fmt.Errorf("load %s: %w", url, err)
	}
	return nil
}

// Reload loads the page again.
func (p *Page) Reload(ctx context.Context) error { return p.Do(ctx, chromedp.Reload()) }

// Eval evaluates a JavaScript expression, waits for it if it is a promise, and decodes its value as JSON into out, which
// may be nil.
func (p *Page) Eval(ctx context.Context, expression string, out any) error {
	if out == nil {
		_, err := run(ctx, p, chromedp.Evaluate[chromedp.Void](expression, chromedp.EvalAwaitPromise))
		return evalError(expression, err)
	}
	// Bytes are the raw JSON of the value.
	raw, err := run(ctx, p, chromedp.Evaluate[[]byte](expression, chromedp.EvalAwaitPromise))
	if err == nil {
		err = json.Unmarshal(raw, out)
	}
	return evalError(expression, err)
}

func evalError(expression string, err error) error {
	if err != nil {
		return fmt.Errorf("evaluate %s: %w", shorten(expression), err)
	}
	return nil
}

// until resolves when the expression is true. It looks again whenever the document changes: what a page does is
// shown in it, so that nothing is waited for by the clock.
const until = `new Promise(done => {
	const look = () => { try { if (%s) { seen.disconnect(); done(true) } } catch (e) { if (!(e instanceof TypeError || e instanceof ReferenceError)) throw e } }
	const seen = new MutationObserver(look)
	seen.observe(document, { subtree: true, childList: true, attributes: true, characterData: true })
	look()
})`

// Until waits until a JavaScript expression over the document is true, also across loads of the page. It is looked at
// when the document changes, so it has to depend on the document (a page publishes its state there). While it cannot be
// evaluated because something is not there yet (a TypeError or ReferenceError) it is not true.
func (p *Page) Until(ctx context.Context, expression string) error {
	for {
		err := p.Eval(ctx, fmt.Sprintf(until, expression), nil)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("wait until %s: %w; errors: %q", shorten(expression), ctx.Err(), p.Errors())
		case strings.Contains(err.Error(), "context was destroyed"), strings.Contains(err.Error(), "navigated"),
			strings.Contains(err.Error(), "Promise was collected"), strings.Contains(err.Error(), "uniqueContextId"):
			continue // the page was loaded again: DevTools says so in words only
		default:
			return err
		}
	}
}

// Resize sets the size of the window in CSS pixels.
func (p *Page) Resize(ctx context.Context, width, height int64) error {
	return p.Do(ctx, chromedp.EmulateViewport(width, height))
}

// Screenshot writes what is visible to a PNG file.
func (p *Page) Screenshot(ctx context.Context, file string) error {
	png, err := run(ctx, p, chromedp.CaptureScreenshot())
	if err != nil {
		return fmt.Errorf("take screenshot: %w", err)
	}
	return os.WriteFile(file, png, 0o644)
}

// Close closes the tab, and its profile if it was the first one of an isolated one.
func (p *Page) Close() { p.cancel() }

func shorten(s string) string {
	if len(s) > 200 {
		return s[:200] + "..."
	}
	return s
}
