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
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hyperhyperspace/hhs-go/identity/keyfile"
	"github.com/hyperhyperspace/hhs-go/store"
	"github.com/hyperhyperspace/hhs-go/store/pebble"
)

// Restore makes the directory dir from a backup, or from the latest one of a
// directory of them. dir must not exist, or be empty. Everything is checked
// against the sizes and hashes in the backup before dir gets its name. The
// first Open of it takes a fresh device key: the device may have written after the
// backup was made, and two histories under one key would look as if the person
// had said one thing here and another there.
func Restore(ctx context.Context, from, dir string, tell func(Step)) (b Backup, err error) {
	if b, err = restore(ctx, from, dir, tell); err != nil {
		return b, fmt.Errorf("restore %s to %s: %w", from, dir, diskError(err))
	}
	return b, nil
}

func restore(ctx context.Context, from, dir string, tell func(Step)) (b Backup, err error) {
	if from, err = latestBackup(from); err != nil {
		return b, err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return b, err
	}
	if list, err := os.ReadDir(dir); err == nil && len(list) > 0 {
		return b, fmt.Errorf("%w: the directory is not empty; nothing of it was changed", fs.ErrExist)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return b, err
	}
	in, err := os.Open(from)
	if err != nil {
		return b, err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return b, err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return b, err
	}
	temp, err := os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+"-restoring-") // mode 0700
	if err != nil {
		return b, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	r := restorer{ctx: ctx, dir: temp, tar: tar.NewReader(in), tell: tell, step: Step{What: "restore", AllBytes: info.Size()}, sums: map[string]backupFile{}}
	if b, err = r.all(); err != nil {
		return b, err
	}
	b.Path = from
	why := whyRestored
	if !b.Keys {
		why = whyRestoredBare
	}
	if err := writeSynced(filepath.Join(temp, restoredFile), []byte(why+"\n")); err != nil {
		return b, err
	}
	if err := syncDirectory(temp); err != nil {
		return b, err
	}
	if err := os.Rename(temp, dir); err != nil { // over an empty directory, too
		return b, err
	}
	return b, syncDirectory(filepath.Dir(dir))
}

// latestBackup is the file itself, or the last one by name in a directory.
func latestBackup(from string) (string, error) {
	info, err := os.Stat(from)
	if err != nil || !info.IsDir() {
		return from, err
	}
	list, err := filepath.Glob(filepath.Join(from, "hhs-*.tar"))
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("%w: no hhs-*.tar in it", ErrBackup)
	}
	if err != nil {
		return from, err
	}
	return list[len(list)-1], nil
}

type restorer struct {
	ctx  context.Context
	dir  string
	tar  *tar.Reader
	tell func(Step)
	step Step
	sums map[string]backupFile
}

func (r *restorer) all() (b Backup, err error) {
	h, err := r.tar.Next()
	if err != nil || h.Name != backupHead {
		return b, fmt.Errorf("%w: it does not begin as one", ErrBackup)
	}
	head, err := io.ReadAll(io.LimitReader(r.tar, 32))
	if err != nil || string(head) != backupFormat {
		return b, fmt.Errorf("%w: its format is %q, this program knows %q", ErrNewer, head, backupFormat)
	}
	for {
		h, err := r.tar.Next()
		if err != nil {
			return b, fmt.Errorf("%w: it is cut off", errors.Join(ErrBackup, err))
		}
		if h.Name == backupList {
			return r.check()
		}
		if err := r.file(h); err != nil {
			return b, err
		}
	}
}

// check compares what was written with the list at the end.
func (r *restorer) check() (b Backup, err error) {
	d := json.NewDecoder(io.LimitReader(r.tar, maxBackupList))
	if err := d.Decode(&b); err != nil {
		return b, fmt.Errorf("%w: its list cannot be read: %w", ErrBackup, err)
	}
	if len(b.Files) != len(r.sums) {
		return b, fmt.Errorf("%w: it has %d files and lists %d", ErrBackup, len(r.sums), len(b.Files))
	}
	for _, f := range b.Files {
		if r.sums[f.Name] != f {
			return b, fmt.Errorf("%w: the file %q is not as it was", ErrBackup, f.Name)
		}
	}
	return b, nil
}

func (r *restorer) file(h *tar.Header) error {
	_, again := r.sums[h.Name]
	if h.Typeflag != tar.TypeReg || !filepath.IsLocal(filepath.FromSlash(h.Name)) || again {
		return fmt.Errorf("%w: an entry %q has no place in it", ErrBackup, h.Name)
	}
	name := filepath.Join(r.dir, filepath.FromSlash(h.Name))
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	out, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	sum := sha256.New()
	err = r.copy(out, sum)
	if err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close(), syncDirectory(filepath.Dir(name))); err != nil {
		return err
	}
	r.sums[h.Name] = backupFile{h.Name, h.Size, hex.EncodeToString(sum.Sum(nil))}
	r.step.Items++
	return nil
}

func (r *restorer) copy(out io.Writer, sum hash.Hash) error {
	err := copyFile(r.ctx, io.MultiWriter(out, sum), r.tar, func(n int64) {
		r.step.Bytes += n
		if r.tell != nil {
			r.tell(r.step)
		}
	})
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, tar.ErrHeader) {
		return fmt.Errorf("%w: it is cut off", errors.Join(ErrBackup, err))
	}
	return err
}

func writeSynced(name string, data []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// afterRestore takes a fresh device key in a directory that was restored. Where
// none can be made the node writes in no space where it wrote before, and says
// why.
func (n *Node) afterRestore(ctx context.Context, dir string) error {
	if dir == "" || n.engine == nil {
		return nil
	}
	mark := filepath.Join(dir, restoredFile)
	why, err := os.ReadFile(mark)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	found, err := n.rep.Recover(ctx)
	if errors.Is(err, ErrFull) || errors.Is(err, store.ErrReadOnly) {
		return nil // nothing can be written with any key; the next opening does it
	}
	if err != nil {
		return err
	}
	if len(found) > 0 {
		n.opts.log.Warn("spaces were listed again; how they are reached is lost: join them again by their links", "spaces", found)
	}
	n.why = strings.TrimSpace(string(why))
	err = n.rep.Retire(ctx)
	n.why = whyCopied
	switch {
	case errors.Is(err, ErrFull), errors.Is(err, store.ErrReadOnly):
		return nil
	case errors.Is(err, ErrForked):
		n.opts.log.Warn("restored, and the device key cannot be renewed", "error", err)
		err = nil
	}
	if err != nil {
		return err
	}
	return errors.Join(os.Remove(mark), syncDirectory(dir))
}

func isProtected(path string) (bool, error) { return keyfile.Protected(path) }

// VerifyStore reads every file of the store while it is open and returns the
// damaged ones, with what is wrong. Salvage saves what can be read, once the
// node is closed.
func (n *Node) VerifyStore(ctx context.Context, tell func(Step)) (damaged []string, err error) {
	if n.engine == nil {
		return nil, nil
	}
	report, err := n.engine.Verify(ctx, pebbleStep("store", tell))
	for _, d := range report.Damaged {
		damaged = append(damaged, d.Error())
	}
	return damaged, err
}

// Compact gives back the room of what was deleted and overwritten, blobs that nothing
// names among it (CollectBlobs), and returns
// how many bytes that was. It takes room itself while it works.
func (n *Node) Compact(ctx context.Context, tell func(Step)) (freed int64, err error) {
	if n.engine == nil {
		return 0, fmt.Errorf("compact: %w", errNoDirectory)
	}
	if _, err := n.CollectBlobs(ctx); err != nil {
		return 0, err
	}
	return n.engine.Compact(ctx, pebbleStep("compact", tell))
}

func pebbleStep(what string, tell func(Step)) pebble.Progress {
	if tell == nil {
		return nil
	}
	return func(s pebble.Step) {
		tell(Step{What: what, Items: int64(s.Files), AllItems: int64(s.AllFiles), Bytes: s.Bytes, AllBytes: s.AllBytes})
	}
}

// salvagingDir is where Salvage makes the new store.
const salvagingDir = storeDir + "-salvaging"

// finishSalvage gives a new store its name if a salvage was cut short just when
// the damaged one had been moved away: only then is there none of that name.
func finishSalvage(dir string) error {
	if _, err := os.Lstat(filepath.Join(dir, storeDir)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	err := os.Rename(filepath.Join(dir, salvagingDir), filepath.Join(dir, storeDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return errors.Join(err, syncDirectory(dir))
}

// Salvaged says what came of Salvage.
type Salvaged struct {
	Damaged []string  `json:"damaged"` // files, with what is wrong
	Aside   string    `json:"aside"`   // where the damaged store is kept; "" when nothing was damaged
	Records int64     `json:"records"` // that were saved
	At      time.Time `json:"at"`
}

// salvageNote is in a damaged store that is kept: a Salvaged as JSON. As long as the
// directory is there something may be missing.
const (
	salvageNote = "hhs-salvaged.json"
	salvageKept = storeDir + "-damaged-"
)

// Salvages lists what earlier calls of Salvage kept beside the store. What could not
// be read there is missing here until peers have given it; nobody can know whether they
// did, so each is listed until its directory is removed.
func (n *Node) Salvages() (list []Salvaged, err error) {
	if n.engine == nil {
		return nil, nil
	}
	entries, err := os.ReadDir(n.dir)
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), salvageKept) {
			continue
		}
		s, dir := Salvaged{Damaged: []string{}}, filepath.Join(n.dir, e.Name())
		body, err := os.ReadFile(filepath.Join(dir, salvageNote))
		if err == nil {
			err = json.Unmarshal(body, &s)
		}
		if err != nil {
			n.opts.log.Warn("the note in what is kept of a damaged store cannot be read", "dir", dir, "error", err)
		}
		s.Aside = dir // the whole directory may have been moved
		list = append(list, s)
	}
	return list, err
}

// noteSalvage writes the note into what is kept. Without it only the time and the files are not known.
func noteSalvage(s Salvaged) error {
	body, err := json.Marshal(s)
	if err == nil {
		err = writeSynced(filepath.Join(s.Aside, salvageNote), body)
	}
	return diskError(err)
}

// Salvage is for a directory that Open refuses as damaged, or may: it reads the
// files of the store, and if one is damaged and repair is set, copies what can
// still be read into a new store, and keeps the damaged one beside it. The next
// Open takes a fresh device key, since the end of what the device wrote may be
// lost; Check with repair then makes the spaces whole.
func Salvage(ctx context.Context, dir string, repair bool, tell func(Step)) (s Salvaged, err error) {
	from := filepath.Join(dir, storeDir)
	report, err := pebble.Verify(ctx, from, pebbleStep("store", tell))
	if err != nil && !errors.Is(err, ErrCorrupt) {
		return s, err
	}
	for _, d := range report.Damaged {
		s.Damaged = append(s.Damaged, d.Error())
	}
	if err != nil {
		s.Damaged = append(s.Damaged, err.Error())
	}
	if len(s.Damaged) == 0 || !repair {
		return s, nil
	}
	into := filepath.Join(dir, salvagingDir)
	if err := os.RemoveAll(into); err != nil { // of a salvage that was cut short
		return s, err
	}
	if report, err = pebble.Salvage(ctx, from, into, pebbleStep("salvage", tell)); err != nil {
		return s, errors.Join(diskError(err), os.RemoveAll(into))
	}
	s.Records = report.Keys
	if err := removed(filepath.Join(dir, restoredFile)); err != nil {
		return s, err
	}
	if err := writeSynced(filepath.Join(dir, restoredFile), []byte(whySalvaged+"\n")); err != nil {
		return s, err
	}
	for i := 1; ; i++ {
		s.Aside = filepath.Join(dir, fmt.Sprint(salvageKept, i))
		if _, err := os.Lstat(s.Aside); errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if err := os.Rename(from, s.Aside); err != nil {
		return s, err
	}
	if err := errors.Join(os.Rename(into, from), syncDirectory(dir)); err != nil {
		return s, err
	}
	s.At = time.Now()
	return s, noteSalvage(s)
}
