package main

import (
	"context"
	"errors"
	"io"
	"mime"
	"os"
	"path/filepath"
	"strings"
	"time"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/blob"
	"github.com/hyperhyperspace/hhs-go/object"
)

type putArgs struct {
	Path  string `json:"path"` // absolute
	Media string `json:"media,omitempty"`
}

// putFile keeps a file as a blob and returns its descriptor as JSON.
func putFile(ctx context.Context, s *service, a putArgs, tell func(hhs.Step)) (blobInfo, error) {
	f, err := os.Open(a.Path)
	if err != nil {
		return blobInfo{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return blobInfo{}, err
	}
	if !info.Mode().IsRegular() {
		return blobInfo{}, failf("invalid", "%s is no file", a.Path)
	}
	media := a.Media
	if media == "" {
		media = mime.TypeByExtension(filepath.Ext(a.Path))
	}
	name := filepath.Base(a.Path)
	b, err := s.node.PutBlob(ctx, f, hhs.BlobMedia(media), hhs.BlobName(name), hhs.BlobProgress(func(done int64) {
		tell(hhs.Step{What: name, Bytes: done, AllBytes: info.Size()})
	}))
	return blobInfoOf(b), err
}

// blobInfo is what is said of a blob.
type blobInfo struct {
	Root  string `json:"root"`
	Size  int64  `json:"size"`
	Media string `json:"media,omitempty"`
	Name  string `json:"name,omitempty"`
}

func blobInfoOf(b hhs.Blob) blobInfo {
	return blobInfo{Root: b.Root.String(), Size: b.Size, Media: b.Media, Name: b.Name}
}

type readArgs struct {
	getArgs
	Blob string        `json:"blob,omitempty"` // the end of a root, where a field has several
	Wait time.Duration `json:"wait"`           // how long to wait for peers; 0: what is not here is not fetched
}

// readBlob writes the bytes of a blob that a field holds.
func readBlob(ctx context.Context, s *service, a readArgs, w io.Writer, tell func(hhs.Step)) (blobInfo, error) {
	b, space, err := s.blobIn(ctx, a)
	if err != nil {
		return blobInfo{}, err
	}
	if a.Wait > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, a.Wait)
		defer cancel()
	}
	r, err := space.OpenBlob(ctx, b)
	if err != nil {
		return blobInfo{}, err
	}
	defer r.Close()
	here, err := r.Here()
	if err == nil && here < b.Size && a.Wait == 0 {
		err = failf("not_ready", "%d of %d bytes of %s are on this device; --wait 5m fetches the rest from peers that have it", here, b.Size, b.Root)
	}
	if err == nil {
		_, err = io.Copy(w, &metered{r, b, 0, tell})
	}
	if errors.Is(err, context.DeadlineExceeded) {
		here, _ := r.Here()
		st := space.Status()
		err = failf("not_ready", "%d of %d bytes of %s came within %v (%s, %d connected); what came stays, and the next time goes on from there",
			here, b.Size, b.Root, a.Wait, st.State, st.Peers)
	}
	return blobInfoOf(b), err
}

// metered tells how much was read.
type metered struct {
	r    io.Reader
	blob hhs.Blob
	done int64
	tell func(hhs.Step)
}

// Read implements io.Reader.
func (m *metered) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.done += int64(n)
	m.tell(hhs.Step{What: "blob " + m.blob.Root.Short(), Bytes: m.done, AllBytes: m.blob.Size})
	return n, err
}

// blobIn finds the blob that a field, or a value in one, holds.
func (s *service) blobIn(ctx context.Context, a readArgs) (b hhs.Blob, space *hhs.AnySpace, err error) {
	if space, err = s.find(a.Space); err != nil {
		return b, nil, err
	}
	list, err := getFields(ctx, s, a.getArgs)
	if err != nil {
		return b, nil, err
	}
	found := map[object.ID]hhs.Blob{}
	add := func(value []byte) error {
		v, err := object.FromJSON(value)
		if err != nil {
			return err
		}
		block, err := object.Encode(v)
		for _, one := range blob.Find(block) {
			if a.Blob == "" || len(a.Blob) >= minEnd && strings.HasSuffix(one.Root.String(), a.Blob) {
				found[one.Root], b = one, one
			}
		}
		return err
	}
	for _, f := range list {
		values := f.Conflicts
		if f.Value != nil {
			values = append(values, *f.Value)
		}
		for _, e := range append(values, f.Entries...) {
			err = errors.Join(err, add(e.Value))
		}
		for _, i := range f.Items {
			err = errors.Join(err, add(i.Value))
		}
	}
	switch {
	case err != nil:
		return b, nil, err
	case len(found) == 0:
		return b, nil, failf("not_found", "%s holds no blob%s", a.Field, map[bool]string{true: " with a root that ends in " + a.Blob}[a.Blob != ""])
	case len(found) > 1:
		return b, nil, failf("ambiguous", "%s holds %d blobs: choose one by the end of its root with --blob", a.Field, len(found))
	}
	return b, space, nil
}
