package main

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/term"

	hhs "github.com/hyperhyperspace/hhs-go"
)

const (
	// redraw is how often a line on a terminal is drawn again.
	redraw = 100 * time.Millisecond
	// logEvery is how often a line is printed where there is no terminal.
	logEvery = 10 * time.Second
)

// meter shows how far a job has come that takes long: one line that is drawn
// again on a terminal, now and then a line elsewhere, nothing with --json.
type meter struct {
	app      *app
	terminal bool
	now      func() time.Time

	what    string
	began   time.Time // of what
	shown   time.Time
	drawn   bool // the cursor stands after a line
	whole   bool // the end of what was shown
	silence bool
}

func (a *app) meter() *meter {
	f, ok := a.err.(*os.File)
	return &meter{app: a, now: time.Now, terminal: ok && term.IsTerminal(int(f.Fd())), silence: a.json}
}

// tell shows a step.
func (m *meter) tell(s hhs.Step) {
	if m.silence {
		return
	}
	now := m.now()
	if s.What != m.what {
		m.end()
		m.what, m.began, m.shown, m.whole = s.What, now, time.Time{}, false
		if !m.terminal {
			m.shown = now // short jobs have one line
		}
	}
	whole := s.AllItems > 0 && s.Items >= s.AllItems || s.AllItems == 0 && s.AllBytes > 0 && s.Bytes >= s.AllBytes
	every := logEvery
	if m.terminal {
		every = redraw
	}
	if whole && m.whole || !whole && now.Sub(m.shown) < every {
		return
	}
	m.shown, m.whole = now, whole
	text := describeStep(s, now.Sub(m.began))
	if !m.terminal {
		m.app.notef("%s\n", text)
		return
	}
	fmt.Fprintf(m.app.err, "\r\x1b[K%s", plainArgs([]any{text})...)
	m.drawn = true
}

// end leaves the line.
func (m *meter) end() {
	if m.drawn {
		fmt.Fprintln(m.app.err)
	}
	m.drawn = false
}

// describeStep is such as "space abcdefgh: 1200 of 5000, 3.4 MB, 1.1 MB/s, 12s left".
func describeStep(s hhs.Step, took time.Duration) string {
	text := s.What + ":"
	if s.AllItems > 0 {
		text += fmt.Sprintf(" %d of %d,", s.Items, s.AllItems)
	}
	text += " " + size(s.Bytes)
	if s.AllBytes > 0 {
		text += " of " + size(s.AllBytes)
	}
	if took < time.Second {
		return text
	}
	text += fmt.Sprintf(", %s/s", size(int64(float64(s.Bytes)/took.Seconds())))
	done, all := s.Bytes, s.AllBytes
	if all == 0 {
		done, all = s.Items, s.AllItems
	}
	if done > 0 && done < all {
		text += fmt.Sprintf(", %v left", (time.Duration(float64(took) * float64(all-done) / float64(done))).Round(time.Second))
	}
	return text
}

// size is a number of bytes for people.
func size(n int64) string {
	switch {
	case n >= 10e9:
		return fmt.Sprintf("%.0f GB", float64(n)/1e9)
	case n >= 10e6:
		return fmt.Sprintf("%.0f MB", float64(n)/1e6)
	case n >= 10e3:
		return fmt.Sprintf("%.0f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%d B", n)
}
