// Package pace lets long loops share a browser's only thread.
//
// Call [Point] once per step of any loop whose length a history, a peer or a user decides: replay, decoding, checking
// signatures, building indexes. In a browser or node (GOOS=js) the Go program, its goroutines and the event loop share
// one thread, and while Go computes no message arrives, no timer fires and nothing is drawn. Point lets the event loop
// have its turn when [Slice] has passed since it last had one, and otherwise costs a look at the clock. Everywhere else
// it does nothing and compiles to nothing.
//
// Point waits, so other goroutines run meanwhile: hold no lock that a handler of an event needs, and never call it
// inside a js.Func, where waiting ends the program. It takes no context: a turn takes less than a millisecond, and the
// loop itself looks at its context.
package pace

import "time"

// Slice is how long Go may compute before the event loop gets its turn: half a frame at 60 Hz.
const Slice = 8 * time.Millisecond
