package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
)

// bench runs the benchmarks of cmd/hhs-bench, each in a process of its own so that memory is its own too. ONLY chooses;
// arguments go to the program, such as -n 100000. With PEERS other systems do the same work right after each (peers.go).
// ONLY=growth runs some of them at several sizes instead (growth.go).
func bench(ctx context.Context, b *build, args []string) error {
	program := b.path("build", "bin", "hhs-bench")
	if err := b.quiet(ctx, command{env: pure, args: []string{"go", "build", "-o", program, "./cmd/hhs-bench"}}); err != nil {
		return err
	}
	list, err := b.output(ctx, command{args: []string{program, "-list"}})
	if err != nil {
		return err
	}
	peers, err := findPeers(os.Getenv("PEERS"))
	if err != nil {
		return err
	}
	var errs []error
	for line := range strings.Lines(list) {
		name, _, _ := strings.Cut(line, " ")
		if !b.wants(name) || ctx.Err() != nil {
			continue
		}
		if name == "page-ready" {
			if err := b.binary(ctx); err != nil {
				errs = append(errs, err)
				continue
			}
		}
		said, err := b.benchmark(ctx, program, name, os.Stdout, args)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		peers.beside(ctx, b, name, said)
	}
	if len(b.only) > 0 && b.wants(growthName) {
		errs = append(errs, growth(ctx, b, program, args))
	}
	return errors.Join(errs...)
}

// benchmark runs one benchmark in a process of its own and returns what it printed, which goes to out as it comes.
func (b *build) benchmark(ctx context.Context, program, name string, out io.Writer, args []string) (string, error) {
	c := command{env: b.built(), args: append([]string{program, "-root", b.root, "-run", name}, args...)}
	cmd := b.command(ctx, c)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = io.MultiWriter(out, &said), os.Stderr
	if err := cmd.Run(); err != nil {
		return "", errors.Join(errors.New(c.String()), interrupted(ctx, err))
	}
	return said.String(), nil
}
