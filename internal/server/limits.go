package server

import "time"

const (
	// DefaultAddr is where demo and serve listen: loopback, and always the same
	// port, because the browser keeps a page's data by it.
	DefaultAddr = "127.0.0.1:7447"
	// headerTime and bodyTime bound a request's arrival: a client that sends a
	// byte a second holds a connection no longer. No request has a body.
	headerTime = 10 * time.Second
	bodyTime   = 20 * time.Second
	// writeTime bounds an answer: the engine, about 1.5 MB, at 5 kB/s.
	writeTime = 5 * time.Minute
	// idleTime is how long a kept-alive connection may ask for nothing.
	idleTime = 2 * time.Minute
	// maxHeader bounds a request's header; browsers send about 1 kB.
	maxHeader = 16 << 10
	// maxConns bounds open connections of all kinds; the WebSocket endpoints
	// have tighter bounds of their own (2,048 and 1,024).
	maxConns = 4096
	// minSqueeze is the smallest file worth compressing, in bytes: about a packet.
	minSqueeze = 1400
	// shutdownTime is how long answers in progress may take at the end.
	shutdownTime = 3 * time.Second
)
