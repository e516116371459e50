package syncer

// How a batch is packed, for a benchmark.
var (
	Pack   = pack
	Unpack = unpack
)
