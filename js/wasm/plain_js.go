//go:build !scripttest

package main

import (
	"context"

	hhs "github.com/hyperhyperspace/hhs-go"
)

// moreMethods are those that only tests have (scripts_js.go).
var moreMethods map[string]method

// moreOptions are those of open that only tests have.
func moreOptions(context.Context, *args) ([]hhs.Option, error) { return nil, nil }
