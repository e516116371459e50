package hhs

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"sync"
	"unicode/utf8"

	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/internal/plain"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
	"github.com/hyperhyperspace/hhs-go/schema"
	"github.com/hyperhyperspace/hhs-go/store"
	"github.com/hyperhyperspace/hhs-go/words"
)

// Space is a space of the kind R: its data as a struct of replicated values.
type Space[R any] struct {
	*AnySpace
	program *replica.Program
}

// Create makes a new space of a kind. It needs no network.
func Create[R any](ctx context.Context, n *Node, k Kind[R], opts ...SpaceOption) (*Space[R], error) {
	m, err := k.Manifest()
	if err != nil {
		return nil, err
	}
	s, err := n.CreateSpace(ctx, m, opts...)
	if err != nil {
		return nil, err
	}
	return As(s, k)
}

// Join takes part in the space a link names and waits until its first commit is
// here, which for a space this node has is at once. End ctx to stop waiting: the
// space stays joined and goes on connecting. ErrKind when the space is not of
// the kind k.
func Join[R any](ctx context.Context, n *Node, k Kind[R], link string, opts ...SpaceOption) (*Space[R], error) {
	if _, err := k.Manifest(); err != nil {
		return nil, err
	}
	s, err := n.JoinSpace(ctx, link, opts...)
	if err != nil {
		return nil, err
	}
	if err := s.Wait(ctx); err != nil {
		return nil, fmt.Errorf("join space %s: no peer has given it yet: %w", s.ID().Short(), err)
	}
	return As(s, k)
}

// As is the typed form of a space that is here; ErrKind when it is of another
// kind, ErrPending when nothing of it has arrived.
//
// The program may be older or newer than the space, see Space.Upgrade. ErrKind
// then only tells that a field of the two has different types, and which.
func As[R any](s *AnySpace, k Kind[R]) (*Space[R], error) {
	m, err := k.Manifest()
	if err != nil {
		return nil, err
	}
	p, err := s.open(m)
	if err != nil {
		return nil, err
	}
	return &Space[R]{s, p}, nil
}

// Spaces returns the node's spaces of the kind k, opened, by id. Those of which
// nothing has arrived are of no kind yet: Node.Spaces has them all.
func Spaces[R any](n *Node, k Kind[R]) ([]*Space[R], error) {
	if _, err := k.Manifest(); err != nil {
		return nil, err
	}
	all, err := n.Spaces()
	if err != nil {
		return nil, err
	}
	var list []*Space[R]
	for _, s := range all {
		typed, err := As(s, k)
		switch {
		case err == nil:
			list = append(list, typed)
		case !errors.Is(err, ErrKind) && !errors.Is(err, ErrPending):
			return nil, err
		}
	}
	return list, nil
}

// Root is the data of the space. Its values read the present version each time
// they are asked; the ones given to the function of Update read the transaction.
func (s *Space[R]) Root() R { return bind[R](binding{space: s.rep, program: s.program}) }

// Update makes one transaction: what f writes with tx becomes one commit, or
// nothing does when f returns an error. Reads in f see one version and the
// writes of f. Update returns when the commit is written durably here, or at
// the level given (see WithDurability); other devices get it when they are
// reachable. f must not call Update of this space.
func (s *Space[R]) Update(ctx context.Context, f func(tx *Tx, r R) error, level ...store.Durability) error {
	_, err := s.Commit(ctx, f, level...)
	return err
}

// Commit is Update with a receipt, which tells how many other devices hold it.
func (s *Space[R]) Commit(ctx context.Context, f func(tx *Tx, r R) error, level ...store.Durability) (Receipt, error) {
	return s.AnySpace.Commit(ctx, func(tx *Tx) error { return f(tx, bind[R](binding{space: s.rep, program: s.program, tx: tx})) }, level...)
}

// Receipt is the answer to a write. Held counts the other devices known to hold
// it durably.
type Receipt = replica.Receipt

// Change is one visible change of a field, see AnySpace.Watch.
type Change = replica.Change

// AnySpace is this node's copy of a space, whatever its kind. Its methods may
// be called from any goroutine.
type AnySpace struct {
	node *Node
	rep  *replica.Space
	past *replica.Past // what is read is of that version; nil: of the present
	opts spaceOptions

	noteMu sync.Mutex // held while the link is changed, before mu

	suspected sync.Once // see suspect

	mu   sync.Mutex
	link Link
	peer membership
}

// ID is the space's id.
func (s *AnySpace) ID() object.ID { return s.rep.ID() }

// Node is the node that keeps this copy.
func (s *AnySpace) Node() *Node { return s.node }

// Replica gives the layer below: the door, versions and batches.
func (s *AnySpace) Replica() *replica.Space { return s.rep }

// Manifest is the kind of the space as its first commit and the changes of its
// schema say it, or ErrPending.
func (s *AnySpace) Manifest() (*authority.Manifest, error) {
	if s.past != nil {
		return s.past.Kind().Manifest(), nil
	}
	k, err := s.rep.Kind()
	if err != nil {
		return nil, err
	}
	return k.Manifest(), nil
}

// Ready tells whether the first commit is here.
func (s *AnySpace) Ready() bool {
	_, err := s.rep.Founding()
	return err == nil
}

// Wait returns when the space is ready, with ErrClosed when it was left or its
// node closed, or when ctx ends.
func (s *AnySpace) Wait(ctx context.Context) error {
	wake := make(chan struct{}, 1)
	defer s.rep.OnChange(func() {
		select {
		case wake <- struct{}{}:
		default:
		}
	})()
	for !s.Ready() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.rep.Done():
			return ErrClosed
		case <-wake:
		}
	}
	return nil
}

// Unkept returns why edits were lost that had been acknowledged in memory (see
// WithDurability); nil while none was.
func (s *AnySpace) Unkept() error { return s.rep.Unkept() }

// Commit is the untyped transaction: f drafts ops with package crdt.
func (s *AnySpace) Commit(ctx context.Context, f func(tx *Tx) error, level ...store.Durability) (Receipt, error) {
	return s.rep.Update(ctx, s.introducing(f), level...)
}

// introducing is f, and then the own name if that is not in the space.
func (s *AnySpace) introducing(f func(tx *Tx) error) func(tx *Tx) error {
	return func(tx *Tx) error {
		err := f(tx)
		if err == nil {
			err = tx.Flush()
		}
		if err != nil || tx.Len() == 0 {
			return err
		}
		return s.introduce(tx)
	}
}

// introduce writes this person's name into a space they write to, when it is
// not there.
func (s *AnySpace) introduce(tx *Tx) error {
	name, err := s.node.Name()
	if err != nil || name == "" {
		return err
	}
	env, err := tx.Env(replica.ProfileField)
	if err != nil {
		return err
	}
	if _, ok, err := crdt.ProfileValue(env, s.node.device().Certificate.Identity); err != nil || ok {
		return err
	}
	return s.writeName(tx, env, name)
}

func (s *AnySpace) writeName(tx *Tx, env *crdt.Env, name string) error {
	block, err := object.Encode(name)
	if err != nil {
		return err
	}
	d, err := crdt.ProfileSet(env, s.node.device().Certificate.Identity, block)
	if err != nil {
		return err
	}
	return tx.Do(replica.ProfileField, d)
}

const maxName = 80 // code points, as the schema of the profile says

func checkName(name string) error {
	if n := utf8.RuneCountInString(name); n == 0 || n > maxName || !utf8.ValidString(name) {
		return fmt.Errorf("%w: a name has 1 to %d characters", ErrName, maxName)
	}
	if plain.Line(name) != name {
		return fmt.Errorf("%w: a name is one line, without characters that are not seen", ErrName)
	}
	return nil
}

// SetName sets the name this person shows in this space.
func (s *AnySpace) SetName(ctx context.Context, name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	_, err := s.rep.Update(ctx, func(tx *Tx) error {
		env, err := tx.Env(replica.ProfileField)
		if err != nil {
			return err
		}
		return s.writeName(tx, env, name)
	})
	return err
}

// NameOf is the name a person shows in this space, "" when they gave none. It
// is theirs to choose: show Identity.Short beside it. Characters that act on a
// terminal or are not seen are escaped, as Plain does.
func (s *AnySpace) NameOf(who Identity) (string, error) {
	key, err := identity.ParsePublicKey(string(who))
	if err != nil {
		return "", err
	}
	var name string
	err = binding{space: s.rep, past: s.past, field: replica.ProfileField}.read(func(env *crdt.Env) error {
		e, ok, err := crdt.ProfileValue(env, key)
		if err == nil && ok {
			name, err = decodeText(e.Value)
			name = plain.Line(name)
		}
		return err
	})
	return name, err
}

// Names yields the name of everyone who gave one in this space, as NameOf does.
func (s *AnySpace) Names() iter.Seq2[Entry[string], error] {
	return func(yield func(Entry[string], error) bool) {
		for e, err := range all(binding{space: s.rep, field: replica.ProfileField}, decodeText, crdt.ProfileScan) {
			e.Value = plain.Line(e.Value)
			if !yield(e, err) {
				return
			}
		}
	}
}

// Watch yields every visible change from now on, after it is durable, coalesced
// while the consumer is busy; a Change with Resync says to read again. It
// ends when ctx does.
func (s *AnySpace) Watch(ctx context.Context) iter.Seq2[Change, error] { return s.rep.Watch(ctx) }

// HeldBy lists the other devices known to hold a commit durably.
func (s *AnySpace) HeldBy(commit object.ID) ([]string, error) {
	keys, err := s.rep.HeldBy(commit)
	list := make([]string, len(keys))
	for i, k := range keys {
		list[i] = k.String()
	}
	return list, err
}

// Object returns an object that this space attaches, as an object value.
func (s *AnySpace) Object(id object.ID) (any, error) {
	block, err := s.rep.Object(id)
	if err != nil {
		return nil, err
	}
	return object.Decode(block)
}

// Link names the space and where to meet its peers.
func (s *AnySpace) Link() Link {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.link
	l.Servers = append([]string(nil), l.Servers...)
	l.Endpoints = append([]string(nil), l.Endpoints...)
	l.STUN = append([]string(nil), l.STUN...)
	return l
}

// Words are the three words of the space. They only find candidates: whoever
// uses them is shown every space that answers to them.
func (s *AnySpace) Words() string { return words.ForID(s.ID()) }

// AddAddresses adds servers and endpoints where the space meets.
func (s *AnySpace) AddAddresses(ctx context.Context, servers, endpoints []string) error {
	for _, u := range append(append([]string(nil), servers...), endpoints...) {
		if err := checkAddr(u); err != nil {
			return &LinkError{"server", fmt.Sprintf("%q %v", clip(u), err)}
		}
	}
	return s.addAddresses(ctx, Link{Servers: servers, Endpoints: endpoints})
}

// AddLink adds the addresses of a link, whatever space it names.
func (s *AnySpace) AddLink(ctx context.Context, l Link) error {
	l.Space = s.ID()
	if _, err := ParseLink(l.String()); err != nil {
		return err
	}
	return s.addAddresses(ctx, l)
}

func (s *AnySpace) addAddresses(ctx context.Context, l Link) error {
	s.noteMu.Lock()
	defer s.noteMu.Unlock()
	link := s.Link()
	if !link.merge(l) {
		return nil
	}
	if err := s.node.rep.SetNote(ctx, s.ID(), encodeNote(link)); err != nil {
		return err
	}
	s.mu.Lock()
	s.link = link
	s.mu.Unlock()
	s.node.net.update(s)
	return nil
}

func (s *AnySpace) loadNote() error {
	note, err := s.node.rep.Note(s.ID())
	if err == nil {
		s.link, err = decodeNote(s.ID(), note)
	}
	return err
}

// The note beside a space in the registry is its link.
func encodeNote(l Link) []byte { return []byte(l.String()) }

func decodeNote(id object.ID, note []byte) (Link, error) {
	if len(note) == 0 {
		return Link{Space: id}, nil
	}
	return ParseLink(string(note))
}

func objectValue(v any) (any, error) {
	switch v.(type) {
	case nil, bool, int64, float64, string, []byte, object.ID, []any, map[string]any:
		return v, nil
	}
	return schema.FromGoValue(reflect.ValueOf(v))
}
