package address

import (
	"strconv"
	"strings"
)

// IP is an IPv4 or IPv6 address without a zone.
type IP struct {
	bytes [16]byte // of IPv4 in the last four, after mapped
	four  bool
}

// mapped begins the IPv6 addresses that stand for IPv4 ones (RFC 4291, section 2.5.5.2).
var mapped = [12]byte{10: 0xff, 11: 0xff}

// ParseIP reads an address as net/netip does: IPv4 with four decimal numbers without leading zeros, IPv6 in any form of
// RFC 4291, section 2.2, with a zone after a percent sign.
func ParseIP(text string) (ip IP, zone string, ok bool) {
	if !strings.Contains(text, ":") {
		four, ok := parse4(text)
		copy(ip.bytes[:], mapped[:])
		copy(ip.bytes[12:], four[:])
		ip.four = ok
		return ip, "", ok
	}
	text, zone, zoned := strings.Cut(text, "%")
	if zoned && zone == "" {
		return IP{}, "", false
	}
	ip.bytes, ok = parse6(text)
	return ip, zone, ok
}

// ParseIPPort is ParseIP for ip:port, with IPv6 in brackets.
func ParseIPPort(text string) (ip IP, ok bool) {
	name, port := splitPort(text)
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return IP{}, false
	}
	inner, open := strings.CutPrefix(name, "[")
	inner, closed := strings.CutSuffix(inner, "]")
	ip, _, ok = ParseIP(inner)
	return ip, ok && open == closed && open == !ip.four
}

func parse4(text string) (four [4]byte, ok bool) {
	for i := range four {
		field, rest, more := strings.Cut(text, ".")
		n, err := strconv.ParseUint(field, 10, 8)
		if err != nil || len(field) > 1 && field[0] == '0' || more != (i < 3) || !only(field, digits) {
			return four, false
		}
		four[i], text = byte(n), rest
	}
	return four, true
}

func parse6(text string) (out [16]byte, ok bool) {
	head, tail, short := strings.Cut(text, "::")
	first, ok := groups(head, !short)
	if !short {
		return [16]byte(append(first, out[:]...)), ok && len(first) == len(out)
	}
	last, also := groups(tail, true)
	// The two colons stand for at least one group.
	if !ok || !also || len(first)+len(last) > len(out)-2 {
		return out, false
	}
	copy(out[:], first)
	copy(out[len(out)-len(last):], last)
	return out, true
}

// groups reads groups of hexadecimal digits between colons, the last of which may be an IPv4 address.
func groups(text string, four bool) (out []byte, ok bool) {
	for text != "" {
		group, rest, more := strings.Cut(text, ":")
		if more && rest == "" || len(out) >= 16 {
			return nil, false
		}
		text = rest
		if four && !more && strings.Contains(group, ".") {
			last, ok := parse4(group)
			return append(out, last[:]...), ok
		}
		n, err := strconv.ParseUint(group, 16, 16)
		if err != nil || len(group) > 4 || !only(group, digits+letters) {
			return nil, false
		}
		out = append(out, byte(n>>8), byte(n))
	}
	return out, true
}

// Is4 tells whether it was written as IPv4.
func (ip IP) Is4() bool { return ip.four }

// Unmap makes an IPv6 address that stands for an IPv4 one that.
func (ip IP) Unmap() IP {
	ip.four = ip.four || [12]byte(ip.bytes[:12]) == mapped
	return ip
}

// IsLoopback tells whether it is this machine's own.
func (ip IP) IsLoopback() bool {
	if ip.four {
		return ip.bytes[12] == 127
	}
	return ip.bytes == [16]byte{15: 1}
}

// IsUnspecified tells whether it is 0.0.0.0 or ::.
func (ip IP) IsUnspecified() bool {
	return ip.bytes == [16]byte{} || ip.four && [4]byte(ip.bytes[12:]) == [4]byte{}
}

// Network is the text of the network of so many bits that it is in, a multiple of 8.
func (ip IP) Network(bits int) string {
	keep := bits / 8
	if ip.four {
		keep += 12
	}
	clear(ip.bytes[keep:])
	return ip.String() + "/" + strconv.Itoa(bits)
}

// String is the canonical form: for IPv6 that of RFC 5952.
func (ip IP) String() string {
	var b []byte
	if ip.four {
		return string(appendFour(b, ip.bytes[12:]))
	}
	if [12]byte(ip.bytes[:12]) == mapped {
		return string(appendFour(append(b, "::ffff:"...), ip.bytes[12:]))
	}
	begin, end := ip.zeros()
	for i := 0; i < 16; i += 2 {
		if i == begin {
			b, i = append(b, "::"...), end
			if i >= 16 {
				break
			}
		} else if i > 0 {
			b = append(b, ':')
		}
		b = strconv.AppendUint(b, uint64(ip.bytes[i])<<8|uint64(ip.bytes[i+1]), 16)
	}
	return string(b)
}

// zeros is where the first of the longest runs of at least two groups of zeros is; both 16 when there is none.
func (ip IP) zeros() (begin, end int) {
	begin, end = 16, 16
	for i := 0; i < 16; i += 2 {
		j := i
		for j < 16 && ip.bytes[j] == 0 && ip.bytes[j+1] == 0 {
			j += 2
		}
		if j-i > 2 && (begin == 16 || j-i > end-begin) {
			begin, end = i, j
		}
		i = max(i, j-2)
	}
	return begin, end
}

func appendFour(dst, four []byte) []byte {
	for i, n := range four {
		if i > 0 {
			dst = append(dst, '.')
		}
		dst = strconv.AppendUint(dst, uint64(n), 10)
	}
	return dst
}
