//go:build !js

package netlimit

import "testing"

func TestGroup(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.7:80":                "192.0.2.7",
		"192.0.2.7":                   "192.0.2.7",
		"[::ffff:192.0.2.7]:80":       "192.0.2.7",
		"[2001:db8:1:2:3:4:5:6]:1":    "2001:db8:1:2::/64",
		"[fe80::1%eth0]:1":            "fe80::/64",
		"::1":                         "::/64",
		"@":                           "@",
		"not an address at all: 1, 2": "not an address at all: 1, 2",
	} {
		if got := Group(remote); got != want {
			t.Errorf("group of %q is %q, want %q", remote, got, want)
		}
	}
}
