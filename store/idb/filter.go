package idb

// A filter tells for most keys that are not in a table that they are not (Bloom, 1970): a key sets probes bits of it,
// spread by double hashing (Kirsch and Mitzenmacher, 2006). Without one, each question for a commit that is not here
// yet would read a block of every run.
type filter []byte

// filterBits per key, probed at probes places, let 1 absent key in 100 through. Part of the stored form.
const (
	filterBits = 10
	probes     = 7
)

// hashKey is FNV-1a with the finalizer of MurmurHash3, which spreads it over all bits. Part of the stored form. A peer
// that looks for keys that collide gains a slower read.
func hashKey(key []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range key {
		h = (h ^ uint64(c)) * 1099511628211
	}
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

func newFilter(hashes []uint64) filter {
	f := make(filter, (len(hashes)*filterBits+7)/8)
	for _, h := range hashes {
		f.each(h, func(i, bit uint32) bool {
			f[i] |= 1 << bit
			return true
		})
	}
	return f
}

// may reports whether a key with this hash may be in the table.
func (f filter) may(h uint64) bool {
	all := true
	f.each(h, func(i, bit uint32) bool {
		all = f[i]&(1<<bit) != 0
		return all
	})
	return all
}

func (f filter) each(h uint64, visit func(i, bit uint32) bool) {
	n := uint32(len(f)) * 8
	if n == 0 {
		return
	}
	a, b := uint32(h), uint32(h>>32)
	for range probes {
		if i := a % n; !visit(i/8, i%8) {
			return
		}
		a += b
	}
}
