package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"slices"
)

// growthName is what ONLY says to run growth, which takes too long to be one benchmark among others.
const growthName = "growth"

// growthLimit is the greatest slope of the logarithm of CPU over the logarithm of size: 1 is linear, and a factor of
// log n from 10,000 to 80,000 operations is 1.1.
const growthLimit = 1.15

// growing are the benchmarks whose cost must grow with their size and not faster.
var growing = []string{"set-write", "sync-initial", "cold-open"}

// growth runs benchmarks at n, 2n, 4n and 8n operations, each in a process of its own, and prints the slope of their CPU.
// It fails where one grows too fast. ARGS="-times 10 -steps 2" ends at a million and takes minutes.
func growth(ctx context.Context, b *build, program string, args []string) error {
	set := flag.NewFlagSet(growthName, flag.ContinueOnError)
	n := set.Int("n", 10000, "operations at the smallest size")
	times := set.Int("times", 2, "how many times as many at each further size")
	steps := set.Int("steps", 3, "further sizes")
	if err := set.Parse(args); err != nil {
		return err
	}
	if *n <= 0 || *times < 2 || *steps < 1 {
		return fmt.Errorf("growth: -n is %d, -times %d, -steps %d: at least 1, 2 and 1 make a slope", *n, *times, *steps)
	}
	var errs []error
	for _, name := range growing {
		var sizes, cpu []float64
		for at := *n; len(sizes) <= *steps; at *= *times {
			said, err := b.benchmark(ctx, program, name, io.Discard, []string{"-n", fmt.Sprint(at)})
			if err != nil {
				return err
			}
			line, err := lastLine(said)
			if err != nil {
				return fmt.Errorf("growth of %s: %w", name, err)
			}
			ms, err := positive(line, "cpu_ms")
			if err != nil {
				return fmt.Errorf("growth of %s: %w", name, err)
			}
			sizes, cpu = append(sizes, float64(at)), append(cpu, ms)
		}
		steep := slope(sizes, cpu)
		fmt.Println(fields{{"bench", growthName}, {"of", name}, {"n", sizes}, {"cpu_ms", cpu},
			{"slope", math.Round(steep*1000) / 1000}, {"limit", growthLimit}, {"holds", steep <= growthLimit}})
		if steep > growthLimit {
			errs = append(errs, fmt.Errorf("the CPU of %s grows with the power %.2f of its size, at most %.2f is wanted", name, steep, growthLimit))
		}
	}
	return errors.Join(errs...)
}

// slope is that of the line closest to the points in the logarithms of both, by least squares.
func slope(x, y []float64) float64 {
	logs := func(list []float64) []float64 {
		out := slices.Clone(list)
		for i := range out {
			out[i] = math.Log(out[i])
		}
		return out
	}
	lx, ly := logs(x), logs(y)
	mean := func(list []float64) (m float64) {
		for _, v := range list {
			m += v / float64(len(list))
		}
		return m
	}
	mx, my := mean(lx), mean(ly)
	var above, below float64
	for i := range lx {
		above += (lx[i] - mx) * (ly[i] - my)
		below += (lx[i] - mx) * (lx[i] - mx)
	}
	return above / below
}
