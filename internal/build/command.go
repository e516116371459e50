package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// graceful is how long a command may take to end after an interrupt before it is killed.
const graceful = 10 * time.Second

// command is a program to run.
type command struct {
	dir  string   // empty: the root
	env  []string // added to the environment
	args []string
}

// String is the command line for messages; lists of packages are cut.
func (c command) String() string {
	const enough = 120
	line := strings.Join(c.args, " ")
	if len(line) > enough {
		line = line[:enough] + " ..."
	}
	return line
}

// goWASM is the environment that compiles for browsers and Node.js.
var goWASM = []string{"GOOS=js", "GOARCH=wasm"}

func (b *build) command(ctx context.Context, c command) *exec.Cmd {
	cmd := exec.CommandContext(ctx, c.args[0], c.args[1:]...)
	cmd.Dir = c.dir
	if cmd.Dir == "" {
		cmd.Dir = b.root
	}
	cmd.Env = append(os.Environ(), c.env...)
	cmd.Cancel = func() error {
		if err := cmd.Process.Signal(os.Interrupt); err != nil { // Windows has none
			return cmd.Process.Kill()
		}
		return nil
	}
	cmd.WaitDelay = graceful
	return cmd
}

// quiet runs a command and shows what it says only when it fails.
func (b *build) quiet(ctx context.Context, c command) error {
	cmd := b.command(ctx, c)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", c, interrupted(ctx, err), said.Bytes())
	}
	return nil
}

// loud runs a command and passes on what it says, without the lines about packages that have no tests.
func (b *build) loud(ctx context.Context, c command) error {
	cmd := b.command(ctx, c)
	out := &lineFilter{to: os.Stdout, drop: func(line []byte) bool { return bytes.Contains(line, []byte("[no test files]")) }}
	cmd.Stdout, cmd.Stderr = out, out
	err := cmd.Run()
	out.flush()
	if err != nil {
		return fmt.Errorf("%s: %w", c, interrupted(ctx, err))
	}
	return nil
}

// output runs a command and returns what it prints.
func (b *build) output(ctx context.Context, c command) (string, error) {
	cmd := b.command(ctx, c)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", c, interrupted(ctx, err), said.Bytes())
	}
	return strings.TrimSpace(string(out)), nil
}

func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	return err
}

// lineFilter passes whole lines on, without some.
type lineFilter struct {
	to   io.Writer
	drop func(line []byte) bool
	rest []byte
}

func (f *lineFilter) Write(p []byte) (int, error) {
	f.rest = append(f.rest, p...)
	for {
		at := bytes.IndexByte(f.rest, '\n')
		if at < 0 {
			return len(p), nil
		}
		if line := f.rest[:at+1]; !f.drop(line) {
			if _, err := f.to.Write(line); err != nil {
				return 0, err
			}
		}
		f.rest = f.rest[at+1:]
	}
}

// flush passes on a last line that has no end.
func (f *lineFilter) flush() {
	if len(f.rest) > 0 && !f.drop(f.rest) {
		_, _ = f.to.Write(append(f.rest, '\n'))
	}
	f.rest = nil
}

// step does something that says nothing, and shows its name with the seconds it takes. On a terminal they tick.
func step(name string, do func() error) error {
	start := time.Now()
	show := func(end string) { fmt.Printf("%-56s %6.1f s%s", name, time.Since(start).Seconds(), end) }
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		if !terminal(os.Stdout) {
			return
		}
		tick := time.NewTicker(time.Second / 5)
		defer tick.Stop()
		for {
			show("\r")
			select {
			case <-stop:
				return
			case <-tick.C:
			}
		}
	}()
	err := do()
	close(stop)
	<-stopped
	if err != nil {
		show("  failed\n")
		return err
	}
	show("\n")
	return nil
}

// terminal tells whether a person watches.
func terminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb" && os.Getenv("CI") == ""
}
