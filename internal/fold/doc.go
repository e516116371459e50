// Package fold runs the function of a fold (docs/spec/fold.md) over ops that come late, go and come back: it keeps
// snapshots of the state, goes back to the one before what changed, and says by name what went wrong.
//
// To start: make a [Run] with [New]; tell it with [Run.Back] from where on ops are others than it was given, and give it
// with [Run.Forward] those that come after [Run.Place]. It knows neither where ops come from nor of what type they are.
//
// A step runs in a goroutine of its own. One that does not come back within [StepLimit] is left behind with all that it
// holds: nothing ends it from outside. Everything else of a Run belongs to one goroutine at a time.
package fold
