//go:build !unix

package control

// checkPrivate has nothing to look at here: the temporary directory is the
// user's own, by its access list.
func checkPrivate(string) error { return nil }
