package schema

// The limits are part of schema/1: all replicas must agree on which schemas exist.
const (
	// MaxDepth is how many schemas may be inside each other, the outermost counted as 1. Each level takes up to
	// two of the 32 levels that a block may have, and the manifest around it takes five.
	MaxDepth = 12

	// MaxNodes is how many schemas one schema may consist of, itself included: more than the largest form
	// anyone fills in, and parsed in well under a millisecond.
	MaxNodes = 1024

	// MaxName is the longest name of a property, a tag or a tag's value, in bytes. It also bounds the paths in
	// errors.
	MaxName = 128

	// MaxEnum is how many alternatives an enum may have: they are compared one after another.
	MaxEnum = 256

	// MaxConst is the longest string or byte string in a const or an enum, in bytes.
	MaxConst = 1024

	// MaxIdentity is the longest did:key, in bytes: 56 for Ed25519, the rest for keys of suites to come.
	MaxIdentity = 128

	// maxSafe is the largest integer that Conform takes for a float: beyond it neighbours become equal.
	maxSafe = 1 << 53
)
