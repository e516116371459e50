package hhs

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
)

// ErrStale is returned by a write that rests on a version when the copy has gone on since.
var ErrStale = replica.ErrStale

// maxToldBytes bounds the edits that a Follower keeps for those who come later: an editor asks within a second, in which
// nobody reads more than this.
const maxToldBytes = 1 << 18

// TextEdit is a stretch of a text that is replaced, in UTF-16 units. Several stand last place first, so that each index
// counts in what was there before all of them, and they can be done one after the other, too.
type TextEdit struct {
	Index, Delete int
	Insert        string
}

// TextNews is what became of a text since a version.
type TextNews struct {
	Version string     // of which it speaks
	Known   bool       // the edits since are known: otherwise read the text again
	Edits   []TextEdit // since the version asked for
}

// Follower serves editors of texts, which show a copy of their own and edit that: it tells what became of a text since a
// version of the copy, and writes what was edited on a version only if nothing came in between. A version is a text
// that says something to the Follower which gave it, and to no other.
type Follower struct {
	space *AnySpace
	feed  *replica.Feed
	epoch string

	mu    sync.Mutex
	floor uint64 // all edits since this version are known
	told  []told // by version
	size  int
}

// told are edits of one text that lead to a version from the one before.
type told struct {
	version uint64
	place   string
	edits   []crdt.Edit
}

var followers atomic.Uint64

// Follow begins to note the edits of texts. Close it.
func (s *AnySpace) Follow() (*Follower, error) {
	f := &Follower{space: s, feed: s.rep.Follow()}
	f.epoch = strconv.FormatInt(s.node.now().UnixMilli(), 36) + "-" + strconv.FormatUint(followers.Add(1), 36)
	v, version, err := f.step()
	if err != nil {
		f.Close()
		return nil, err
	}
	f.floor, f.told, f.size = version, nil, 0
	return f, v.Close()
}

// Of tells whether it follows this copy of the space: one that was damaged is replaced.
func (f *Follower) Of(s *AnySpace) bool { return f.space.rep == s.rep }

// Close ends it.
func (f *Follower) Close() { f.feed.Close() }

// step goes on to the version that is here now.
func (f *Follower) step() (*replica.View, uint64, error) {
	v, version, changes, err := f.feed.Next()
	if err != nil {
		return nil, 0, err
	}
	for _, c := range changes {
		switch {
		case c.Resync:
			f.floor, f.told, f.size = version, nil, 0
		case len(c.Edits) > 0 && c.Edits[0].Deleted.Values == nil && c.Edits[0].Inserted.Values == nil:
			f.told = append(f.told, told{version, c.Field + "\x00" + c.Place(), c.Edits})
			f.size += crdt.Size(c.Edits)
		}
	}
	for f.size > maxToldBytes || len(f.told) > 0 && f.told[0].version <= f.floor {
		f.floor = f.told[0].version
		f.size -= crdt.Size(f.told[0].edits)
		f.told = f.told[1:]
	}
	return v, version, nil
}

// read steps on and reads a text.
func (f *Follower) read(field string, path []any, read func(env *crdt.Env, version uint64, place string) error) error {
	b, err := f.space.at(field, path, nil)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	v, version, err := f.step()
	if err != nil {
		return err
	}
	return b.readIn(v, func(env *crdt.Env) error {
		if err := isOf(field, env, "text"); err != nil {
			return err
		}
		return read(env, version, field+"\x00"+env.Place())
	})
}

// name is a version as it is told: it speaks of one value, since another may be shown at the same place later.
func (f *Follower) name(version uint64, place string) string {
	return fmt.Sprint(f.epoch, ".", version, ".", object.Sum(object.Raw, []byte(place)).Short())
}

// parse reads a version; ok is false when it is not of this Follower.
func (f *Follower) parse(name string) (version uint64, ok bool) {
	rest, ok := strings.CutPrefix(name, f.epoch+".")
	number, _, _ := strings.Cut(rest, ".")
	version, err := strconv.ParseUint(number, 10, 64)
	return version, ok && err == nil
}

// Text reads a text from one UTF-16 offset to another, and tells how many units all of it has, and the version. With a
// version it must be that one: ErrStale otherwise.
func (f *Follower) Text(field string, from, to int, on string, path ...any) (text string, size int, version string, err error) {
	err = f.read(field, path, func(env *crdt.Env, n uint64, place string) error {
		if version = f.name(n, place); on != "" && on != version {
			return ErrStale
		}
		text, size, err = textUnits(env, from, to)
		return err
	})
	return text, size, version, err
}

// News tells what became of a text since a version.
func (f *Follower) News(field, since string, path ...any) (news TextNews, err error) {
	return f.newsBut(field, since, nil, path)
}

// newsBut leaves out what the reader has done himself since: own are his edits, of the text at the version.
func (f *Follower) newsBut(field, since string, own []crdt.Edit, path []any) (news TextNews, err error) {
	err = f.read(field, path, func(_ *crdt.Env, n uint64, place string) error {
		news.Version = f.name(n, place)
		from, ok := f.parse(since)
		if !ok || from < f.floor || from > n || since != f.name(from, place) {
			return nil
		}
		news.Known = true
		var all crdt.Edits
		for _, t := range f.told {
			if t.version > from && t.place == place {
				all.Add(t.edits)
			}
		}
		edits := all.All()
		if own != nil {
			edits = crdt.Between(own, edits)
		}
		for i := len(edits) - 1; i >= 0; i-- {
			e := &edits[i]
			news.Edits = append(news.Edits, TextEdit{int(e.Units), int(e.Deleted.Units()), e.Inserted.Text})
		}
		return nil
	})
	return news, err
}

// Apply is AnySpace.Apply on a version: ErrStale, and nothing is written, if the copy has gone on since.
func (f *Follower) Apply(ctx context.Context, since string, ops []Op, attach ...object.ID) (Receipt, error) {
	version, ok := f.parse(since)
	if !ok {
		return Receipt{}, ErrStale
	}
	return f.space.rep.UpdateOn(ctx, version, f.space.introducing(f.space.applying(ops, attach)))
}

// Edit writes edits of a text on a version, as Apply does. The news are what others did that entered the copy together with
// it: they speak of the text with the edits done, and mostly there are none.
func (f *Follower) Edit(ctx context.Context, field, since string, edits []TextEdit, path ...any) (Receipt, TextNews, error) {
	version, ok := f.parse(since)
	if !ok {
		return Receipt{}, TextNews{}, ErrStale
	}
	b, err := f.space.at(field, path, nil)
	if err != nil {
		return Receipt{}, TextNews{}, err
	}
	op := Op{Field: field, Path: path, Action: "splice"}
	var value []any
	for _, e := range edits {
		value = append(value, int64(e.Index), int64(e.Delete), e.Insert)
	}
	op.Value = value
	var own []crdt.Edit
	r, err := f.space.rep.UpdateOn(ctx, version, f.space.introducing(func(tx *Tx) error {
		if own, err = ownEdits(tx, b, edits); err != nil {
			return err
		}
		return f.space.applying([]Op{op}, nil)(tx)
	}))
	if err != nil {
		return Receipt{}, TextNews{}, err
	}
	news, err := f.newsBut(field, since, own, path)
	return r, news, err
}

// ownEdits are edits as those that are told, of the text as a transaction finds it.
func ownEdits(tx *Tx, b binding, edits []TextEdit) ([]crdt.Edit, error) {
	env, err := b.env(tx)
	if err != nil {
		return nil, err
	}
	own := make([]crdt.Edit, len(edits))
	for i, e := range edits {
		at, end := uint64(max(e.Index, 0)), uint64(max(e.Index, 0)+max(e.Delete, 0))
		if i > 0 && end > uint64(edits[i-1].Index) {
			return nil, &EditError{"splice", "has its edits from the last place to the first, without overlap"}
		}
		c, err := crdt.SeqCursor(env, false, at, true, true)
		if err != nil {
			return nil, err
		}
		elements, units, err := crdt.SeqPosition(env, false, c)
		if err != nil {
			return nil, err
		}
		gone, err := crdt.TextSliceUnits(env, units, end)
		if err != nil {
			return nil, err
		}
		own[len(edits)-1-i] = crdt.Edit{Index: elements, Units: units, Deleted: crdt.Content{Text: gone}, Inserted: crdt.Content{Text: e.Insert}}
	}
	return own, nil
}
