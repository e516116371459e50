package idb

import "errors"

// ErrUnavailable means that the browser stores nothing for this page, as some do in private windows. The text is for
// users.
var ErrUnavailable = errors.New("this browser stores nothing here, perhaps because the window is private")
