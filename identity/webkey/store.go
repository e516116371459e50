//go:build js

package webkey

import (
	"context"
	"errors"
	"fmt"
	"syscall/js"

	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
)

const storeName, recordKey = "keys", "device"

// Keys are the keys of this origin in this browser.
type Keys struct {
	Identity    *Key
	DeviceKey   *Key
	Certificate identity.Certificate
}

// Device returns what a node writes with.
func (k Keys) Device() identity.Device {
	return identity.Device{Signer: k.DeviceKey, Certificate: k.Certificate}
}

// Open returns the keys in the named IndexedDB database. If there are none it
// makes an identity, a device key and their certificate (with the label and time
// given) and stores them; made says so. Two tabs that open at once get one and the
// same: the second finds that there are keys and takes those.
func Open(ctx context.Context, database, label string, timeMS int64) (keys Keys, made bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	if _, err := subtle(); err != nil {
		return Keys{}, false, err
	}
	db, err := openDatabase(ctx, database)
	if err != nil {
		return Keys{}, false, err
	}
	defer db.Call("close")
	keys, err = load(ctx, db)
	if !errors.Is(err, errNone) {
		return keys, false, err
	}
	if keys, err = generate(ctx, label, timeMS); err != nil {
		return Keys{}, false, err
	}
	switch err := save(ctx, db, keys); {
	case named(err, "ConstraintError"): // another tab was first
		keys, err = load(ctx, db)
		return keys, false, err
	case err != nil:
		return Keys{}, false, fmt.Errorf("webkey: store the new keys: %w", err)
	}
	return keys, true, nil
}

func generate(ctx context.Context, label string, timeMS int64) (Keys, error) {
	id, err := Generate(ctx)
	if err != nil {
		return Keys{}, err
	}
	device, err := Generate(ctx)
	if err != nil {
		return Keys{}, err
	}
	cert, err := identity.Certify(ctx, id, device.Public(), label, timeMS)
	if err != nil {
		return Keys{}, err
	}
	return Keys{Identity: id, DeviceKey: device, Certificate: cert}, nil
}

// Renew gives the person of the named database a fresh device key, for a device
// whose key turned out to be in use elsewhere, and stores it in place of the one
// there. Only the tab that holds the engine calls it.
func Renew(ctx context.Context, database string, timeMS int64) (Keys, error) {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	db, err := openDatabase(ctx, database)
	if err != nil {
		return Keys{}, err
	}
	defer db.Call("close")
	k, err := load(ctx, db)
	if err != nil {
		return Keys{}, err
	}
	if k.DeviceKey, err = Generate(ctx); err != nil {
		return Keys{}, err
	}
	if k.Certificate, err = identity.Certify(ctx, k.Identity, k.DeviceKey.Public(), k.Certificate.Label, timeMS); err != nil {
		return Keys{}, err
	}
	if err := write(ctx, db, "put", k); err != nil {
		return Keys{}, fmt.Errorf("webkey: store the fresh device key: %w", err)
	}
	return k, nil
}

var errNone = errors.New("webkey: no keys stored")

func openDatabase(ctx context.Context, name string) (js.Value, error) {
	factory := js.Global().Get("indexedDB")
	if factory.Type() != js.TypeObject {
		return js.Undefined(), &UnsupportedError{Missing: "IndexedDB"}
	}
	request, err := try(func() js.Value { return factory.Call("open", name, databaseVersion) })
	if err != nil {
		return js.Undefined(), &UnsupportedError{Missing: "IndexedDB", Cause: err}
	}
	upgrade := js.FuncOf(func(js.Value, []js.Value) any {
		// An exception here aborts the upgrade and reaches onerror.
		request.Get("result").Call("createObjectStore", storeName)
		return nil
	})
	defer upgrade.Release()
	request.Set("onupgradeneeded", upgrade)
	db, err := finished(ctx, request, "onsuccess", "onerror", "onblocked")
	if err != nil {
		return js.Undefined(), fmt.Errorf("webkey: open the key database: %w", err)
	}
	return db, nil
}

// finished waits for an IndexedDB request or transaction: its first event is
// success, any other failure. It returns the result, if there is one.
func finished(ctx context.Context, target js.Value, success string, failures ...string) (js.Value, error) {
	done := make(chan error, 1)
	report := func(err error) {
		select {
		case done <- err:
		default:
		}
	}
	var release []js.Func
	on := func(event string, f func() error) {
		fn := js.FuncOf(func(js.Value, []js.Value) any { report(f()); return nil })
		release = append(release, fn)
		target.Set(event, fn)
	}
	on(success, func() error { return nil })
	for _, name := range failures {
		on(name, func() error {
			if e := target.Get("error"); e.Type() == js.TypeObject {
				return jsError(e)
			}
			return &Exception{Name: "Error", Message: "IndexedDB reports " + name[2:]}
		})
	}
	defer func() {
		for _, event := range append(failures, success) {
			target.Set(event, js.Null())
		}
		for _, fn := range release {
			fn.Release()
		}
	}()
	select {
	case err := <-done:
		if err != nil {
			return js.Undefined(), err
		}
	case <-ctx.Done():
		return js.Undefined(), ctx.Err()
	}
	return try(func() js.Value { return target.Get("result") })
}

// save adds the record: add fails where put would replace keys that another tab
// has begun to use.
func save(ctx context.Context, db js.Value, k Keys) error { return write(ctx, db, "add", k) }

func write(ctx context.Context, db js.Value, method string, k Keys) error {
	cert, err := object.Encode(k.Certificate.Value())
	if err != nil {
		return err
	}
	tx, err := try(func() js.Value {
		tx := db.Call("transaction", storeName, "readwrite", map[string]any{"durability": "strict"})
		tx.Call("objectStore", storeName).Call(method, map[string]any{
			"format":      1,
			"identity":    map[string]any{"key": k.Identity.handle, "public": toJS(k.Identity.public.Bytes())},
			"device":      map[string]any{"key": k.DeviceKey.handle, "public": toJS(k.DeviceKey.public.Bytes())},
			"certificate": toJS(cert),
		}, recordKey)
		return tx
	})
	if err != nil {
		return err
	}
	_, err = finished(ctx, tx, "oncomplete", "onabort", "onerror")
	return err
}

// load reads the record. Both halves of a key were stored in one piece, and the
// certificate is verified, so what is damaged is noticed here.
func load(ctx context.Context, db js.Value) (Keys, error) {
	request, err := try(func() js.Value {
		return db.Call("transaction", storeName, "readonly").Call("objectStore", storeName).Call("get", recordKey)
	})
	if err != nil {
		return Keys{}, fmt.Errorf("webkey: read the stored keys: %w", err)
	}
	record, err := finished(ctx, request, "onsuccess", "onerror")
	if err != nil {
		return Keys{}, fmt.Errorf("webkey: read the stored keys: %w", err)
	}
	if record.IsUndefined() {
		return Keys{}, errNone
	}
	k, err := decode(record)
	if err != nil {
		return Keys{}, fmt.Errorf("webkey: the stored keys are damaged: %w", err)
	}
	return k, nil
}

func decode(record js.Value) (Keys, error) {
	if f := record.Get("format"); f.Type() != js.TypeNumber || f.Int() != 1 {
		return Keys{}, errors.New("unknown format")
	}
	var k Keys
	var err error
	if k.Identity, err = decodeKey(record.Get("identity")); err != nil {
		return Keys{}, err
	}
	if k.DeviceKey, err = decodeKey(record.Get("device")); err != nil {
		return Keys{}, err
	}
	raw, err := bounded(record.Get("certificate"), 1, 4096)
	if err != nil {
		return Keys{}, err
	}
	v, err := object.Decode(raw)
	if err != nil {
		return Keys{}, err
	}
	if k.Certificate, err = identity.CertificateFromValue(v); err != nil {
		return Keys{}, err
	}
	if k.Certificate.Identity != k.Identity.public {
		return Keys{}, errors.New("the certificate belongs to another identity")
	}
	return k, k.Device().Verify()
}

func decodeKey(v js.Value) (*Key, error) {
	if v.Type() != js.TypeObject {
		return nil, errors.New("a key is missing")
	}
	raw, err := toGo(v.Get("public"), identity.KeySize)
	if err != nil {
		return nil, err
	}
	public, err := identity.PublicKeyFromBytes(raw)
	if err != nil {
		return nil, err
	}
	return New(v.Get("key"), public)
}
