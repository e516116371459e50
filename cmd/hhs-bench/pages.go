package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// inChromium lets the browser module measure: what drives Chromium is not among this module's dependencies. Its program
// is named with what to measure and prints "name number" lines.
func inChromium(what string) func(context.Context, *run) error {
	return func(ctx context.Context, r *run) error {
		dir := filepath.Join(r.root, "e2e")
		if _, err := os.Stat(filepath.Join(dir, "cmd", "pagebench")); errors.Is(err, fs.ErrNotExist) {
			return errors.New("e2e/cmd/pagebench is not in this tree")
		}
		args := []string{"run", "./cmd/pagebench", "-n", strconv.Itoa(r.n)}
		if r.profile != "" {
			profile, err := filepath.Abs(r.profile)
			if err != nil {
				return err
			}
			args = append(args, "-profile", profile)
		}
		cmd := exec.CommandContext(ctx, "go", append(args, what)...)
		cmd.Dir = dir
		cmd.Stderr = os.Stderr
		text, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("measure the page: %w", err)
		}
		for line := range strings.Lines(string(text)) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
			number, err := strconv.ParseFloat(value, 64)
			if err != nil || slices.ContainsFunc(r.fields, func(f field) bool { return f.name == name }) {
				return fmt.Errorf("unexpected line %q", line)
			}
			r.set(name, number)
		}
		return nil
	}
}
