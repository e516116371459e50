//go:build !unix && !windows

package main

import "time"

// cpuTime counts as much as the clock says: these platforms run one thread.
func cpuTime() time.Duration { return time.Since(started) }

var started = time.Now()

// peakRSS is not measured here.
func peakRSS() float64 { return 0 }
