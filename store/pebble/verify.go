//go:build !js

package pebble

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/hyperhyperspace/hhs-go/store"
)

// Verify reads a store that no process has open, changing nothing: the checksum of every block of every table, every
// record of the log and of the manifest, and whether the order of keys and levels holds. The Report names damaged files;
// the error is for what kept it from looking: store.ErrLocked, store.ErrNewer, the context's end.
func Verify(ctx context.Context, dir string, progress Progress) (Report, error) {
	r, err := verify(ctx, vfs.Default, dir, progress)
	if err != nil {
		return r, fmt.Errorf("verify store %s: %w", dir, err)
	}
	return r, nil
}

func verify(ctx context.Context, fsys vfs.FS, dir string, progress Progress) (Report, error) {
	var r Report
	if _, err := readFormat(fsys, dir); errors.Is(err, store.ErrNewer) { // before the lock's file is touched
		return r, err
	}
	lock, err := lockForReading(fsys, dir)
	if err != nil {
		return r, err
	}
	defer lock.Close()
	files, err := look(fsys, dir)
	if err != nil {
		return r, err
	}
	r.Logs = len(files.logs)
	names, _ := files.ownTables(&r)
	v := verifier{fs: fsys, dir: dir, report: &r, progress: progress}
	if err := v.tables(ctx, names); err != nil {
		return r, err
	}
	if len(r.Damaged) == 0 {
		if err := files.checkLevels(); err != nil {
			r.Damaged = append(r.Damaged, asDamage(err, files.manifest))
		}
	}
	return r, ctx.Err()
}

// Verify is Verify of an open store. What is in the log only is brought into tables first, unless the store is read only.
// Tables that are merged in the meantime are passed over: what became of them was checked by the merge.
func (d *DB) Verify(ctx context.Context, progress Progress) (Report, error) {
	var r Report
	if err := d.beginRead(); err != nil {
		return r, fmt.Errorf("verify store: %w", err)
	}
	defer d.endRead()
	names, err := d.flushedTables()
	if err != nil {
		return r, fmt.Errorf("verify store %s: %w", d.dir, translate(err))
	}
	v := verifier{fs: d.guard.FS, dir: d.dir, report: &r, progress: progress, merged: d.merged}
	err = v.tables(ctx, names)
	if err == nil && len(r.Damaged) == 0 {
		if err := d.db.CheckLevels(nil); err != nil {
			r.Damaged = append(r.Damaged, asDamage(err, "MANIFEST"))
		}
	}
	if err = errors.Join(err, ctx.Err()); err != nil {
		return r, fmt.Errorf("verify store %s: %w", d.dir, err)
	}
	return r, nil
}

func (d *DB) flushedTables() ([]string, error) {
	if d.Health() == nil {
		if err := d.flush(); err != nil {
			return nil, err
		}
	}
	return tablesOf(d.db)
}

// merged tells whether a table is no longer part of the store.
func (d *DB) merged(name string) bool {
	names, err := tablesOf(d.db)
	return err == nil && !slices.Contains(names, name)
}

// tablesOf lists the files of the tables that are part of a database.
func tablesOf(db *pebble.DB) ([]string, error) {
	levels, err := db.SSTables()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, level := range levels {
		for _, t := range level {
			names = append(names, fmt.Sprintf("%s.sst", t.BackingSSTNum))
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// verifier reads tables one after the other.
type verifier struct {
	fs       vfs.FS
	dir      string
	report   *Report
	progress Progress
	merged   func(name string) bool
}

func (v *verifier) tables(ctx context.Context, names []string) error {
	step := Step{AllFiles: len(names)}
	sizes := make([]int64, len(names))
	for i, name := range names {
		if info, err := v.fs.Stat(v.fs.PathJoin(v.dir, name)); err == nil {
			sizes[i] = info.Size()
			step.AllBytes += info.Size()
		}
	}
	for i, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		v.progress.tell(step)
		if err := v.table(ctx, name); err != nil && (v.merged == nil || !v.merged(name)) {
			v.report.Damaged = append(v.report.Damaged, asDamage(err, name))
		}
		v.report.Tables++
		v.report.Bytes += sizes[i]
		step.Files, step.Bytes = step.Files+1, step.Bytes+sizes[i]
	}
	v.progress.tell(step)
	return nil
}

func (v *verifier) table(ctx context.Context, name string) error {
	r, err := openTable(ctx, v.fs, v.fs.PathJoin(v.dir, name))
	if err != nil {
		return err
	}
	return errors.Join(r.ValidateBlockChecksums(), r.Close())
}

// openTable opens a table by itself, apart from a database.
func openTable(ctx context.Context, fsys vfs.FS, path string) (*sstable.Reader, error) {
	f, err := fsys.Open(path)
	if err != nil {
		return nil, err
	}
	readable, err := sstable.NewSimpleReadable(f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	r, err := sstable.NewReader(ctx, readable, sstable.ReaderOptions{})
	if err != nil {
		return nil, errors.Join(err, readable.Close())
	}
	return r, nil
}

// asDamage makes damage of an error that met a file; what is damage already stays it.
func asDamage(err error, file string) *DamageError {
	var d *DamageError
	if errors.As(err, &d) {
		return d
	}
	if errors.Is(err, fs.ErrNotExist) {
		return damaged(file, "it is not there: %w", err)
	}
	return &DamageError{File: file, Cause: err}
}

// fileIn returns the file of the store that an error names: Pebble's name the path, or the number of a table.
func fileIn(err error) string {
	for _, word := range strings.FieldsFunc(err.Error(), func(r rune) bool { return strings.ContainsRune(" ():;,\"'\n", r) }) {
		name := word[strings.LastIndexAny(word, `/\`)+1:]
		switch {
		case strings.HasSuffix(name, ".sst"), strings.HasSuffix(name, ".log"), strings.HasPrefix(name, "MANIFEST-"),
			strings.HasPrefix(name, "OPTIONS-"), name == formatFile:
			return name
		case len(name) == 6 && name != "000000" && strings.Trim(name, "0123456789") == "":
			return name + ".sst"
		}
	}
	return ""
}
