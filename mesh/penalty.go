package mesh

import (
	"strings"
	"time"

	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/internal/address"
)

// penalties remembers who misbehaved: device keys and address groups. Only what
// an authenticated peer did itself counts, never what a third party can cause.
// Under Mesh.mu.
type penalties struct {
	lim  *Limits
	by   map[string]*penalty
	line []string // oldest first
}

type penalty struct {
	wait  time.Duration
	until time.Time
}

func newPenalties(lim *Limits) penalties {
	return penalties{lim: lim, by: map[string]*penalty{}}
}

func (p *penalties) add(key string, now time.Time) {
	if key == "" {
		return
	}
	e := p.by[key]
	if e == nil {
		if len(p.line) >= p.lim.Penalties {
			delete(p.by, p.line[0])
			p.line = p.line[1:]
		}
		e = &penalty{}
		p.by[key] = e
		p.line = append(p.line, key)
	}
	e.wait = min(max(2*e.wait, p.lim.Penalty), p.lim.PenaltyMax)
	e.until = now.Add(e.wait)
}

func (p *penalties) active(key string, now time.Time) bool {
	e := p.by[key]
	return key != "" && e != nil && now.Before(e.until)
}

func deviceKey(k identity.PublicKey) string { return "device " + string(k.Bytes()) }

// addressGroup names the network a remote address belongs to: /24 or /48, what
// one person commonly commands. Empty where there is no address, and for this
// machine itself, which anyone's proxy may stand for.
func addressGroup(remote string) string {
	host := remote
	if _, rest, ok := strings.Cut(host, "://"); ok {
		host, _, _ = strings.Cut(rest, "/")
	}
	ip, _, ok := address.ParseIP(strings.Trim(host, "[]"))
	if !ok {
		if ip, ok = address.ParseIPPort(host); !ok {
			return ""
		}
	}
	ip = ip.Unmap()
	if ip.IsLoopback() || ip.IsUnspecified() {
		return ""
	}
	bits := 48
	if ip.Is4() {
		bits = 24
	}
	return "net " + ip.Network(bits)
}
