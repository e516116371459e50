// Package blob has the form of byte strings of any size: a tree of blocks that the length alone decides, so that equal
// bytes have equal ids, and the descriptor that stands for them in a value.
//
//	t := blob.Tree{Size: 200 << 20}          // 800 chunks below one node
//	links, err := t.Check(t.Root(), id, data) // is this the block, and one of this tree?
//
// A [Builder] makes the tree of bytes that come one chunk after another. The package keeps nothing and fetches nothing;
// docs/spec/blob.md is the format, and says what else there is to a blob.
package blob

import (
	"fmt"

	"github.com/hyperhyperspace/hhs-go/object"
)

// Tree is the form of a blob of a size, in bytes: 0 to MaxSize.
type Tree struct{ Size int64 }

// Place is where a block is in a tree. Level 0 are the chunks; index counts the blocks of a level from the left.
type Place struct {
	Level int
	Index int64
}

// Height is how many nodes are above a chunk: the level of the root.
func (t Tree) Height() int {
	h := 0
	for n := t.Chunks(); n > 1; n = up(n) {
		h++
	}
	return h
}

// up is how many nodes n blocks need above them.
func up(n int64) int64 { return (n + Fanout - 1) / Fanout }

// Chunks is how many chunks there are; the empty blob has one, of no bytes.
func (t Tree) Chunks() int64 { return max(1, (t.Size+ChunkSize-1)/ChunkSize) }

// Root is the place of the root.
func (t Tree) Root() Place { return Place{Level: t.Height()} }

// Has tells whether the tree has such a place.
func (t Tree) Has(p Place) bool {
	return p.Level >= 0 && p.Level <= t.Height() && p.Index >= 0 && p.Index < t.Blocks(p.Level)
}

// Blocks is how many blocks a level has.
func (t Tree) Blocks(level int) int64 {
	n := t.Chunks()
	for range level {
		n = up(n)
	}
	return n
}

// covers is how many chunks a full block of a level stands for.
func covers(level int) int64 {
	n := int64(1)
	for range level {
		n *= Fanout
	}
	return n
}

// Len is how many bytes of the blob a block stands for: for a chunk, those it has.
func (t Tree) Len(p Place) int64 {
	full := covers(p.Level) * ChunkSize
	return max(0, min(full, t.Size-p.Index*full))
}

// links is how many links a node has.
func (t Tree) links(p Place) int64 { return min(Fanout, t.Blocks(p.Level-1)-p.Index*Fanout) }

// Chunk is the place of the chunk that has the byte at offset off.
func (t Tree) Chunk(off int64) Place { return Place{Index: off / ChunkSize} }

// Above is the place of the node that links to a block, and which of its links that is. The root has none above it.
func (p Place) Above() (node Place, link int) {
	return Place{p.Level + 1, p.Index / Fanout}, int(p.Index % Fanout)
}

// WrongBytes says that bytes are not those of an id: whoever sent them as such is at fault.
type WrongBytes struct {
	Place Place
	Want  object.ID
}

func (e *WrongBytes) Error() string {
	return fmt.Sprintf("block %d of level %d: these bytes are not those of %s", e.Place.Index, e.Place.Level, e.Want)
}

// Rules that a tree can break.
const (
	RuleRoot  = "blob.root"  // the root is no id of a blob of that size
	RuleNode  = "blob.node"  // a node is not [size, links]
	RuleSize  = "blob.size"  // a block stands for another number of bytes than it should
	RuleLinks = "blob.links" // a node has another number of links, or one to another kind of block
)

// Malformed says that a tree is not the one of its size: whoever wrote its descriptor is at fault, not who sent a block.
type Malformed struct {
	Rule   string
	Place  Place
	Detail string
}

func (e *Malformed) Error() string {
	return fmt.Sprintf("this is no blob (%s): block %d of level %d: %s", e.Rule, e.Place.Index, e.Place.Level, e.Detail)
}

func (t Tree) malformed(rule string, p Place, format string, args ...any) error {
	return &Malformed{rule, p, fmt.Sprintf(format, args...)}
}

// codec is that of the ids of a level.
func codec(level int) object.Codec {
	if level == 0 {
		return object.Raw
	}
	return object.DagCBOR
}

// CheckRoot tells whether an id can be that of the root; the error is a *[Malformed].
func (t Tree) CheckRoot(id object.ID) error {
	switch {
	case t.Size < 0 || t.Size > MaxSize:
		return t.malformed(RuleRoot, Place{}, "a size of %d bytes; there are 0 to %d", t.Size, int64(MaxSize))
	case id.IsZero() || id.Codec() != codec(t.Height()):
		return t.malformed(RuleRoot, t.Root(), "the root of %d bytes has another kind of id", t.Size)
	}
	return nil
}

// Check tells whether data is the block with an id, and one that may stand at a place. It returns the links of a node, nil
// for a chunk. The error is a *[WrongBytes] or a *[Malformed].
func (t Tree) Check(p Place, id object.ID, data []byte) ([]object.ID, error) {
	if len(data) > object.MaxBlock || object.Sum(id.Codec(), data) != id {
		return nil, &WrongBytes{p, id}
	}
	if p.Level > 0 {
		return t.node(p, data)
	}
	if want := t.Len(p); int64(len(data)) != want {
		return nil, t.malformed(RuleSize, p, "a chunk of %d bytes, where %d belong", len(data), want)
	}
	return nil, nil
}

// node reads a node: the canonical list of how many bytes it stands for and of its links.
func (t Tree) node(p Place, data []byte) ([]object.ID, error) {
	r := object.NewReader(data)
	outer, _ := r.List()
	size, _ := r.Int()
	n, err := r.List()
	if err != nil || outer != 2 {
		return nil, t.malformed(RuleNode, p, "not a list of a size and a list of links")
	}
	if want := t.Len(p); size != want {
		return nil, t.malformed(RuleSize, p, "it says %d bytes, and stands for %d", size, want)
	}
	if want := t.links(p); int64(n) != want {
		return nil, t.malformed(RuleLinks, p, "%d links, where %d belong", n, want)
	}
	links := make([]object.ID, n)
	for i := range links {
		if links[i], err = r.Link(); err != nil {
			return nil, t.malformed(RuleNode, p, "%v", err)
		}
		if links[i].Codec() != codec(p.Level-1) {
			return nil, t.malformed(RuleLinks, p, "link %d is to another kind of block", i)
		}
	}
	if err := r.End(); err != nil {
		return nil, t.malformed(RuleNode, p, "%v", err)
	}
	return links, nil
}

func encodeNode(size int64, links []object.ID) ([]byte, error) {
	list := make([]any, len(links))
	for i, l := range links {
		list[i] = l
	}
	return object.Encode([]any{size, list})
}
