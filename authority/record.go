package authority

// record reads a map with exactly the keys asked for. The first error sticks.
type record struct {
	v    any
	path string
	err  error
	seen []string
}

func (r *record) fail(key, reason string) {
	if r.err != nil {
		return
	}
	path := r.path
	if key != "" && path != "" {
		path += "."
	}
	r.err = &ManifestError{Path: path + key, Reason: reason}
}

func (r *record) get(key string) (any, bool) {
	r.seen = append(r.seen, key)
	m, ok := r.v.(map[string]any)
	if !ok {
		r.fail("", "is not a map")
		return nil, false
	}
	v, ok := m[key]
	return v, ok
}

// field reads the value under key, which must be a T.
func field[T any](r *record, key, kind string) T {
	v, ok := r.get(key)
	t, right := v.(T)
	switch {
	case !ok:
		r.fail(key, "is missing")
	case !right:
		r.fail(key, "is not "+kind)
	}
	return t
}

func (r *record) text(key string) string  { return field[string](r, key, "text") }
func (r *record) int(key string) int64    { return field[int64](r, key, "an integer") }
func (r *record) bytes(key string) []byte { return field[[]byte](r, key, "bytes") }
func (r *record) list(key string) []any   { return field[[]any](r, key, "a list") }

func (r *record) is(typ string) {
	if t := r.text("$type"); r.err == nil && t != typ {
		r.fail("$type", "is not "+typ)
	}
}

func (r *record) optional(key string) any {
	v, _ := r.get(key)
	return v
}

// end refuses keys nobody asked for, by name.
func (r *record) end() error {
	m, _ := r.v.(map[string]any)
	found := false
	var extra string // the first by name, so that the message does not change from run to run
	for k := range m {
		known := false
		for _, s := range r.seen {
			known = known || s == k
		}
		if !known && (!found || k < extra) {
			extra, found = k, true
		}
	}
	if found {
		r.fail(extra, "is not known here")
	}
	return r.err
}
