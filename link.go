package hhs

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hyperhyperspace/hhs-go/internal/address"
	"github.com/hyperhyperspace/hhs-go/object"
)

// Link names a space and where to meet its peers. As text it is
//
//	hhs:<space id>?s=<signalling server>&e=<peer endpoint>&t=<STUN server>
//
// with any number of s (ws or wss URLs of signalling servers), e (ws or wss
// URLs of peers that accept connections) and t ("stun:host:port", which tells a
// peer behind a router its address). A STUN server counts only where its host is
// that of one of the signalling servers: those see the address anyway, and a
// link cannot make a node call on somebody else. In this version whoever has a link
// can read and write the space.
type Link struct {
	Space     object.ID
	Servers   []string
	Endpoints []string
	STUN      []string
}

// LinkError says which part of a link is wrong.
type LinkError struct {
	Part   string // "scheme", "space id", "server", "endpoint", "STUN server", "link"
	Reason string
}

func (e *LinkError) Error() string { return fmt.Sprintf("not a link: its %s %s", e.Part, e.Reason) }

// Bounds of a link: it is typed, scanned and pasted by people.
const (
	maxLink      = 4096
	maxLinkAddrs = 16
)

const linkScheme = "hhs:"

// String returns the text form.
func (l Link) String() string {
	var b strings.Builder
	b.WriteString(linkScheme)
	b.WriteString(l.Space.String())
	sep := byte('?')
	for _, list := range []struct {
		key  string
		urls []string
	}{{"s", l.Servers}, {"e", l.Endpoints}, {"t", l.STUN}} {
		for _, u := range list.urls {
			b.WriteByte(sep)
			b.WriteString(list.key + "=" + escapeAddr(u))
			sep = '&'
		}
	}
	return b.String()
}

// escapeAddr keeps an address readable: only what would end the value or the
// link is escaped.
func escapeAddr(u string) string {
	const hex = "0123456789ABCDEF"
	var b []byte
	for i := range len(u) {
		if c := u[i]; strings.IndexByte("%&#+ ?", c) >= 0 {
			b = append(b, '%', hex[c>>4], hex[c&15])
		} else {
			b = append(b, c)
		}
	}
	return string(b)
}

// ParseLink reads a link: the hhs: form, a page's address that ends in #hhs:...,
// or the bare id of a space. The error is a *LinkError.
func ParseLink(text string) (Link, error) {
	text = strings.TrimSpace(text)
	if len(text) > maxLink {
		return Link{}, &LinkError{"link", fmt.Sprintf("has %d characters, at most %d are read", len(text), maxLink)}
	}
	if i := strings.Index(text, "#"+linkScheme); i >= 0 {
		text = text[i+1:]
	}
	rest, ok := strings.CutPrefix(text, linkScheme)
	if !ok && strings.Contains(text, ":") {
		return Link{}, &LinkError{"scheme", "is not hhs: (a link begins with hhs: and the id of a space)"}
	}
	id, query, _ := strings.Cut(rest, "?")
	var l Link
	var err error
	if l.Space, err = object.ParseID(id); err != nil {
		return Link{}, &LinkError{"space id", fmt.Sprintf("%q is not valid: %v", clip(id), err)}
	}
	if l.Space.Codec() != object.DagCBOR {
		return Link{}, &LinkError{"space id", fmt.Sprintf("%q names raw bytes, not a space", clip(id))}
	}
	for pair := range strings.SplitSeq(query, "&") {
		if pair == "" {
			continue
		}
		if err := l.addPair(pair); err != nil {
			return Link{}, err
		}
	}
	return l, nil
}

func (l *Link) addPair(pair string) error {
	key, value, _ := strings.Cut(pair, "=")
	part, list, check := "server", &l.Servers, checkAddr
	switch key {
	case "s":
	case "e":
		part, list = "endpoint", &l.Endpoints
	case "t":
		part, list, check = "STUN server", &l.STUN, checkSTUN
	default:
		return nil // what a later version may add
	}
	addr, ok := address.Unescape(value)
	if !ok {
		return &LinkError{part, fmt.Sprintf("%q is not escaped rightly", clip(value))}
	}
	if err := check(addr); err != nil {
		return &LinkError{part, fmt.Sprintf("%q %v", clip(addr), err)}
	}
	if len(*list) >= maxLinkAddrs {
		return &LinkError{part, fmt.Sprintf("list has more than %d addresses", maxLinkAddrs)}
	}
	*list = append(*list, addr)
	return nil
}

// checkAddr accepts ws and wss URLs.
func checkAddr(addr string) error {
	u, err := address.ParseURL(addr)
	switch {
	case err != nil:
		return fmt.Errorf("is not a URL")
	case u.Scheme != "ws" && u.Scheme != "wss":
		return fmt.Errorf("is not a ws: or wss: URL")
	case u.User:
		return fmt.Errorf("must not carry a password")
	}
	return nil
}

// checkSTUN accepts stun:host:port.
func checkSTUN(addr string) error {
	if stunHost(addr) == "" {
		return errors.New("is not written as stun:host:port")
	}
	return nil
}

// stunHost is the host of stun:host:port, "" for anything else.
func stunHost(addr string) string {
	rest, ok := strings.CutPrefix(addr, "stun:")
	if !ok {
		return ""
	}
	u, err := address.ParseURL("ws://" + rest)
	if err != nil || u.Host != rest || u.Port() == "" {
		return ""
	}
	return u.Hostname()
}

// stunServers are the link's STUN servers that count.
func (l Link) stunServers() []string {
	var list []string
	for _, addr := range l.STUN {
		for _, server := range l.Servers {
			if u, err := address.ParseURL(server); err == nil && u.Hostname() == stunHost(addr) && !contains(list, addr) {
				list = append(list, addr)
			}
		}
	}
	return list
}

func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "..."
	}
	return s
}

// Private tells which of the link's addresses cannot be reached from another
// machine or another network: loopback, private and .local ones.
func (l Link) Private() []string {
	var private []string
	for _, addr := range append(append([]string(nil), l.Servers...), l.Endpoints...) {
		if u, err := address.ParseURL(addr); err == nil && privateHost(u.Hostname()) {
			private = append(private, addr)
		}
	}
	return private
}

func privateHost(h string) bool {
	switch {
	case h == "localhost", strings.HasSuffix(h, ".localhost"), strings.HasSuffix(h, ".local"),
		strings.HasPrefix(h, "127."), h == "::1", strings.HasPrefix(h, "10."), strings.HasPrefix(h, "192.168."),
		strings.HasPrefix(h, "169.254."), strings.HasPrefix(h, "fe80:"), strings.Contains(h, ":") && (strings.HasPrefix(h, "fc") || strings.HasPrefix(h, "fd")):
		return true
	}
	if rest, ok := strings.CutPrefix(h, "172."); ok {
		second, _, _ := strings.Cut(rest, ".")
		return len(second) == 2 && (second >= "16" && second <= "31")
	}
	return false
}

// merge adds addresses that are not known yet.
func (l *Link) merge(o Link) (changed bool) {
	add := func(list *[]string, more []string) {
		for _, u := range more {
			if len(*list) < maxLinkAddrs && !contains(*list, u) {
				*list, changed = append(*list, u), true
			}
		}
	}
	add(&l.Servers, o.Servers)
	add(&l.Endpoints, o.Endpoints)
	add(&l.STUN, o.STUN)
	return changed
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}
