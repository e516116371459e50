// Package address reads the addresses of servers and peers: URLs of WebSockets, and IP addresses. It has what hhs needs
// of net/url and net/netip, which are 100 kB of the engine for browsers, and reads less: what it takes for an address,
// they take for the same one (fuzz targets hold it to that).
package address

import (
	"errors"
	"strings"
)

// ErrURL reports text that is no URL with a host.
var ErrURL = errors.New("not a URL with a scheme and a host")

// URL is what there is to know of scheme://host:port/path before it is dialled.
type URL struct {
	Scheme string // in lower case
	Host   string // as written, with the port
	User   bool   // whether there is a user, perhaps with a password
}

// ParseURL reads scheme://[user@]host[:port] with whatever follows. Hosts are names, in any script, IPv4 addresses, or
// IPv6 addresses in brackets, all without escapes and zones. The error is ErrURL.
func ParseURL(text string) (URL, error) {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok || !isScheme(scheme) || hasControl(text) {
		return URL{}, ErrURL
	}
	tail := ""
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		rest, tail = rest[:i], rest[i:]
	}
	u := URL{Scheme: strings.ToLower(scheme), Host: rest}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		u.User, u.Host = true, rest[i+1:]
		if !isUser(rest[:i]) {
			return URL{}, ErrURL
		}
	}
	if !isHost(u.Host) || !escapedRightly(tail) {
		return URL{}, ErrURL
	}
	return u, nil
}

// Hostname is the host without port and brackets.
func (u URL) Hostname() string {
	name, _ := splitPort(u.Host)
	return strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")
}

// Port is the port, "" when none is written.
func (u URL) Port() string {
	_, port := splitPort(u.Host)
	return port
}

func splitPort(host string) (name, port string) {
	i := strings.LastIndexByte(host, ':')
	if i < 0 || i < strings.LastIndexByte(host, ']') {
		return host, ""
	}
	return host[:i], host[i+1:]
}

const (
	letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits  = "0123456789"
	plain   = letters + digits + "-_.~" // the unreserved characters of RFC 3986, section 2.3
	marks   = "!$&'()*+,;="             // its sub-delims
)

func isScheme(s string) bool {
	return s != "" && strings.IndexByte(letters, s[0]) >= 0 && only(s, letters+digits+"+-.")
}

// only tells whether text is made of the given characters.
func only(text, of string) bool {
	for i := range len(text) {
		if strings.IndexByte(of, text[i]) < 0 {
			return false
		}
	}
	return true
}

func isUser(s string) bool { return only(s, plain+marks+":%") && escapedRightly("/"+s) }

func isHost(host string) bool {
	name, port := splitPort(host)
	if !only(port, digits) {
		return false
	}
	if inner, ok := strings.CutPrefix(name, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		ip, zone, valid := ParseIP(inner)
		return ok && valid && !ip.Is4() && zone == ""
	}
	ascii := strings.Map(func(r rune) rune {
		if r >= 0x80 {
			return -1
		}
		return r
	}, name)
	return name != "" && only(ascii, plain+marks)
}

func hasControl(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] == 0x7f {
			return true
		}
	}
	return false
}

// escapedRightly looks at the path and the fragment; a query is whatever its server takes it for.
func escapedRightly(tail string) bool {
	tail, fragment, _ := strings.Cut(tail, "#")
	path, _, _ := strings.Cut(tail, "?")
	_, ok := unescape(path, false)
	_, also := unescape(fragment, false)
	return ok && also
}

// Unescape reads a value of a query, where a plus is a space; false when an escape is wrong.
func Unescape(value string) (string, bool) { return unescape(value, true) }

func unescape(s string, plus bool) (string, bool) {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '%':
			if i+2 >= len(s) || hex(s[i+1]) < 0 || hex(s[i+2]) < 0 {
				return "", false
			}
			c = byte(hex(s[i+1])<<4 | hex(s[i+2]))
			i += 2
		case c == '+' && plus:
			c = ' '
		}
		out = append(out, c)
	}
	return string(out), true
}

func hex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
