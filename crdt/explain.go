package crdt

import "fmt"

// ReasonIgnored tells why an op of the field is ignored, by the height of its commit and its reference; "" when it is
// not. It needs only State.
func ReasonIgnored(env *Env, op *Op) (string, error) {
	r, ok, err := on(env.whole()).record(join(spaceIgnored, nil, placeOf(op)))
	if err != nil || !ok {
		return "", err
	}
	return string(r.rest), nil
}

// Read tells which value of a field of this shape an op is for, and what it carries: the path from the field, nil where the
// field is the value, and canonical bytes, nil for none. The error is *[Ignored].
func (s *Shape) Read(op *Op) (path []Step, value []byte, err error) {
	if s.Type != nil {
		return nil, op.Payload, nil
	}
	r, inner, err := target(s, op)
	if err != nil {
		return nil, nil, fmt.Errorf("read op: %w", err)
	}
	return r.path, inner.Payload, nil
}
