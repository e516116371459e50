package scripts

import (
	"context"
	"fmt"
	"io"
	"reflect"
	"strings"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/blob"
)

// put keeps the bytes of a text, as often as the step says, and compares the value that stands for them.
func (r *run) put(ctx context.Context, step map[string]any) error {
	p, err := r.person(ctx, step["at"])
	if err != nil {
		return err
	}
	text, _ := step["put"].(string)
	times, ok := step["times"].(int64)
	if !ok {
		times = 1
	}
	media, _ := step["media"].(string)
	name, _ := step["name"].(string)
	b, err := p.node.PutBlob(ctx, strings.NewReader(strings.Repeat(text, int(times))), hhs.BlobMedia(media), hhs.BlobName(name))
	if fails, ok := step["fails"].(map[string]any); ok {
		return failed(err, fails)
	}
	if err != nil {
		return err
	}
	if r.update {
		step["gives"] = b.Value()
	}
	if !reflect.DeepEqual(b.Value(), step["gives"]) {
		return fmt.Errorf("%s is given\n%s\nnot\n%s", p.name, show(b.Value()), show(step["gives"]))
	}
	return nil
}

// bytes reads from a blob that is here.
func (r *run) bytes(ctx context.Context, step map[string]any) error {
	p, space, err := r.at(ctx, step)
	if err != nil {
		return err
	}
	value, err := blob.FromValue(step["bytes"])
	if err != nil {
		return err
	}
	b, err := space.OpenBlob(ctx, value)
	if err != nil {
		return err
	}
	defer b.Close()
	if here, err := b.Here(); err != nil || here < b.Size() {
		return fmt.Errorf("%s has %d of %d bytes: %w", p.name, here, b.Size(), err)
	}
	from, to := int64(0), b.Size()
	if ends, ok := step["range"].([]any); ok && len(ends) == 2 {
		from, _ = ends[0].(int64)
		to, _ = ends[1].(int64)
	}
	got, err := io.ReadAll(io.NewSectionReader(b, from, to-from))
	if err != nil {
		return err
	}
	if string(got) != step["gives"] {
		return fmt.Errorf("%s reads %q, not %v", p.name, got, step["gives"])
	}
	return nil
}
