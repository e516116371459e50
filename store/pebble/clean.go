//go:build !js

package pebble

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// cleanFile is there while the store is closed after a clean close: one line for each file, with its size in bytes and,
// unless it is a table, its checksum (CRC-32C, hexadecimal; tables have their own), and a last line with the checksum of
// the lines before it. It is removed before anything else is changed.
const cleanFile = "HHS-CLEAN"

// listed is a line of cleanFile.
type listed struct {
	name string
	size int64
	sum  uint32
}

func isTable(name string) bool { return strings.HasSuffix(name, ".sst") }

// ours are the files that the list passes over: those that are not Pebble's, and its lock.
func ours(name string) bool {
	return name == cleanFile || name == lockFile || name == ballastFile || name == formatFile || name == creatingFile || name == logFile ||
		strings.HasSuffix(name, ".tmp")
}

// Kept tells whether a file of a store's directory belongs into a copy of it: the lock and the ballast do not.
func Kept(name string) bool {
	return name != lockFile && name != ballastFile && !strings.HasSuffix(name, ".tmp")
}

// removeOldLogs removes all logs but the last one, which is empty: Pebble keeps those whose groups are in tables to write
// over them, and a closed store has no use for them.
func removeOldLogs(fsys vfs.FS, dir string) error {
	names, err := fsys.List(dir)
	if err != nil {
		return err
	}
	logs := logNumbers(names)
	for _, number := range logs[:max(0, len(logs)-1)] {
		if err := fsys.Remove(fsys.PathJoin(dir, logName(number))); err != nil {
			return err
		}
	}
	return nil
}

// writeClean lists the files of a store that was closed.
func writeClean(fsys vfs.FS, dir string) error {
	names, err := fsys.List(dir)
	if err != nil {
		return err
	}
	slices.Sort(names)
	var text bytes.Buffer
	for _, name := range names {
		if ours(name) {
			continue
		}
		l, err := describe(fsys, dir, name)
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "%s %d %08x\n", l.name, l.size, l.sum)
	}
	fmt.Fprintf(&text, "%08x\n", crc32.Checksum(text.Bytes(), castagnoli))
	path := fsys.PathJoin(dir, cleanFile)
	if err := writeSynced(fsys, path+".tmp", text.Bytes()); err != nil {
		return err
	}
	if err := fsys.Rename(path+".tmp", path); err != nil {
		return err
	}
	return syncDir(fsys, dir)
}

func describe(fsys vfs.FS, dir, name string) (listed, error) {
	path := fsys.PathJoin(dir, name)
	if isTable(name) {
		info, err := fsys.Stat(path)
		if err != nil {
			return listed{}, err
		}
		return listed{name: name, size: info.Size()}, nil
	}
	f, err := fsys.Open(path)
	if err != nil {
		return listed{}, err
	}
	sum := crc32.New(castagnoli)
	n, err := io.Copy(sum, f)
	return listed{name: name, size: n, sum: sum.Sum32()}, errors.Join(err, f.Close())
}

// readClean returns the list, or nil if there is none that can be read.
func readClean(fsys vfs.FS, dir string) ([]listed, error) {
	f, err := fsys.Open(fsys.PathJoin(dir, cleanFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxCleanFile))
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	end := bytes.LastIndexByte(bytes.TrimSuffix(text, []byte("\n")), '\n') + 1
	if string(text[end:]) != fmt.Sprintf("%08x\n", crc32.Checksum(text[:end], castagnoli)) {
		return nil, nil // then it is as after a crash
	}
	list := []listed{}
	for line := range strings.Lines(string(text[:end])) {
		var l listed
		if _, err := fmt.Sscanf(line, "%s %d %x\n", &l.name, &l.size, &l.sum); err != nil {
			return nil, nil
		}
		list = append(list, l)
	}
	return list, nil
}

// compare finds what has changed since the clean close.
func (c *contents) compare(list []listed) error {
	for _, l := range list {
		now, err := describe(c.fs, c.dir, l.name)
		switch {
		case errors.Is(err, fs.ErrPermission):
			return err
		case err != nil:
			c.add(asDamage(err, l.name))
		case now.size != l.size:
			c.add(damaged(l.name, "it has %d bytes and had %d when the store was closed", now.size, l.size))
		case now.sum != l.sum:
			c.add(damaged(l.name, "its bytes have changed since the store was closed"))
		}
	}
	return nil
}

// removeClean removes the list durably, if there is one: from here on the store changes.
func removeClean(fsys vfs.FS, dir string) error {
	err := fsys.Remove(fsys.PathJoin(dir, cleanFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return errors.Join(err, syncDir(fsys, dir))
}
