//go:build !js

package car

import "github.com/hyperhyperspace/hhs-go/object"

const (
	// maxHeader is the longest header that is read, in bytes: about a thousand roots.
	maxHeader = 64 << 10

	// maxSection is the longest section that is read: a block, and room for any CID before it.
	maxSection = object.MaxBlock + 256
)
