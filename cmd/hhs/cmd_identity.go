package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	hhs "github.com/hyperhyperspace/hhs-go"
)

// flagNames lists the flags a command defines itself.
func flagNames(c *cobra.Command) (names []string) {
	note := func(f *pflag.Flag) { names = append(names, f.Name) }
	c.Flags().VisitAll(note)
	c.PersistentFlags().VisitAll(note)
	return names
}

// exactly is cobra's argument check with an error that says what is expected.
func exactly(least, most int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) < least || len(args) > most {
			return usagef("%s takes %s; see hhs help %s", c.CommandPath(), what, strings.TrimPrefix(c.CommandPath(), "hhs "))
		}
		return nil
	}
}

func (a *app) initCommand() *cobra.Command {
	var name string
	var newPerson bool
	c := &cobra.Command{
		Use:   "init",
		Short: "Make the data directory and the keys",
		Long: `Makes the data directory, with the keys of a new person and of this device in it, and prints who that is.
Every other command does this silently when it is needed; running it again changes nothing.

Where there is data and the key file is missing, no command makes another one by itself: put it back from a backup. Without
one --new-person makes the keys of a new person: what is here can be read, and is somebody else's.

The key file has mode 0600 and is not encrypted: hhs id protect does that.`,
		Example: "  hhs init --name Ana",
		Args:    exactly(0, 0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			if newPerson {
				o, err := a.own(c.Context(), role{options: []hhs.Option{hhs.NewPerson()}})
				if err == nil {
					err = o.Close()
				}
				if err != nil {
					return err
				}
			}
			w, err := ask[who](c.Context(), a, "id", none{})
			if err == nil && name != "" {
				w, err = ask[who](c.Context(), a, "id.name", nameArgs{name})
			}
			if err != nil {
				return err
			}
			return a.emit(w, func() { a.printWho(w) })
		},
	}
	c.Flags().StringVar(&name, "name", "", "the name others see")
	c.Flags().BoolVar(&newPerson, "new-person", false, "make keys beside data whose key file is lost")
	return c
}

func (a *app) printWho(w who) {
	name := w.Name
	if name == "" {
		name = "(none: hhs id name NAME)"
	}
	a.printf("Name:      %s\nIdentity:  %s\nDevice:    %s\nDirectory: %s\n", name, w.Identity, w.Device, w.Dir)
	if w.Protected {
		a.printf("Keys:      %s, encrypted with a passphrase\n", w.KeyFile)
	} else {
		a.printf("Keys:      %s, readable by you only and not encrypted (hhs id protect)\n", w.KeyFile)
	}
}

func (a *app) idCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "id",
		Short: "Show who you are; name yourself; protect the keys",
		Long: `Shows the identity this directory writes as, the key of this device, and the name others see.

The identity is a did:key and never changes. A name is free to choose, so it is always shown with the end of the key.`,
		Example: "  hhs id\n  hhs id name Ana\n  hhs id protect",
		Args:    exactly(0, 0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			w, err := ask[who](c.Context(), a, "id", none{})
			if err != nil {
				return err
			}
			return a.emit(w, func() { a.printWho(w) })
		},
	}
	c.AddCommand(&cobra.Command{
		Use:     "name NAME",
		Short:   "Set the name others see",
		Long:    "Sets the name that others see: in the spaces where you have written, and in those to come.",
		Example: "  hhs id name Ana",
		Args:    exactly(1, 1, "one name (in quotes if it has spaces)"),
		RunE: func(c *cobra.Command, args []string) error {
			w, err := ask[who](c.Context(), a, "id.name", nameArgs{args[0]})
			if err != nil {
				return err
			}
			return a.emit(w, func() { a.printWho(w) })
		},
	}, &cobra.Command{
		Use:   "protect",
		Short: "Encrypt the key file with a passphrase",
		Long: `Encrypts the key file with a passphrase (age, scrypt). Commands then ask for it, or read it from $HHS_PASSPHRASE.
There is no way back into the keys without it.`,
		Example: "  hhs id protect",
		Args:    exactly(0, 0, "no arguments; it asks for the passphrase"),
		RunE: func(c *cobra.Command, _ []string) error {
			pass, err := a.newPassphrase()
			if err != nil {
				return err
			}
			w, err := ask[who](c.Context(), a, "id.protect", protectArgs{pass})
			if err != nil {
				return err
			}
			return a.emit(w, func() {
				a.printf("The key file %s is encrypted now. Nobody can restore a forgotten passphrase.\n", w.KeyFile)
			})
		},
	})
	return c
}

// passphraseVar holds the passphrase for programs that start hhs.
const passphraseVar = "HHS_PASSPHRASE"

// passphrase asks for the passphrase of the key file.
func (a *app) passphrase() (string, error) {
	if pass := os.Getenv(passphraseVar); pass != "" {
		return pass, nil
	}
	return a.secret("Passphrase of the keys: ")
}

func (a *app) newPassphrase() (string, error) {
	if pass := os.Getenv(passphraseVar); pass != "" {
		return pass, nil
	}
	first, err := a.secret("New passphrase: ")
	if err != nil {
		return "", err
	}
	again, err := a.secret("The same again: ")
	if err == nil && first != again {
		err = failf("passphrase", "the two passphrases differ; nothing was changed")
	}
	return first, err
}

// secret reads a line from the terminal without showing it.
func (a *app) secret(prompt string) (string, error) {
	f, ok := a.in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return "", failf("passphrase", "a passphrase is needed and there is no terminal to ask on; put it into $%s", passphraseVar)
	}
	fmt.Fprint(a.err, prompt)
	line, err := term.ReadPassword(int(f.Fd()))
	fmt.Fprintln(a.err)
	return string(line), err
}

// typed gives the lines of standard input; the channel is closed after the last.
func (a *app) typed(ctx context.Context) <-chan string {
	lines := make(chan string)
	go func() {
		defer close(lines)
		for in := bufio.NewReader(a.in); ; {
			line, err := in.ReadString('\n')
			if line = strings.TrimRight(line, "\r\n"); line != "" || err == nil {
				select {
				case lines <- line:
				case <-ctx.Done():
					return
				}
			}
			if errors.Is(err, io.EOF) || err != nil {
				return
			}
		}
	}()
	return lines
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Long:    "Prints the version of this program, and of the Go it was built with.",
		Example: "  hhs version",
		Args:    exactly(0, 0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			version, goVersion := "unknown", "unknown"
			if info, ok := debug.ReadBuildInfo(); ok {
				version, goVersion = info.Main.Version, info.GoVersion
			}
			return a.emit(map[string]string{"version": version, "go": goVersion}, func() { a.printf("hhs %s, %s\n", version, goVersion) })
		},
	}
}

// short is the end of a did:key, as names are shown with, or of the id of a commit.
func short(id string) string { return hhs.Identity(id).Short() }
