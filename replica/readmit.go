package replica

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/store"
)

// readmission puts the commits of a keyspace through the door of a space again,
// in the order in which they arrived. What is damaged stays behind, and
// with it what needs it: the space that comes out is a complete prefix.
//
// The unit is a stretch, as in packer: commits until all are vouched for. It is
// also cut by size, and where something is damaged it may never come to that
// end; settle then sorts out what of it can enter, and what nothing vouches for
// yet is carried on to what comes after.
type readmission struct {
	from    keyspace
	version uint64 // of its records
	to      *Space
	tell    func(Progress)

	batchSize int // when stretches go through the door
	next, end history.Num
	list      []stored           // first those carried on
	open      map[object.ID]bool // commits of the list that nothing vouches for yet
	carried   int                // of the list, without their objects
	size      int                // of the others
	seen      int                // what all that was read takes in batches
	noSig     map[object.ID]bool // attestations that are not valid
	bad       map[object.ID]*Damage
	lost      map[history.Num]*Damage // what is damaged, at most maxLost
	own       branch                  // the latest commit of this device that can be read
	progress  Progress
	result    Readmitted
}

// Readmitted is what came of it.
type Readmitted struct {
	Commits int       // that are in the space now
	Aside   int       // that are readable and need something that is not here
	Damaged []*Damage // at most maxDamage of them
	Lost    int       // how many there are
	wanted  map[object.ID]bool
	unnamed bool // something damaged is not in wanted, because its id is not known
}

// whole tells that nothing stayed behind.
func (r *Readmitted) whole() bool { return r.Lost == 0 && r.Aside == 0 }

func newReadmission(from keyspace, version uint64, to *Space, tell func(Progress)) *readmission {
	size := 0 // one stretch at a time: others could not be told apart later
	if to.verbatim {
		size = readmitBatch
	}
	return &readmission{from: from, version: version, to: to, tell: tell, batchSize: size, open: map[object.ID]bool{}, noSig: map[object.ID]bool{},
		bad: map[object.ID]*Damage{}, progress: Progress{Space: to.id},
		lost: map[history.Num]*Damage{}, result: Readmitted{wanted: map[object.ID]bool{}}}
}

// run goes on from where it stopped to what is there now. Only finish lets the
// rest enter for which no end of a stretch has come.
func (m *readmission) run(ctx context.Context, r store.Reader) (err error) {
	if m.end, err = storedEnd(r, m.from); err != nil {
		return err
	}
	m.progress.Total = m.end
	for ; m.next < m.end; m.next++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		st, err := m.to.readStored(r, m.from, m.version, m.next)
		if err != nil {
			return fmt.Errorf("read commit %d: %w", m.next, err)
		}
		m.add(st)
		if len(m.open) == 0 && m.size >= m.batchSize || m.size >= readmitCut.size || len(m.list)-m.carried >= readmitCut.commits {
			if err := m.settle(ctx, r, false); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *readmission) finish(ctx context.Context, r store.Reader) error {
	if err := m.settle(ctx, r, true); err != nil {
		return err
	}
	return m.identify(r)
}

func (m *readmission) add(st stored) {
	st.at = m.seen
	if st.commit != nil && st.damage == nil {
		m.seen += history.CommitSize(st.commit)
	}
	m.list = append(m.list, st)
	m.size += st.size
	if c := st.commit; c != nil {
		if c.Env.Author == m.to.node.device() && c.Env.Seq > m.own.seq {
			m.own = branch{seq: c.Env.Seq, tip: c.ID}
		}
		delete(m.open, c.Env.Prev)
		if st.sig == nil {
			m.open[c.ID] = true
		}
	}
}

// settle lets what can enter of the list enter; last tells that nothing comes after it.
func (m *readmission) settle(ctx context.Context, r store.Reader, last bool) error {
	for {
		good, err := m.sort(r)
		if err != nil {
			return err
		}
		b, err := m.batch(r, good)
		if err != nil {
			return err
		}
		if len(b.Commits) == 0 {
			break
		}
		_, err = m.to.enter(ctx, b, Source{})
		var reject *Reject
		if err == nil {
			m.result.Commits += len(b.Commits)
			break
		}
		if !errors.As(err, &reject) {
			return err
		}
		m.refused(reject, good)
	}
	m.progress.Bytes += int64(m.size)
	m.progress.Items = m.next
	if m.next < m.end { // the one at hand
		m.progress.Items++
	}
	if m.tell != nil {
		m.tell(m.progress)
	}
	m.carryOn(m.leave(r, last))
	m.to.node.cfg.Pace()
	return nil
}

// carryOn begins the next list with the rest of this one.
func (m *readmission) carryOn(rest []stored) {
	clear(m.list[len(rest):])
	m.list, m.carried, m.size = rest, len(rest), 0
	clear(m.open)
	clear(m.bad)
	noSig := m.noSig
	m.noSig = map[object.ID]bool{}
	for i := range rest {
		st := &rest[i]
		st.objects = nil // read again when it enters
		delete(m.open, st.commit.Env.Prev)
		if m.noSig[st.commit.ID] = noSig[st.commit.ID]; st.sig == nil {
			m.open[st.commit.ID] = true
		}
	}
}

// refused takes what the door refused out of the list, so that the next try
// has less of it.
func (m *readmission) refused(r *Reject, good []stored) {
	damage := func(st stored) *Damage {
		return &Damage{Space: m.to.id, Commit: st.commit.ID, Num: st.num, What: r.Rule, Cause: r.Cause}
	}
	for _, st := range good {
		switch {
		case r.Commit.IsZero():
			m.bad[st.commit.ID] = damage(st)
		case st.commit.ID != r.Commit:
		case r.Rule == RuleBadSignature && !m.noSig[r.Commit]:
			m.noSig[r.Commit] = true // a later one may vouch for it
		default:
			m.bad[r.Commit] = damage(st)
		}
	}
}

// sort returns what of the list has its past, here or earlier in the list, and
// is vouched for by the list.
func (m *readmission) sort(r store.Reader) ([]stored, error) {
	in := make(map[object.ID]bool, len(m.list))
	good := make([]stored, 0, len(m.list))
	for _, st := range m.list {
		if st.commit == nil || st.damage != nil || m.bad[st.commit.ID] != nil || in[st.commit.ID] {
			continue
		}
		in[st.commit.ID] = true
		good = append(good, st)
	}
	for {
		before := len(good)
		next := good[:0]
		for _, st := range good {
			missing, err := m.missing(st.commit, in)
			if err != nil {
				return nil, err
			}
			if missing {
				delete(in, st.commit.ID)
				continue
			}
			next = append(next, st)
		}
		good = m.vouched(next, in)
		if len(good) == before {
			return good, nil
		}
	}
}

func (m *readmission) missing(c *history.Commit, in map[object.ID]bool) (bool, error) {
	for _, e := range c.Edges() {
		if in[e] {
			continue
		}
		if here, err := m.here(e); err != nil || !here {
			return true, err
		}
	}
	return false, nil
}

// here tells whether a commit is in the space that is filled.
func (m *readmission) here(id object.ID) (bool, error) {
	m.to.mu.Lock()
	defer m.to.mu.Unlock()
	_, ok, err := m.to.lookup(id)
	return ok, err
}

// vouched drops the commits that no attestation in the list vouches for.
func (m *readmission) vouched(list []stored, in map[object.ID]bool) []stored {
	covered := map[object.ID]bool{}
	for i := len(list) - 1; i >= 0; i-- {
		c := list[i].commit
		if list[i].sig != nil && !m.noSig[c.ID] {
			covered[c.ID] = true
		}
		if covered[c.ID] {
			covered[c.Env.Prev] = true
		}
	}
	good := list[:0]
	for _, st := range list {
		if covered[st.commit.ID] {
			good = append(good, st)
			continue
		}
		delete(in, st.commit.ID)
	}
	return good
}

func (m *readmission) batch(r store.Reader, list []stored) (*history.Batch, error) {
	b := &history.Batch{}
	for _, st := range list {
		b.Commits = append(b.Commits, st.commit)
		if st.sig != nil && !m.noSig[st.commit.ID] {
			b.Attestations = append(b.Attestations, history.Attestation{Commit: st.commit.ID, Sig: st.sig})
		}
		if len(st.objects) == 0 { // it has none, or was carried on
			if err := st.readObjects(r); err != nil {
				return nil, fmt.Errorf("read commit %d again: %w", st.num, err)
			}
		}
		b.Objects = append(b.Objects, st.objects...)
	}
	return b, nil
}

// leave notes what stayed behind, and what it would need. It returns what is
// not left yet.
func (m *readmission) leave(r store.Reader, last bool) []stored {
	in := map[object.ID]bool{}
	rest := m.list[:0]
	for _, st := range m.list {
		var id object.ID
		if st.damage != nil {
			id = st.damage.Commit
		}
		if st.commit != nil {
			id = st.commit.ID
		}
		if here, err := m.here(id); err == nil && here {
			continue // also when it is damaged: it has come again
		}
		if !last && m.hopes(st, in) {
			in[id] = true
			rest = append(rest, st)
			continue
		}
		if damage := m.damageOf(r, st); damage != nil {
			m.lose(damage)
			continue
		}
		m.result.Aside++
		for _, e := range st.commit.Edges() {
			m.want(r, e)
		}
	}
	return rest
}

// hopes tells whether what comes after the list may vouch for a commit, or for what
// it needs; in are those before it that hope. What vouches for a commit came in
// one batch with it, so that it hopes no more when a batch has passed.
func (m *readmission) hopes(st stored, in map[object.ID]bool) bool {
	c := st.commit
	if c == nil || st.damage != nil || m.bad[c.ID] != nil || m.seen-st.at > readmitCut.tail {
		return false
	}
	missing, err := m.missing(c, in)
	return err == nil && !missing
}

// damageOf says why a commit that stayed behind is at fault itself, if it is.
func (m *readmission) damageOf(r store.Reader, st stored) *Damage {
	if st.damage != nil {
		return st.damage
	}
	id := st.commit.ID
	if d := m.bad[id]; d != nil {
		return d
	}
	d := &Damage{Space: m.to.id, Commit: id, Num: st.num}
	if m.noSig[id] {
		d.What, d.Cause = "attestation", errors.New("it is not valid")
		return d
	}
	if nums, err := indexedIn(r, m.from, m.version, id); err == nil && !slices.Contains(nums, st.num) {
		d.What, d.Cause = "envelope", errOtherHash
		return d
	}
	return nil
}

func (m *readmission) lose(d *Damage) {
	m.result.Lost++
	if len(m.lost) < maxLost {
		m.lost[d.Num] = d
	}
}

// want notes a commit that is not here and not merely set aside itself.
func (m *readmission) want(r store.Reader, id object.ID) {
	if len(m.result.wanted) >= maxDamage {
		return
	}
	if here, err := m.here(id); err != nil || here {
		return
	}
	nums, err := indexedIn(r, m.from, m.version, id)
	if err == nil && slices.ContainsFunc(nums, func(n history.Num) bool { return m.lost[n] == nil }) {
		return
	}
	m.result.wanted[id] = true
}

// name tells what is known of the id of a damaged commit, of which the index
// has the beginning or all.
func (m *readmission) name(d *Damage, begins []byte) error {
	id, here, err := m.to.beginning(begins)
	if err != nil {
		return err
	}
	if here {
		d.Commit = id
		delete(m.lost, d.Num)
		m.result.Lost--
		return nil
	}
	if len(begins) == digestSize {
		d.Commit = object.IDFromDigest(object.DagCBOR, [digestSize]byte(begins))
	}
	if told := d.Commit.Digest(); d.Commit.IsZero() || !bytes.HasPrefix(told[:], begins) {
		d.Commit, m.result.unnamed = object.ID{}, true
	} else if len(m.result.wanted) < maxDamage {
		m.result.wanted[d.Commit] = true
	}
	return nil
}

// identify finds out by the index which commits the damaged ones were: bytes that
// changed say something else. What has come again by another way is not
// counted.
func (m *readmission) identify(r store.Reader) error {
	if len(m.lost) == 0 {
		return nil
	}
	prefix := m.from.key(subIndex, 0)
	for kv, err := range r.Scan(prefix, end(prefix), false) {
		if errors.Is(err, store.ErrCorrupt) {
			break // what is left of it stays unnamed
		}
		if err != nil {
			return err
		}
		begins := kv.Key[len(prefix):]
		nums, err := indexedAt(m.version, begins, kv.Value)
		if err != nil {
			continue
		}
		for _, n := range nums {
			if d := m.lost[n]; d != nil {
				if err := m.name(d, begins); err != nil {
					return err
				}
			}
		}
	}
	nums := make([]history.Num, 0, len(m.lost))
	for n := range m.lost {
		nums = append(nums, n)
	}
	slices.Sort(nums)
	for _, n := range nums[:min(len(nums), maxDamage)] {
		m.result.Damaged = append(m.result.Damaged, m.lost[n])
	}
	return nil
}
