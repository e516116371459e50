package pace

import (
	"sync"
	"syscall/js"
	"time"
)

// loop is the program's event loop. There is one in every program, so the variable is no more than its name here: it
// holds when the loop last had its turn and who waits for the next, and nothing a caller could set or should reset.
var loop eventLoop

type eventLoop struct {
	mu   sync.Mutex
	last time.Time     // when the loop last had its turn
	turn chan struct{} // closed at the next one; nil while nobody waits
	post func()        // asks for a callback after everything the event loop has waiting
}

// Point gives the event loop its turn if Slice has passed since the last one.
func Point() {
	now := time.Now()
	loop.mu.Lock()
	if loop.last.IsZero() {
		loop.last = now
	}
	if now.Sub(loop.last) < Slice {
		loop.mu.Unlock()
		return
	}
	if loop.turn == nil {
		if loop.post == nil {
			loop.post = poster(loop.taken)
		}
		loop.turn = make(chan struct{})
		loop.post()
	}
	turn := loop.turn
	loop.mu.Unlock()
	<-turn
}

// taken runs in the event loop, as a callback: it must not wait, and it cannot, since no goroutine keeps the lock across
// a wait.
func (l *eventLoop) taken() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = time.Now()
	if l.turn != nil {
		close(l.turn)
		l.turn = nil
	}
}

// poster returns a function that has f called in a task of its own. Not setTimeout, which browsers delay by 4 ms when it
// is nested, a third of all time; setImmediate is node's, where an open MessageChannel would keep the process alive.
func poster(f func()) func() {
	callback := js.FuncOf(func(js.Value, []js.Value) any {
		f()
		return nil
	})
	if immediate := js.Global().Get("setImmediate"); immediate.Type() == js.TypeFunction {
		return func() { immediate.Invoke(callback) }
	}
	channel := js.Global().Get("MessageChannel").New()
	channel.Get("port1").Set("onmessage", callback)
	port := channel.Get("port2")
	return func() { port.Call("postMessage", js.Null()) }
}
