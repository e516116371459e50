//go:build !js

// Package crashfs is a disk in memory that loses power, for tests of everything that keeps its data on one. Before every
// operation that changes something (a write, a sync, the making, renaming or removal of a file) the test gets the moment,
// and takes from it what a loss of power at this moment could leave.
//
//	disk := crashfs.New(func(m crashfs.Moment) {
//		for _, image := range m.Images() { ... } // open it, compare it with what was promised by now
//	})
//	db, err := pebble.Open("db", pebble.Options{FS: disk})
//
// What was synced is always there. Of what was not, an image has none, half or all, by blocks of 4 KiB and by entries of
// directories; removals and renames are undone or kept likewise, as long as their directory was not synced. The write that
// is about to happen may be there in part: whole sectors of 512 bytes or blocks of 4 KiB from its beginning.
package crashfs

import (
	"fmt"
	"math/rand/v2"
	"path"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// FS is the disk.
type FS struct {
	vfs.FS
	mem    *vfs.MemFS
	before func(Moment)

	mu      sync.Mutex
	moments int
	removed map[string]map[string]bool // by directory: names whose removal was not synced
}

// New returns an empty disk. before is called before each operation, one at a time; nil takes no moments.
func New(before func(Moment)) *FS {
	mem := vfs.NewCrashableMem()
	return &FS{FS: mem, mem: mem, before: before, removed: map[string]map[string]bool{}}
}

// Moments is how many operations there were.
func (d *FS) Moments() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.moments
}

// Moment is the time just before an operation.
type Moment struct {
	// N counts from 1.
	N int
	// What is the operation and the file.
	What string

	disk *FS
	file string
	data []byte // of a write
	at   int64
}

// Image is what is on the disk after a loss of power.
type Image struct {
	*vfs.MemFS
	// Kept says what of the unsynced there is.
	Kept string
}

// Images returns what a loss of power now could leave: with 0, 50 and 100 % of the unsynced kept, with everything done
// as a killed process leaves it, and of a write parts by sector and by block.
func (m Moment) Images() []Image {
	var list []Image
	for _, percent := range []int{0, 50, 100} {
		list = append(list, Image{m.image(percent, uint64(percent)), fmt.Sprint(percent, " %")})
	}
	done := m.image(100, 0)
	m.remove(done, 100, nil)
	list = append(list, Image{done, "as it is"})
	for _, sector := range []int{512, 4096} {
		if len(m.data) > sector || sector == 512 && len(m.data) > 0 {
			list = append(list, Image{m.torn(sector), fmt.Sprint("torn at ", sector)})
		}
	}
	return list
}

// image keeps about this part of the unsynced. The same moment always gives the same image.
func (m Moment) image(percent int, stream uint64) *vfs.MemFS {
	r := rand.New(rand.NewPCG(uint64(m.N), stream))
	image := m.disk.mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: r})
	if percent == 50 {
		m.remove(image, percent, r)
	}
	return image
}

// remove does removals that were not synced.
func (m Moment) remove(image *vfs.MemFS, percent int, r *rand.Rand) {
	for dir, names := range m.disk.removed {
		for name := range names {
			if r == nil || r.IntN(100) < percent {
				_ = image.Remove(path.Join(dir, name)) // it may have been made again, and lost
			}
		}
	}
}

// torn has everything before this write, and whole sectors from its beginning.
func (m Moment) torn(sector int) *vfs.MemFS {
	image := m.image(100, uint64(sector))
	m.remove(image, 100, nil)
	r := rand.New(rand.NewPCG(uint64(m.N), 1))
	end := m.at + int64(r.IntN(len(m.data)+1))
	end -= end % int64(sector) // sectors are those of the disk
	if end <= m.at {
		return image
	}
	f, err := image.OpenReadWrite(m.file, vfs.WriteCategoryUnspecified)
	if err != nil {
		panic(err) // it is open on the disk
	}
	if _, err := f.WriteAt(m.data[:end-m.at], m.at); err != nil {
		panic(err)
	}
	if err := f.Close(); err != nil {
		panic(err)
	}
	return image
}

func (d *FS) moment(m Moment) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.before == nil {
		return
	}
	d.moments++
	m.N, m.disk = d.moments, d
	d.before(m)
}

// gone notes that a name is no more in its directory, or is again.
func (d *FS) gone(name string, gone bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	dir := path.Dir(name)
	if d.removed[dir] == nil {
		d.removed[dir] = map[string]bool{}
	}
	if gone {
		d.removed[dir][path.Base(name)] = true
	} else {
		delete(d.removed[dir], path.Base(name))
	}
}

// Create implements vfs.FS.
func (d *FS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	d.moment(Moment{What: "create " + name})
	f, err := d.FS.Create(name, c)
	d.gone(name, false)
	return &file{File: f, disk: d, name: name}, err
}

// ReuseForWrite implements vfs.FS.
func (d *FS) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	d.moment(Moment{What: "reuse " + old})
	f, err := d.FS.ReuseForWrite(old, name, c)
	d.gone(old, true)
	d.gone(name, false)
	return &file{File: f, disk: d, name: name}, err
}

// Remove implements vfs.FS.
func (d *FS) Remove(name string) error {
	d.moment(Moment{What: "remove " + name})
	err := d.FS.Remove(name)
	if err == nil {
		d.gone(name, true)
	}
	return err
}

// RemoveAll implements vfs.FS.
func (d *FS) RemoveAll(name string) error {
	d.moment(Moment{What: "remove " + name})
	err := d.FS.RemoveAll(name)
	if err == nil {
		d.gone(name, true)
	}
	return err
}

// Rename implements vfs.FS.
func (d *FS) Rename(old, name string) error {
	d.moment(Moment{What: "rename " + old})
	err := d.FS.Rename(old, name)
	if err == nil {
		d.gone(old, true)
		d.gone(name, false)
	}
	return err
}

// Link implements vfs.FS.
func (d *FS) Link(old, name string) error {
	d.moment(Moment{What: "link " + old})
	err := d.FS.Link(old, name)
	d.gone(name, false)
	return err
}

// OpenDir implements vfs.FS.
func (d *FS) OpenDir(name string) (vfs.File, error) {
	f, err := d.FS.OpenDir(name)
	return &file{File: f, disk: d, name: name, dir: true}, err
}

// Unwrap implements vfs.FS.
func (d *FS) Unwrap() vfs.FS { return d.FS }

// file is a file that is written from its beginning, or a directory.
type file struct {
	vfs.File
	disk *FS
	name string
	at   int64
	dir  bool
}

// Write implements vfs.File.
func (f *file) Write(p []byte) (int, error) {
	f.disk.moment(Moment{What: "write " + f.name, file: f.name, data: p, at: f.at})
	n, err := f.File.Write(p)
	f.at += int64(n)
	return n, err
}

func (f *file) sync(sync func() error) error {
	f.disk.moment(Moment{What: "sync " + f.name})
	err := sync()
	if f.dir && err == nil {
		f.disk.mu.Lock()
		defer f.disk.mu.Unlock()
		delete(f.disk.removed, path.Clean(f.name))
	}
	return err
}

// Sync implements vfs.File.
func (f *file) Sync() error { return f.sync(f.File.Sync) }

// SyncData implements vfs.File.
func (f *file) SyncData() error { return f.sync(f.File.SyncData) }
