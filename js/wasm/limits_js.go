package main

import "time"

// Limits of the engine towards its pages. None of them is part of a format.
const (
	// defaultPage is what a screen shows of a set, map, log, list or fold, and maxPage the most in one answer.
	defaultPage = 100
	maxPage     = 1000
	// maxTextPage is how many UTF-16 units of a text one answer has: with three bytes for each it is far from a block's bound.
	maxTextPage = 1 << 17
	// maxAnswer is how many bytes of values an answer about the past has: it is one block, with what is told about them.
	maxAnswer = 1 << 18

	// maxKept and keepFor bound the past versions, and differences that are read in pages, which are kept: they take
	// memory. As many are made at once.
	maxKept = 2
	keepFor = time.Minute

	// eventPause is the least time between two events of a kind: a page draws no faster, and a flood of commits must not
	// become a flood of messages. The first change after a pause is told at once.
	eventPause = 50 * time.Millisecond
	// While more changes come in eventPause than people make, which is flood, the pause grows to floodPause: whoever draws
	// a screenful for each takes from the engine the time to receive the rest.
	floodPause = 400 * time.Millisecond
	flood      = 32
	// maxPaths is how many places inside one field an event names, each of which
	// every subscriber in the page looks at; with more the field changed anywhere.
	maxPaths = 64

	// What a page has open ends by itself when nobody uses it any more: pages go away without a word. A put is then
	// left, to be resumed by another; a reader is opened again at little cost; a file is given up.
	putIdle     = 30 * time.Second
	readerIdle  = 10 * time.Second
	forgetFiles = time.Minute
	// maxPuts, maxReaders and maxFiles bound what is open at once: a piece or chunk of each is in memory.
	maxPuts    = 16
	maxReaders = 64
	maxFiles   = 4
	// filePiece is how much of a file is read or written at once.
	filePiece = 256 << 10
	// maxWait is how long one call waits for peers; the page asks again.
	maxWait = 20 * time.Second
)
