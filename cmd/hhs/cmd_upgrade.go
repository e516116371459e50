package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/object"
)

func (a *app) upgradeCommand() *cobra.Command {
	var fields []string
	var file string
	var version int64
	var dry bool
	c := &cobra.Command{
		Use:   "upgrade SPACE",
		Short: "Change the schema of a space",
		Long: `Adds fields and properties to a space and changes what values may be, as a program of a higher version does when its
founder opens the space with it. Only founders can. Nothing is removed, renamed or given another type; programs of the
version before go on, and keep what they do not know. See docs/spec/history.md.

A --field is written as for hhs space create; one that is there gets the new schema. With --manifest the whole kind is
read from a file of DAG-JSON. The change is printed, and made unless --dry-run is given.`,
		Example: `  hhs space upgrade 4kq2jsye --field due=register:string --dry-run
  hhs space upgrade 4kq2jsye --manifest kind.json`,
		Args: exactly(1, 1, "a space"),
		RunE: func(c *cobra.Command, args []string) error {
			up := upgradeArgs{Space: args[0], Fields: fields, Version: version, Dry: dry}
			if file != "" {
				var err error
				if up.Manifest, err = a.manifest(nil, fields, file); err != nil {
					return err
				}
			}
			u, err := ask[upgraded](c.Context(), a, "space.upgrade", up)
			if err != nil {
				return err
			}
			return a.emit(u, func() { a.printUpgrade(u) })
		},
	}
	c.Flags().StringArrayVar(&fields, "field", nil, "a field, as NAME=TYPE:VALUE (repeat)")
	c.Flags().StringVar(&file, "manifest", "", "file with the kind as DAG-JSON")
	c.Flags().Int64Var(&version, "version", 0, "version of the kind from then on (default: the next)")
	c.Flags().BoolVar(&dry, "dry-run", false, "only print what would change")
	return c
}

func (a *app) printUpgrade(u upgraded) {
	if len(u.Changes) == 0 {
		a.printf("Nothing to change: the space has all of it.\n")
		return
	}
	for _, line := range u.Changes {
		a.printf("  %s\n", line)
	}
	if u.Dry {
		a.printf("This would make version %d of version %d. Nothing was changed.\n", u.To, u.From)
		if !u.Founder {
			a.printf("Only a founder of the space can make this change; you are none.\n")
		}
		return
	}
	a.printf("The space is at version %d now; it was at %d.\n", u.To, u.From)
}

type upgradeArgs struct {
	Space    string          `json:"space"`
	Manifest json.RawMessage `json:"manifest,omitempty"`
	Fields   []string        `json:"fields,omitempty"`
	Version  int64           `json:"version,omitempty"`
	Dry      bool            `json:"dry,omitempty"`
}

// upgraded is what a change of the schema changes.
type upgraded struct {
	Space   string   `json:"space"`
	From    int64    `json:"from"`
	To      int64    `json:"to"`
	Changes []string `json:"changes"`
	Dry     bool     `json:"dry,omitempty"`
	Founder bool     `json:"founder"` // who asks is one: nobody else can make it
}

func upgradeSpace(ctx context.Context, s *service, a upgradeArgs) (u upgraded, err error) {
	space, err := s.find(a.Space)
	if err != nil {
		return u, err
	}
	have, err := space.Manifest()
	if err != nil {
		return u, err
	}
	want, err := a.kind(have)
	if err != nil {
		return u, err
	}
	fields, err := space.PlanUpgrade(want)
	if err != nil {
		return u, err
	}
	u = upgraded{Space: space.ID().String(), From: have.Version, To: max(want.Version, have.Version), Changes: []string{}, Dry: a.Dry, Founder: space.Founder()}
	for i := range fields {
		was, known := have.Field(fields[i].Name)
		if err := differences(&u.Changes, fields[i].Name, &was, known, &fields[i]); err != nil {
			return u, err
		}
	}
	if !a.Dry {
		_, err = space.UpgradeTo(ctx, want)
	}
	return u, err
}

// kind is the kind that is wanted.
func (a *upgradeArgs) kind(have *authority.Manifest) (*authority.Manifest, error) {
	if a.Manifest != nil {
		return parseManifest(a.Manifest)
	}
	if len(a.Fields) == 0 {
		return nil, usagef("what is to change? Give fields, such as --field due=register:string, or --manifest")
	}
	version := a.Version
	switch {
	case version == 0:
		version = min(have.Version+1, authority.MaxKindVersion)
	case version < have.Version:
		return nil, failf("invalid", "the space is at version %d, and versions do not go down; leave --version out", have.Version)
	}
	raw, err := manifestOf(fmt.Sprintf("%s@%d", have.Kind, version), a.Fields)
	if err != nil {
		return nil, err
	}
	return parseManifest(raw)
}

// differences says what of a field is new or other.
func differences(lines *[]string, at string, was *authority.Field, known bool, is *authority.Field) error {
	switch {
	case !known:
		return describeField(lines, "+ "+at+": ", is, is.Schema)
	case is.Of != nil:
		return differences(lines, at+"[...]", was.Of, true, is.Of)
	case is.Type == authority.TypeRecord:
		for i := range is.Fields {
			in := authority.Manifest{Fields: was.Fields}
			old, there := in.Field(is.Fields[i].Name)
			if err := differences(lines, at+"."+is.Fields[i].Name, &old, there, &is.Fields[i]); err != nil {
				return err
			}
		}
		return nil
	}
	old, err := schemaText(was.Schema)
	if err != nil {
		return err
	}
	now, err := schemaText(is.Schema)
	if err == nil && !bytes.Equal(old, now) {
		*lines = append(*lines, fmt.Sprintf("~ %s: %s -> %s", at, old, now))
	}
	return err
}

func describeField(lines *[]string, begin string, f *authority.Field, schema any) error {
	text := []byte{}
	var err error
	switch {
	case f.Of != nil || f.Type == authority.TypeRecord:
		text, err = object.ToJSON(f.Value())
	case schema != nil:
		text, err = object.ToJSON(schema)
	}
	if len(text) > 0 {
		text = append([]byte(" "), text...)
	}
	*lines = append(*lines, begin+f.Type+string(text))
	return err
}

func schemaText(schema any) ([]byte, error) {
	if schema == nil {
		return []byte("any"), nil
	}
	return object.ToJSON(schema)
}

// schemaChange is one that was made.
type schemaChange struct {
	Commit   string    `json:"commit"`
	Identity string    `json:"identity"`
	Name     string    `json:"name,omitempty"`
	Time     time.Time `json:"time"`
	Version  int       `json:"version"`
	Fields   []string  `json:"fields"`
	Ignored  []string  `json:"ignored,omitempty"`
}

func schemaChanges(space *hhs.AnySpace) (list []schemaChange, err error) {
	changes, err := space.SchemaChanges()
	for _, c := range changes {
		name, e := space.NameOf(c.Identity)
		if e != nil {
			return nil, e
		}
		list = append(list, schemaChange{c.Commit.String(), string(c.Identity), name, c.Time, c.Version, c.Fields, c.Ignored})
	}
	return list, err
}
