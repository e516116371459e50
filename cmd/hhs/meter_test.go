package main

import (
	"bytes"
	"testing"
	"time"

	hhs "github.com/hyperhyperspace/hhs-go"
)

// What is shown of a long job, on a terminal and elsewhere.
func TestMeter(t *testing.T) {
	show := func(terminal, json bool) string {
		var out bytes.Buffer
		now := time.Unix(1_700_000_000, 0)
		m := &meter{app: &app{err: &out, json: json}, terminal: terminal, silence: json, now: func() time.Time { return now }}
		for i := range 6 {
			m.tell(hhs.Step{What: "space a\x1b[31m", Items: int64(i) * 1000, AllItems: 5000, Bytes: int64(i) * 20e6})
			now = now.Add(4 * time.Second)
		}
		m.tell(hhs.Step{What: "backup", Bytes: 5, AllBytes: 10})
		m.tell(hhs.Step{What: "backup", Bytes: 10, AllBytes: 10})
		m.tell(hhs.Step{What: "backup", Bytes: 10, AllBytes: 10})
		m.end()
		return out.String()
	}
	const safe = `space a\u001b[31m`
	plain := safe + ": 3000 of 5000, 60 MB, 5000 kB/s, 8s left\n" + safe + ": 5000 of 5000, 100 MB, 5000 kB/s\nbackup: 10 B of 10 B\n"
	if got := show(false, false); got != plain {
		t.Errorf("%q, not\n%q", got, plain)
	}
	if got := show(false, true); got != "" {
		t.Errorf("with --json: %q", got)
	}
	line := "\r\x1b[K"
	drawn := line + safe + ": 0 of 5000, 0 B" + line + safe + ": 1000 of 5000, 20 MB, 5000 kB/s, 16s left" + line + safe + ": 2000 of 5000, 40 MB, 5000 kB/s, 12s left" +
		line + safe + ": 3000 of 5000, 60 MB, 5000 kB/s, 8s left" + line + safe + ": 4000 of 5000, 80 MB, 5000 kB/s, 4s left" +
		line + safe + ": 5000 of 5000, 100 MB, 5000 kB/s\n" + line + "backup: 5 B of 10 B" + line + "backup: 10 B of 10 B\n"
	if got := show(true, false); got != drawn {
		t.Errorf("%q, not\n%q", got, drawn)
	}
}
