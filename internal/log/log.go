// Package log says what the packages need of a logger that is handed in: a *slog.Logger is one. They do not name log/slog
// itself, because it brings encoding/json and 250 kB of code with it, which a page that hands in no logger would
// download.
package log

// Logger takes messages with keys and values in turn, as log/slog does. It may be called from several goroutines.
type Logger interface {
	Debug(msg string, args ...any)
	Info(msg string, args ...any)
	Warn(msg string, args ...any)
	Error(msg string, args ...any)
}

// Discard takes messages and does nothing with them.
var Discard Logger = discard{}

type discard struct{}

func (discard) Debug(string, ...any) {}
func (discard) Info(string, ...any)  {}
func (discard) Warn(string, ...any)  {}
func (discard) Error(string, ...any) {}
