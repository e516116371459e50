package words

const (
	// Count is how many words name a space; part of the format.
	Count = 3

	// Bits is how many bits they hold together, 12 each.
	Bits        = Count * bitsPerWord
	bitsPerWord = 12

	// MaxWord is the length of the longest word in the list.
	MaxWord = 7

	// maxTyped is how much of what somebody typed is looked at: three words
	// with much room for mistakes.
	maxTyped = 256
)
