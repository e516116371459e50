package idb

import "sync"

// cache keeps what was read, by the number of its value, in two generations: when the young one is half of the limit,
// it becomes the old one, and what was in the old one is forgotten unless it was asked for meanwhile. It never holds
// more than limit bytes.
type cache struct {
	limit int

	mu         sync.Mutex // guards what follows
	young, old map[uint64]cached
	size       int // of young
}

// cached is a *block or an *index.
type cached struct {
	value any
	size  int
}

func newCache(limit int) *cache { return &cache{limit: limit, young: map[uint64]cached{}} }

func (c *cache) get(n uint64) any {
	c.mu.Lock()
	v, ok := c.young[n]
	if !ok {
		if v, ok = c.old[n]; ok {
			delete(c.old, n)
			c.add(n, v)
		}
	}
	c.mu.Unlock()
	return v.value
}

func (c *cache) put(n uint64, value any, size int) {
	if size > c.limit/4 {
		return // it would drive out all that is small
	}
	c.mu.Lock()
	if _, ok := c.young[n]; !ok {
		delete(c.old, n)
		c.add(n, cached{value, size})
	}
	c.mu.Unlock()
}

func (c *cache) add(n uint64, v cached) {
	if c.size+v.size > c.limit/2 {
		c.young, c.old, c.size = make(map[uint64]cached), c.young, 0
	}
	c.young[n] = v
	c.size += v.size
}

// forget drops a table.
func (c *cache) forget(t *table) {
	c.mu.Lock()
	for n := t.first; n <= t.index(); n++ {
		c.size -= c.young[n].size
		delete(c.young, n)
		delete(c.old, n)
	}
	c.mu.Unlock()
}
