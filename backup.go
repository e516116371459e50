//go:build !js

package hhs

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/hyperhyperspace/hhs-go/store"
	"github.com/hyperhyperspace/hhs-go/store/pebble"
)

// engine is a store in a directory.
type engine = *pebble.DB

// A backup is a tar file of mode 0600: first backupHead with the number of its
// format, then every file of the node's directory, and last backupList, JSON
// with the size and SHA-256 of each, without which it is cut off.
const (
	backupHead   = "hhs-backup"
	backupList   = "hhs-backup.json"
	backupFormat = "1\n"
	// restoredFile marks a directory that was restored and not opened since.
	restoredFile = "restored"
	// One of these is in it: the reason of the Renewal that follows.
	whyRestored     = "this directory was restored from a backup, and the device may have written after that was made"
	whyRestoredBare = "this directory was restored from a backup without keys"
	whySalvaged     = "the store was damaged, and the end of what the device wrote may be lost"
)

// backupWork is how the names of directories begin in which a backup is prepared.
const backupWork = "backup-"

// backupTemp is how the name of a backup begins that is not complete yet. The device follows: what another node
// writes into the same directory may be under way.
const backupTemp = ".hhs-backup-"

func (b *Backup) temp() string { return backupTemp + b.Device + "-" }

// removeTemp removes what backups of this node left that were killed. The caller sees to it that none is under way.
func (b *Backup) removeTemp(to Logger) {
	list, err := os.ReadDir(filepath.Dir(b.Path))
	for _, e := range list {
		if strings.HasPrefix(e.Name(), b.temp()) && e.Type().IsRegular() {
			err = errors.Join(err, removed(filepath.Join(filepath.Dir(b.Path), e.Name())))
		}
	}
	if err != nil {
		to.Warn("what a backup left could not be removed", "error", err)
	}
}

// removeBackupWork removes what a backup left that was killed: links to old files
// of the store, which take room. The caller holds the directory's lock.
func removeBackupWork(dir string, to Logger) {
	list, err := filepath.Glob(filepath.Join(dir, backupWork+"*", storeDir))
	for _, left := range list {
		err = errors.Join(err, os.RemoveAll(filepath.Dir(left)))
	}
	if err != nil {
		to.Warn("what a backup left could not be removed", "error", err)
	}
}

// maxBackupList bounds the list of a backup: some hundred bytes a file, of which
// a store of a terabyte has ten thousand.
const maxBackupList = 64 << 20

// Backup says what is in a backup.
type Backup struct {
	Path      string       `json:"path"`
	Made      time.Time    `json:"made"`
	Identity  string       `json:"identity"`
	Device    string       `json:"device"`
	Bytes     int64        `json:"bytes"`
	Keys      bool         `json:"keys"`      // it holds the private keys
	Protected bool         `json:"protected"` // by the passphrase that they are protected by here
	Files     []backupFile `json:"files"`
}

type backupFile struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// ErrBackup: a file is no backup, or not as it was made.
var ErrBackup = errors.New("not a backup, or a damaged one")

// errNoDirectory is told where the node's store was handed in.
var errNoDirectory = errors.New("the node keeps no directory of its own")

// Backup writes all this node needs to go on elsewhere into one file, while it
// runs: spaces, settings and, unless withoutKeys, the private keys as they are
// in the directory. path must not exist; in a directory the file gets a name with
// the time. When it fails there is no file.
func (n *Node) Backup(ctx context.Context, path string, withoutKeys bool, tell func(Step)) (b Backup, err error) {
	if n.engine == nil {
		return b, fmt.Errorf("back up: %w", errNoDirectory)
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, "hhs-"+n.now().UTC().Format("20060102-150405")+".tar")
	}
	if _, err := os.Lstat(path); err == nil {
		return b, fmt.Errorf("back up to %s: %w: it is left as it is; choose another name", path, fs.ErrExist)
	}
	b = Backup{Path: path, Made: n.now(), Identity: string(n.Identity()), Device: n.Device()}
	n.backingUp.Lock()
	defer n.backingUp.Unlock()
	b.removeTemp(n.opts.log)
	if err = n.backup(ctx, &b, withoutKeys, tell); err != nil {
		return b, fmt.Errorf("back up to %s: %w", path, diskError(err))
	}
	return b, nil
}

func (n *Node) backup(ctx context.Context, b *Backup, withoutKeys bool, tell func(Step)) (err error) {
	copied, done, err := n.stillStore()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	files, err := n.backupFiles(copied, withoutKeys)
	if err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(b.Path), b.temp()+"*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, removed(temp.Name())) }()
	w := &backupWriter{ctx: ctx, tar: tar.NewWriter(temp), made: b.Made, list: b, tell: tell, step: Step{What: "backup"}}
	for _, f := range files {
		w.step.AllItems++
		w.step.AllBytes += f.size
	}
	err = w.all(files)
	if err == nil {
		err = temp.Sync()
	}
	if err = errors.Join(err, temp.Close()); err != nil {
		return err
	}
	// A link fails where something is there already, which a rename would replace.
	if err := os.Link(temp.Name(), b.Path); err != nil {
		return err
	}
	return syncDirectory(filepath.Dir(b.Path))
}

// stillStore returns a directory with the store that does not change until done: a copy of links, or the store
// itself where it is written no more, as on a medium that is full or read only, which has no room for one.
func (n *Node) stillStore() (dir string, done func() error, err error) {
	if n.engine.Frozen() {
		return filepath.Join(n.dir, storeDir), func() error { return nil }, nil
	}
	work, err := os.MkdirTemp(n.dir, backupWork)
	if err != nil {
		return "", nil, err
	}
	done = func() error { return os.RemoveAll(work) }
	dir = filepath.Join(work, storeDir)
	if err := n.engine.Checkpoint(dir); err != nil {
		return "", nil, errors.Join(err, done())
	}
	return dir, done, nil
}

// removed removes a file that may be gone already.
func removed(name string) error {
	if err := os.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// diskError gives a full disk its name.
func diskError(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", store.ErrFull, err)
	}
	return err
}

func syncDirectory(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// source is a file for a backup.
type source struct {
	name, path string
	size       int64
}

// backupFiles lists the files of a store that does not change, and those beside the store but
// for what belongs to the process that has the directory open.
func (n *Node) backupFiles(checkpoint string, withoutKeys bool) (list []source, err error) {
	walk := func(root, prefix string, skip func(name string, d fs.DirEntry) bool) error {
		return fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if name != "." && skip(name, d) {
				if d.IsDir() {
					return fs.SkipDir
				}
				return nil
			}
			if !d.Type().IsRegular() {
				return nil
			}
			info, err := d.Info()
			list = append(list, source{prefix + name, filepath.Join(root, filepath.FromSlash(name)), info.Size()})
			return err
		})
	}
	err = walk(checkpoint, storeDir+"/", func(name string, _ fs.DirEntry) bool { return !pebble.Kept(name) })
	if err != nil {
		return nil, err
	}
	return list, walk(n.dir, "", func(name string, d fs.DirEntry) bool {
		return strings.HasPrefix(name, "control.") || name == restoredFile || withoutKeys && name == keyFileName ||
			d.IsDir() && (name == storeDir || strings.HasPrefix(name, storeDir+"-") || strings.HasPrefix(name, backupWork))
	})
}

type backupWriter struct {
	ctx  context.Context
	tar  *tar.Writer
	made time.Time
	list *Backup
	tell func(Step)
	step Step
}

func (w *backupWriter) all(files []source) error {
	if err := w.put(backupHead, []byte(backupFormat)); err != nil {
		return err
	}
	for _, f := range files {
		if err := w.file(f); err != nil {
			return err
		}
	}
	body, err := json.Marshal(w.list)
	if err == nil {
		err = w.put(backupList, body)
	}
	if err == nil {
		err = w.tar.Close()
	}
	return err
}

func (w *backupWriter) header(name string, size int64) error {
	return w.tar.WriteHeader(&tar.Header{Name: name, Size: size, Mode: 0o600, Typeflag: tar.TypeReg, ModTime: w.made})
}

func (w *backupWriter) put(name string, body []byte) error {
	err := w.header(name, int64(len(body)))
	if err == nil {
		_, err = w.tar.Write(body)
	}
	return err
}

func (w *backupWriter) file(f source) error {
	in, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := w.header(f.name, f.size); err != nil {
		return err
	}
	sum := sha256.New()
	if err := copyFile(w.ctx, io.MultiWriter(w.tar, sum), io.LimitReader(in, f.size), w.advance); err != nil {
		return err
	}
	w.list.Files = append(w.list.Files, backupFile{f.name, f.size, hex.EncodeToString(sum.Sum(nil))})
	w.list.Bytes += f.size
	if f.name == keyFileName {
		w.list.Keys = true
		w.list.Protected, err = isProtected(f.path)
	}
	w.step.Items++
	w.advance(0)
	return err
}

func (w *backupWriter) advance(n int64) {
	w.step.Bytes += n
	if w.tell != nil {
		w.tell(w.step)
	}
}

// copyFile copies in pieces, so that it ends with ctx.
func copyFile(ctx context.Context, to io.Writer, from io.Reader, advance func(int64)) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := io.CopyN(to, from, 1<<20)
		advance(n)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
