package log_test

import (
	"log/slog"
	"os"

	"github.com/hyperhyperspace/hhs-go/internal/log"
)

func Example() {
	var l log.Logger = slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
	l.Info("hello", "n", 1)
	l = log.Discard
	l.Error("nobody hears this")
	// Output: level=INFO msg=hello n=1
}
