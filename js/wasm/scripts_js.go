//go:build scripttest

package main

import (
	"bytes"
	"context"
	"time"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/internal/scripts"
)

// The engine that runs testdata/scripts. It is the one of pages, but for four things: open takes a seed from which keys
// and salts follow (package scripts says how), clock sets the time, give makes a file of a space and take reads one.

var now = scripts.Start

var moreMethods = map[string]method{"clock": (*engine).clock, "give": (*engine).give, "take": (*engine).take}

func moreOptions(ctx context.Context, a *args) ([]hhs.Option, error) {
	return scripts.Options(ctx, a.text("seed"), func() time.Time { return now })
}

func (e *engine) clock(_ context.Context, a *args) (result, error) {
	step := a.optInt("step", 0)
	if err := a.end(); err != nil {
		return nil, err
	}
	now = scripts.Start.Add(time.Duration(step) * time.Second)
	return nil, nil
}

func (e *engine) give(ctx context.Context, a *args) (result, error) {
	s, err := e.space(a)
	if err == nil {
		err = a.end()
	}
	if err != nil {
		return nil, err
	}
	var file bytes.Buffer
	_, err = s.Export(ctx, &file)
	return result{"file": file.Bytes()}, err
}

func (e *engine) take(ctx context.Context, a *args) (result, error) {
	file := a.optBytes("file")
	n, err := e.running()
	if err == nil {
		err = a.end()
	}
	if err != nil {
		return nil, err
	}
	x, err := n.Import(ctx, bytes.NewReader(file))
	return result{"space": x.Space.String()}, err
}
