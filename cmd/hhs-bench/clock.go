package main

import (
	"context"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"time"

	hhs "github.com/hyperhyperspace/hhs-go"
)

// span is a measured stretch of work.
type span struct {
	cpu, wall time.Duration
}

// measure runs work and returns what it took. The garbage of preparations is collected before, so that it does not count.
func (r *run) measure(work func() error) (span, error) {
	runtime.GC()
	if r.profile != "" {
		f, err := os.Create(r.profile)
		if err != nil {
			return span{}, err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return span{}, err
		}
		defer pprof.StopCPUProfile()
		r.profile = "" // one file holds one profile: that of the first measured part
	}
	cpu, start := cpuTime(), time.Now()
	err := work()
	return span{cpuTime() - cpu, time.Since(start)}, err
}

// rate adds the fields that every line has.
func (r *run) rate(s span) {
	r.set("ops_per_cpu_s", math.Round(float64(r.n)/s.cpu.Seconds()))
	r.set("cpu_ms", ms(s.cpu))
	r.set("wall_ms", ms(s.wall))
}

// settled closes a node that was written to much, when the store's work in the background is over, as it is in a node
// that was left alone for a moment. Closing makes such work once more, which another opening sees to.
func settled(ctx context.Context, node *hhs.Node, dir string) error {
	settle()
	if err := node.Close(); err != nil {
		return err
	}
	again, err := openNode(ctx, dir, hhs.Offline())
	if err != nil {
		return err
	}
	settle()
	return again.Close()
}

// settle waits until this process does nothing any more.
func settle() {
	const step, idle = 50 * time.Millisecond, 5 * time.Millisecond
	for quiet := 0; quiet < 4; {
		before := cpuTime()
		time.Sleep(step)
		if quiet++; cpuTime()-before > idle {
			quiet = 0
		}
	}
}

func perSecond(n int, cpuMS float64) float64 { return math.Round(float64(n) / cpuMS * 1000) }

func ms(d time.Duration) float64 { return round(float64(d.Nanoseconds()) / 1e6) }

func round(x float64) float64 { return math.Round(x*10) / 10 }

// diskBytes adds up the files in a directory, without those named.
func diskBytes(dir string, without ...string) (n int64, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		for _, name := range without {
			if d.Name() == name {
				return nil
			}
		}
		info, err := d.Info()
		if err == nil {
			n += info.Size()
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("measure %s: %w", dir, err)
	}
	return n, nil
}
