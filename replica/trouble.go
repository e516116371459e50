package replica

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/internal/order"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/store"
)

// Trouble is what is known of damage in a space. It outlives a restart, until
// all that was set aside is back.
type Trouble struct {
	What  string    // the first damage found, in a sentence
	Since time.Time // when
	// Damaged commits wait for a peer to give them again, and Aside ones, which
	// are intact, for the commits they need.
	Damaged, Aside int

	repair  bool // to be rebuilt
	asides  []aside
	wanted  []object.ID // whose arrival is worth another try; none: any is
	unnamed bool        // what is not wanted by its id is missing, too, so that any arrival is worth one
}

// aside is a damaged copy of the space that is kept until all that can be read
// of it is in the space again.
type aside struct {
	num     uint32
	version uint64
}

// note adds what a rebuild left behind.
func (t *Trouble) note(b *rebuild, res *Readmitted) {
	if t.What == "" {
		t.What, t.Since = "commits that others need could not be read", b.node.cfg.Now()
		if len(res.Damaged) > 0 {
			t.What = res.Damaged[0].Error()
		}
	}
	t.asides = append(t.asides, aside{b.entry.num, b.fill.version})
	t.Damaged, t.Aside = t.Damaged+res.Lost, t.Aside+res.Aside
	t.want(res)
}

func (t *Trouble) want(res *Readmitted) {
	for id := range res.wanted {
		if !slices.Contains(t.wanted, id) {
			t.wanted = append(t.wanted, id)
		}
	}
	if t.unnamed = t.unnamed || res.unnamed; t.unnamed || len(t.wanted) >= maxDamage { // some are not named
		t.wanted = nil
	}
	order.By(t.wanted, object.ID.Compare)
}

func (t *Trouble) encode() []byte {
	asides, wanted := []any{}, []any{}
	for _, a := range t.asides {
		asides = append(asides, []any{int64(a.num), int64(a.version)})
	}
	for _, id := range t.wanted {
		wanted = append(wanted, id)
	}
	block, err := object.Encode(map[string]any{"what": t.What, "since": t.Since.UnixMilli(), "damaged": int64(t.Damaged),
		"aside": int64(t.Aside), "repair": t.repair, "asides": asides, "wanted": wanted, "unnamed": t.unnamed})
	if err != nil {
		panic(err) // all of it can be encoded
	}
	return block
}

func decodeTrouble(v []byte) (t Trouble, err error) {
	o, err := object.Decode(v)
	m, ok := o.(map[string]any)
	if err != nil || !ok {
		return t, fmt.Errorf("note of damage: %w: %w", store.ErrCorrupt, err)
	}
	var since, damaged, set int64
	var asides, wanted []any
	ok = take(m, "what", &t.What) && take(m, "since", &since) && take(m, "damaged", &damaged) && take(m, "aside", &set) &&
		take(m, "repair", &t.repair) && take(m, "asides", &asides) && take(m, "wanted", &wanted) && take(m, "unnamed", &t.unnamed)
	t.Since, t.Damaged, t.Aside = time.UnixMilli(since), int(damaged), int(set)
	for _, one := range asides {
		var num, version int64
		pair, isPair := one.([]any)
		ok = ok && isPair && len(pair) == 2 && take(map[string]any{"0": pair[0], "1": pair[1]}, "0", &num) &&
			take(map[string]any{"1": pair[1]}, "1", &version)
		t.asides = append(t.asides, aside{uint32(num), uint64(version)})
	}
	for _, one := range wanted {
		id, isID := one.(object.ID)
		ok = ok && isID
		t.wanted = append(t.wanted, id)
	}
	if !ok {
		return t, fmt.Errorf("note of damage: %w", store.ErrCorrupt)
	}
	return t, nil
}

func take[T any](m map[string]any, name string, to *T) bool {
	v, ok := m[name].(T)
	*to = v
	return ok
}

func readTrouble(r store.Reader, id object.ID) (t Trouble, known bool, err error) {
	v, err := r.Get(troubleKey(id))
	if errors.Is(err, store.ErrNotFound) {
		return t, false, nil
	}
	return troubleFrom(v), err == nil, err
}

// troubleFrom reads a note of damage. One that is damaged itself has the space
// rebuilt.
func troubleFrom(v []byte) Trouble {
	t, err := decodeTrouble(v)
	if err != nil {
		return Trouble{What: err.Error(), repair: true}
	}
	return t
}

// loadTrouble reads the note of damage. If what was waited for has come, and
// taking back what was set aside was cut short, or nothing is waited for, that
// is done now.
func (s *Space) loadTrouble() error {
	due := false
	err := s.node.view(func(r store.Reader) error {
		t, known, err := readTrouble(r, s.id)
		if !known {
			return err
		}
		s.trouble.Store(&t)
		due = t.Damaged == 0 && len(t.asides) > 0 // nothing has to come for it to be taken back
		for _, id := range t.wanted {
			_, here, err := s.lookupFrom(r, id)
			if err != nil {
				return err
			}
			due = due || here
		}
		return nil
	})
	if !due {
		return err
	}
	if err := s.TakeBack(s.ctx); err != nil {
		s.node.cfg.Log.Warn("what was set aside could not be taken back yet", "space", s.id, "error", err)
	}
	return nil
}

// TakeBack offers all that was set aside to the door again, as is done by itself
// when something arrives that it may wait for.
func (s *Space) TakeBack(ctx context.Context) error {
	s.careMu.Lock()
	defer s.careMu.Unlock()
	return s.takeBack(ctx)
}

// Trouble tells what is known of damage in this copy.
func (s *Space) Trouble() (Trouble, bool) {
	if t := s.trouble.Load(); t != nil {
		return *t, true
	}
	return Trouble{}, false
}

// Damaged notes that something of the space was found damaged: err is what a read
// met. It is logged once and kept, so that the next Open rebuilds
// the space; Node.Rebuild does so at once. An error that is no store.ErrCorrupt
// is not noted. It returns err.
func (s *Space) Damaged(err error) error {
	if !errors.Is(err, store.ErrCorrupt) {
		return err
	}
	s.careMu.Lock()
	defer s.careMu.Unlock()
	t, _ := s.Trouble()
	if t.repair {
		return err
	}
	t.repair, t.What, t.Since = true, err.Error(), s.node.cfg.Now()
	s.node.cfg.Log.Error("a space is damaged; it is rebuilt at the next opening, or by hhs fsck --repair", "space", s.id, "error", err)
	s.trouble.Store(&t)
	var b store.Batch
	b.Put(troubleKey(s.id), t.encode())
	if f := s.node.cfg.OnDamage; f != nil {
		go f(s.id)
	}
	if werr := s.node.apply(context.Background(), &b); werr != nil {
		return errors.Join(err, werr)
	}
	return err
}

// offerAside lets what was set aside enter when a batch brought what it may have
// waited for. A copy of which nothing is left to take is deleted.
func (s *Space) offerAside(ctx context.Context, b *history.Batch) {
	t := s.trouble.Load()
	if t == nil || len(t.asides) == 0 {
		return
	}
	if len(t.wanted) > 0 && !slices.ContainsFunc(b.Commits, func(c *history.Commit) bool { return slices.Contains(t.wanted, c.ID) }) {
		return
	}
	if !s.careMu.TryLock() {
		return // it is being done
	}
	defer s.careMu.Unlock()
	if err := s.takeBack(ctx); err != nil {
		s.node.cfg.Log.Warn("what was set aside could not be taken back yet", "space", s.id, "error", err)
	}
}

// takeBack needs careMu.
func (s *Space) takeBack(ctx context.Context) error {
	t, known := s.Trouble()
	if !known {
		return nil
	}
	left := Trouble{What: t.What, Since: t.Since, repair: t.repair}
	var batch store.Batch
	for _, a := range t.asides {
		m := newReadmission(newKeyspace(a.num), a.version, s, nil)
		err := s.node.view(func(r store.Reader) error {
			if err := m.run(ctx, r); err != nil {
				return err
			}
			return m.finish(ctx, r)
		})
		if err != nil {
			return err
		}
		if m.result.whole() {
			dropKeyspace(&batch, m.from)
			continue
		}
		left.asides = append(left.asides, a)
		left.Damaged, left.Aside = left.Damaged+m.result.Lost, left.Aside+m.result.Aside
		left.want(&m.result)
	}
	if len(left.asides) == 0 && !left.repair {
		batch.Delete(troubleKey(s.id))
		s.node.cfg.Log.Info("all that was set aside is back", "space", s.id)
	} else {
		batch.Put(troubleKey(s.id), left.encode())
	}
	if err := s.node.apply(ctx, &batch); err != nil {
		return err
	}
	if len(left.asides) == 0 && !left.repair {
		s.trouble.Store(nil)
	} else {
		s.trouble.Store(&left)
	}
	s.subs.signal()
	return nil
}
