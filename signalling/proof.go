package signalling

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/internal/address"
)

// ServerName returns the name of the server at a URL as it enters proofs: the
// host in lower case, a colon, and the port, with the scheme's default filled
// in (80 for ws and http, 443 for wss and https). It has no path: servers on
// one host and port are one server. Only plain hosts are read (letters, digits,
// dots, hyphens, or an IPv6 address in brackets; no user, no escapes), so that
// no two programs can take one URL for two servers.
func ServerName(url string) (string, error) {
	scheme, rest, ok := strings.Cut(url, "://")
	if !ok {
		return "", urlError(url, "it has no scheme")
	}
	port := ""
	switch strings.ToLower(scheme) {
	case "ws", "http":
		port = "80"
	case "wss", "https":
		port = "443"
	}
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		rest = rest[:i]
	}
	host := strings.ToLower(rest)
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		host, port = host[:i], host[i+1:]
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 || port[0] == '+' || port[0] == '0' {
		return "", urlError(url, "its port is not a number from 1 to 65535")
	}
	switch {
	case strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]"):
		ip, zone, ok := address.ParseIP(host[1 : len(host)-1])
		if !ok || ip.Is4() || zone != "" {
			return "", urlError(url, "it has no valid IPv6 address in brackets")
		}
		host = "[" + ip.String() + "]"
	case !plainHost(host):
		return "", urlError(url, "its host is not made of letters, digits, dots and hyphens")
	default:
		host = strings.TrimSuffix(host, ".")
	}
	name := host + ":" + port
	if len(name) > MaxName {
		return "", urlError(url, "its host is too long")
	}
	return name, nil
}

func plainHost(host string) bool {
	for _, c := range []byte(host) {
		if c != '.' && c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return strings.Trim(host, ".") != ""
}

func urlError(url, reason string) error {
	if len(url) > MaxName {
		url = url[:MaxName]
	}
	return fmt.Errorf("signalling: server URL %q: %s", url, reason)
}

// proofDomain begins the hashed bytes of a proof.
const proofDomain = "hhs/1/signalling listen"

// Proof is the statement a listener signs: that its key listens on topic at
// the server dialled as server (see ServerName), on the connection the nonce
// was given out for, until expiry (milliseconds since 1970, by the server's
// clock). The hash covers, each with its length before it where it varies:
// the domain, the server name, the nonce, the topic and the expiry as 8 bytes,
// big-endian.
func Proof(server string, nonce [32]byte, topic Topic, expiry int64) identity.Statement {
	b := make([]byte, 0, 128+len(server))
	b = append(b, proofDomain...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(server)))
	b = append(b, server...)
	b = append(b, nonce[:]...)
	b = append(b, topic[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(expiry))
	return identity.Statement{Purpose: identity.PurposeListen, Hash: sha256.Sum256(b)}
}
