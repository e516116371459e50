//go:build linux || darwin

package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
)

// person sits at a pseudo terminal on which hhs runs.
type person struct {
	*process
	t    *testing.T
	term *os.File
}

// sit starts hhs on a terminal, with a data directory.
func sit(t *testing.T, program, dir string, args ...string) *person {
	t.Helper()
	p := &process{cmd: exec.Command(program, args...), exited: make(chan struct{}), more: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), "HHS_DIR="+dir, "HOME="+dir)
	f, err := pty.Start(p.cmd)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		_, _ = io.Copy(p, f) // ends with the terminal
		_ = p.cmd.Wait()     // its code is in ProcessState
		close(p.exited)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // gone already is fine
		<-p.exited
		_ = f.Close()
	})
	return &person{p, t, f}
}

// sees waits until the terminal shows something, and returns its groups.
func (p *person) sees(re string) []string {
	p.t.Helper()
	groups, err := p.expect(regexp.MustCompile(re))
	if err != nil {
		p.t.Fatal(err)
	}
	return groups
}

func (p *person) types(line string) {
	p.t.Helper()
	if _, err := io.WriteString(p.term, line); err != nil {
		p.t.Fatal(err)
	}
}

// leaves presses Ctrl-C and waits for a clean end.
func (p *person) leaves() {
	p.t.Helper()
	p.types("\x03")
	select {
	case <-p.exited:
	case <-time.After(waitTest):
		p.t.Fatal("Ctrl-C does not end the chat")
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		p.t.Fatalf("ended with %d:\n%s", code, p.out.String())
	}
}

// build makes a program of the module.
func build(t *testing.T, pkg string) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "program")
	out, err := exec.Command("go", "build", "-o", bin, pkg).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return bin
}

// hhsBinary is this test binary under the name hhs, as testscript arranges it.
func hhsBinary(t *testing.T) string {
	t.Helper()
	bin, err := exec.LookPath("hhs")
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// Two people chat in two terminals: by hhs chat and by the example.
func TestChatInTwoTerminals(t *testing.T) {
	t.Parallel()
	programs := map[string]struct {
		bin  string
		args []string
	}{
		"hhs chat":      {hhsBinary(t), []string{"chat", "--listen", "127.0.0.1:0"}},
		"examples/chat": {build(t, "../../examples/chat"), nil},
	}
	for name, program := range programs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := func(dir string, where ...string) *person {
				args := append([]string{}, program.args...)
				if program.args == nil {
					args = append(args, "-dir", dir)
				}
				return sit(t, program.bin, dir, append(args, where...)...)
			}
			conversation(t, start)
		})
	}
}

func conversation(t *testing.T, start func(dir string, where ...string) *person) {
	anaDir, bobDir := t.TempDir(), t.TempDir()
	ana := start(anaDir)
	ana.sees("Your name: ")
	ana.types("Ana\n")
	link := ana.sees(`Link: +'?(hhs:[^\s']+)`)[1]
	phrase := ana.sees(`Words: ([^\r\n]+)`)[1]
	ana.sees("Ctrl-C leaves")
	ana.types("is anybody here?\n")

	bob := start(bobDir, link)
	bob.sees("Your name: ")
	bob.types("Bob\n")
	bob.sees(`Link: +'?` + regexp.QuoteMeta(link[:60]))
	bob.sees(`\* Ana \(\w{8}\) joined`)
	bob.sees(`Ana \(\w{8}\): is anybody here\?`)
	ana.sees(`\* Bob \(\w{8}\) joined`)
	bob.types("I am\n")
	ana.sees(`Bob \(\w{8}\): I am\r\n`)
	ana.types("good\n")
	bob.sees(`Ana \(\w{8}\): good\r\n`)
	bob.leaves()
	ana.sees(`\* Bob \(\w{8}\) left`)

	// By words, which only find candidates: one has to be chosen by number.
	again := start(bobDir, phrase)
	again.sees(`1: example.org/chat, made .* ago by the key ending in \w{8}`)
	again.sees("number: ")
	again.types("1\n")
	again.sees(`Ana \(\w{8}\): good\r\n`)
	ana.sees(`\* Bob \(\w{8}\) joined`)

	// The other side leaves.
	ana.leaves()
	again.sees(`\* Ana \(\w{8}\) left`)
	again.leaves()

	// Someone who was named once is not asked again, and words nobody answers to say so.
	third := start(bobDir, "abacus abbey @ 127.0.0.1:1")
	third.sees(`(?i)link|word`)
	<-third.exited
	if third.cmd.ProcessState.ExitCode() == 0 {
		t.Error("two words opened a room")
	}
}

// A second chat on one directory says who has it and what to do.
func TestChatOnADirectoryInUse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := sit(t, hhsBinary(t), dir, "chat", "--listen", "127.0.0.1:0", "--name", "Ana")
	first.sees("Ctrl-C leaves")
	second := sit(t, hhsBinary(t), dir, "chat")
	second.sees(`is in use: "hhs chat" \(process \d+\) is running.*--dir`)
	first.leaves()
}

// Ctrl-C ends a chat that waits: at a question, and for a peer who is not there.
func TestChatEndsWhileItWaits(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := sit(t, hhsBinary(t), dir, "chat", "--listen", "127.0.0.1:0", "--name", "Ana",
		"hhs:bafyreicbdhyjwv36jeeyjpsy6bmzfx63dlusdw5xfvnapmymcprevhctvy?e=ws://127.0.0.1:1/peer")
	p.sees("Opening the room")
	p.leaves()
}

// A holder that is stopped does not answer: the error names it.
func TestLockedByAStoppedProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := sit(t, hhsBinary(t), dir, "serve", "--listen", "127.0.0.1:0")
	first.sees("Ctrl-C")
	if err := first.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	second := sit(t, hhsBinary(t), dir, "id")
	second.sees(`is in use: "hhs serve" \(process \d+\) does not answer`)
	if err := first.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	first.leaves()
}
