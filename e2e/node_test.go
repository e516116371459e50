package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// process is a running program of the test.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	input  io.WriteCloser
	lines  chan string // of standard output
	exited chan struct{}
	dir    string
	heard  []said

	mu  sync.Mutex
	log strings.Builder // standard error
}

// start runs the binary; the test ends it.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	return run(t, exec.Command(binary(t), args...))
}

// run runs a command; the test ends it.
func run(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, cmd: cmd, lines: make(chan string, 1024), exited: make(chan struct{})}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p.cmd.Env = os.Environ()
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if p.input, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = p
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // Pdeathsig is about the thread that starts the process
		err := p.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			p.lines <- lines.Text()
		}
		close(p.lines)
		_ = p.cmd.Wait() // ended by a signal
		close(p.exited)
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.signal(syscall.SIGCONT)
		p.signal(syscall.SIGKILL)
		<-p.exited
		if t.Failed() {
			p.mu.Lock()
			defer p.mu.Unlock()
			t.Logf("%s:\n%s\nheard %v", strings.Join(cmd.Args, " "), p.log.String(), p.heard)
		}
	})
	return p
}

// Write takes what the process says on standard error.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Write(b)
}

func (p *process) signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) } // gone already is fine

// end asks the process to end, as Ctrl-C does, and waits until it has.
func (p *process) end() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	ctx := step(p.t)
	for {
		select {
		case <-p.exited:
			return
		case <-p.lines:
		case <-ctx.Done():
			p.t.Fatalf("%s does not end on SIGTERM", p.cmd.Path)
		}
	}
}

// line reads the next line.
func (p *process) line() string {
	p.t.Helper()
	select {
	case line, ok := <-p.lines:
		if !ok {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.t.Fatalf("%s ended: %s", p.cmd.Path, p.log.String())
		}
		return line
	case <-step(p.t).Done():
		p.t.Fatalf("%s prints nothing", p.cmd.Path)
		return ""
	}
}

// object reads the next line as JSON.
func (p *process) object(into any) {
	p.t.Helper()
	line := p.line()
	if err := json.Unmarshal([]byte(line), into); err != nil {
		p.t.Fatalf("%s printed %q: %v", p.cmd.Path, line, err)
	}
}

// said is one line of hhs chat --json.
type said struct{ Event, Name, Text string }

// chat joins a room in a terminal.
func chat(t *testing.T, name, link string, flags ...string) *process {
	t.Helper()
	dir := t.TempDir()
	p := start(t, append([]string{"chat", "--json", "--name", name, "--dir", dir, "--listen", "127.0.0.1:0", link}, flags...)...)
	p.dir = dir
	return p
}

// hears waits until hhs chat shows that somebody said something.
func (p *process) hears(name, text string) {
	p.t.Helper()
	for {
		var s said
		p.object(&s)
		p.heard = append(p.heard, s)
		if s.Event == "said" && strings.HasPrefix(s.Name, name+" (") && s.Text == text {
			return
		}
	}
}

// says types a line.
func (p *process) says(text string) {
	p.t.Helper()
	if _, err := fmt.Fprintln(p.input, text); err != nil {
		p.t.Fatal(err)
	}
}

// hhsCommand runs a command that ends, and reads what it prints as JSON.
func hhsCommand(t *testing.T, into any, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(step(t), binary(t), append(args, "--json")...)
	var failed strings.Builder
	cmd.Stderr = &failed
	out, err := cmd.Output()
	if err == nil && into != nil {
		err = json.Unmarshal(out, into)
	}
	if err != nil {
		t.Fatalf("hhs %s: %v\n%s%s", strings.Join(args, " "), err, out, failed.String())
	}
}

// site is a server of pages and signalling.
type site struct {
	*process
	t       *testing.T
	command string
	home    string
	address string
	// URL is where the page is, room that of the room demo makes.
	URL, room string
}

// serve starts hhs serve on a port of its own.
func serve(t *testing.T) *site { return startSite(t, "serve") }

func startSite(t *testing.T, command string) *site {
	s := &site{t: t, command: command, home: t.TempDir(), address: freeAddress(t)}
	s.start()
	return s
}

// start starts the server, also again: at the same address, with the same data.
func (s *site) start() {
	s.t.Helper()
	s.process = start(s.t, s.command, "--dir", s.home, "--listen", s.address, "--json")
	s.URL = "http://" + s.address + "/"
	var greeting struct{ URL string }
	s.object(&greeting)
	if !strings.HasPrefix(greeting.URL+"/", s.URL) {
		s.t.Fatalf("hhs %s listens at %s, not at %s", s.command, greeting.URL, s.URL)
	}
	s.room = greeting.URL
}

// signalling is the address of its signalling server.
func (s *site) signalling() string { return "ws://" + s.address + "/signal" }

// freeAddress returns an address nobody listens at. It is the test's until something else takes it, which the system
// avoids for a while.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return fmt.Sprint(l.Addr())
}
