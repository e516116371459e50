package hhs

import "github.com/hyperhyperspace/hhs-go/internal/plain"

// Plain makes text that others wrote fit to be printed to a terminal: control
// characters, those that turn the reading direction and those that are not seen
// are escaped, and lines after the first are indented, so that none looks like
// the program's own. Names come so already.
func Plain(text string) string { return plain.Text(text) }
