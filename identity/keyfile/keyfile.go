//go:build !js

// Package keyfile keeps a person's keys in one file on a machine that has files:
// the seed of the device key, the certificate that ties it to the identity and,
// unless it is kept elsewhere, the seed of the identity key.
//
// To start: [Load] the file; if that says [ErrNotExist], make keys with [New]
// and [Create] it. [Protect] encrypts it with a passphrase, after which Load says
// [ErrProtected] and [Unlock] opens it.
//
// The file is text: a first line that warns whoever opens it, then one "name:
// value" line each for format, identity (may be absent), device and certificate,
// the values in unpadded base64. A protected file is the same text inside an age
// file with an scrypt recipient; any age tool can open it.
//
// The file is created atomically with mode 0600, and one that others can read is
// refused: a key that was readable may have been read. Windows has no such mode
// and relies on the directory's access list.
package keyfile

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"runtime"

	"github.com/hyperhyperspace/hhs-go/identity"
)

var (
	// ErrNotExist reports that there is no key file at the path.
	ErrNotExist = fs.ErrNotExist
	// ErrExist reports that Create would have replaced a key file.
	ErrExist = fs.ErrExist
	// ErrProtected reports that the file needs a passphrase: see Unlock.
	ErrProtected = errors.New("keyfile: the key file is protected by a passphrase")
	// ErrPassphrase reports a wrong passphrase.
	ErrPassphrase = errors.New("keyfile: wrong passphrase")
	// ErrPermissions reports a file that others than its owner can read.
	ErrPermissions = errors.New("keyfile: the key file can be read by others")
	// ErrFormat reports a file that is no key file or is damaged.
	ErrFormat = errors.New("keyfile: not a key file, or a damaged one")
)

// Error says which file, what is wrong with it and what to do next. It unwraps to
// one of the errors above or to the operating system's.
type Error struct {
	Path  string
	Next  string // what the person can do; may be empty
	Cause error
}

func (e *Error) Error() string {
	s := e.Cause.Error() + ": " + e.Path
	if e.Next != "" {
		s += " (" + e.Next + ")"
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Keys is what a key file holds. Identity is empty where the identity key is kept
// away from this machine; everything but certifying devices works without it.
type Keys struct {
	Identity    identity.PrivateKey
	DeviceKey   identity.PrivateKey
	Certificate identity.Certificate
}

// Device returns what a node writes with.
func (k Keys) Device() identity.Device {
	return identity.Device{Signer: k.DeviceKey, Certificate: k.Certificate}
}

// HasIdentity reports whether the identity key itself is in the file.
func (k Keys) HasIdentity() bool { return !k.Identity.Public().IsZero() }

// New makes the keys of a new person and their first device, dated timeMS.
func New(ctx context.Context, label string, timeMS int64) (Keys, error) {
	return newFrom(ctx, rand.Reader, label, timeMS)
}

func newFrom(ctx context.Context, random io.Reader, label string, timeMS int64) (Keys, error) {
	id, device, err := identity.NewDevice(ctx, random, label, timeMS)
	if err != nil {
		return Keys{}, err
	}
	key, ok := device.Signer.(identity.PrivateKey)
	if !ok {
		return Keys{}, errors.New("keyfile: the new device key cannot be stored")
	}
	return Keys{Identity: id, DeviceKey: key, Certificate: device.Certificate}, nil
}

// Create writes a new key file, readable by its owner only. It never replaces a
// file: if there is one, the error matches ErrExist. When it returns nil the keys
// are on disk.
func Create(path string, k Keys) error {
	text, err := encode(k)
	if err != nil {
		return &Error{Path: path, Cause: err}
	}
	defer clear(text)
	if err := writeNew(path, text); err != nil {
		next := ""
		if errors.Is(err, ErrExist) {
			next = "it is left as it is; load it, or choose another path"
		}
		return &Error{Path: path, Next: next, Cause: err}
	}
	return nil
}

// Load reads an unprotected key file and checks that its parts belong together.
func Load(path string) (Keys, error) {
	b, err := read(path)
	if err != nil {
		return Keys{}, err
	}
	defer clear(b)
	if isProtected(b) {
		return Keys{}, &Error{Path: path, Next: "open it with its passphrase", Cause: ErrProtected}
	}
	return parse(path, b)
}

// Unlock reads a key file that Protect encrypted. On an unprotected file it does
// the same as Load.
func Unlock(path, passphrase string) (Keys, error) {
	b, err := read(path)
	if err != nil {
		return Keys{}, err
	}
	defer clear(b)
	if !isProtected(b) {
		return parse(path, b)
	}
	text, err := open(b, passphrase)
	if err != nil {
		return Keys{}, &Error{Path: path, Cause: err}
	}
	defer clear(text)
	return parse(path, text)
}

// Protected reports whether the file at path needs a passphrase.
func Protected(path string) (bool, error) {
	b, err := read(path)
	if err != nil {
		return false, err
	}
	defer clear(b)
	return isProtected(b), nil
}

// Protect encrypts the key file at path with a passphrase, in place and
// atomically. There is no way back into it without the passphrase. It refuses an
// empty passphrase and a file that is already protected.
func Protect(path, passphrase string) error { return protect(path, passphrase, workFactor) }

func protect(path, passphrase string, logN int) error {
	if passphrase == "" {
		return &Error{Path: path, Cause: errors.New("keyfile: an empty passphrase protects nothing")}
	}
	b, err := read(path)
	if err != nil {
		return err
	}
	defer clear(b)
	if isProtected(b) {
		return &Error{Path: path, Next: "unprotect it first to change the passphrase", Cause: ErrProtected}
	}
	if _, err := parse(path, b); err != nil {
		return err
	}
	sealed, err := seal(b, passphrase, logN)
	if err != nil {
		return &Error{Path: path, Cause: err}
	}
	return replaceFile(path, sealed)
}

// Unprotect turns a protected key file back into a plain one.
func Unprotect(path, passphrase string) error {
	b, err := read(path)
	if err != nil {
		return err
	}
	if !isProtected(b) {
		return nil
	}
	text, err := open(b, passphrase)
	if err != nil {
		return &Error{Path: path, Cause: err}
	}
	defer clear(text)
	if _, err := parse(path, text); err != nil {
		return err
	}
	return replaceFile(path, text)
}

// read returns the content of a key file after checking who else can.
func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, &Error{Path: path, Cause: ErrNotExist}
		}
		return nil, &Error{Path: path, Cause: err}
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, &Error{Path: path, Cause: err}
	}
	if !info.Mode().IsRegular() {
		return nil, &Error{Path: path, Next: "it is not a regular file", Cause: ErrFormat}
	}
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&0o077 != 0 {
		return nil, &Error{Path: path, Next: "its mode is " + mode.String() + "; if nobody else had it, run: chmod 600 " + path, Cause: ErrPermissions}
	}
	if info.Size() > maxFile {
		return nil, &Error{Path: path, Next: "it is too large to be one", Cause: ErrFormat}
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, &Error{Path: path, Cause: err}
	}
	return b, nil
}

func parse(path string, text []byte) (Keys, error) {
	k, err := decode(text)
	if err != nil {
		return Keys{}, &Error{Path: path, Next: err.Error(), Cause: ErrFormat}
	}
	return k, nil
}
