package main

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

// TestForgottenFiles: a file that nobody goes on with is forgotten, and none during a call, however long that takes.
func TestForgottenFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fs files
		in, out := io.Pipe()
		begun, err := fs.begin(&file{out: out}, func(ctx context.Context) error {
			_, err := io.ReadAll(in)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		number := int(begun["file"].(int64))
		for range 2 {
			f, err := fs.get(number)
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * forgetFiles)
			fs.release(f)
			time.Sleep(forgetFiles / 2)
		}
		time.Sleep(forgetFiles)
		if _, err := fs.get(number); err != errFile {
			t.Errorf("after %v: %v", forgetFiles, err)
		}
	})
}
