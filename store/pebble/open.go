//go:build !js

package pebble

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/hyperhyperspace/hhs-go/internal/log"
	"github.com/hyperhyperspace/hhs-go/store"
	"github.com/hyperhyperspace/hhs-go/store/internal/group"
)

// Open opens the store in dir and creates it if there is none. A store of an older format is brought to this one.
//
// If nothing can be written, because of the medium, the rights or a full disk, a store that is there is opened for
// reading: Health and every write say why, and opening it again is the way to write once that has changed.
//
// It fails with store.ErrLocked if another process has it open; with store.ErrNewer, having changed nothing, if a newer
// version of this program wrote it; and with a *DamageError, a store.ErrCorrupt, having changed nothing either, if files
// are missing or what was synced cannot be read. See the package comment for what of that is noticed here, and Verify.
func Open(dir string, o Options) (*DB, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	return open(dir, o)
}

func open(dir string, o Options) (*DB, error) {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Log == nil {
		o.Log = log.Discard
	}
	d, err := opening{dir: dir, fs: o.FS, Options: o}.open()
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", dir, err)
	}
	return d, nil
}

// opening is an Open in progress.
type opening struct {
	Options
	dir string
	fs  vfs.FS
}

func (o opening) open() (*DB, error) {
	version, err := readFormat(o.fs, o.dir) // before anything is touched
	if err != nil {
		return nil, corrupt(err, formatFile)
	}
	if version == 0 {
		if err := makeDirectory(o.fs, o.dir); err != nil {
			return nil, err
		}
	}
	lock, err := lockDirectory(o.fs, o.dir)
	if errors.Is(err, errUnwritable) && version > 0 {
		return o.unlocked(err)
	}
	if err != nil {
		return nil, err
	}
	d, err := o.locked(lock)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return d, nil
}

// unlocked opens a store that this process may not write.
func (o opening) unlocked(why error) (*DB, error) {
	lock, err := lockForReading(o.fs, o.dir)
	if err != nil {
		return nil, err
	}
	if _, err = o.look(); err == nil {
		d, openErr := o.readOnly(lock, why)
		if openErr == nil {
			return d, nil
		}
		err = openErr
	}
	return nil, errors.Join(err, lock.Close())
}

// look checks what is there before the engine sees it.
func (o opening) look() (*contents, error) {
	c, err := look(o.fs, o.dir)
	if err != nil {
		return nil, err
	}
	if n := len(c.damaged); n > 0 {
		for _, d := range c.damaged {
			o.Log.Error("store is damaged", "dir", o.dir, "file", d.File, "err", d.Cause)
		}
		return nil, c.damaged[0]
	}
	return c, nil
}

func (o opening) locked(lock *pebble.Lock) (*DB, error) {
	version, creating, err := ensureFormat(o.fs, o.dir)
	if err != nil {
		return nil, err
	}
	if !creating {
		c, err := o.look()
		if err != nil {
			return nil, err
		}
		if err := o.room(c); err != nil {
			return o.readOnly(lock, err)
		}
	}
	d, err := o.writable(lock, version, creating)
	if err != nil && !creating && (vfs.IsNoSpaceError(err) || unwritable(err)) {
		return o.readOnly(lock, translate(err))
	}
	return d, err
}

// room returns store.ErrFull if there is not enough to turn the logs into tables and begin a new one.
func (o opening) room(c *contents) error {
	free, err := newSpace(o.fs, o.dir, o.Options).free(o.dir)
	if err != nil {
		return fmt.Errorf("ask for free space: %w", err)
	}
	need := uint64(replaySlack)
	for _, number := range c.logs {
		if info, err := o.fs.Stat(o.fs.PathJoin(o.dir, logName(number))); err == nil {
			need += uint64(info.Size())
		}
	}
	if free < need {
		return fmt.Errorf("%w: %d KiB free in %s, opening it to write needs %d KiB; make room and start again", store.ErrFull, free>>10, o.dir, need>>10)
	}
	return nil
}

// writable opens the store to write.
func (o opening) writable(lock *pebble.Lock, version int, creating bool) (*DB, error) {
	if err := removeClean(o.fs, o.dir); err != nil {
		return nil, err
	}
	sp := newSpace(o.fs, o.dir, o.Options)
	g := newGuard(o.fs, sp, o.Log)
	g.opening.Store(true)
	db, err := o.engine(g, lock, !creating)
	if err != nil && creating && g.failure() == nil {
		if err := removeLeftovers(o.fs, o.dir); err != nil {
			return nil, err
		}
		db, err = o.engine(g, lock, false)
	}
	if err != nil {
		return nil, corrupt(translate(err), "MANIFEST")
	}
	d := &DB{dir: o.dir, db: db, lock: lock, guard: g, space: sp}
	if err = g.failure(); err == nil && creating {
		err = created(o.fs, o.dir)
	}
	if err == nil {
		err = d.start()
	}
	if err == nil {
		err = d.migrate(version, o.Progress)
	}
	if err != nil {
		g.close()
		return nil, errors.Join(translate(err), d.abandon())
	}
	g.opening.Store(false)
	g.onFailure(o.Lost)
	sp.restoreBallast()
	return d, nil
}

// abandon closes an engine that was not opened to the end.
func (d *DB) abandon() error {
	var errs []error
	for v := range d.views {
		errs = append(errs, v.snap.Close())
	}
	return errors.Join(append(errs, d.db.Close())...)
}

// readOnly opens the store to read, and says why.
func (o opening) readOnly(lock io.Closer, why error) (*DB, error) {
	sp := newSpace(o.fs, o.dir, o.Options)
	g := newGuard(readOnlyFS{FS: o.fs}, sp, o.Log)
	db, err := o.engine(g, nil, true)
	if err != nil {
		return nil, errors.Join(corrupt(translate(err), "MANIFEST"), why)
	}
	g.fail("opened for reading only", why)
	d := &DB{dir: o.dir, db: db, lock: lock, guard: g, space: sp}
	if err := d.start(); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return d, nil
}

// engine opens Pebble; without its lock to read only.
func (o opening) engine(g *guard, lock *pebble.Lock, exists bool) (*pebble.DB, error) {
	cache := pebble.NewCache(cacheSize)
	defer cache.Unref()
	po := engineOptions(g, cache)
	if o.tune != nil {
		o.tune(po)
	}
	po.Lock, po.ReadOnly, po.ErrorIfNotExists = lock, lock == nil, exists
	return pebble.Open(o.dir, po)
}

// start makes an opened engine usable.
func (d *DB) start() (err error) {
	if d.group, _, err = lastGroup(d.db); errors.Is(translate(err), store.ErrCorrupt) {
		d.guard.log.Error("store is damaged: its groups are counted anew", "dir", d.dir, "err", err)
	} else if err != nil {
		return err
	}
	d.synced = d.group // what was recovered was written to tables and synced
	d.views = make(map[*view]struct{})
	d.cond.L = &d.mu
	d.queue = group.New(maxGroup, d.commit)
	d.view = d.newView()
	return nil
}

// corrupt is what opening says of an error: damage, unless it is known to be something else.
func corrupt(err error, file string) error {
	for _, known := range []error{store.ErrLocked, store.ErrFull, store.ErrNewer, store.ErrReadOnly, fs.ErrPermission} {
		if errors.Is(err, known) {
			return err
		}
	}
	var system syscall.Errno
	if errors.As(err, &system) && system != syscall.ENOENT && system != syscall.EIO {
		return err
	}
	if named := fileIn(err); named != "" {
		file = named
	}
	return asDamage(err, file)
}
