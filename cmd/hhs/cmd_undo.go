package main

import (
	"time"

	"github.com/spf13/cobra"
)

func (a *app) undoCommand() *cobra.Command {
	var within, wait time.Duration
	c := &cobra.Command{
		Use:   "undo SPACE [COMMIT]...",
		Short: "Take back the latest edit made here, or the given commits",
		Long: `Takes back the latest edit that this directory's device made in the space and has not taken back; the next time, the
one before. With commits, those: of this person, from any device, by their ids or an end of one, as hhs log shows it.

What others wrote stays. Nothing is deleted: the history keeps the edit and the undo, and hhs redo makes it again.
It is written, and others get it, as with hhs set; --wait waits until they have it.`,
		Example: "  hhs undo 4kq2jsye\n  hhs undo 4kq2jsye --within 2s\n  hhs undo 4kq2jsye m3xw5qte --wait 10s",
		Args:    exactly(1, maxUndoArgs, "a space and possibly commits"),
		RunE: func(c *cobra.Command, args []string) error {
			done, err := askOnline[undone](c.Context(), a, "undo", undoArgs{Space: args[0], Commits: args[1:], Within: within, Wait: wait}, wait)
			if err != nil {
				return err
			}
			return a.emit(done, func() { a.printUndone(done, "taken back", "There is nothing of this device to take back.") })
		},
	}
	c.Flags().DurationVar(&within, "within", 0, "take back edits that follow each other within this time together")
	waitFlag(c, &wait)
	return c
}

// maxUndoArgs is the space and as many commits as one undo names.
const maxUndoArgs = 1 + 1024

func (a *app) redoCommand() *cobra.Command {
	var wait time.Duration
	c := &cobra.Command{
		Use:   "redo SPACE",
		Short: "Make again what the latest hhs undo took back",
		Long: `Makes again what the latest undo of this directory's device took back, unless it made another edit since. It is written,
and others get it, as with hhs set; --wait waits until they have it.`,
		Example: "  hhs redo 4kq2jsye\n  hhs redo 4kq2jsye --wait 10s",
		Args:    exactly(1, 1, "one space"),
		RunE: func(c *cobra.Command, args []string) error {
			done, err := askOnline[undone](c.Context(), a, "redo", redoArgs{args[0], wait}, wait)
			if err != nil {
				return err
			}
			return a.emit(done, func() { a.printUndone(done, "made again", "There is nothing to make again.") })
		},
	}
	waitFlag(c, &wait)
	return c
}

// waitFlag is the flag of commands that write.
func waitFlag(c *cobra.Command, wait *time.Duration) {
	c.Flags().DurationVar(wait, "wait", 0, "connect, and wait this long until the peers have it")
}

func (a *app) printUndone(done undone, what, nothing string) {
	if done.Commit == "" {
		a.printf("%s\n", nothing)
		return
	}
	for _, id := range done.Commits {
		a.printf("Commit %s is %s\n", id, what)
	}
	a.printf("This is commit %s, on this disk; other devices known to have it: %d\n", done.Commit, done.Held)
}
