// Brotlisize prints how many bytes a file takes with brotli at quality 11 and a window of 2^24, what a browser downloads from a host
// that compresses as well as it can.
//
// Usage: go run ./brotlisize FILE...
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/andybalholm/brotli"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: brotlisize FILE...")
		os.Exit(2)
	}
	for _, name := range os.Args[1:] {
		n, err := size(name)
		if err != nil {
			fmt.Fprintln(os.Stderr, "brotlisize:", err)
			os.Exit(1)
		}
		fmt.Printf("%d %s\n", n, name)
	}
}

// counter counts what is written to it.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

func size(name string) (int64, error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var n counter
	w := brotli.NewWriterOptions(&n, brotli.WriterOptions{Quality: 11, LGWin: 24})
	if _, err := io.Copy(w, f); err != nil {
		return 0, err
	}
	if err := w.Close(); err != nil {
		return 0, err
	}
	return int64(n), nil
}
