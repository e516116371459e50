//go:build !js

package pebble

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/batchrepr"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/hyperhyperspace/hhs-go/internal/log"
	"github.com/hyperhyperspace/hhs-go/store"
)

// Pebble takes the first invalid record of its newest log, and of its manifest, for the torn end that a loss of power
// leaves: what follows is dropped and then overwritten. Before it opens a store, check looks whether it is one.
//
//   - After a clean close cleanFile lists what there is, so that any difference is damage.
//   - Otherwise an invalid record is damage if it is valid but for one bit, or if a later valid record says that it was
//     synced: every group of batches carries its number and that of the last group known to be synced by then
//     (groupKey). In the manifest any later record says so.
//   - The numbers in the logs continue the number in the tables without a gap; else a log or an edit of the manifest is
//     missing. The newest log is named by logFile.
//
// Not seen is, after a crash, that the end of the newest log was cut off, and damage of more than one bit to the very last
// groups: those after which nothing that is still readable was written.

// groupKey holds the number of the last group and that of the last one known to be synced before it, 8 bytes each.
var groupKey = []byte("\x00group")

func groupValue(number, synced uint64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(make([]byte, 0, 16), number), synced)
}

func parseGroup(v []byte) (number, synced uint64, ok bool) {
	if len(v) != 16 {
		return 0, 0, false
	}
	return binary.BigEndian.Uint64(v), binary.BigEndian.Uint64(v[8:]), true
}

// contents is what is in a store's directory.
type contents struct {
	fs       vfs.FS
	dir      string
	tables   []string
	logs     []uint32 // numbers, in order
	manifest string
	damaged  []*DamageError
	gap      bool   // a whole log is missing, or an edit of the manifest
	last     uint64 // number of the last group in the logs
}

func logName(number uint32) string { return fmt.Sprintf("%06d.log", number) }

// look lists a store and checks all but its tables. The caller holds the lock, or knows that nobody writes. The error is
// for what could not be looked at.
func look(fsys vfs.FS, dir string) (*contents, error) {
	c := &contents{fs: fsys, dir: dir}
	var format *DamageError
	version, err := readFormat(fsys, dir)
	switch {
	case errors.As(err, &format):
		c.add(format)
	case err != nil:
		return nil, err
	case version == 0:
		return nil, fmt.Errorf("there is no store: %w", fs.ErrNotExist)
	}
	names, err := fsys.List(dir)
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	for _, name := range names {
		if strings.HasSuffix(name, ".sst") {
			c.tables = append(c.tables, name)
		}
	}
	c.logs = logNumbers(names)
	return c, c.check()
}

// logNumbers returns the numbers of the logs among files, in order.
func logNumbers(names []string) (list []uint32) {
	for _, name := range names {
		base, isLog := strings.CutSuffix(name, ".log")
		if n, err := strconv.ParseUint(base, 10, 32); isLog && err == nil {
			list = append(list, uint32(n))
		}
	}
	slices.Sort(list)
	return list
}

func (c *contents) add(d *DamageError) { c.damaged = append(c.damaged, d) }

func (c *contents) check() error {
	if desc, err := pebble.Peek(c.dir, c.fs); err != nil {
		c.add(asDamage(err, "MANIFEST"))
	} else if c.manifest = "MANIFEST"; !desc.Exists {
		c.add(damaged("MANIFEST", "the file marker.manifest that names it is not there"))
	} else {
		c.manifest = c.fs.PathBase(desc.ManifestFilename)
	}
	list, err := readClean(c.fs, c.dir)
	if err != nil {
		return err
	}
	if list != nil {
		return c.compare(list)
	}
	if !c.doubtful() {
		if err := c.checkManifest(); err != nil {
			return err
		}
	}
	if len(c.damaged) > 0 {
		return nil
	}
	if len(c.logs) == 0 {
		c.add(damaged("*.log", "there is no log"))
	}
	if err := c.checkNewest(); err != nil {
		return err
	}
	return c.checkLogs()
}

// read calls visit with the chunks of a file. A file that is not there or cannot be read is damaged.
func (c *contents) read(name string, number uint32, visit func(chunk) error) (ending, bool, error) {
	f, err := c.fs.Open(c.fs.PathJoin(c.dir, name))
	if err == nil {
		r := chunkReader{number: number}
		var end ending
		end, err = r.read(f, visit)
		if err = errors.Join(err, f.Close()); err == nil {
			return end, true, nil
		}
	}
	if errors.Is(err, fs.ErrPermission) {
		return ending{}, false, err
	}
	c.add(asDamage(err, name))
	return ending{}, false, nil
}

// doubtful tells that the manifest may not name every table: Pebble takes what it can read of one for all of it.
func (c *contents) doubtful() bool {
	return c.gap || slices.ContainsFunc(c.damaged, func(d *DamageError) bool { return strings.Contains(d.File, "MANIFEST") })
}

func (c *contents) checkManifest() error {
	later := int64(-1)
	end, ok, err := c.read(c.manifest, 0, func(ch chunk) error {
		if ch.after && later < 0 {
			later = ch.at
		}
		return nil
	})
	switch {
	case !ok || err != nil:
		return err
	case end.flipped:
		c.add(damaged(c.manifest, "one bit has changed in the record at byte %d", end.at))
	case later >= 0:
		c.add(damaged(c.manifest, "the record at byte %d is damaged; a later one is at byte %d", end.at, later))
	}
	return nil
}

// checkNewest misses the newest log. An older version of this program made later ones without noting them.
func (c *contents) checkNewest() error {
	f, err := c.fs.Open(c.fs.PathJoin(c.dir, logFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFormatFile))
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	noted := logNumbers([]string{strings.TrimSuffix(string(text), "\n")})
	switch {
	case len(noted) == 0:
		c.add(damaged(logFile, "it holds %q", text))
	case len(c.logs) > 0 && c.logs[len(c.logs)-1] < noted[0]:
		c.add(damaged(logName(noted[0]), "it is not there, and was the newest log"))
	}
	return nil
}

// checkLogs checks every log by itself and that together they continue the tables.
func (c *contents) checkLogs() error {
	if len(c.damaged) > 0 {
		return nil
	}
	table, err := c.groupInTables()
	if err != nil {
		return nil //nolint:nilerr // what keeps it from being opened is said by whoever opens it next
	}
	c.last = table
	for _, number := range c.logs {
		if err := c.checkLog(number); err != nil {
			return err
		}
	}
	return nil
}

func (c *contents) checkLog(number uint32) error {
	name := logName(number)
	var proof *DamageError
	var r groupReader
	end, ok, err := c.read(name, number, func(ch chunk) error {
		group, synced, has := r.next(ch)
		switch {
		case !has || proof != nil:
		case ch.after && synced > c.last:
			proof = damaged(name, "the group at byte %d says that %d groups were synced before it, and only %d can be read", r.at, synced, c.last)
		case !ch.after && group > c.last+1:
			proof = damaged(name, "group %d is at byte %d, and before it only %d can be read", group, r.at, c.last)
			c.gap = true
		case !ch.after:
			c.last = max(c.last, group)
		}
		return nil
	})
	switch {
	case !ok || err != nil:
		return err
	case end.flipped:
		c.add(damaged(name, "one bit has changed in the record at byte %d", end.at))
	case proof != nil:
		c.add(proof)
	}
	return nil
}

// groupReader reads the numbers of groups from the chunks of a log. A record may be cut between any two bytes.
type groupReader struct {
	at    int64 // where the record begins
	end   int64 // where its last chunk so far ends
	head  []byte
	whole bool // nothing of it is missing so far

	complete bool // the last chunk completed a record
}

// next takes a chunk, and returns the numbers of the group that it completes.
func (r *groupReader) next(ch chunk) (number, synced uint64, ok bool) {
	if ch.first {
		r.at, r.head, r.whole = ch.at, r.head[:0], true
	} else if ch.at-r.end >= syncHeader { // more than what a block leaves empty at its end
		r.whole = false
	}
	r.end = ch.end
	r.complete = r.whole && ch.last
	r.head = append(r.head, ch.data[:min(len(ch.data), groupRoom-min(groupRoom, len(r.head)))]...)
	r.whole = r.whole && !ch.last
	if !r.complete || len(r.head) <= batchrepr.HeaderLen {
		return 0, 0, false
	}
	ops := batchrepr.Reader(r.head[batchrepr.HeaderLen:])
	kind, key, value, ok, err := ops.Next()
	if !ok || err != nil || kind != pebble.InternalKeyKindSet || string(key) != string(groupKey) {
		return 0, 0, false
	}
	return parseGroup(value)
}

// beside tells which files are not needed to read what is in tables: they may be damaged.
func beside(name string) bool { return isLog(name) || strings.HasPrefix(name, "OPTIONS-") }

// groupInTables returns the number of the last group in tables.
func (c *contents) groupInTables() (number uint64, err error) {
	err = c.withEngine(beside, func(db *pebble.DB) error {
		number, _, err = lastGroup(db)
		return err
	})
	return number, err
}

// lastGroup returns the numbers that a database holds, 0 in one of before they were counted.
func lastGroup(db *pebble.DB) (number, synced uint64, err error) {
	v, closer, err := db.Get(groupKey)
	if errors.Is(err, pebble.ErrNotFound) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, err
	}
	defer closer.Close()
	number, synced, ok := parseGroup(v)
	if !ok {
		return 0, 0, fmt.Errorf("%w: the number of the last group has %d bytes", store.ErrCorrupt, len(v))
	}
	return number, synced, nil
}

// checkLevels reads all of the store through the engine.
func (c *contents) checkLevels() error {
	return c.withEngine(nil, func(db *pebble.DB) error { return db.CheckLevels(nil) })
}

// withEngine opens the database for reading, without the files that hide names.
func (c *contents) withEngine(hide func(name string) bool, use func(*pebble.DB) error) error {
	cache := pebble.NewCache(verifyCache)
	defer cache.Unref()
	g := newGuard(readOnlyFS{FS: c.fs, hide: hide}, newSpace(c.fs, c.dir, Options{Log: log.Discard}), log.Discard)
	o := engineOptions(g, cache)
	o.ReadOnly, o.ErrorIfNotExists, o.DisableConsistencyCheck = true, true, hide != nil
	db, err := pebble.Open(c.dir, o)
	if err != nil {
		return err
	}
	return errors.Join(use(db), db.Close())
}
