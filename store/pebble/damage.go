//go:build !js

package pebble

import (
	"fmt"
	"strings"

	"github.com/hyperhyperspace/hhs-go/store"
)

// DamageError is a file of the store whose bytes are not those that were written, or that is not there. It is a
// store.ErrCorrupt.
type DamageError struct {
	// File is its name within the store's directory.
	File string
	// Cause says what is wrong, and where within the file if that is known.
	Cause error
}

func damaged(file, format string, args ...any) *DamageError {
	return &DamageError{File: file, Cause: fmt.Errorf(format, args...)}
}

// Error implements error.
func (e *DamageError) Error() string {
	cause := strings.ReplaceAll(e.Cause.Error(), "\n<corruption detail carrier>", "") // of Pebble's, a line for machines
	return fmt.Sprintf("%v: %s: %s; hhs fsck saves what can be read", store.ErrCorrupt, e.File, cause)
}

// Unwrap makes it a store.ErrCorrupt and shows the cause.
func (e *DamageError) Unwrap() []error { return []error{store.ErrCorrupt, e.Cause} }

// Report is what Verify and Salvage found.
type Report struct {
	// Tables and Logs are the files that were read, and Bytes their size.
	Tables, Logs int
	Bytes        int64
	// Keys counts what Salvage wrote; Verify leaves it 0.
	Keys int64
	// Guessed is set if the manifest is damaged, so that Salvage took every table and log in the directory:
	// something that was deleted before may be back.
	Guessed bool
	// Damaged are the files that are not as they were written, in the order in which they were found.
	Damaged []*DamageError
}

// Err returns the first damage, or nil.
func (r Report) Err() error {
	if len(r.Damaged) == 0 {
		return nil
	}
	return r.Damaged[0]
}

// Step is how far something is that takes long.
type Step struct {
	// Files and Bytes of AllFiles and AllBytes are done.
	Files, AllFiles int
	Bytes, AllBytes int64
}

// Progress hears of every step, on the goroutine of the call that reports it. Nil hears nothing.
type Progress func(Step)

func (p Progress) tell(s Step) {
	if p != nil {
		p(s)
	}
}
