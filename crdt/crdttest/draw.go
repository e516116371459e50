package crdttest

import (
	"fmt"
	"strings"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
)

// name is what an author is called in a drawing.
func name(author int) string { return string(rune('A' + author)) }

// draw shows the history, a line for each commit, a lane for each author, and in the last column who holds which ops
// void (a replica's letter after the op).
func (s *sim) draw() string {
	var b strings.Builder
	b.WriteString("\n  #  A B C D E  height  parents       ops (letters: void for these replicas)\n")
	for n, c := range s.commits {
		fmt.Fprintf(&b, "%3d ", n)
		for a := range devices {
			mark := " |"
			if a == c.author {
				mark = " *"
			}
			b.WriteString(mark)
		}
		parents := make([]string, len(c.parents))
		for i, m := range c.parents {
			parents[i] = fmt.Sprint(m)
		}
		fmt.Fprintf(&b, "  %5d   %-13s", c.height, strings.Join(parents, " "))
		for _, op := range c.ops {
			b.WriteString(" " + s.opName(op))
			for a, p := range s.replicas {
				if effective, known := p.verdict[op.Ref]; known && !effective {
					b.WriteString(name(a))
				}
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// refName names an op by its commit's number and its index.
func (s *sim) refName(r history.OpRef) string {
	if n, ok := s.number[r.Commit]; ok {
		return fmt.Sprintf("%d.%d", n, r.Index)
	}
	return fmt.Sprintf("%s.%d", r.Commit.Short(), r.Index)
}

func (s *sim) opName(op crdt.Op) string {
	refs := make([]string, len(op.Refs))
	for i, r := range op.Refs {
		refs[i] = s.refName(r)
	}
	return fmt.Sprintf("%s:%s(%s)[%s]", s.refName(op.Ref), op.Action, show(op.Payload), strings.Join(refs, " "))
}

func (s *sim) list(all []Shown) string {
	var b strings.Builder
	for _, e := range all {
		fmt.Fprintf(&b, "  %s by %s", show(e.Value), s.refName(e.Ref))
		for _, r := range e.Others {
			fmt.Fprintf(&b, ", behind it %s", s.refName(r))
		}
		b.WriteByte('\n')
	}
	if len(all) == 0 {
		return "  nothing\n"
	}
	return b.String()
}

// show writes a value for people, cut short.
func show(payload []byte) string {
	text := fmt.Sprintf("%x", payload)
	if v, err := object.Decode(payload); err == nil {
		if json, err := object.ToJSON(v); err == nil {
			text = string(json)
		}
	}
	if len(text) > 24 {
		text = text[:24] + "..."
	}
	return text
}
