package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/hyperhyperspace/hhs-go/internal/plain"
)

// app is what all commands share: where they read and write, and the global flags.
type app struct {
	in       io.Reader
	out, err io.Writer

	dir     string
	json    bool
	noWords bool
}

// Exit codes.
const (
	exitError = 1 // the command failed; the error says why
	exitUsage = 2 // the command line is wrong; exitDamaged is another one
	exitStore = 4 // the store can be written no more, so that serve, demo or chat ends
)

// run is one invocation.
func (a *app) run(ctx context.Context, args []string) int {
	root := a.root()
	for i, arg := range args { // in JSON, as commands of one directory talk to each other, other bytes would become other text
		if !utf8.ValidString(arg) {
			return a.fail(usagef("argument %d, %q, is not UTF-8 text", i+1, arg))
		}
	}
	args = normalise(root, args)
	for _, arg := range args { // so that also a wrong command line is answered in JSON
		a.json = a.json || arg == "--json" || arg == "--json=true"
	}
	root.SetArgs(args)
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if errors.Is(err, errDamaged) {
		return exitDamaged
	}
	return a.fail(err)
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "hhs",
		Short: "Data that people share without a server in between",
		Long: `hhs keeps spaces: data that several people share, each with a full copy.
Everything is read and written here first; copies meet whenever they can.

Experimental: formats and commands may change, and the cryptography has not been audited.`,
		Example: `  hhs demo                    # a chat room to open in two browsers
  hhs chat                    # a chat room in this terminal`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noCommand,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SuggestionsMinimumDistance = 2
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		if negative.MatchString(err.Error()) {
			return usagef("a value that begins with a hyphen comes after --, such as: hhs set SPACE count -- -5")
		}
		return usagef("%v; see hhs help %s", err, strings.TrimPrefix(c.CommandPath(), "hhs "))
	})
	root.PersistentFlags().StringVar(&a.dir, "dir", "", "data directory, one for each person (default "+shown(defaultDir())+", or $HHS_DIR)")
	root.PersistentFlags().BoolVar(&a.noWords, "no-words", false, "show no three words of spaces, and let nobody find them by these through this command")
	root.PersistentFlags().BoolVar(&a.json, "json", false, "print JSON, errors too")
	root.AddCommand(a.initCommand(), a.idCommand(), a.chatCommand(), a.demoCommand(), a.serveCommand(), a.spaceCommand(),
		a.getCommand(), a.setCommand(), a.undoCommand(), a.redoCommand(), a.logCommand(), a.diffCommand(), a.queryCommand(), a.watchCommand(), a.peersCommand(),
		a.exportCommand(), a.importCommand(), a.verifyCommand(),
		a.statusCommand(), a.fsckCommand(), a.backupCommand(), a.restoreCommand(), a.compactCommand(), a.versionCommand())
	return root
}

// noCommand is the argument check of a command that only has others: what is
// left over is a name it does not know.
func noCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	near := ""
	if list := c.SuggestionsFor(args[0]); len(list) > 0 {
		near = "; did you mean " + list[0] + "?"
	}
	return usagef("%s has no command %q%s; see hhs help", c.CommandPath(), args[0], near)
}

// longFlag is a flag as Go programs write it, with one hyphen.
var longFlag = regexp.MustCompile(`^-[a-z][a-z-]+(=|$)`)

// negative is what is said of a negative number in the place of a flag.
var negative = regexp.MustCompile(`^unknown shorthand flag: '[0-9.]'`)

// normalise lets every flag be written with one hyphen as well: -json.
func normalise(root *cobra.Command, args []string) []string {
	known := map[string]bool{"help": true, "version": true}
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		for _, name := range flagNames(c) {
			known[name] = true
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(root)
	list := make([]string, 0, len(args))
	for i, arg := range args {
		if arg == "--" {
			return append(list, args[i:]...)
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(arg, "-"), "=")
		if longFlag.MatchString(arg) && known[name] {
			arg = "-" + arg
		}
		list = append(list, arg)
	}
	return list
}

// defaultDir is where programs of this system keep a user's data.
func defaultDir() string {
	if dir := os.Getenv("HHS_DIR"); dir != "" {
		return dir
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "hhs-data"
	}
	switch runtime.GOOS {
	case "darwin", "ios":
		return filepath.Join(home, "Library", "Application Support", "hhs")
	case "windows":
		if base := os.Getenv("LocalAppData"); base != "" {
			return filepath.Join(base, "hhs")
		}
	}
	if base := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(base) {
		return filepath.Join(base, "hhs")
	}
	return filepath.Join(home, ".local", "share", "hhs")
}

// shown is a path as help texts show it, the same on every machine.
func shown(dir string) string {
	if home, err := os.UserHomeDir(); err == nil && strings.HasPrefix(dir, home+string(filepath.Separator)) {
		return "~" + dir[len(home):]
	}
	return dir
}

// dataDir is the directory of this invocation.
func (a *app) dataDir() (string, error) {
	dir := a.dir
	if dir == "" {
		dir = defaultDir()
	}
	return filepath.Abs(dir)
}

// printf writes for people; with --json it does nothing. Whatever may come from
// others is made plain here, and only here.
func (a *app) printf(format string, args ...any) {
	if !a.json {
		fmt.Fprintf(a.out, format, plainArgs(args)...)
	}
}

// notef writes for people what is not the answer, to standard error.
func (a *app) notef(format string, args ...any) {
	if !a.json {
		fmt.Fprintf(a.err, format, plainArgs(args)...)
	}
}

// lines is text that keeps its lines when it is printed.
type lines string

// plainArgs makes the text among what is printed plain.
func plainArgs(args []any) []any {
	list := make([]any, len(args))
	for i, arg := range args {
		switch v := arg.(type) {
		case lines:
			list[i] = plain.Text(string(v))
		case string:
			list[i] = plain.Line(v)
		case json.RawMessage:
			list[i] = plain.Line(string(v))
		case fmt.Stringer:
			list[i] = plain.Line(v.String())
		default:
			list[i] = v
		}
	}
	return list
}

// emit writes v with --json as one line, and otherwise as text does.
func (a *app) emit(v any, text func()) error {
	if !a.json {
		text()
		return nil
	}
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = a.out.Write(append(plain.JSON(body), '\n'))
	return err
}
