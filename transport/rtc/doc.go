// Package rtc carries transport messages over WebRTC data channels, so that
// two peers neither of which can be dialled (two browsers, a browser and a
// node behind a router) still talk directly.
//
// One peer calls Dial, the other Answer, each with an Exchange that carries a
// few small messages between the two: usually sealed messages through a
// signalling server. In a native program the work is done by pion; in a
// browser by the page, through the broker described in BROKER.md, because
// workers have no RTCPeerConnection.
//
// # The connection
//
// Each connection has one data channel: negotiated, id 0, ordered, reliable,
// made by both ends before any description is written. One message of the Conn
// is one binary message of the channel.
//
// # The exchange
//
// The dialling peer sends an offer, the other an answer, each after gathering
// candidates for a bounded time, with what was found; candidates found later
// follow. So one message each way is enough on a good network, whatever is
// slow. A message is a DAG-CBOR list: [1, sdp, candidates] (offer),
// [2, sdp, candidates] (answer) or [3, candidates], a candidate being the JSON
// text of RTCIceCandidateInit.
//
// # Trust
//
// A description that was swapped on its way makes both ends speak to somebody
// else. So Info.Binding holds the SHA-256 DTLS fingerprints of both ends, as
// each end enforces them: equal at both ends if and only if nobody sits in
// between. Descriptions with anything but one data section and one SHA-256
// fingerprint are refused.
//
// No STUN server is asked unless Config names one. The other peer, and who
// carries the exchange if it can read it, learns our addresses.
package rtc
