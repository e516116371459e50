package hhs

import (
	"context"
	"io"

	"github.com/hyperhyperspace/hhs-go/blob"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
)

// Blob stands for bytes of any size in a value: a file, a picture. It is the type of a register, of the elements of a
// set, log, map or list, or of a field of a struct in one of these:
//
//	type Album struct{ Pictures hhs.Log[hhs.Blob] }
//
// PutBlob makes one, and AnySpace.OpenBlob reads its bytes.
type Blob = blob.Blob

// MalformedBlob says that what a descriptor stands for is no blob: who wrote it is at fault.
type MalformedBlob = blob.Malformed

// Ref names a value in another space: the id of the space, then field, keys and properties. It is a value like any
// other; nothing follows it over the network.
type Ref = object.Ref

// ErrValueSize means that a value is larger than the 64 KiB that fit into an op: put it as a blob.
var ErrValueSize = replica.ErrValueSize

// BlobOption says something about the bytes of a blob.
type BlobOption func(*blobOptions)

type blobOptions struct {
	media, name string
	tell        func(done int64)
}

// BlobMedia gives the media type, such as "image/png".
func BlobMedia(media string) BlobOption { return func(o *blobOptions) { o.media = media } }

// BlobName gives the name of the file, without a directory.
func BlobName(name string) BlobOption { return func(o *blobOptions) { o.name = name } }

// BlobProgress hears how many bytes are done.
func BlobProgress(tell func(done int64)) BlobOption { return func(o *blobOptions) { o.tell = tell } }

// PutBlob keeps everything that r gives on this node, durably, with bounded memory. It travels nowhere until a value
// names it, and then to those who read it. When it fails, or the program ends before, PutBlob of the same bytes goes on
// where it stopped. A blob that nothing names is removed after a while (CollectBlobs).
func (n *Node) PutBlob(ctx context.Context, r io.Reader, opts ...BlobOption) (Blob, error) {
	var o blobOptions
	for _, opt := range opts {
		opt(&o)
	}
	return n.rep.PutBlob(ctx, r, o.media, o.name, o.tell)
}

// BlobPut is a put of bytes that come piece by piece: an io.Writer, ended by Finish. PutBlob is for all else.
type BlobPut = replica.BlobPut

// NewBlob begins a put of bytes with a media type and a name, both of which may be "". ctx bounds all of it.
func (n *Node) NewBlob(ctx context.Context, media, name string) (*BlobPut, error) {
	return n.rep.NewBlob(ctx, media, name)
}

// BlobCheck is what CheckBlobs found of one blob.
type BlobCheck = replica.BlobCheck

// CheckBlobs reads all that this node has of blobs and tells of each what is damaged. With repair, damaged blocks are
// removed: they are fetched again when the blob is read.
func (n *Node) CheckBlobs(ctx context.Context, repair bool, tell func(BlobCheck) error) error {
	return n.rep.CheckBlobs(ctx, repair, tell)
}

// Collected is what CollectBlobs removed.
type Collected = replica.Collected

// CollectBlobs removes blobs that no space brought here, an hour or more after they were put, and puts that ended a day
// or more ago before they were whole. What a space has ever named stays with it.
func (n *Node) CollectBlobs(ctx context.Context) (Collected, error) { return n.rep.CollectBlobs(ctx) }
