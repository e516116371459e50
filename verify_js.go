package hhs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall/js"

	"github.com/hyperhyperspace/hhs-go/store"
	"github.com/hyperhyperspace/hhs-go/store/idb"
)

// verifyStore is the database in which a page checks a file.
const verifyStore = "hhs-verify"

// VerifyExport reads what AnySpace.Export wrote and checks all of it as a node would that gets it from a stranger, with
// every hash, signature and rule, and that it is whole. It needs no node and no network; while it works what is in the file
// takes room in a database of its own, or in memory where there are none. A *FileError says what is wrong, and where.
func VerifyExport(ctx context.Context, r io.Reader, tell ...func(Step)) (x Imported, err error) {
	if !js.Global().Get("indexedDB").Truthy() {
		return verify(ctx, store.NewMem(), r, tell)
	}
	// A page that was closed while it checked a file has left one.
	if err := idb.Delete(ctx, verifyStore); err != nil {
		return x, fmt.Errorf("verify: %w", err)
	}
	db, err := idb.Open(ctx, verifyStore, idb.Options{})
	if err != nil {
		return x, fmt.Errorf("verify: %w", err)
	}
	x, err = verify(ctx, db, r, tell)
	return x, errors.Join(err, db.Close(), idb.Delete(context.WithoutCancel(ctx), verifyStore))
}
