package replica_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hyperhyperspace/hhs-go/object"
)

// TestCommitsLike: the beginning of an id finds all commits that begin so and no others; what is no beginning finds none.
func TestCommitsLike(t *testing.T) {
	s := create(t, newNode(t, 1))
	var all []object.ID
	for i := range 20 {
		line(t, s, fmt.Sprint(i))
		all = append(all, s.Heads()...)
	}
	all = append(all, s.ID())
	several := 0
	for _, id := range all {
		text := id.String()
		for n := range len(text) {
			want := 0
			for _, other := range all {
				if strings.HasPrefix(other.String(), text[:n]) && n >= 8 {
					want++
				}
			}
			got, err := s.CommitsLike(text[:n], 100)
			if err != nil || len(got) != want {
				t.Fatalf("%q: %d commits of %d, error %v", text[:n], len(got), want, err)
			}
			if want > 0 && !slices.Contains(got, id) {
				t.Fatalf("%q does not find %s", text[:n], text)
			}
			if want > 1 {
				several++
				if got, err := s.CommitsLike(text[:n], 2); err != nil || len(got) != 2 {
					t.Fatalf("%q: %d commits with a limit of 2, error %v", text[:n], len(got), err)
				}
			}
		}
	}
	if several == 0 { // 21 ids and eight ways to go on after the first seven characters
		t.Error("no beginning was one of several")
	}
	for _, text := range []string{"", "bafkreiaaaaaaaaaa", "bafyrei-aaaaaaaaaa", all[0].String() + "a", strings.Repeat("z", 59)} {
		if got, err := s.CommitsLike(text, 2); err != nil || len(got) > 0 {
			t.Errorf("%q finds %v, error %v", text, got, err)
		}
	}
}

// TestCommitsEnding: the end of an id finds all commits that end so, the latest first, and no others.
func TestCommitsEnding(t *testing.T) {
	s := create(t, newNode(t, 1))
	all := []object.ID{s.ID()}
	for i := range 40 {
		line(t, s, fmt.Sprint(i))
		all = append(all, s.Heads()...)
	}
	slices.Reverse(all)
	several := 0
	for _, id := range all {
		text := id.String()
		for n := range len(text) {
			var want []object.ID
			for _, other := range all {
				if strings.HasSuffix(other.String(), text[n:]) {
					want = append(want, other)
				}
			}
			got, err := s.CommitsEnding(text[n:], 100)
			if err != nil || !slices.Equal(got, want) {
				t.Fatalf("%q finds %v and not %v, error %v", text[n:], got, want, err)
			}
			if len(want) > 1 {
				several++
				if got, err := s.CommitsEnding(text[n:], 1); err != nil || !slices.Equal(got, want[:1]) {
					t.Fatalf("%q with a limit of 1 finds %v, error %v", text[n:], got, err)
				}
			}
		}
	}
	if several == 0 { // 41 ids, and at most 32 letters to end with
		t.Error("no end was one of several")
	}
	if got, err := s.CommitsEnding("nothing-ends-so", 2); err != nil || len(got) > 0 {
		t.Errorf("finds %v, error %v", got, err)
	}
}
