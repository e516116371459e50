package replica

import (
	"context"
	"fmt"
	"slices"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/internal/order"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/store"
)

// Acked records that another device holds these heads, and so all of their
// past, durably: it said so after its own write. Heads this copy does not know
// are left out. The record outlives a restart and counts a device once.
func (s *Space) Acked(ctx context.Context, device identity.PublicKey, heads []object.ID) error {
	if device == s.node.device() {
		return nil
	}
	changed, err := s.noteAck(ctx, device, heads)
	if changed {
		s.subs.signal()
	}
	return err
}

func (s *Space) noteAck(ctx context.Context, device identity.PublicKey, heads []object.ID) (changed bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false, ErrClosed
	}
	acks, err := s.acknowledged()
	if err != nil {
		return false, fmt.Errorf("record acknowledgement: %w", err)
	}
	nums := append([]history.Num(nil), acks[device]...)
	before := len(nums)
	for _, id := range heads[:min(len(heads), maxAckHeads)] {
		n, ok, err := s.lookup(id)
		if err != nil {
			return false, fmt.Errorf("record acknowledgement: %w", err)
		}
		if !ok {
			continue
		}
		in, err := s.graph.Contains(nums, n)
		if err != nil {
			return false, fmt.Errorf("record acknowledgement: %w", err)
		}
		if !in {
			nums = append(nums, n)
		}
	}
	if len(nums) == before || (before == 0 && len(acks) >= maxDevices) {
		return false, nil
	}
	if nums, err = s.maximal(nums); err != nil {
		return false, fmt.Errorf("record acknowledgement: %w", err)
	}
	var b store.Batch
	rec := make([]byte, 0, 8*len(nums))
	for _, n := range nums {
		rec = appendNum(rec, n)
	}
	b.Put(s.keys.ack(device), rec)
	// Losing an acknowledgement in a crash makes the count too low for a
	// while, never too high, so it need not wait for the disk.
	if err := s.node.cfg.Store.Apply(ctx, &b, store.Written); err != nil {
		return false, fmt.Errorf("record acknowledgement: %w", err)
	}
	acks[device] = nums
	close(s.acked)
	s.acked = make(chan struct{})
	return true, nil
}

// AcksChanged returns a channel that is closed when HeldBy may answer otherwise
// than now.
func (s *Space) AcksChanged() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.acked
}

// maximal drops every number that is in the past of another one.
func (s *Space) maximal(nums []history.Num) ([]history.Num, error) {
	slices.Sort(nums)
	nums = slices.Compact(nums)
	var out []history.Num
	for i, n := range nums {
		// A later commit may hold n in its past, an earlier one cannot.
		in, err := s.graph.Contains(nums[i+1:], n)
		if err != nil {
			return nil, err
		}
		if !in {
			out = append(out, n)
		}
	}
	return out[max(0, len(out)-maxAckHeads):], nil
}

// HeldBy lists the other devices that acknowledged a commit as durable.
func (s *Space) HeldBy(id object.ID) ([]identity.PublicKey, error) {
	s.settled()
	s.mu.Lock()
	defer s.mu.Unlock()
	n, ok, err := s.lookup(id)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("commit %s: %w", id, ErrNotFound)
	}
	acks, err := s.acknowledged()
	if err != nil {
		return nil, err
	}
	var held []identity.PublicKey
	for d, nums := range acks {
		in, err := s.graph.Contains(nums, n)
		if err != nil {
			return nil, err
		}
		if in {
			held = append(held, d)
		}
	}
	order.By(held, identity.PublicKey.Compare)
	return held, nil
}

// Receipt is what Update returns: the commit that carries the edit.
type Receipt struct {
	Space  *Space
	Commit object.ID
}

// Held counts the other devices known to hold the commit durably. It grows
// as they acknowledge; a device counts once however often it reconnects.
func (r Receipt) Held() (int, error) {
	devices, err := r.Space.HeldBy(r.Commit)
	return len(devices), err
}
