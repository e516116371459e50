package hhs

// Health returns nil while this node can keep what is written, and otherwise
// why not: the disk is full (ErrFull), or the store can be read only until it
// is opened again. Reading goes on in either case.
func (n *Node) Health() error {
	if s, ok := n.opts.store.(interface{ Health() error }); ok {
		return s.Health()
	}
	return nil
}
