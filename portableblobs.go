package hhs

import (
	"context"
	"fmt"

	"github.com/hyperhyperspace/hhs-go/blob"
	"github.com/hyperhyperspace/hhs-go/history/export"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
)

// blobParts is what an export has of blobs: what is here of those that the space names.
func (s *AnySpace) blobParts() (parts []export.BlobPart, err error) {
	list, err := s.rep.BlobsHere()
	for _, b := range list {
		for runs := b.Runs; len(runs) > 0; {
			n := min(len(runs), export.MaxRuns)
			p := export.BlobPart{Root: b.Root, Size: b.Size}
			for _, r := range runs[:n] {
				p.Runs = append(p.Runs, export.Run{First: r[0], Count: r[1]})
			}
			parts, runs = append(parts, p), runs[n:]
		}
	}
	return parts, err
}

func (s *AnySpace) exportBlobs(ctx context.Context, out *export.Writer, parts []export.BlobPart, x *Exported, tell []func(Step)) error {
	before := object.ID{}
	for _, p := range parts {
		if err := out.Part(p); err != nil {
			return err
		}
		if p.Root != before {
			x.Blobs, before = x.Blobs+1, p.Root
		}
		err := p.Walk(func(at blob.Place, id object.ID) ([]object.ID, error) {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			data, links, err := s.node.rep.BlobBlock(p.Root, at)
			if err != nil {
				return nil, fmt.Errorf("blob %s: block %d of level %d: %w", p.Root.Short(), at.Index, at.Level, err)
			}
			err = out.Block(id, data)
			x.Bytes = out.Size()
			tellAll(tell, Step{What: "export blobs of " + x.Space.Short(), Items: int64(x.Blobs), Bytes: x.Bytes})
			return links, err
		})
		if err != nil {
			return err
		}
	}
	x.Bytes = out.Size()
	return nil
}

// importBlobs keeps what a file has of the blobs that the space names. What it has of others is checked, and not kept.
func importBlobs(ctx context.Context, in *export.Reader, space *replica.Space, x *Imported, what string, tell []func(Step)) error {
	before := object.ID{}
	for {
		p, ok, err := in.Part()
		if err != nil || !ok {
			return err
		}
		if p.Root != before {
			x.Blobs, before = x.Blobs+1, p.Root
		}
		c, err := keeping(space, p)
		if err != nil {
			return err
		}
		err = in.Blocks(p, func(at blob.Place, id object.ID, data []byte) error {
			x.Bytes = in.Size()
			tellAll(tell, Step{What: what + " blobs of " + x.Space.Short(), Items: int64(x.Blobs), Bytes: x.Bytes})
			if err := ctx.Err(); err != nil || c == nil {
				return err
			}
			return c.Take(ctx, replica.Block{Root: p.Root, Place: at, ID: id}, data)
		})
		if err == nil && c != nil {
			err = c.Sync(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// keeping is the copy that a part of a blob goes into; nil if the space does not name the blob.
func keeping(space *replica.Space, p export.BlobPart) (*replica.BlobCopy, error) {
	named, err := space.Named(p.Root)
	if err != nil || !named {
		return nil, err
	}
	return space.Blob(Blob{Root: p.Root, Size: p.Size})
}
