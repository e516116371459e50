package main

import (
	"bufio"
	"context"
	"io"
	"os"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/internal/control"
	"github.com/hyperhyperspace/hhs-go/object"
)

// exportChunk is how much of an export one frame carries, in bytes.
const exportChunk = 256 << 10

// chunk is a piece of a file that is written where the command runs; or a step, or, after all pieces, the result.
type chunk[T any] struct {
	Data []byte `json:"data,omitempty"`
	update[T]
}

// chunkWriter sends what is written to it.
type chunkWriter[T any] struct{ send func(any) error }

func (w chunkWriter[T]) Write(p []byte) (int, error) {
	if err := w.send(chunk[T]{Data: p}); err != nil {
		return 0, err
	}
	return len(p), nil
}

// sendFile makes a method of a function that writes a file.
func sendFile[A, R any](f func(ctx context.Context, s *service, args A, w io.Writer, tell func(hhs.Step)) (R, error)) method {
	return func(ctx context.Context, s *service, c *control.Call) error {
		args, err := arguments[A](c)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		w := bufio.NewWriterSize(chunkWriter[R]{c.Send}, exportChunk)
		result, err := f(ctx, s, args, w, func(step hhs.Step) {
			if err := c.Send(chunk[R]{update: update[R]{Step: &step}}); err != nil {
				cancel(err)
			}
		})
		if err == nil {
			err = w.Flush()
		}
		if err != nil {
			return err
		}
		return c.Send(chunk[R]{update: update[R]{Result: &result}})
	}
}

func exportSpace(ctx context.Context, s *service, a spaceArgs, w io.Writer, tell func(hhs.Step)) (hhs.Exported, error) {
	space, err := s.find(a.Space)
	if err != nil {
		return hhs.Exported{}, err
	}
	return space.Export(ctx, w, tell)
}

type objectArgs struct {
	ID string `json:"id"`
}

func exportObject(ctx context.Context, s *service, a objectArgs, w io.Writer, _ func(hhs.Step)) (hhs.ExportedObject, error) {
	id, err := object.ParseID(a.ID)
	if err != nil {
		return hhs.ExportedObject{}, failf("value", "%q is not the id of an object: %w", a.ID, err)
	}
	return s.node.ExportObject(ctx, id, w)
}

type importArgs struct {
	Path string `json:"path"` // absolute
}

func importFile(ctx context.Context, s *service, a importArgs, tell func(hhs.Step)) (hhs.Imported, error) {
	f, err := os.Open(a.Path)
	if err != nil {
		return hhs.Imported{}, err
	}
	defer f.Close()
	return s.node.Import(ctx, f, withSize(f, tell))
}

// withSize tells of the bytes of a file, too, how many there are.
func withSize(f *os.File, tell func(hhs.Step)) func(hhs.Step) {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return tell
	}
	return func(s hhs.Step) {
		s.AllBytes = info.Size()
		tell(s)
	}
}
