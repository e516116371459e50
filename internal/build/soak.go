package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strings"
)

// soak runs what takes too long for every change: the tests with HHS_SOAK=1, for which they choose larger numbers, then
// every fuzz target for FUZZTIME each.
func soak(ctx context.Context, b *build, _ []string) error {
	fuzzTime := cmp.Or(os.Getenv("FUZZTIME"), "1m")
	targets, err := b.fuzzTargets()
	if err != nil {
		return err
	}
	parts := []part{{"long", func(ctx context.Context) error {
		env := append(pure, "HHS_SOAK=1")
		return b.loud(ctx, command{env: env, args: []string{"go", "test", "-count=1", "-timeout=" + soakTimeout, "./..."}})
	}}, {"kills", func(ctx context.Context) error {
		return b.loud(ctx, command{env: pure, args: []string{"go", "test", "-count=1", "-v", "-timeout=" + soakTimeout, "-run=^TestKill$", "./store/pebble",
			"-args", "-kill.rounds=500"}})
	}}}
	if runtime.GOOS == "linux" {
		parts = append(parts, part{"pages", b.soakPages})
	}
	for _, t := range targets {
		parts = append(parts, part{t.pkg + "." + t.name, func(ctx context.Context) error {
			return b.loud(ctx, command{env: pure, args: []string{"go", "test", "-run=^$", "-fuzz=^" + t.name + "$", "-fuzztime=" + fuzzTime, "./" + t.pkg}})
		}})
	}
	return b.runParts(ctx, parts)
}

// soakPages ends workers and tabs of Chromium while they write, 200 and 50 times, and moves a file of 200 MB between two.
func (b *build) soakPages(ctx context.Context) error {
	if err := b.binary(ctx); err != nil {
		return err
	}
	env := append(append(b.built(), pure...), "HHS_SOAK=1")
	return b.loud(ctx, command{dir: b.path("e2e"), env: env, args: []string{"go", "test", "-count=1", "-v", "-timeout=" + soakTimeout, "-run=^(Test(Worker|Tab)Killed|TestFiles)$", "."}})
}

type fuzzTarget struct{ pkg, name string }

var fuzzFunction = regexp.MustCompile(`(?m)^func (Fuzz\w+)\(`)

// fuzzTargets finds them in the sources of the main module.
func (b *build) fuzzTargets() ([]fuzzTarget, error) {
	var list []fuzzTarget
	err := b.goFiles(func(path string, source []byte) error {
		if !strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, "_js_test.go") || strings.HasPrefix(path, "e2e/") || strings.HasPrefix(path, "tools/") {
			return nil
		}
		dir, _, _ := cutLast(path, "/")
		for _, m := range fuzzFunction.FindAllSubmatch(source, -1) {
			list = append(list, fuzzTarget{dir, string(m[1])})
		}
		return nil
	})
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("no fuzz targets were found under %s", b.root)
	}
	return list, err
}

// cutLast cuts at the last separator; without one the first part is ".".
func cutLast(s, separator string) (before, after string, found bool) {
	if at := strings.LastIndex(s, separator); at >= 0 {
		return s[:at], s[at+len(separator):], true
	}
	return ".", s, false
}
