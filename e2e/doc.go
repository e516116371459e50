// Package e2e holds the tests of the whole: pages in a real Chromium, with the binary and other nodes in processes of
// their own, over real sockets.
//
//	go run ./internal/build test       runs them with everything else; ONLY=e2e alone
//	go -C e2e test .                   runs them with what was built last (go run ./internal/build bin)
//
// The tests find what they test by environment variables: HHS_BIN is the binary, HHS_WEB the built pages, HHS_NPM the
// packed npm package. Without them they take what lies in build and dist of this clone. HHS_SHOTS names a directory for
// the screenshots of the layout test; a failing test leaves screenshot and console of its tabs there, or in a temporary
// directory that it names.
//
// Pages are looked at through what they show and through the data-* states they publish (web/README.md); a test waits
// on these, never on time. What a page writes to the console as an error fails its test, unless the test allows it by
// name. Pages find each other over a network interface other than loopback, as browsers do: one must be up.
package e2e
