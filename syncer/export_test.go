package syncer

// How a batch is packed, for a benchmark.
var Unpack = unpack

// Packer is packer.
type Packer struct{ packer }

// Pack is packer.pack.
func (p *Packer) Pack(wire []byte) ([]byte, error) { return p.pack(wire) }
