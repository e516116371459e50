//go:build !js

package hhs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/identity/keyfile"
	"github.com/hyperhyperspace/hhs-go/internal/pace"
	"github.com/hyperhyperspace/hhs-go/store/pebble"
	"github.com/hyperhyperspace/hhs-go/transport"
	"github.com/hyperhyperspace/hhs-go/transport/rtc"
	"github.com/hyperhyperspace/hhs-go/transport/ws"
)

// Files of a node's directory.
const (
	keyFileName = "keys"
	storeDir    = "store"
)

var platformPace = pace.Point

func platformVerifier() identity.Verifier { return identity.Parallel{} }

// openEngine fills in what the options leave open, for a native program: Pebble
// in the directory, keys in a file beside it, WebSocket and pion's WebRTC.
func (n *Node) openEngine(ctx context.Context, dir string, o *options) error {
	if o.store == nil {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		if err := finishSalvage(dir); err != nil {
			return err
		}
		db, err := pebble.Open(filepath.Join(dir, storeDir), pebble.Options{Log: o.log, Lost: o.lost})
		if err != nil {
			return err
		}
		removeBackupWork(dir, o.log)
		n.closers = append(n.closers, db)
		n.engine = db
		o.store = db
	}
	if o.device == nil {
		d, err := n.openKeys(ctx, dir, o)
		if err != nil {
			return err
		}
		o.device = &d
	}
	if o.dialers == nil {
		d := &ws.Dialer{}
		o.dialers = map[string]transport.Dialer{"ws": d, "wss": d}
	}
	if o.rtc == nil {
		o.rtc = &RTC{
			Dial: func(ctx context.Context, x Exchange) (transport.Conn, error) {
				return rtc.Dial(ctx, x, n.net.rtcConfig(o))
			},
			Answer: func(ctx context.Context, x Exchange) (transport.Conn, error) {
				return rtc.Answer(ctx, x, n.net.rtcConfig(o))
			},
		}
	}
	return nil
}

// openKeys reads the directory's key file, or makes it. Without a directory
// the keys live in memory.
func (n *Node) openKeys(ctx context.Context, dir string, o *options) (identity.Device, error) {
	label := o.label
	if label == "" {
		label, _ = os.Hostname()
	}
	now := time.Now
	if o.now != nil {
		now = o.now
	}
	if dir == "" {
		keys, err := keyfile.New(ctx, label, now().UnixMilli())
		n.fresh = true
		n.renew = func(ctx context.Context) (identity.Device, error) {
			fresh, err := keys.Renewed(ctx, now().UnixMilli())
			return fresh.Device(), err
		}
		return keys.Device(), err
	}
	path := filepath.Join(dir, keyFileName)
	keys, pass, err := loadKeys(path, o)
	if errors.Is(err, fs.ErrNotExist) {
		if err := n.mayBeNew(dir, path, o); err != nil {
			return identity.Device{}, err
		}
		if keys, err = keyfile.New(ctx, label, now().UnixMilli()); err == nil {
			err = keyfile.Create(path, keys)
			n.fresh = true
		}
	}
	if err != nil {
		return identity.Device{}, fmt.Errorf("keys: %w", err)
	}
	// The passphrase is kept for this: a key is renewed when nobody may be there to ask.
	n.renew = func(ctx context.Context) (identity.Device, error) {
		fresh, err := keyfile.Renew(ctx, path, pass, now().UnixMilli())
		return fresh.Device(), err
	}
	return keys.Device(), nil
}

// ErrNoKeys: a directory has data and no key file, so that nobody can go on as the
// person who wrote it. Put the file back from a backup, or open it with NewPerson.
var ErrNoKeys = errors.New("the key file is missing")

// NewPerson lets Open make the keys of a new person in a directory that has data
// and no key file: what is here can be read, and is somebody else's.
func NewPerson() Option { return func(o *options) { o.newPerson = true } }

// mayBeNew refuses to make keys beside a store that was written to with others, but
// for one restored from a backup that was made without keys.
func (n *Node) mayBeNew(dir, path string, o *options) error {
	if n.engine == nil || o.newPerson {
		return nil
	}
	why, err := os.ReadFile(filepath.Join(dir, restoredFile))
	if err == nil && strings.TrimSpace(string(why)) == whyRestoredBare {
		return nil
	}
	snap, err := n.engine.Snapshot()
	if err != nil {
		return err
	}
	defer snap.Close()
	for _, err := range snap.Scan(nil, nil, false) {
		if err != nil {
			return err
		}
		return fmt.Errorf("%w: %s is not there, and the store beside it holds what was written with it; nothing was changed", ErrNoKeys, path)
	}
	return nil
}

// loadKeys returns the keys and the passphrase that was asked for them.
func loadKeys(path string, o *options) (keys keyfile.Keys, pass string, err error) {
	protected, err := keyfile.Protected(path)
	if err != nil {
		return keys, "", err
	}
	if !protected || o.passphrase == nil {
		keys, err = keyfile.Load(path)
		return keys, "", err
	}
	if pass, err = o.passphrase(); err != nil {
		return keys, "", err
	}
	keys, err = keyfile.Unlock(path, pass)
	return keys, pass, err
}
