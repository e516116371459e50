package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// part is one piece of a target whose pieces are independent: when one fails the others still run.
type part struct {
	name string
	run  func(ctx context.Context) error
}

// runParts runs those that ONLY leaves in, one after the other, and says at the end what each took.
func (b *build) runParts(ctx context.Context, parts []part) error {
	for _, o := range b.only {
		if !slices.ContainsFunc(parts, func(p part) bool { return strings.EqualFold(p.name, strings.TrimSpace(o)) }) {
			return fmt.Errorf("ONLY: there is no %q; there are %s", o, names(parts))
		}
	}
	start := time.Now()
	var lines, failed []string
	for _, p := range parts {
		if !b.wants(p.name) {
			continue
		}
		fmt.Printf("\n== %s\n", p.name)
		begin := time.Now()
		err := p.run(ctx)
		state := "ok"
		if err != nil {
			state = "FAILED"
			failed = append(failed, p.name)
			fmt.Printf("%s: %v\n", p.name, err)
		}
		line := fmt.Sprintf("%-28s %7.1f s  %s", p.name, time.Since(begin).Seconds(), state)
		fmt.Println("-- " + line)
		lines = append(lines, line)
		if ctx.Err() != nil {
			return errors.New("interrupted")
		}
	}
	fmt.Printf("\n%s\n%-28s %7.1f s\n", strings.Join(lines, "\n"), "all", time.Since(start).Seconds())
	if len(failed) > 0 {
		fmt.Fprintf(os.Stderr, "build: failed: %s\n", strings.Join(failed, ", "))
		return &exitError{1}
	}
	return nil
}

func names(parts []part) string {
	list := make([]string, len(parts))
	for i, p := range parts {
		list[i] = p.name
	}
	return strings.Join(list, ", ")
}
