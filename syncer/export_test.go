package syncer

// Unpack is unpack.
func Unpack(data []byte) ([]byte, error) { return unpack(data, func() {}) }

// Packer is packer.
type Packer struct{ packer }

// Pack is packer.pack.
func (p *Packer) Pack(wire []byte) ([]byte, error) { return p.pack(wire) }
