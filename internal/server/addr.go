package server

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// BusyError says that somebody else has the address.
type BusyError struct{ Addr string }

// Error says what to do about it.
func (e *BusyError) Error() string {
	return fmt.Sprintf("another program listens on %s; stop it, or choose another address with --listen HOST:PORT "+
		"(it is kept for the next time: a page's data belongs to its address, port included)", e.Addr)
}

// securePort is where a server with a certificate listens: on all interfaces.
const securePort = ":443"

// listenName is the file that keeps a chosen address.
const listenName = "listen"

// chosen returns the address to listen on, and whether somebody chose it.
func (o *Options) chosen() (addr string, is bool, err error) {
	if o.Listen != "" {
		return o.Listen, true, nil
	}
	if o.Dir != "" {
		text, err := os.ReadFile(filepath.Join(o.Dir, listenName))
		if err == nil {
			return strings.TrimSpace(string(text)), true, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", false, fmt.Errorf("read kept address: %w", err)
		}
	}
	if o.Domain != "" || o.TLSCert != "" { // who has a certificate wants to be reached from elsewhere
		return securePort, false, nil
	}
	return DefaultAddr, false, nil
}

// bind opens the TCP listener.
func (o *Options) bind() (net.Listener, error) {
	addr, chosen, err := o.chosen()
	if err != nil {
		return nil, err
	}
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return nil, fmt.Errorf("listen on %q: %w; write it as HOST:PORT", addr, err)
	}
	ln, err := net.Listen("tcp", addr)
	if inUse(err) && o.AnyPort && !chosen {
		ln, err = net.Listen("tcp", "127.0.0.1:0")
		chosen = true
	}
	if inUse(err) {
		return nil, &BusyError{addr}
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("listen on %s: %w; give this program the right to low ports, or choose another address with --listen HOST:PORT", addr, err)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", addr, err)
	}
	if chosen {
		if err := o.keep(addr, ln.Addr()); err != nil {
			return nil, errors.Join(err, ln.Close())
		}
	}
	return ln, nil
}

// keep writes a chosen address down, with the port that was got for port 0.
func (o *Options) keep(asked string, got net.Addr) error {
	if o.Dir == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(asked)
	if err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(got.String())
	if err != nil {
		return err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return fmt.Errorf("keep address: %w", err)
	}
	if err := os.WriteFile(filepath.Join(o.Dir, listenName), []byte(net.JoinHostPort(host, port)+"\n"), 0o600); err != nil {
		return fmt.Errorf("keep address: %w", err)
	}
	return nil
}

// origin is the URL others know this server by: what the options say, or the
// address it listens on.
func (o *Options) origin(addr net.Addr) (*url.URL, error) {
	switch {
	case o.PublicURL != "":
		u, err := url.Parse(o.PublicURL)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
			return nil, fmt.Errorf("--public-url %q is not a plain http or https URL such as https://chat.example.org", o.PublicURL)
		}
		u.Path = strings.TrimSuffix(u.Path, "/")
		return u, nil
	case o.Domain != "":
		return &url.URL{Scheme: "https", Host: withPort(o.Domain, addr, "443")}, nil
	}
	scheme := "http"
	if o.TLSCert != "" {
		scheme = "https"
	}
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return nil, err
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsUnspecified() {
		host = outwards()
	}
	return &url.URL{Scheme: scheme, Host: net.JoinHostPort(host, port)}, nil
}

// withPort adds the port of addr to a host, where it is not the usual one.
func withPort(host string, addr net.Addr, usual string) string {
	_, port, err := net.SplitHostPort(addr.String())
	if err != nil || port == usual {
		return host
	}
	return net.JoinHostPort(host, port)
}

// outwards is an address of this machine that others on its network can reach;
// loopback where it has none.
func outwards() string {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return "127.0.0.1"
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() && n.IP.To4() != nil {
			return n.IP.String()
		}
	}
	return "127.0.0.1"
}
