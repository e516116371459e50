package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os/exec"
	"regexp"
	"strings"
	"time"
)

// figure is one of the figures of reliability that the project promises, and the tests that show it. A test says what it
// measured with t.Logf; the pattern of a measure finds its number there, in its first group.
type figure struct {
	id    string
	what  string // with the bounds that must hold
	value string // the number that says most
	limit float64
	tests []measured
}

// measured is a test with what it measures. The test itself fails where a bound does not hold.
type measured struct {
	pkg   string // from the root of the module
	test  string // its exact name
	env   []string
	flags []string // of the test binary
	find  []measure
}

// measure is one number: its name in the JSON line and where it is in what the test logs. Of several finds the one
// furthest from good counts: the greatest.
type measure struct {
	name    string
	pattern *regexp.Regexp
}

func number(name, pattern string) measure { return measure{name, regexp.MustCompile(pattern)} }

// bars prints one line per figure, those of figures.go. ONLY=R4,R6 chooses.
func bars(ctx context.Context, b *build, _ []string) error {
	bad := false
	for _, f := range figures {
		if !b.wants(f.id) {
			continue
		}
		detail := fields{{"what", f.what}}
		var value any
		start, cpu := time.Now(), time.Duration(0)
		ok := true
		for _, m := range f.tests {
			numbers, took, err := b.measure(ctx, m)
			cpu += took
			for _, n := range numbers {
				if n.name == f.value {
					value = n.value
				}
			}
			detail = append(detail, numbers...)
			if err != nil {
				ok = false
				detail = append(detail, named{"error", err.Error()})
			}
		}
		bad = bad || !ok
		detail = append(detail, named{"wall_s", tenths(time.Since(start))}, named{"cpu_s", tenths(cpu)})
		fmt.Println(fields{{"id", f.id}, {"value", value}, {"limit", f.limit}, {"ok", ok}, {"detail", detail}})
		if ctx.Err() != nil {
			return errors.New("interrupted")
		}
	}
	if bad {
		return &exitError{1}
	}
	return nil
}

func tenths(d time.Duration) float64 { return math.Round(d.Seconds()*10) / 10 }

// measure runs one test and finds its numbers. cpu is what it took of all processors, building it included: on a machine
// that others use too, it tells more than the time that passed.
func (b *build) measure(ctx context.Context, m measured) (numbers fields, cpu time.Duration, err error) {
	args := []string{"go", "test", "-json", "-count=1", "-timeout=" + soakTimeout, "-run=^" + m.test + "$", m.pkg}
	if len(m.flags) > 0 {
		args = append(append(args, "-args"), m.flags...)
	}
	cmd := b.command(ctx, command{env: append(pure, m.env...), args: args})
	out, err := cmd.Output()
	if cmd.ProcessState != nil {
		cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && len(exit.Stderr) > 0 {
		err = fmt.Errorf("%w: %s", err, exit.Stderr)
	}
	said, passed := testOutput(out)
	switch {
	case err != nil:
		err = fmt.Errorf("%s in %s: %w: %s", m.test, m.pkg, err, tail(said))
	case !passed:
		err = fmt.Errorf("%s has no %s", m.pkg, m.test)
	}
	for _, f := range m.find { // of a test that fails, too: by how much
		value, missing := f.in(said)
		if missing == nil {
			numbers = append(numbers, named{f.name, value})
		} else if err == nil {
			err = fmt.Errorf("%s in %s: %w", m.test, m.pkg, missing)
		}
	}
	return numbers, cpu, err
}

// testJSON is what is needed of a line of go test -json.
type testJSON struct{ Action, Test, Output string }

// testOutput joins what go test -json reports and tells whether a test passed.
func testOutput(lines []byte) (said string, passed bool) {
	var text strings.Builder
	scan := bufio.NewScanner(bytes.NewReader(lines))
	scan.Buffer(nil, 1<<24)
	for scan.Scan() {
		var ev testJSON
		if json.Unmarshal(scan.Bytes(), &ev) != nil {
			continue // what the build says is no JSON
		}
		text.WriteString(ev.Output)
		passed = passed || ev.Action == "pass" && ev.Test != ""
	}
	return text.String(), passed
}

// in finds the measure.
func (m measure) in(said string) (float64, error) {
	found := m.pattern.FindAllStringSubmatch(said, -1)
	if len(found) == 0 {
		return 0, fmt.Errorf("it does not log %s (%s)", m.name, m.pattern)
	}
	most := math.Inf(-1)
	for _, groups := range found {
		var value float64
		if _, err := fmt.Sscanf(strings.ReplaceAll(groups[1], ",", ""), "%g", &value); err != nil {
			return 0, fmt.Errorf("%s is %q: %w", m.name, groups[1], err)
		}
		most = max(most, value)
	}
	return most, nil
}

// tail is the end of a test's output.
func tail(said string) string {
	const enough = 2000
	return said[max(0, len(said)-enough):]
}

// fields is a JSON object whose fields keep their order.
type fields []named

type named struct {
	name  string
	value any
}

// MarshalJSON makes it a value of another one's.
func (f fields) MarshalJSON() ([]byte, error) { return []byte(f.String()), nil }

// String is the JSON.
func (f fields) String() string {
	var b strings.Builder
	b.WriteByte('{')
	for i, field := range f {
		value, err := json.Marshal(field.value)
		if err != nil {
			value = fmt.Appendf(nil, "%q", err)
		}
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%q:%s", field.name, value)
	}
	b.WriteByte('}')
	return b.String()
}
