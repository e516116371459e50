package main

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	hhs "github.com/hyperhyperspace/hhs-go"
)

// exitDamaged is the exit code of a check that found damage, or that something
// is still missing, and of a file that is not as it was written.
const exitDamaged = 3

// long is ask for a call that takes long: it shows the steps.
func long[T any](ctx context.Context, a *app, method string, args any) (result T, err error) {
	m := a.meter()
	defer m.end()
	done := false
	err = a.call(ctx, method, args, role{}, func(body json.RawMessage) error {
		var u update[T]
		if err := json.Unmarshal(body, &u); err != nil {
			return err
		}
		if u.Step != nil {
			m.tell(*u.Step)
		}
		if u.Result != nil {
			result, done = *u.Result, true
		}
		return nil
	})
	if err == nil && !done {
		err = failf("internal", "%s ended without a result", method)
	}
	return result, err
}

func (a *app) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "status",
		Short:   "Show how this node stands",
		Long:    "Shows who this is, the spaces with their connections, and whatever needs to be known: damage that was found, a device key that was renewed.",
		Example: "  hhs status",
		Args:    exactly(0, 0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			n, err := ask[nodeStatus](c.Context(), a, "status", none{})
			if err != nil {
				return err
			}
			return a.emit(n, func() { a.printStatus(n) })
		},
	}
}

func (a *app) printStatus(n nodeStatus) {
	a.printf("Identity:  %s\nDevice:    %s\nDirectory: %s\n", n.Identity, n.Device, n.Dir)
	if n.Renewed != nil {
		a.printf("This device got a fresh key on %s, because %s. It is the same person.\n", n.Renewed.At.Format("2 January 2006 15:04"), n.Renewed.Why)
	}
	a.printKept(n.Kept)
	for _, s := range n.Spaces {
		a.printf("Space %s: %d commits, %s\n", s.Space, s.Commits, s.Status.State)
		if s.Damage != "" {
			a.printf("  %s\n", s.Damage)
		}
	}
}

// printKept says what earlier repairs may have lost.
func (a *app) printKept(list []hhs.Salvaged) {
	for _, s := range list {
		when := ""
		if !s.At.IsZero() {
			when = " (" + s.At.Format("2 January 2006 15:04") + ")"
		}
		a.printf("Repaired earlier%s: what could not be read of the damaged store kept in %s is missing until peers give it again; a space that is not listed any more: join it again with its link. "+
			"Remove that directory when all you miss is back.\n", when, s.Aside)
		for _, d := range s.Damaged {
			a.printf("  %s\n", d)
		}
	}
}

func (a *app) fsckCommand() *cobra.Command {
	var repair bool
	c := &cobra.Command{
		Use:   "fsck",
		Short: "Check everything that is stored, and repair it",
		Long: `Reads everything this directory holds, with every checksum, hash and signature, and compares what is derived from the
commits with the commits. A running node can be checked; its spaces stay in use.

With --repair what is derived is made anew; damaged commits, and those that need them, are set aside until a peer gives them
again. If files of the store are damaged, which needs the node to be stopped, what can be read is copied into a new store and
the damaged one is kept beside it.

A damaged store that is kept is named by every later check, and by hhs status, until it is removed.

Exit code 0: all is well, or is again. 3: something is damaged, or lost until a peer gives it again; or only the files could be
checked, on a disk that is full or read only.`,
		Example: "  hhs fsck\n  hhs fsck --repair",
		Args:    exactly(0, 0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			report, err := a.fsck(c.Context(), repair)
			if err != nil {
				return err
			}
			if err := a.emit(report, func() { a.printChecked(report, repair) }); err != nil {
				return err
			}
			if !report.Sound {
				return errDamaged
			}
			return nil
		},
	}
	c.Flags().BoolVar(&repair, "repair", false, "repair what can be repaired")
	return c
}

// errDamaged ends a check that was told of already with exitDamaged.
var errDamaged = errors.New("something is damaged")

// fsck checks through the node and, where that cannot be opened or its store has
// damaged files, the files.
func (a *app) fsck(ctx context.Context, repair bool) (checked, error) {
	report, err := long[checked](ctx, a, "care.check", checkArgs{Repair: repair})
	refused := err != nil && describe(err).code == "corrupt"
	if err != nil && !refused || !refused && (len(report.Files) == 0 || !repair) {
		return report, err
	}
	dir, dirErr := a.dataDir()
	if dirErr != nil {
		return report, dirErr
	}
	m := a.meter()
	salvaged, salvageErr := hhs.Salvage(ctx, dir, repair, m.tell)
	m.end()
	switch {
	case errors.Is(salvageErr, hhs.ErrLocked):
		return report, failf("locked", "files of the store are damaged, which can only be repaired while no process has it open; end hhs and run hhs fsck --repair again: %w", salvageErr)
	case salvageErr != nil:
		return report, salvageErr
	case len(salvaged.Damaged) == 0: // it is not the files
		return report, err
	case !repair:
		return checked{Files: salvaged.Damaged, Spaces: []checkedSpace{}}, nil
	}
	report, err = long[checked](ctx, a, "care.check", checkArgs{Repair: true})
	report.Salvaged = &salvaged
	report.Kept = slices.DeleteFunc(report.Kept, func(s hhs.Salvaged) bool { return s.Aside == salvaged.Aside }) // said already
	report.Sound = false                                                                                         // what was in the damaged blocks cannot be named
	return report, err
}

func (a *app) printChecked(r checked, repair bool) {
	if s := r.Salvaged; s != nil {
		for _, d := range s.Damaged {
			a.printf("Damaged file: %s\n", d)
		}
		a.printf("What could be read (%d records) is in a new store; the damaged one is kept in %s. This device writes under a fresh key.\n", s.Records, s.Aside)
	}
	a.printKept(r.Kept)
	for _, f := range r.Files {
		a.printf("Damaged file: %s\n", f)
	}
	wrong := len(r.Files) > 0
	for _, s := range r.Spaces {
		what := "sound"
		switch {
		case s.Repaired:
			what = "repaired"
		case s.Lost+s.Aside+len(s.Derived) > 0:
			what, wrong = "damaged", true
		case s.Waiting != "":
			what = "incomplete"
		}
		a.printf("Space %s: %d commits, %s\n", s.Space, s.Commits, what)
		for _, d := range s.Damaged {
			a.printf("  %s\n", d)
		}
		if n := s.Lost - len(s.Damaged); n > 0 {
			a.printf("  and %d damaged commits more\n", n)
		}
		if s.Aside > 0 {
			a.printf("  %d intact commits need a damaged one\n", s.Aside)
		}
		for _, d := range s.Derived {
			a.printf("  does not agree with the commits: %s\n", d)
		}
		if s.Waiting != "" {
			a.printf("  %s\n", s.Waiting)
		}
	}
	for _, b := range r.Damaged {
		a.printf("Blob %s: %d damaged blocks\n", b.Blob, b.Blocks)
		wrong = true
	}
	switch {
	case r.Unchecked != "":
		a.printf("Files of the store were read, %d of them are damaged. The commits were not checked, which needs room to write: %s\n", len(r.Files), r.Unchecked)
	case r.Sound:
		a.printf("All is well.\n")
	case r.Salvaged != nil:
		a.printf("What the damaged files held is gone here; peers give it again. A space that is not in this list: join it again with its link.\n")
	case r.settled():
		a.printf("What is here is well.\n")
	case repair || !wrong:
		a.printf("The rest comes back from peers that have it: keep hhs serve running, and see hhs status.\n")
	default:
		a.printf("Next: hhs fsck --repair\n")
	}
}

func (a *app) backupCommand() *cobra.Command {
	var withoutKeys bool
	c := &cobra.Command{
		Use:   "backup FILE|DIR",
		Short: "Write a copy of everything into one file",
		Long: `Writes all this directory holds into one file of mode 0600, also while a node is running on it: spaces, settings, and the
private keys, so that hhs restore can go on from it. Keys with a passphrase stay protected by it. In a directory the file
gets a name with the time. A file that is there is never replaced, and when the backup fails there is none.`,
		Example: "  hhs backup ~/backups\n  hhs backup hhs.tar",
		Args:    exactly(1, 1, "a file to make, or a directory to put it into"),
		RunE: func(c *cobra.Command, args []string) error {
			path, err := filepath.Abs(args[0])
			if err != nil {
				return err
			}
			b, err := long[hhs.Backup](c.Context(), a, "care.backup", backupArgs{Path: path, WithoutKeys: withoutKeys})
			if err != nil {
				return err
			}
			return a.emit(b, func() {
				a.printf("Backup: %s (%d files, %s)\n%s\n", b.Path, len(b.Files), size(b.Bytes), keysOf(b))
			})
		},
	}
	c.Flags().BoolVar(&withoutKeys, "without-keys", false, "leave the private keys out")
	return c
}

// keysOf says what keys are in a backup.
func keysOf(b hhs.Backup) string {
	switch {
	case !b.Keys:
		return "It holds no private keys: who restores it is a new person unless the key file is put beside it."
	case b.Protected:
		return "It holds your private keys, protected by their passphrase; what you wrote and read can be read by whoever has the file."
	}
	return "It holds your private keys: whoever has the file can read all of it and write as you. Keep it where only you can read it."
}

func (a *app) restoreCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "restore FILE|DIR [DIRECTORY]",
		Short: "Make a data directory from a backup",
		Long: `Makes a data directory from a backup, or from the latest in a directory of backups: the one that --dir and $HHS_DIR name, or
the one given. It must not exist, or be empty. Every file is checked first.

The device may have written after the backup was made. So that it cannot contradict itself, it goes on under a fresh device
key: the same person, another device.`,
		Example: "  hhs restore ~/backups\n  hhs restore hhs.tar ~/hhs-2",
		Args:    exactly(1, 2, "a backup, and where to restore it to"),
		RunE: func(c *cobra.Command, args []string) error {
			dir, err := a.dataDir()
			if len(args) == 2 {
				dir, err = filepath.Abs(args[1])
			}
			if err != nil {
				return err
			}
			m := a.meter()
			b, err := hhs.Restore(c.Context(), args[0], dir, m.tell)
			m.end()
			if err != nil {
				return err
			}
			return a.emit(map[string]any{"backup": b, "dir": dir}, func() {
				a.printf("Restored to %s what was backed up on %s (%d files, %s).\n", dir, b.Made.Format("2 January 2006 15:04"), len(b.Files), size(b.Bytes))
				if b.Keys {
					a.printf("When it is opened it takes a fresh device key, in case the old one has written since.\n")
				} else {
					a.printf("The backup holds no keys: when it is opened it gets those of a new person.\n")
				}
			})
		},
	}
}

func (a *app) compactCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "compact",
		Short:   "Give back disk space of what was deleted",
		Long:    "Rewrites the store without what was deleted or replaced, also while a node is running on it, and says what that freed.",
		Example: "  hhs compact",
		Args:    exactly(0, 0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			r, err := long[compacted](c.Context(), a, "care.compact", none{})
			if err != nil {
				return err
			}
			return a.emit(r, func() { a.printf("Freed: %s\n", size(r.Freed)) })
		},
	}
}
