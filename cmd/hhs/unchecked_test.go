package main

import (
	"bytes"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/hyperhyperspace/hhs-go/store"
)

// TestUnchecked: a check of the files alone does not say that all is well, and a medium that is read only is no defect of hhs.
func TestUnchecked(t *testing.T) {
	var out bytes.Buffer
	a := &app{out: &out}
	a.printChecked(checked{Unchecked: store.ErrReadOnly.Error()}, false)
	if text := out.String(); !strings.Contains(text, "commits were not checked") || strings.Contains(text, "well") {
		t.Error(text)
	}
	if c := code(fmt.Errorf("make a file: %w", syscall.EROFS)); c != "read_only" {
		t.Error(c)
	}
}
