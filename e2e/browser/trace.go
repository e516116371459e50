package browser

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/tracing"
	"github.com/chromedp/chromedp"
)

// Thread is a thread of a page's process, with the tasks it ran while a trace was taken. Only threads that run JavaScript
// are listed.
type Thread struct {
	// Worker: a dedicated worker's; false: a page's.
	Worker bool
	Tasks  []Task
}

// Task is one turn of a thread's event loop, in milliseconds. CPU is what the thread itself used: on a machine that others
// use too, Wall holds their turns as well.
type Task struct{ Start, Wall, CPU float64 }

// traceEvent is one event of a trace, as far as it is of use here. Times are in microseconds.
type traceEvent struct {
	Name, Ph      string
	PID           int `json:"pid"`
	TID           int `json:"tid"`
	TS, Dur, TDur float64
	Args          struct{ Name string }
}

// Trace records the tasks of all pages with a dedicated worker while work runs. Only one trace can be taken at a time.
func (b *Browser) Trace(ctx context.Context, work func() error) ([]Thread, error) {
	over, cancel := context.WithCancel(b.ctx)
	defer cancel()
	var events [][]byte
	complete := make(chan bool, 1)
	err := chromedp.ListenBrowser(over, func(ev any) {
		switch ev := ev.(type) {
		case *tracing.EventDataCollected:
			for _, v := range ev.Value {
				events = append(events, []byte(v))
			}
		case *tracing.EventTracingComplete:
			complete <- ev.DataLossOccurred
		}
	})
	if err != nil {
		return nil, fmt.Errorf("trace: %w", err)
	}
	config := tracing.TraceConfig{RecordMode: tracing.TraceConfigRecordModeRecordUntilFull, IncludedCategories: []string{"toplevel"}, ExcludedCategories: []string{"*"}}
	if _, err := chromedp.CallBrowser(b.ctx, tracing.Start, tracing.StartParams{TransferMode: tracing.StartTransferModeReportEvents, TraceConfig: &config}); err != nil {
		return nil, fmt.Errorf("start trace: %w", err)
	}
	failed := work()
	if _, err := chromedp.CallBrowser(b.ctx, tracing.End, cdp.Empty{}); err != nil {
		return nil, errors.Join(failed, fmt.Errorf("end trace: %w", err))
	}
	select {
	case lost := <-complete:
		if lost {
			failed = errors.Join(failed, errors.New("the trace did not fit its buffer"))
		}
	case <-ctx.Done():
		return nil, errors.Join(failed, ctx.Err())
	}
	threads, err := readTrace(events)
	return threads, errors.Join(failed, err)
}

// readTrace sorts events by thread.
func readTrace(events [][]byte) ([]Thread, error) {
	type id struct{ pid, tid int }
	names, tasks, pages := map[id]string{}, map[id][]Task{}, map[int]bool{}
	for _, data := range events {
		var e traceEvent
		if err := json.Unmarshal(data, &e); err != nil {
			return nil, fmt.Errorf("read trace: %w", err)
		}
		at := id{e.PID, e.TID}
		switch {
		case e.Ph == "M" && e.Name == "thread_name":
			names[at] = e.Args.Name
			if e.Args.Name == workerThread {
				pages[e.PID] = true
			}
		case e.Ph == "X" && strings.HasSuffix(e.Name, "RunTask"):
			tasks[at] = append(tasks[at], Task{e.TS / 1000, e.Dur / 1000, e.TDur / 1000})
		}
	}
	var threads []Thread
	for at, name := range names {
		if pages[at.pid] && (name == workerThread || name == pageThread) && len(tasks[at]) > 0 {
			threads = append(threads, Thread{Worker: name == workerThread, Tasks: tasks[at]})
		}
	}
	if len(threads) == 0 {
		return nil, fmt.Errorf("the trace of %d events names no thread of a page with a worker", len(events))
	}
	slices.SortFunc(threads, func(a, b Thread) int { return len(b.Tasks) - len(a.Tasks) })
	return threads, nil
}

// Names that Chromium gives its threads.
const (
	workerThread = "DedicatedWorker thread"
	pageThread   = "CrRendererMain"
)
