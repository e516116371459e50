package browser

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/profiler"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// ProfileWorker starts a CPU profile of the page's dedicated worker. stop ends it and returns it in the form that the
// browser's own tools read.
func (p *Page) ProfileWorker(ctx context.Context) (stop func() ([]byte, error), err error) {
	id, err := p.worker(ctx)
	if err != nil {
		return nil, fmt.Errorf("profile worker: %w", err)
	}
	inWorker, detach := chromedp.NewContext(p.ctx, chromedp.WithTargetID(id), chromedp.WithDetachOnCancel())
	_, err = chromedp.Call(inWorker, profiler.Enable, cdp.Empty{})
	if err == nil {
		_, err = chromedp.Call(inWorker, profiler.Start, cdp.Empty{})
	}
	if err != nil {
		detach()
		return nil, fmt.Errorf("profile worker: %w", err)
	}
	return func() ([]byte, error) {
		defer detach()
		r, err := chromedp.Call(inWorker, profiler.Stop, cdp.Empty{})
		if err != nil {
			return nil, fmt.Errorf("profile worker: %w", err)
		}
		return json.Marshal(r.Profile)
	}, nil
}

// worker finds the target of the page's worker.
func (p *Page) worker(ctx context.Context) (target.ID, error) {
	r, err := chromedp.CallBrowser(p.ctx, target.GetTargets, target.GetTargetsParams{Filter: target.Filter{{Type: "worker"}}})
	if err != nil {
		return "", err
	}
	own := chromedp.FromContext(p.ctx).BrowserContextID
	for _, t := range r.TargetInfos {
		if t.Type == "worker" && t.BrowserContextID == own {
			return t.TargetID, nil
		}
	}
	return "", errors.New("the page has no worker")
}
