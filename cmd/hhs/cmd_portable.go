package main

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	hhs "github.com/hyperhyperspace/hhs-go"
)

func (a *app) exportCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "export SPACE > FILE.car",
		Short: "Write a space as a CAR file",
		Long: `Writes all of a space to standard output as a CAR file (docs/spec/export.md), also while a node is running on it: every
commit with its signature, every part and every attached object, as blocks that any IPLD tool reads. hhs import reads it on
any machine, and hhs verify checks it without a data directory. It holds no private keys; who has it can read the space.`,
		Example: "  hhs export 4kq2jsye > room.car",
		Args:    exactly(1, 1, "one space"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := a.binary("hhs export " + args[0]); err != nil {
				return err
			}
			x, err := receive[hhs.Exported](c.Context(), a, "export", spaceArgs{args[0]})
			if err != nil {
				return err
			}
			a.notef("%d commits, %s\n", x.Commits, size(x.Bytes))
			return nil
		},
	}
}

// binary refuses to write a file to a terminal.
func (a *app) binary(command string) error {
	if f, ok := a.out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return usagef("this would write binary data to the terminal; send it to a file: %s > file.car", command)
	}
	return nil
}

// receive writes the file that a method sends to standard output. With --json errors are JSON; the file is what it is
// in any case.
func receive[T any](ctx context.Context, a *app, method string, args any) (result T, err error) {
	return receiveFrom[T](ctx, a, method, args, role{})
}

// receiveFrom is receive from a process with a role.
func receiveFrom[T any](ctx context.Context, a *app, method string, args any, r role) (result T, err error) {
	m := a.meter()
	defer m.end()
	err = a.call(ctx, method, args, r, func(body json.RawMessage) error {
		var c chunk[T]
		if err := json.Unmarshal(body, &c); err != nil {
			return err
		}
		switch {
		case c.Step != nil:
			m.tell(*c.Step)
		case c.Result != nil:
			result = *c.Result
		}
		_, err := a.out.Write(c.Data)
		return err
	})
	return result, err
}

// getObject is hhs get ID --closure.
func (a *app) getObject(ctx context.Context, id string) error {
	if err := a.binary("hhs get " + id + " --closure"); err != nil {
		return err
	}
	x, err := receive[hhs.ExportedObject](ctx, a, "object.export", objectArgs{id})
	if err != nil {
		return err
	}
	a.notef("%d objects, %s\n", x.Objects, size(x.Bytes))
	if x.Outside > 0 {
		a.notef("%d links lead to objects that are not on this node.\n", x.Outside)
	}
	return nil
}

func (a *app) importCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "import FILE",
		Short: "Read a space from a CAR file",
		Long: `Reads what hhs export wrote into this directory, also while a node is running on it. Everything is checked as if a
stranger had sent it. A space that is not here yet is here afterwards and meets its peers like one that was joined. Importing
again does nothing, and goes on where an import was cut short.

Of a damaged file, what comes before the damage is read; the error says where that is.`,
		Example: "  hhs import room.car",
		Args:    exactly(1, 1, "a file that hhs export wrote"),
		RunE: func(c *cobra.Command, args []string) error {
			path, err := filepath.Abs(args[0])
			if err != nil {
				return err
			}
			x, err := long[hhs.Imported](c.Context(), a, "import", importArgs{path})
			if err != nil {
				return err
			}
			return a.emit(x, func() {
				a.printf("Space: %s\n%d commits in the file, %d of them new here.\n", x.Space, x.Commits, x.New)
			})
		},
	}
}

func (a *app) verifyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "verify FILE",
		Short: "Check a CAR file of a space",
		Long: `Checks what hhs export wrote: every hash, signature and rule, and that the file is whole. It needs no data directory and no
network, only room for the space among the temporary files while it works. "-" reads standard input.

Exit code 3 and the code "file": something is wrong, or this is no export; the error says at which byte, in which block, against
which rule. It stops there: what comes after a fault cannot be told from what belongs to it.`,
		Example: "  hhs verify room.car",
		Args:    exactly(1, 1, `a file that hhs export wrote, or "-"`),
		RunE: func(c *cobra.Command, args []string) error {
			x, err := a.verify(c.Context(), args[0])
			if err != nil {
				return err
			}
			return a.emit(x, func() { a.printf("Space: %s\n%d commits, %s: all is well.\n", x.Space, x.Commits, size(x.Bytes)) })
		},
	}
}

func (a *app) verify(ctx context.Context, name string) (hhs.Imported, error) {
	m := a.meter()
	defer m.end()
	var in io.Reader = a.in
	tell := m.tell
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return hhs.Imported{}, err
		}
		defer f.Close()
		in, tell = f, withSize(f, m.tell)
	}
	return hhs.VerifyExport(ctx, in, tell)
}
