package idb

import "errors"

// Errors that callers branch on, besides those of package store. Their texts are for users.
var (
	// ErrEvicted means that the browser removed the database, which it does with sites that were not visited for long
	// when its disk is full, or that somebody deleted it. What other devices hold can be fetched from them.
	ErrEvicted = errors.New("this browser removed what was stored here; clear this site's data to begin anew")
	// ErrUnavailable means that the browser stores nothing for this page, as some do in private windows.
	ErrUnavailable = errors.New("this browser stores nothing here, perhaps because the window is private")
)
