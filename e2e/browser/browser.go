// Package browser starts Debian's Chromium for tests and drives it through the DevTools protocol. Every Start has a
// profile of its own that is removed afterwards; Isolated gives further, separate profiles within one browser.
//
//	b, err := browser.Start(ctx, browser.Options{})
//	defer b.Close()
//	p, err := b.Page(ctx)
//	err = p.Goto(ctx, url)
//	err = p.Until(ctx, `document.documentElement.dataset.state === 'synced'`)
//
// Pages collect what a person would find in the console: errors, exceptions and unhandled rejections. A test ends
// with p.Errors() being empty.
//
// The flags are those that a machine without display and sandbox needs, plus those that keep Chromium from talking to
// its vendor. None changes what pages may do.
package browser

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/remote"
)

// Path is where Debian installs Chromium.
const Path = "/usr/bin/chromium"

// flags are the same for every test.
var flags = []string{
	"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
	"--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--remote-debugging-port=0",
}

// startTimeout is how long Chromium may take to listen; on a busy machine with two cores it took up to 8 s.
const startTimeout = 60 * time.Second

// Options of Start. The zero value is right for tests.
type Options struct {
	// Log receives what Chromium prints; nil keeps only the end of it for error messages.
	Log io.Writer
	// Profile is a directory to use, and to leave there, in place of a fresh one.
	Profile string
}

// Browser is a running Chromium.
type Browser struct {
	profile string
	temp    bool
	proc    *os.Process
	exited  chan struct{}
	ctx     context.Context // of chromedp, over the browser's own connection
	cancel  context.CancelFunc
	tail    *tail
	once    sync.Once
	err     error
}

// Start starts Chromium and waits until it can be driven. ctx bounds the start only.
func Start(ctx context.Context, o Options) (*Browser, error) {
	b := &Browser{profile: o.Profile, exited: make(chan struct{}), tail: new(tail)}
	if b.profile == "" {
		dir, err := os.MkdirTemp("", "hhs-chromium-")
		if err != nil {
			return nil, fmt.Errorf("start browser: %w", err)
		}
		b.profile, b.temp = dir, true
	}
	url, err := b.launch(ctx, o.Log)
	if err == nil {
		err = b.connect(url)
	}
	if err != nil {
		return nil, fmt.Errorf("start browser: %w\n%s", errors.Join(err, b.Close()), b.tail)
	}
	return b, nil
}

// launch starts the process and returns the address of its DevTools socket, which it prints.
func (b *Browser) launch(ctx context.Context, log io.Writer) (string, error) {
	cmd := exec.Command(Path, append(append([]string(nil), flags...), "--user-data-dir="+b.profile, "about:blank")...)
	// A process group of its own, so that Close ends Chromium's children too; and the end of this process ends it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return "", err
	}
	started, urls := make(chan error), make(chan string, 1)
	go func() {
		runtime.LockOSThread() // Pdeathsig is about the thread that starts the process
		err := cmd.Start()
		started <- err
		if err == nil {
			b.read(stderr, log, urls)
			_ = cmd.Wait() // killed
			close(b.exited)
		}
	}()
	if err := <-started; err != nil {
		return "", fmt.Errorf("%w (install it with: apt-get install chromium)", err)
	}
	b.proc = cmd.Process
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	select {
	case url := <-urls:
		return url, nil
	case <-b.exited:
		return "", errors.New("the browser ended at once")
	case <-ctx.Done():
		return "", fmt.Errorf("the browser does not listen: %w", ctx.Err())
	}
}

func (b *Browser) read(stderr io.Reader, log io.Writer, urls chan<- string) {
	lines := bufio.NewScanner(stderr)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if url, ok := strings.CutPrefix(lines.Text(), "DevTools listening on "); ok {
			select {
			case urls <- url:
			default:
			}
		}
		b.tail.add(lines.Bytes())
		if log != nil {
			fmt.Fprintf(log, "%s\n", lines.Bytes())
		}
	}
	_, _ = io.Copy(io.Discard, stderr) // after a line over the limit: Chromium must not block
}

func (b *Browser) connect(url string) error {
	alloc, cancelAlloc := remote.NewAllocator(context.Background(), url, remote.NoModifyURL)
	ctx, cancel := chromedp.NewContext(alloc)
	b.ctx = ctx
	b.cancel = func() { cancel(); cancelAlloc() }
	return chromedp.Do(ctx)
}

// PID returns the process id of Chromium.
func (b *Browser) PID() int { return b.proc.Pid }

// Close kills Chromium with its children, waits for its end and removes the profile. It is idempotent.
func (b *Browser) Close() error {
	b.once.Do(func() {
		if b.proc != nil {
			_ = syscall.Kill(-b.proc.Pid, syscall.SIGKILL) // the group that launch made; gone already is fine
			<-b.exited
		}
		if b.cancel != nil {
			b.cancel()
		}
		if b.temp {
			b.err = removeProfile(b.profile)
		}
	})
	return b.err
}

// removeProfile removes a directory in which children of the browser may be writing their last.
func removeProfile(dir string) (err error) {
	for range 50 {
		if err = os.RemoveAll(dir); err == nil {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return err
}

// tail keeps the last lines printed.
type tail struct {
	mu    sync.Mutex
	lines [][]byte
}

func (t *tail) add(line []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lines = append(t.lines, bytes.Clone(line)); len(t.lines) > 40 {
		t.lines = t.lines[1:]
	}
}

// String returns the lines.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.Join(t.lines, []byte("\n")))
}
