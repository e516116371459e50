package control

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// Owner is the process that has a directory open, as its note says.
type Owner struct {
	PID     int    `json:"pid"`
	Command string `json:"command"`
	// Online: it connects to peers. Stays: it runs until it is told to end.
	Online bool `json:"online"`
	Stays  bool `json:"stays"`
}

// String names the process for a person.
func (o Owner) String() string { return fmt.Sprintf("%q (process %d)", o.Command, o.PID) }

type note struct {
	Owner
	Socket string `json:"socket"`
	Token  string `json:"token"`
}

const (
	noteName   = "control.json"
	socketName = "control.sock"
)

// LastOwner is the process that noted itself in dir last. It may be gone.
func LastOwner(dir string) (Owner, error) {
	n, err := readNote(dir)
	return n.Owner, err
}

func readNote(dir string) (n note, err error) {
	text, err := os.ReadFile(filepath.Join(dir, noteName))
	if err == nil {
		err = json.Unmarshal(text, &n)
	}
	return n, err
}

// writeNote replaces the note in one step, so that nobody reads half of it.
func writeNote(dir string, n note) error {
	text, err := json.Marshal(n)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, noteName+".*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, noteName))
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// socketPath is where the socket of a directory is: inside it, or where that
// path is too long for the system, under a hash of it in a directory that only
// this user can enter.
func socketPath(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if path := filepath.Join(dir, socketName); len(path) <= maxPath {
		return path, nil
	}
	base := os.Getenv("XDG_RUNTIME_DIR")
	if base == "" {
		base = os.TempDir()
	}
	private := filepath.Join(base, "hhs-"+strconv.Itoa(os.Getuid()))
	if err := os.MkdirAll(private, 0o700); err != nil {
		return "", err
	}
	if err := checkPrivate(private); err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(dir))
	path := filepath.Join(private, hex.EncodeToString(sum[:8])+".sock")
	if len(path) > maxPath {
		return "", fmt.Errorf("no place for the control socket: %s is too long a path; choose a shorter --dir", path)
	}
	return path, nil
}
