package main

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// withPages are the benchmarks that run the binary with the pages in it.
var withPages = []string{"page-ready", "browser-ingest", "browser-reopen", "tabs-takeover"}

// bench runs the benchmarks of cmd/hhs-bench, each in a process of its own so that memory is its own too. ONLY chooses;
// arguments go to the program, such as -n 100000.
func bench(ctx context.Context, b *build, args []string) error {
	program := b.path("build", "bin", "hhs-bench")
	if err := b.quiet(ctx, command{env: pure, args: []string{"go", "build", "-o", program, "./cmd/hhs-bench"}}); err != nil {
		return err
	}
	list, err := b.output(ctx, command{args: []string{program, "-list"}})
	if err != nil {
		return err
	}
	var errs []error
	for line := range strings.Lines(list) {
		name, _, _ := strings.Cut(line, " ")
		if !b.wants(name) {
			continue
		}
		if slices.Contains(withPages, name) {
			if err := b.binary(ctx); err != nil {
				errs = append(errs, err)
				continue
			}
		}
		one := command{env: b.built(), args: append([]string{program, "-root", b.root, "-run", name}, args...)}
		errs = append(errs, b.loud(ctx, one))
	}
	return errors.Join(errs...)
}
