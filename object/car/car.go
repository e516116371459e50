//go:build !js

// Package car writes and reads CAR files, the container of IPLD blocks that hhs exports to and imports from.
//
// [Write] streams CAR version 1 to any writer; [WriteIndexed] writes version 2, with an index, to a file.
// [NewReader] reads both. Every block that is read has been hashed and its id compared; blocks of other codecs
// or hashes than hhs has, blocks over object.MaxBlock, and dag-cbor that is not canonical are refused.
//
// The format is that of https://ipld.io/specs/transport/car/, done by ipld/go-car. The package is not part of
// the WebAssembly build.
package car

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/ipfs/go-cid"
	carv2 "github.com/ipld/go-car/v2"
	"github.com/ipld/go-car/v2/storage"
	"github.com/multiformats/go-multihash"

	"github.com/hyperhyperspace/hhs-go/object"
)

// Block is a block with its id.
type Block struct {
	ID   object.ID
	Data []byte
}

// ErrBlock is what a block is refused with: its bytes do not hash to its id, or hhs has no such block.
var ErrBlock = errors.New("not a block of hhs")

// Write writes blocks as a CAR, version 1, in the order given. roots are the ids that the file is about; their
// blocks need not be in it. A block given twice is written once. Ids are checked against the blocks.
func Write(ctx context.Context, w io.Writer, roots []object.ID, blocks iter.Seq2[Block, error]) error {
	return write(ctx, w, roots, blocks, carv2.WriteAsCarV1(true))
}

// File is what CAR version 2 is written to, as *os.File.
type File interface {
	io.Writer
	io.WriterAt
}

// WriteIndexed writes blocks as [Write] does, as version 2: with an index at the end that lets readers find a
// block without reading the others.
func WriteIndexed(ctx context.Context, f File, roots []object.ID, blocks iter.Seq2[Block, error]) error {
	return write(ctx, f, roots, blocks)
}

func write(ctx context.Context, w io.Writer, roots []object.ID, blocks iter.Seq2[Block, error], opts ...carv2.Option) error {
	cids := make([]cid.Cid, len(roots))
	for i, id := range roots {
		cids[i] = toCID(id)
	}
	out, err := storage.NewWritable(w, cids, append(opts, carv2.UseWholeCIDs(true))...)
	if err != nil {
		return fmt.Errorf("write car: %w", err)
	}
	for b, err := range blocks {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = check(b)
		}
		if err == nil {
			err = out.Put(ctx, toCID(b.ID).KeyString(), b.Data)
		}
		if err != nil {
			return fmt.Errorf("write car: %w", err)
		}
	}
	if err := out.Finalize(); err != nil {
		return fmt.Errorf("write car: %w", err)
	}
	return nil
}

// check holds a block against its id and the format.
func check(b Block) error {
	if b.ID.IsZero() || len(b.Data) > object.MaxBlock || object.Sum(b.ID.Codec(), b.Data) != b.ID {
		return fmt.Errorf("%w: %s with %d bytes", ErrBlock, b.ID, len(b.Data))
	}
	if b.ID.Codec() == object.DagCBOR {
		if err := object.Check(b.Data); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrBlock, b.ID, err)
		}
	}
	return nil
}

// Reader reads a CAR once, from its beginning to its end.
type Reader struct {
	roots []object.ID
	in    *carv2.BlockReader
}

// NewReader reads the head of a CAR, of version 1 or 2.
func NewReader(r io.Reader) (*Reader, error) {
	in, err := carv2.NewBlockReader(r, carv2.MaxAllowedHeaderSize(maxHeader), carv2.MaxAllowedSectionSize(maxSection))
	if err != nil {
		return nil, fmt.Errorf("read car: %w", err)
	}
	roots := make([]object.ID, len(in.Roots))
	for i, c := range in.Roots {
		if roots[i], err = fromCID(c); err != nil {
			return nil, fmt.Errorf("read car: root %d: %w", i, err)
		}
	}
	return &Reader{roots: roots, in: in}, nil
}

// Roots are the ids that the file is about.
func (r *Reader) Roots() []object.ID { return r.roots }

// Blocks are the blocks in the order of the file, each checked. It ends after the first error.
func (r *Reader) Blocks() iter.Seq2[Block, error] {
	return func(yield func(Block, error) bool) {
		for {
			b, err := r.next()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				err = fmt.Errorf("read car: %w", err)
			}
			if !yield(b, err) || err != nil {
				return
			}
		}
	}
}

func (r *Reader) next() (Block, error) {
	raw, err := r.in.Next() // hashes the block and compares
	if err != nil {
		return Block{}, err
	}
	id, err := fromCID(raw.Cid())
	if err != nil {
		return Block{}, err
	}
	b := Block{ID: id, Data: raw.RawData()}
	if err := check(b); err != nil {
		return Block{}, err
	}
	return b, nil
}

func toCID(id object.ID) cid.Cid {
	if id.IsZero() {
		return cid.Undef
	}
	d := id.Digest()
	h, err := multihash.Encode(d[:], multihash.SHA2_256)
	if err != nil {
		return cid.Undef // 32 bytes always encode
	}
	return cid.NewCidV1(uint64(id.Codec()), h)
}

func fromCID(c cid.Cid) (object.ID, error) {
	id, err := object.IDFromBytes(c.Bytes())
	if err != nil {
		return object.ID{}, fmt.Errorf("%w: %s", ErrBlock, c)
	}
	return id, nil
}
