package main

import (
	"context"
	"errors"
	"fmt"
)

// reopen measures a page that shows a room of n messages, all of them in its own store, without a network:
//
//	first_screen_ms    from the start of the navigation until the last messages are on the screen
//	first_screen_worst_ms  the longest of the visits
//	stored_mb          what the browser says that the origin uses
func (b *bench) reopen(ctx context.Context) error {
	p, err := b.Isolated(ctx)
	if err != nil {
		return err
	}
	defer p.Close()
	const screen = `Number(d.messages) === %d && document.querySelectorAll('li.message').length >= %d`
	if err := note(ctx, p, "screenAt", fmt.Sprintf(screen, b.n, min(b.n, 50))); err != nil {
		return err
	}
	peer, err := newNative(ctx, b.n)
	if err != nil {
		return err
	}
	err = p.Goto(ctx, peer.link(b.url))
	if err == nil {
		err = p.Until(ctx, fmt.Sprintf(`(d => Number(d.commits) >= %d && Number(d.messages) === %d && d.status === 'synced' && d.sw === 'controlled')(document.documentElement.dataset)`, b.n, b.n))
	}
	if err := errors.Join(err, peer.close()); err != nil {
		return err
	}
	var took []float64
	for range b.runs {
		if err := p.Goto(ctx, "about:blank"); err != nil {
			return err
		}
		if err := p.Goto(ctx, b.url); err != nil {
			return err
		}
		ms, err := noted(ctx, p, "screenAt")
		if err != nil {
			return err
		}
		took = append(took, ms)
	}
	var stored float64
	if err := p.Eval(ctx, `navigator.storage.estimate().then(e => e.usage)`, &stored); err != nil {
		return err
	}
	say("first_screen_ms", median(took))
	say("first_screen_worst_ms", took[len(took)-1])
	say("stored_mb", stored/1e6)
	return nil
}
