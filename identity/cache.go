package identity

import (
	"container/list"
	"context"
	"crypto/sha256"
	"errors"
	"sync"
)

// Cache is a Verifier that remembers which checks were good, so that a signature
// made here or seen a second time is not verified again. It remembers by the
// hash of the whole check (key, statement, signature), forgets the least recently
// used, and never remembers a failure.
type Cache struct {
	inner Verifier
	size  int

	mu    sync.Mutex
	known map[[32]byte]*list.Element
	order *list.List // of [32]byte, most recently used first
}

// NewCache wraps a verifier with a memory of size checks; 0 means DefaultCache.
func NewCache(inner Verifier, size int) *Cache {
	if size <= 0 {
		size = DefaultCache
	}
	return &Cache{inner: inner, size: size, known: make(map[[32]byte]*list.Element), order: list.New()}
}

// Trust records a check as good without verifying it. Call it only with a
// signature that this process has just made and checked, or verified itself.
func (c *Cache) Trust(check Check) {
	key := check.digest()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(key)
}

// Verify implements Verifier: it passes on only what it does not know.
func (c *Cache) Verify(ctx context.Context, checks []Check) error {
	keys := make([][32]byte, len(checks))
	for i := range checks {
		keys[i] = checks[i].digest()
	}
	todo := c.unknown(keys)
	if len(todo) == 0 {
		return ctx.Err()
	}
	pending := make([]Check, len(todo))
	for i, at := range todo {
		pending[i] = checks[at]
	}
	err := c.inner.Verify(ctx, pending)
	var bad *BadSignature
	if errors.As(err, &bad) && bad.Index < len(todo) {
		return &BadSignature{Index: todo[bad.Index], Cause: bad.Cause}
	}
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, at := range todo {
		c.add(keys[at])
	}
	return nil
}

// unknown returns the indices of the keys not remembered, in order.
func (c *Cache) unknown(keys [][32]byte) []int {
	c.mu.Lock()
	defer c.mu.Unlock()
	var todo []int
	for i, key := range keys {
		if e, ok := c.known[key]; ok {
			c.order.MoveToFront(e)
		} else {
			todo = append(todo, i)
		}
	}
	return todo
}

func (c *Cache) add(key [32]byte) {
	if e, ok := c.known[key]; ok {
		c.order.MoveToFront(e)
		return
	}
	c.known[key] = c.order.PushFront(key)
	if c.order.Len() > c.size {
		last := c.order.Back()
		c.order.Remove(last)
		delete(c.known, last.Value.([32]byte))
	}
}

// digest identifies a check: key and signature have fixed lengths here (a
// signature of another length is hashed with it), the statement is prefix-free.
func (c Check) digest() [32]byte {
	b := make([]byte, 0, 256)
	b = append(b, c.Key.key[:]...)
	b = append(b, c.Statement.Bytes()...)
	b = append(b, c.Sig...)
	return sha256.Sum256(b)
}
