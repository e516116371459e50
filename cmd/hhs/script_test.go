package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// patience of the tests: how long something that must happen may take on a busy
// machine.
const waitTest = 60 * time.Second

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"hhs": func() { os.Exit(mainCode()) }})
}

// TestScripts runs testdata/*.txtar. Besides the usual commands they have
//
//	run NAME ARG...        start hhs in the background
//	expect NAME RE [VAR..] wait until its output matches; groups go into variables
//	stop NAME [CODE]       Ctrl-C, and wait for the exit code (0)
//	kill9 NAME             kill -9
//	freeaddr VAR           an address nobody listens at
//	rot FILES              change a byte in the middle of the largest of them
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			env.Setenv("HHS_DIR", env.Getenv("WORK")+"/data")
			env.Setenv("HOME", env.Getenv("WORK")+"/home")
			env.Setenv("XDG_DATA_HOME", "")
			env.Setenv("HHS_PASSPHRASE", "")
			env.Setenv("GORACE", "atexit_sleep_ms=0") // under the race detector each hhs would end with a second of sleep
			golden, err := filepath.Abs("../../testdata/stores")
			if err != nil {
				return err
			}
			env.Setenv("GOLDEN", golden)
			all := &processes{list: map[string]*process{}}
			env.Values["processes"] = all
			env.Defer(all.killAll)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"run": cmdRun, "expect": cmdExpect, "stop": cmdStop, "kill9": cmdKill, "freeaddr": cmdFreeAddr, "match": cmdMatch, "together": cmdTogether, "rot": cmdRot,
			"objects": cmdObjects, "holds": cmdHolds,
		},
	})
}

// process is hhs in the background.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{}

	mu   sync.Mutex
	out  bytes.Buffer
	seen int           // how much of out was matched already
	more chan struct{} // closed when out grows or the process ends
}

func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.out.Write(b)
	close(p.more)
	p.more = make(chan struct{})
	return len(b), nil
}

// expect waits until what was not matched yet matches, and returns the groups.
func (p *process) expect(re *regexp.Regexp) ([]string, error) {
	deadline := time.After(waitTest)
	for {
		p.mu.Lock()
		rest, more := p.out.Bytes()[p.seen:], p.more
		if at := re.FindSubmatchIndex(rest); at != nil {
			groups := make([]string, 0, len(at)/2)
			for i := 0; i < len(at); i += 2 {
				groups = append(groups, string(rest[at[i]:at[i+1]]))
			}
			p.seen += at[1]
			p.mu.Unlock()
			return groups, nil
		}
		text := p.out.String()
		p.mu.Unlock()
		select {
		case <-more:
		case <-p.exited:
			p.mu.Lock()
			done := !re.Match(p.out.Bytes()[p.seen:])
			p.mu.Unlock()
			if done {
				return nil, fmt.Errorf("hhs ended without %q:\n%s", re, text)
			}
		case <-deadline:
			return nil, fmt.Errorf("no %q in:\n%s", re, text)
		}
	}
}

type processes struct{ list map[string]*process }

func (a *processes) killAll() {
	for _, p := range a.list {
		_ = p.cmd.Process.Kill() // gone already is fine
		<-p.exited
	}
}

func byName(ts *testscript.TestScript, name string) *process {
	p := ts.Value("processes").(*processes).list[name]
	if p == nil {
		ts.Fatalf("no process %s", name)
	}
	return p
}

func cmdRun(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: run NAME ARG...")
	}
	bin, err := exec.LookPath("hhs")
	ts.Check(err)
	p := &process{cmd: exec.Command(bin, args[1:]...), exited: make(chan struct{}), more: make(chan struct{})}
	p.cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"HHS_DIR", "HOME", "XDG_DATA_HOME", "HHS_PASSPHRASE", "PATH", "TMPDIR", "WORK", "GORACE"} {
		p.cmd.Env = append(p.cmd.Env, name+"="+ts.Getenv(name))
	}
	p.cmd.Stdout, p.cmd.Stderr = p, p
	in, err := p.cmd.StdinPipe() // stays open: a chat without a line to say
	ts.Check(err)
	ts.Check(p.cmd.Start())
	ts.Value("processes").(*processes).list[args[0]] = p
	go func() {
		_ = p.cmd.Wait() // its code is in ProcessState
		_ = in.Close()
		close(p.exited)
	}()
}

func cmdExpect(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: expect NAME RE [VAR...]")
	}
	re, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	groups, err := byName(ts, args[0]).expect(re)
	ts.Check(err)
	for i, name := range args[2:] {
		ts.Setenv(name, groups[i+1])
	}
}

func cmdStop(ts *testscript.TestScript, neg bool, args []string) {
	p := byName(ts, args[0])
	ts.Check(p.cmd.Process.Signal(syscall.SIGINT))
	select {
	case <-p.exited:
	case <-time.After(waitTest):
		ts.Fatalf("%s does not end on SIGINT:\n%s", args[0], p.out.String())
	}
	if code := p.cmd.ProcessState.ExitCode(); (code != 0) != neg {
		ts.Fatalf("%s ended with code %d:\n%s", args[0], code, p.out.String())
	}
}

func cmdKill(ts *testscript.TestScript, _ bool, args []string) {
	p := byName(ts, args[0])
	ts.Check(p.cmd.Process.Kill())
	<-p.exited
}

func cmdFreeAddr(ts *testscript.TestScript, _ bool, args []string) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	defer ln.Close()
	ts.Setenv(args[0], ln.Addr().String())
}

// cmdMatch is "match RE VAR...": takes groups out of the last standard output.
func cmdMatch(ts *testscript.TestScript, neg bool, args []string) {
	m := regexp.MustCompile("(?m)" + args[0]).FindStringSubmatch(ts.ReadFile("stdout"))
	if m == nil || neg {
		ts.Fatalf("no %q in the output", args[0])
	}
	for i, name := range args[1:] {
		ts.Setenv(name, m[i+1])
	}
}

// cmdTogether is "together N ARG...": N commands at once, {} being the number;
// all must succeed.
func cmdTogether(ts *testscript.TestScript, _ bool, args []string) {
	n := 0
	_, err := fmt.Sscan(args[0], &n)
	ts.Check(err)
	bin, err := exec.LookPath("hhs")
	ts.Check(err)
	type result struct {
		out []byte
		err error
	}
	results := make(chan result, n)
	for i := range n {
		list := make([]string, 0, len(args))
		for _, a := range args[1:] {
			list = append(list, strings.ReplaceAll(a, "{}", fmt.Sprint(i)))
		}
		cmd := exec.Command(bin, list...)
		cmd.Env = append(os.Environ(), "HHS_DIR="+ts.Getenv("HHS_DIR"))
		go func() {
			out, err := cmd.CombinedOutput()
			results <- result{out, err}
		}()
	}
	for range n {
		if r := <-results; r.err != nil {
			ts.Fatalf("%v: %s", r.err, r.out)
		}
	}
}
