//go:build !js

package pebble

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/hyperhyperspace/hhs-go/store"
)

const (
	// formatFile never changes its name or its form, so that any version can read it of any other.
	formatFile = "HHS-FORMAT"
	// logFile holds the name of the newest log and a line feed. A store without it is of before it was written.
	logFile = "HHS-LOG"
	// creatingFile is there until the first open of a new store has succeeded.
	creatingFile = "HHS-CREATING"
	// Format is the version of this engine's files and keys that this program writes: 1 is Pebble's directory, 2 numbers
	// the groups and lists the files at a clean close.
	Format = 2
	// lockFile is Pebble's.
	lockFile = "LOCK"
	// maxFormatFile bounds what is read of it: a number and a line feed.
	maxFormatFile = 32
)

// readFormat returns the version in dir, or 0 if there is no store. It writes nothing.
func readFormat(fsys vfs.FS, dir string) (int, error) {
	f, err := fsys.Open(fsys.PathJoin(dir, formatFile))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, foreignFiles(fsys, dir)
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFormatFile))
	if err != nil {
		return 0, err
	}
	version, ok := parseFormat(data)
	switch {
	case !ok:
		return 0, damaged(formatFile, "it holds %q", data)
	case version > Format:
		return 0, fmt.Errorf("%w: format %d, this program knows up to %d; nothing was changed", store.ErrNewer, version, Format)
	}
	return version, nil
}

// parseFormat reads a positive decimal number without leading zeros, and a line feed.
func parseFormat(data []byte) (version int, ok bool) {
	text, found := bytes.CutSuffix(data, []byte("\n"))
	version, err := strconv.Atoi(string(text))
	return version, found && err == nil && version > 0 && strconv.Itoa(version) == string(text)
}

// foreignFiles refuses a directory with a database that has no format file: it is not ours, or it lost the file.
func foreignFiles(fsys vfs.FS, dir string) error {
	names, err := fsys.List(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasPrefix(name, "MANIFEST-") {
			return damaged(formatFile, "it is not there, and %s is", name)
		}
	}
	return nil
}

// ensureFormat reads the version again, now that the lock is held, and writes it in a new store: durably and before
// Pebble makes its first file. creating is set if the store has never been opened with success.
func ensureFormat(fsys vfs.FS, dir string) (version int, creating bool, err error) {
	version, err = readFormat(fsys, dir)
	if err != nil {
		return 0, false, err
	}
	if version != 0 {
		_, err := fsys.Stat(fsys.PathJoin(dir, creatingFile))
		return version, err == nil, nil
	}
	if err := writeSynced(fsys, fsys.PathJoin(dir, creatingFile), nil); err != nil {
		return Format, true, translate(err)
	}
	if err := syncDir(fsys, dir); err != nil {
		return Format, true, err
	}
	return Format, true, writeFormat(fsys, dir, Format)
}

// writeFormat replaces the version durably.
func writeFormat(fsys vfs.FS, dir string, version int) error {
	name := fsys.PathJoin(dir, formatFile)
	if err := writeSynced(fsys, name+".tmp", fmt.Appendf(nil, "%d\n", version)); err != nil {
		return translate(err)
	}
	if err := fsys.Rename(name+".tmp", name); err != nil {
		return err
	}
	return syncDir(fsys, dir)
}

// created makes what Pebble has made durable and marks the store as one that holds data from now on.
func created(fsys vfs.FS, dir string) error {
	if err := syncDir(fsys, dir); err != nil {
		return err
	}
	if err := fsys.Remove(fsys.PathJoin(dir, creatingFile)); err != nil {
		return err
	}
	return syncDir(fsys, dir)
}

// removeLeftovers removes what Pebble left of a first open that was cut short, so that it can begin again. Power lost
// at the wrong moment leaves a pointer to a manifest that is not there.
func removeLeftovers(fsys vfs.FS, dir string) error {
	names, err := fsys.List(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if name == formatFile || name == creatingFile || name == ballastFile || name == lockFile { // not cleanFile: there is none
			continue
		}
		if err := fsys.RemoveAll(fsys.PathJoin(dir, name)); err != nil {
			return err
		}
	}
	return syncDir(fsys, dir)
}

// makeDirectory makes a directory durably, with those it is in: whoever made them just before need not have synced them.
func makeDirectory(fsys vfs.FS, dir string) error {
	if err := fsys.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for up := fsys.PathDir(dir); ; up = fsys.PathDir(up) {
		if err := syncDir(fsys, up); err != nil && !unwritable(err) { // what cannot even be opened was not made by this user
			return err
		}
		if up == fsys.PathDir(up) {
			return nil
		}
	}
}

func syncDir(fsys vfs.FS, dir string) error {
	d, err := fsys.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func writeSynced(fsys vfs.FS, name string, data []byte) error {
	f, err := fsys.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
