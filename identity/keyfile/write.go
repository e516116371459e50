//go:build !js

package keyfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// writeTemp puts content into a new file beside path, mode 0600, synced to disk.
func writeTemp(path string, content []byte) (name string, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".keys-*") // CreateTemp makes mode 0600
	if err != nil {
		return "", fmt.Errorf("keyfile: create a file: %w", err)
	}
	defer func() {
		if cerr := f.Close(); err == nil && cerr != nil {
			err = fmt.Errorf("keyfile: close the file: %w", cerr)
		}
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	if _, err := f.Write(content); err != nil {
		return "", fmt.Errorf("keyfile: write the keys: %w", err)
	}
	if err := f.Sync(); err != nil {
		return "", fmt.Errorf("keyfile: sync the keys to disk: %w", err)
	}
	return f.Name(), nil
}

// writeNew makes the file appear whole or not at all, and never over another:
// a hard link fails where the name exists, which a rename would not.
func writeNew(path string, content []byte) error {
	if _, err := os.Lstat(path); err == nil {
		return ErrExist
	}
	temp, err := writeTemp(path, content)
	if err != nil {
		return err
	}
	defer os.Remove(temp)
	switch err := os.Link(temp, path); {
	case err == nil:
		return syncDir(filepath.Dir(path))
	case errors.Is(err, fs.ErrExist):
		return ErrExist
	}
	// A file system without hard links (FAT, some network ones).
	return writeExclusive(path, content)
}

// writeExclusive is writeNew without hard links: exclusive, but a crash in the
// middle leaves a damaged file, which Load reports.
func writeExclusive(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return ErrExist
	}
	if err != nil {
		return fmt.Errorf("keyfile: create a file: %w", err)
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		os.Remove(path)
		return fmt.Errorf("keyfile: write the keys: %w", err)
	}
	return syncDir(filepath.Dir(path))
}

// replaceFile swaps the content of an existing key file in one step.
func replaceFile(path string, content []byte) error {
	temp, err := writeTemp(path, content)
	if err != nil {
		return &Error{Path: path, Cause: err}
	}
	if err := os.Rename(temp, path); err != nil {
		os.Remove(temp)
		return &Error{Path: path, Cause: fmt.Errorf("keyfile: replace the file: %w", err)}
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return &Error{Path: path, Cause: err}
	}
	return nil
}
