//go:build !js

package netlimit

import "net/netip"

// Group returns the limit group of an address "ip:port" or "ip": an IPv4
// address alone, an IPv6 address with its /64 (a home gets at least that many
// addresses). What is not an address is its own group.
func Group(remote string) string {
	addr, err := netip.ParseAddr(remote)
	if err != nil {
		ap, err := netip.ParseAddrPort(remote)
		if err != nil {
			return remote
		}
		addr = ap.Addr()
	}
	return GroupAddr(addr)
}

// GroupAddr is Group for an address.
func GroupAddr(addr netip.Addr) string {
	addr = addr.Unmap().WithZone("")
	if addr.Is4() {
		return addr.String()
	}
	p, err := addr.Prefix(64)
	if err != nil {
		return addr.String()
	}
	return p.String()
}
