package mesh

import (
	"runtime"
	"time"
)

// Wire constants. They are part of the protocol: both ends must agree, so a
// change needs a new protocol version.
const (
	// Version is sent in the first handshake message and is in the prologue.
	Version = 1

	// MaxMessage bounds one message of a stream in bytes. It is four of the
	// largest objects, the largest batch the sync protocol sends at once.
	MaxMessage = 4 << 20

	// maxRecord is the plaintext of one transport message. Every WebRTC
	// implementation takes messages of 16 KiB well; a data channel costs an
	// order of magnitude more per message than a WebSocket, so small frames
	// share one.
	maxRecord = 16<<10 - 64

	// maxHandshake bounds each message before authentication. The largest, a
	// proof with a certificate, has about 500 bytes.
	maxHandshake = 2 << 10

	// initialCredit is what a sender may send on a fresh stream before it is
	// granted more; a receiver keeps it for a handler that is not ready yet. It
	// is small because two devices may share a thousand spaces.
	initialCredit = 1 << 10

	// smallWindow is the credit of a stream when many share a channel.
	smallWindow = 8 << 10

	// messageCost is charged against credit for each message beside its bytes,
	// so that a flood of empty messages is bounded too.
	messageCost = 32

	// maxCredit bounds what may be granted to a sender at once; more is a
	// violation. A little over one largest message and one window.
	maxCredit = 2 * MaxMessage

	// maxReasonText bounds the words that come with a close.
	maxReasonText = 128

	// rekeyEvery is how many records one key encrypts before both sides derive
	// the next: what is captured cannot be read with a key stolen later.
	rekeyEvery = 1 << 16

	// maxSignal bounds one sealed signalling body; offers have 1 to 3 KiB. It is
	// what signalling.MaxBody leaves, in a round number.
	maxSignal = 15 << 10

	// maxCandidate bounds one candidate record of a lookup in bytes: a first
	// commit with its attestation and certificate.
	maxCandidate = 64 << 10
)

// Limits bounds what strangers and peers can cost. The zero value of a field
// means its default.
type Limits struct {
	// Handshakes at once, per second and address group, and at once per address
	// group (defaults 64, 32, 8): a flood of half-open connections may not hold
	// up an honest one. A newcomer takes the place of the one silent longest.
	Handshakes, HandshakesPerSecond, HandshakesPerAddress int
	// HandshakeTime bounds a handshake, our signer included; default 10 s.
	HandshakeTime time.Duration
	// Channels bounds the secure channels at once, KeptOut how many of them
	// only this side's own dials may take (64, 16): strangers cannot cut us off.
	Channels, KeptOut int
	// Openings bounds the streams being opened here on one channel and not yet
	// answered; default 64. The rest waits its turn.
	Openings int
	// ChannelsPerDevice bounds those of one device: one in use, and the
	// others being settled; default 4.
	ChannelsPerDevice int
	// Streams bounds the streams a peer may have open on a channel; default
	// 1,024: as many spaces as a node is made for.
	Streams int
	// Window is the credit of an ordinary stream in bytes; default 64 KiB. When
	// many share a channel, they get less.
	Window int
	// PeerBuffer bounds received bytes waiting per channel, and what credit
	// could bring; default 8 MiB. It must exceed MaxMessage by some windows.
	PeerBuffer int
	// LargeMessages bounds how many messages larger than a window the node
	// receives at once, over all channels; each may hold MaxMessage; default 24
	// (8 in a browser).
	LargeMessages int
	// SendQueue is how many bytes a stream takes from its sender before Send
	// waits; one message may exceed it. Default 64 KiB.
	SendQueue int
	// Control bounds control frames per second and channel, ControlBurst their
	// burst (200, 4,000: a thousand spaces opened at once, and closed). More is
	// a violation. Credit in return for data we sent is not counted.
	Control, ControlBurst int
	// Tries bounds openings with an unknown tag per channel: burst, and one
	// more for each TriesEvery (2,048 and 100 ms, for a peer with a
	// thousand spaces that one endpoint does not know).
	Tries      int
	TriesEvery time.Duration
	// Ping is how long a channel is silent before it is asked for a sign of
	// life, Dead when it is given up (2.5 s, 7 s: noticed within 8 s even with
	// a lazy timer).
	Ping, Dead time.Duration
	// Doubt is how long a channel may be silent after its device has asked to be
	// connected anew: many times a round trip, and short enough that a page
	// whose tab died is connected from another one within 5 s; default 2 s.
	Doubt time.Duration
	// SendTime bounds handing one record to the transport; a peer that never
	// reads is gone after it. Default 30 s.
	SendTime time.Duration
	// Linger bounds how long a closed stream or a superseded channel may take
	// to deliver what was accepted; default 5 s.
	Linger time.Duration
	// Idle closes a channel without streams; default 60 s.
	Idle time.Duration
	// DialTime bounds dialling a URL or a server, Attempt an introduction
	// through signalling (10 s, 20 s: a signer and a slow network included).
	DialTime, Attempt time.Duration
	// Attempts bounds introductions under way, in and out together; default 32.
	Attempts int
	// AttemptMessages bounds the messages of one introduction each way: an
	// offer and its network candidates; default 64.
	AttemptMessages int
	// Handles bounds the listeners remembered per topic; default 64. A group
	// needs a few peers, not all.
	Handles int
	// BackoffMin and BackoffMax bound the wait before another try (0.5 s, 30 s).
	BackoffMin, BackoffMax time.Duration
	// Penalty is the first time a misbehaving device and its address group are
	// refused; it doubles to PenaltyMax (1 min, 24 h).
	Penalty, PenaltyMax time.Duration
	// Penalties bounds how many are remembered; the oldest goes; default 1,024.
	Penalties int
	// Answers bounds the candidates of one lookup, AnswersPerPeer those taken
	// from one peer, LookupTime its duration (32, 8, 8 s).
	Answers, AnswersPerPeer int
	LookupTime              time.Duration
	// LookupPeers bounds how many listeners one lookup asks; default 8.
	LookupPeers int
}

// DefaultOut and DefaultIn are the peers of one group: dialled by us, and taken
// from others. Few are enough for news to reach everyone in a few steps; the
// out slots cannot be taken by strangers.
const (
	DefaultOut = 8
	DefaultIn  = 24
)

func setDefault[T int | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

// withDefaults fills in what is zero.
func (l Limits) withDefaults() Limits {
	setDefault(&l.Handshakes, 64)
	setDefault(&l.HandshakesPerSecond, 32)
	setDefault(&l.HandshakesPerAddress, 8)
	setDefault(&l.HandshakeTime, 10*time.Second)
	setDefault(&l.Channels, 64)
	setDefault(&l.ChannelsPerDevice, 4)
	setDefault(&l.KeptOut, 16)
	setDefault(&l.Openings, 64)
	setDefault(&l.Streams, 1024)
	setDefault(&l.Window, 64<<10)
	setDefault(&l.PeerBuffer, 8<<20)
	setDefault(&l.LargeMessages, largeMessages())
	setDefault(&l.SendQueue, 64<<10)
	setDefault(&l.Control, 200)
	setDefault(&l.ControlBurst, 4000)
	setDefault(&l.Tries, 2048)
	setDefault(&l.TriesEvery, 100*time.Millisecond)
	setDefault(&l.Ping, 2500*time.Millisecond)
	setDefault(&l.Dead, 7*time.Second)
	setDefault(&l.Doubt, 2*time.Second)
	setDefault(&l.SendTime, 30*time.Second)
	setDefault(&l.Linger, 5*time.Second)
	setDefault(&l.Idle, time.Minute)
	l.discoveryDefaults()
	return l
}

// largeMessages keeps received messages within 96 MiB, 32 MiB in a browser.
func largeMessages() int {
	if runtime.GOOS == "js" {
		return 8
	}
	return 24
}

func (l *Limits) discoveryDefaults() {
	setDefault(&l.DialTime, 10*time.Second)
	setDefault(&l.Attempt, 20*time.Second)
	setDefault(&l.Attempts, 32)
	setDefault(&l.AttemptMessages, 64)
	setDefault(&l.Handles, 64)
	setDefault(&l.BackoffMin, 500*time.Millisecond)
	setDefault(&l.BackoffMax, 30*time.Second)
	setDefault(&l.Penalty, time.Minute)
	setDefault(&l.PenaltyMax, 24*time.Hour)
	setDefault(&l.Penalties, 1024)
	setDefault(&l.Answers, 32)
	setDefault(&l.AnswersPerPeer, 8)
	setDefault(&l.LookupTime, 8*time.Second)
	setDefault(&l.LookupPeers, 8)
}
