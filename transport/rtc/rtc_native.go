//go:build !js

package rtc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/logging"
	"github.com/pion/webrtc/v4"

	"github.com/hyperhyperspace/hhs-go/transport"
	"github.com/hyperhyperspace/hhs-go/transport/internal/inbox"
)

// peer is a pion connection with its one channel: first an engine, then a
// transport.Conn.
type peer struct {
	pc    *webrtc.PeerConnection
	dc    *webrtc.DataChannel
	info  transport.Info
	inbox *inbox.Inbox
	found *candidates
	low   chan struct{} // the channel's queue has shrunk

	open    chan struct{} // closed when the channel is open
	done    chan struct{} // closed when the connection has ended
	ended   sync.Once
	err     error // why; read only after done is closed
	closing atomic.Bool
	close1  sync.Once
	freed   chan struct{} // closed when everything is freed
	reader  sync.WaitGroup
}

// api sets pion up: data only, quiet, loopback included (a browser on this
// machine), names of browsers that hide their addresses resolved by mDNS where
// multicast works. Where it does not, their packets still reach us first and
// are answered where they come from.
func api() *webrtc.API {
	var s webrtc.SettingEngine
	s.DetachDataChannels()
	s.SetIncludeLoopbackCandidate(true)
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeQueryOnly)
	s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6})
	s.DisableActiveTCP(true)
	s.SetSCTPMaxMessageSize(transport.MaxMessage)
	s.SetICETimeouts(iceDisconnected, iceFailed, iceKeepAlive)
	quiet := logging.NewDefaultLoggerFactory()
	quiet.DefaultLogLevel = logging.LogLevelDisabled
	quiet.Writer = io.Discard
	s.LoggerFactory = quiet
	return webrtc.NewAPI(webrtc.WithSettingEngine(s))
}

func newEngine(cfg Config) (engine, error) {
	var config webrtc.Configuration
	if len(cfg.STUN) > 0 {
		config.ICEServers = []webrtc.ICEServer{{URLs: cfg.STUN}}
	}
	pc, err := api().NewPeerConnection(config)
	if err != nil {
		return nil, fmt.Errorf("rtc: make connection: %w", err)
	}
	negotiated, id := true, uint16(0)
	dc, err := pc.CreateDataChannel("hhs", &webrtc.DataChannelInit{Negotiated: &negotiated, ID: &id})
	if err != nil {
		pc.Close()
		return nil, fmt.Errorf("rtc: make channel: %w", err)
	}
	p := &peer{
		pc: pc, dc: dc, inbox: inbox.New(inboxBytes), found: newCandidates(), low: make(chan struct{}, 1),
		open: make(chan struct{}), done: make(chan struct{}), freed: make(chan struct{}),
	}
	p.attach()
	return p, nil
}

func (p *peer) attach() {
	p.pc.OnICECandidate(func(c *webrtc.ICECandidate) {
		if c == nil {
			p.found.add("")
			return
		}
		if text, err := json.Marshal(c.ToJSON()); err == nil {
			p.found.add(string(text))
		}
	})
	p.pc.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		switch s {
		case webrtc.PeerConnectionStateFailed:
			p.end(&transport.LostError{Kind: "rtc", Cause: ErrNoPath})
		case webrtc.PeerConnectionStateClosed:
			p.end(transport.ErrClosed)
		}
	})
	p.pc.OnDataChannel(func(*webrtc.DataChannel) {
		p.end(&transport.LostError{Kind: "rtc", Cause: errors.New("the peer opened a second channel")})
	})
	p.dc.SetBufferedAmountLowThreshold(sendLow)
	p.dc.OnBufferedAmountLow(func() {
		select {
		case p.low <- struct{}{}:
		default:
		}
	})
	p.dc.OnOpen(func() {
		raw, err := p.dc.DetachWithDeadline()
		if err != nil {
			p.end(&transport.LostError{Kind: "rtc", Cause: err})
			return
		}
		p.reader.Add(1)
		go p.read(raw)
		close(p.open)
	})
}

// channel is what reading needs of a detached channel.
type channel interface {
	ReadDataChannel(b []byte) (n int, isString bool, err error)
}

// read moves messages from the channel to the inbox. It stops reading while
// the inbox is full: SCTP makes the other end wait.
func (p *peer) read(raw channel) {
	defer p.reader.Done()
	buf := make([]byte, transport.MaxMessage)
	for {
		n, text, err := raw.ReadDataChannel(buf)
		switch {
		case errors.Is(err, io.EOF):
			p.end(transport.ErrClosed)
			return
		case err == nil && text:
			err = errors.New("text message")
		}
		if err != nil {
			p.end(&transport.LostError{Kind: "rtc", Cause: err})
			return
		}
		p.inbox.Put(append(make([]byte, 0, n), buf[:n]...)) // refused only after the end
	}
}

// end notes that the connection is over. What has arrived can be received.
func (p *peer) end(err error) {
	p.ended.Do(func() {
		p.err = err
		p.inbox.End(err)
		close(p.done)
	})
}

func (p *peer) gathered() *candidates   { return p.found }
func (p *peer) opened() <-chan struct{} { return p.open }
func (p *peer) over() <-chan struct{}   { return p.done }
func (p *peer) cause() error            { return p.err }

func (p *peer) conn(info transport.Info) transport.Conn {
	p.info = info
	return p
}

func (p *peer) offer(context.Context) (string, error) {
	d, err := p.pc.CreateOffer(nil)
	if err == nil {
		err = p.pc.SetLocalDescription(d)
	}
	if err != nil {
		return "", fmt.Errorf("rtc: make offer: %w", err)
	}
	return d.SDP, nil
}

func (p *peer) answer(_ context.Context, offer string) (string, error) {
	err := p.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: withMessageSize(offer)})
	if err != nil {
		return "", &ExchangeError{"offer: " + err.Error()}
	}
	d, err := p.pc.CreateAnswer(nil)
	if err == nil {
		err = p.pc.SetLocalDescription(d)
	}
	if err != nil {
		return "", fmt.Errorf("rtc: make answer: %w", err)
	}
	return d.SDP, nil
}

func (p *peer) accept(_ context.Context, answer string) error {
	err := p.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: withMessageSize(answer)})
	if err != nil {
		return &ExchangeError{"answer: " + err.Error()}
	}
	return nil
}

// candidate ignores what pion cannot use: an address it cannot reach is of no
// consequence, whatever makes it so.
func (p *peer) candidate(text string) {
	var c webrtc.ICECandidateInit
	if json.Unmarshal([]byte(text), &c) == nil {
		_ = p.pc.AddICECandidate(c)
	}
}

// Send queues a message in the channel, and waits while it has too much.
func (p *peer) Send(ctx context.Context, msg []byte) error {
	if len(msg) > transport.MaxMessage {
		return transport.ErrTooLarge
	}
	for {
		if p.closing.Load() {
			return transport.ErrClosed
		}
		select {
		case <-p.done:
			return p.err
		default:
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if p.dc.BufferedAmount() <= sendBuffer {
			break
		}
		select {
		case <-p.low:
		case <-p.done:
		case <-ctx.Done():
		}
	}
	if err := p.dc.Send(msg); err != nil {
		p.end(&transport.LostError{Kind: "rtc", Cause: err})
		return p.err
	}
	return nil
}

// Receive takes from the inbox.
func (p *peer) Receive(ctx context.Context) ([]byte, error) { return p.inbox.Receive(ctx) }

// Info describes the connection.
func (p *peer) Info() transport.Info { return p.info }

// Close lets what is queued leave, at most transport.CloseLinger, and frees
// everything.
func (p *peer) Close() error {
	p.close1.Do(func() {
		p.closing.Store(true)
		p.inbox.Kill(transport.ErrClosed)
		p.linger()
		p.free()
	})
	<-p.freed
	return nil
}

// abort is Close without the last words.
func (p *peer) abort() {
	p.close1.Do(func() {
		p.closing.Store(true)
		p.inbox.Kill(transport.ErrClosed)
		p.free()
	})
	<-p.freed
}

// linger waits until the other end has everything, then says that this end is
// through and waits for its answer: pion would otherwise drop both.
func (p *peer) linger() {
	timeout := time.NewTimer(transport.CloseLinger)
	defer timeout.Stop()
	p.dc.SetBufferedAmountLowThreshold(0)
	for p.dc.BufferedAmount() > 0 {
		select {
		case <-p.low:
		case <-p.done:
			return
		case <-timeout.C:
			return
		}
	}
	_ = p.dc.Close() // a channel that is gone already is what we want
	select {
	case <-p.done:
	case <-timeout.C:
	}
}

func (p *peer) free() {
	_ = p.pc.GracefulClose() // errors are of parts that were gone already
	p.end(transport.ErrClosed)
	p.reader.Wait()
	close(p.freed)
}
