package hhs

import (
	"errors"
	"strings"
	"testing"

	"github.com/hyperhyperspace/hhs-go/authority"
)

type itemA struct {
	Text string `hhs:"max=500"`
}

type itemB struct{ Text string }

type itemC struct {
	Text string `hhs:"max=500"`
	ID   string
}

type itemD struct{ Text int }

func manifestFor[R any](t *testing.T) *authority.Manifest {
	t.Helper()
	m, err := Define[R]("test.example/list", 1).Manifest()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestDifference(t *testing.T) {
	type list struct {
		Title Register[string]
		Items Set[itemA]
	}
	there := manifestFor[list](t)
	for want, here := range map[string]*authority.Manifest{
		"":                                   there,
		"field items is there, and not here": manifestFor[struct{ Title Register[string] }](t),
		"field note is here, and not there": manifestFor[struct {
			Title Register[string]
			Items Set[itemA]
			Note  Register[string]
		}](t),
		"field number 1 is title there, items here: the order counts": manifestFor[struct {
			Items Set[itemA]
			Title Register[string]
		}](t),
		"field items is a set there, a log here": manifestFor[struct {
			Title Register[string]
			Items Log[itemA]
		}](t),
		"field items: schema props.text.max is 500 there, absent here": manifestFor[struct {
			Title Register[string]
			Items Set[itemB]
		}](t),
		`field items: schema props.id is absent there, {"type":"string"} here`: manifestFor[struct {
			Title Register[string]
			Items Set[itemC]
		}](t),
		`field items: schema props.text.type is "string" there, "integer" here`: manifestFor[struct {
			Title Register[string]
			Items Set[itemD]
		}](t),
	} {
		if got := difference(there, here); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	other := *there
	other.Version = 2
	if got, want := difference(there, &other), "test.example/list version 1 there, test.example/list version 2 here"; got != want {
		t.Errorf("got %s", got)
	}
	if got := shown("\u202eabc", true); strings.ContainsRune(got, '\u202e') {
		t.Errorf("%q turns the direction of a terminal", got)
	}
}

// The error of a space of another shape names what is other.
func TestKindMismatchNamesTheDifference(t *testing.T) {
	ctx := t.Context()
	n, err := Open(ctx, "", Offline())
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	s, err := Create(ctx, n, Define[struct{ Items Set[itemA] }]("test.example/list", 1))
	if err != nil {
		t.Fatal(err)
	}
	_, err = As(s.AnySpace, Define[struct{ Items Set[itemB] }]("test.example/list", 1))
	if !errors.Is(err, ErrKind) || !strings.Contains(err.Error(), "props.text.max is 500 there, absent here") {
		t.Errorf("got %v", err)
	}
}

func TestDefineMistakes(t *testing.T) {
	type good struct{ A Register[string] }
	for name, k := range map[string]AnyKind{
		"not a struct":       Define[int]("test.example/a", 1),
		"not exported":       Define[struct{ a Register[string] }]("test.example/a", 1),
		"not a value":        Define[struct{ A string }]("test.example/a", 1),
		"no schema":          Define[struct{ A Register[chan int] }]("test.example/a", 1),
		"no fields":          Define[struct{}]("test.example/a", 1),
		"no version":         Define[good]("test.example/a", 0),
		"no name":            Define[good]("", 1),
		"no path":            Define[good]("chat", 1),
		"an upper-case host": Define[good]("Example.org/chat", 1),
		"an empty step":      Define[good]("example.org//chat", 1),
		"an empty last step": Define[good]("example.org/chat/", 1),
		"a space":            Define[good]("example.org/my chat", 1),
		"a dot first":        Define[good](".org/chat", 1),
		"too long":           Define[good]("example.org/"+strings.Repeat("a", authority.MaxKind), 1),
		"not defined":        Kind[good]{},
	} {
		_, err := k.Manifest()
		if Code(err) != "invalid" {
			t.Errorf("%s: code %q of %v", name, Code(err), err)
		}
		_, err = Open(t.Context(), "", Kinds(k))
		if Code(err) != "invalid" || strings.Contains(err.Error(), "open :") {
			t.Errorf("%s: Open says %v", name, err)
		}
	}
	for _, name := range []string{"example.org/chat", "0-a.example/A/b.c_d-e"} {
		if _, err := Define[good](name, 1).Manifest(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A value that breaks its schema is refused by where it is and why.
func TestSchemaRefusal(t *testing.T) {
	type item struct {
		ID string `hhs:"max=5"`
	}
	type list struct {
		Items Log[item]
		Title Register[string] `hhs:",max=3"`
	}
	ctx := t.Context()
	n, err := Open(ctx, "", Offline())
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	s, err := Create(ctx, n, Define[list]("test.example/list", 1))
	if err != nil {
		t.Fatal(err)
	}
	for want, f := range map[string]func(tx *Tx, l list) error{
		"items.id: 7 characters, and at most 5 are allowed": func(tx *Tx, l list) error { return l.Items.Append(tx, item{"1234567"}) },
		"title: 4 characters, and at most 3 are allowed":    func(tx *Tx, l list) error { return l.Title.Set(tx, "1234") },
	} {
		err := s.Update(ctx, f)
		if err == nil || err.Error() != want || Code(err) != "schema" {
			t.Errorf("got %v [%s], want %s", err, Code(err), want)
		}
	}
}
