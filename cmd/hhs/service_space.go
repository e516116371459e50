package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/identity/keyfile"
	"github.com/hyperhyperspace/hhs-go/internal/server"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/schema"
)

type none struct{}

// who is this person and device.
type who struct {
	Identity  string `json:"identity"`
	Device    string `json:"device"`
	Name      string `json:"name,omitempty"`
	Dir       string `json:"dir"`
	KeyFile   string `json:"keyFile"`
	Protected bool   `json:"protected"`
}

func identityOf(_ context.Context, s *service, _ none) (who, error) {
	w := who{Identity: string(s.node.Identity()), Device: s.node.Device(), Dir: s.dir, KeyFile: filepath.Join(s.dir, "keys")}
	var err, nameErr error
	w.Protected, err = keyfile.Protected(w.KeyFile)
	w.Name, nameErr = s.node.Name()
	return w, errors.Join(err, nameErr)
}

type nameArgs struct {
	Name string `json:"name"`
}

func setName(ctx context.Context, s *service, a nameArgs) (who, error) {
	if err := s.node.SetName(ctx, a.Name); err != nil {
		return who{}, err
	}
	return identityOf(ctx, s, none{})
}

type protectArgs struct {
	Passphrase string `json:"passphrase"`
}

func protect(ctx context.Context, s *service, a protectArgs) (who, error) {
	if err := keyfile.Protect(filepath.Join(s.dir, "keys"), a.Passphrase); err != nil {
		return who{}, err
	}
	return identityOf(ctx, s, none{})
}

// spaceInfo is what is true of a space here.
type spaceInfo struct {
	Space    string         `json:"space"`
	Ready    bool           `json:"ready"`
	Kind     string         `json:"kind,omitempty"`
	Version  int64          `json:"version,omitempty"`
	Creator  string         `json:"creator,omitempty"`
	Created  *time.Time     `json:"created,omitempty"`
	Fields   []fieldInfo    `json:"fields,omitempty"`
	Schema   []schemaChange `json:"schema,omitempty"` // who changed it since
	Heads    []string       `json:"heads"`
	Commits  int            `json:"commits"`
	Refused  map[string]int `json:"refused"` // batches since this process opened the space, by rule
	Refusals []refusal      `json:"refusals,omitempty"`
	Forked   []string       `json:"forked,omitempty"`
	Damage   string         `json:"damage,omitempty"`
	Status   statusInfo     `json:"status"`
	Peers    []peerInfo     `json:"peers"`
	Link     string         `json:"link"`
	Words    string         `json:"words,omitempty"`
}

type fieldInfo struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

type refusal struct {
	Time   time.Time `json:"time"`
	Rule   string    `json:"rule"`
	Commit string    `json:"commit,omitempty"`
	Peer   string    `json:"peer,omitempty"`
	Reason string    `json:"reason"`
}

type statusInfo struct {
	State   string `json:"state"`
	ToGo    int    `json:"toGo"`
	Peers   int    `json:"peers"`
	Synced  int    `json:"synced"`
	Direct  int    `json:"direct"`
	Servers int    `json:"servers"`
}

func statusOf(space *hhs.AnySpace) statusInfo {
	st := space.Status()
	return statusInfo{State: string(st.State), ToGo: st.ToGo, Peers: st.Peers, Synced: st.Synced, Direct: st.Direct, Servers: st.Servers}
}

type spaceArgs struct {
	Space string `json:"space"`
}

func showSpace(_ context.Context, s *service, a spaceArgs) (spaceInfo, error) {
	space, err := s.find(a.Space)
	if err != nil {
		return spaceInfo{}, err
	}
	return s.infoOf(space)
}

// manifestNow is the kind of a space as it is now.
func manifestNow(_ context.Context, s *service, a spaceArgs) (json.RawMessage, error) {
	space, err := s.find(a.Space)
	if err != nil {
		return nil, err
	}
	m, err := space.Manifest()
	if err != nil {
		return nil, err
	}
	return text(m.Value())
}

func (s *service) infoOf(space *hhs.AnySpace) (spaceInfo, error) {
	rep, link := space.Replica(), space.Link()
	i := spaceInfo{Space: space.ID().String(), Ready: space.Ready(), Commits: rep.Len(), Status: statusOf(space), Link: link.String(),
		Words: s.words(link), Heads: []string{}, Peers: peersOf(space), Damage: troubleOf(space)}
	for _, h := range rep.Heads() {
		i.Heads = append(i.Heads, h.String())
	}
	for _, f := range rep.Forks() {
		i.Forked = append(i.Forked, f.String())
	}
	counts, last := rep.Refused()
	if i.Refused = counts; counts == nil {
		i.Refused = map[string]int{}
	}
	for _, r := range last {
		one := refusal{Time: r.Time, Rule: r.Reject.Rule, Reason: r.Reject.Error()}
		if !r.Reject.Commit.IsZero() {
			one.Commit = r.Reject.Commit.String()
		}
		if !r.Reject.From.Device.IsZero() {
			one.Peer = r.Reject.From.Device.String()
		}
		i.Refusals = append(i.Refusals, one)
	}
	m, err := space.Manifest()
	if errors.Is(err, hhs.ErrPending) {
		return i, nil
	}
	if err != nil {
		return i, err
	}
	i.Kind, i.Version = m.Kind, m.Version
	for _, f := range m.Fields {
		i.Fields = append(i.Fields, fieldInfo{f.Name, f.Type})
	}
	if i.Schema, err = schemaChanges(space); err != nil {
		return i, err
	}
	creator, created, err := space.Creator()
	i.Creator, i.Created = string(creator), &created
	return i, err
}

func listSpaces(_ context.Context, s *service, _ none) ([]spaceInfo, error) {
	all, err := s.node.Spaces()
	list := make([]spaceInfo, 0, len(all))
	for _, space := range all {
		i, e := s.infoOf(space)
		err = errors.Join(err, e)
		list = append(list, i)
	}
	return list, err
}

type createArgs struct {
	Manifest json.RawMessage `json:"manifest"`
	Servers  []string        `json:"servers,omitempty"`
}

func createSpace(ctx context.Context, s *service, a createArgs) (spaceInfo, error) {
	m, err := parseManifest(a.Manifest)
	if err != nil {
		return spaceInfo{}, err
	}
	space, err := s.node.CreateSpace(ctx, m)
	if err == nil {
		here := s.meeting()
		here.Servers = append(a.Servers, here.Servers...)
		err = space.AddLink(ctx, here)
	}
	if err != nil {
		return spaceInfo{}, err
	}
	return s.infoOf(space)
}

// parseManifest reads a kind from DAG-JSON.
func parseManifest(text json.RawMessage) (*authority.Manifest, error) {
	v, err := object.FromJSON(text)
	if err != nil {
		return nil, failf("value", "the manifest is not DAG-JSON: %w", err)
	}
	return authority.ParseManifest(v, func(f authority.Field) error {
		if f.Schema == nil {
			return nil
		}
		_, err := schema.Parse(f.Schema)
		return err
	})
}

type joinArgs struct {
	Where string        `json:"where"`
	Wait  time.Duration `json:"wait"`
}

// joined is a space that was joined, or the ones that words may mean.
type joined struct {
	Space      *spaceInfo  `json:"space,omitempty"`
	Candidates []candidate `json:"candidates,omitempty"`
}

type candidate struct {
	Space   string    `json:"space"`
	Kind    string    `json:"kind"`
	Version int       `json:"version"`
	Creator string    `json:"creator"`
	Created time.Time `json:"created"`
	Link    string    `json:"link"`
}

func joinSpace(ctx context.Context, s *service, a joinArgs) (joined, error) {
	if hhs.IsWords(a.Where) {
		list, err := s.candidates(ctx, a.Where)
		return joined{Candidates: list}, err
	}
	space, err := s.node.JoinSpace(ctx, a.Where)
	if err != nil {
		return joined{}, err
	}
	if err := space.AddLink(ctx, s.meeting()); err != nil {
		return joined{}, err
	}
	if l := space.Link(); !space.Ready() && len(l.Servers)+len(l.Endpoints) == 0 {
		return joined{}, failf("not_ready", "the space %s is joined, but its link names no server and no peer, so nobody can be asked: get a link that does; "+
			"on the device that has the space, hhs serve gives it one", space.ID())
	}
	wait, cancel := context.WithTimeout(ctx, a.Wait)
	defer cancel()
	if err := waitSynced(wait, space); err != nil && !space.Ready() {
		if ctx.Err() != nil {
			return joined{}, failf("not_ready", "the space %s is joined, but no peer has given it yet; hhs serve goes on asking", space.ID())
		}
		return joined{}, failf("not_ready", "the space %s is joined, but no peer has given it within %s; hhs serve goes on asking, "+
			"and a link of somebody who is online helps", space.ID(), a.Wait)
	}
	i, err := s.infoOf(space)
	return joined{Space: &i}, err
}

// waitSynced waits until the space is here and equal to those of all peers.
func waitSynced(ctx context.Context, space *hhs.AnySpace) error {
	if err := space.Wait(ctx); err != nil {
		return err
	}
	for {
		changed := space.StatusChanged()
		if space.Status().State == hhs.StateSynced {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

func (s *service) candidates(ctx context.Context, words string) ([]candidate, error) {
	var servers []string
	if !strings.Contains(words, "@") { // this process's server, and the usual one of this machine
		servers = append(slices.Clone(s.meeting().Servers), "ws://"+server.DefaultAddr+"/signal")
	}
	found, err := s.node.Lookup(ctx, words, servers...)
	if err != nil {
		return nil, err
	}
	list := []candidate{}
	for _, c := range found {
		list = append(list, candidate{Space: c.Link.Space.String(), Kind: c.Kind, Version: c.Version, Creator: string(c.Creator),
			Created: c.Created, Link: c.Link.String()})
	}
	if len(list) == 0 {
		return nil, failf("not_found", "no space answers to %q now; it must be open somewhere, at the same server", words)
	}
	return list, nil
}

func leaveSpace(ctx context.Context, s *service, a spaceArgs) (spaceArgs, error) {
	space, err := s.find(a.Space)
	if err != nil {
		return spaceArgs{}, err
	}
	return spaceArgs{space.ID().String()}, s.node.Leave(ctx, space.ID())
}

// peerInfo is one connected device.
type peerInfo struct {
	Space     string    `json:"space"`
	Device    string    `json:"device"`
	Identity  string    `json:"identity"`
	Name      string    `json:"name,omitempty"`
	Transport string    `json:"transport"`
	Direct    bool      `json:"direct"`
	Synced    bool      `json:"synced"`
	ToGo      int       `json:"toGo"`
	RTT       float64   `json:"rtt"` // milliseconds
	Since     time.Time `json:"since"`
}

func peersOf(space *hhs.AnySpace) []peerInfo {
	list := []peerInfo{}
	for _, p := range space.Peers() {
		name, err := space.NameOf(p.Identity)
		if err != nil { // the space is not here yet: nobody has a name
			name = ""
		}
		list = append(list, peerInfo{Space: space.ID().String(), Device: p.Device, Identity: string(p.Identity), Name: name,
			Transport: p.Transport, Direct: p.Direct, Synced: p.Synced, ToGo: p.ToGo,
			RTT: float64(p.RTT.Microseconds()) / 1000, Since: p.Since})
	}
	return list
}

func listPeers(_ context.Context, s *service, a spaceArgs) ([]peerInfo, error) {
	list := []peerInfo{}
	if a.Space != "" {
		space, err := s.find(a.Space)
		if err != nil {
			return nil, err
		}
		return peersOf(space), nil
	}
	all, err := s.node.Spaces()
	for _, space := range all {
		list = append(list, peersOf(space)...)
	}
	return list, err
}

// manifestOf makes a manifest from what is written on a command line: a kind
// ("name" or "name@version") and fields ("name=type" or "name=type:schema").
func manifestOf(kind string, fields []string) (json.RawMessage, error) {
	name, version, _ := cutLast(kind, "@")
	number := int64(1)
	if version != "" {
		n, err := strconv.ParseInt(version, 10, 64)
		if err != nil {
			return nil, usagef("the version in %q is not a number; write the kind as name@1", kind)
		}
		number = n
	}
	m := authority.Manifest{Kind: name, Version: number, Policy: authority.PolicyOpen}
	for _, f := range fields {
		field, err := parseField(f)
		if err != nil {
			return nil, err
		}
		m.Fields = append(m.Fields, field)
	}
	body, err := text(m.Value())
	if err != nil {
		return nil, fmt.Errorf("make manifest: %w", err)
	}
	return body, nil
}
