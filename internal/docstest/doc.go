// Package docstest has tests about the documents and no code: the samples in README.md are built and run as they stand
// there, its length stays within bounds, links lead somewhere, make targets that are named exist, and every function that
// docs/arch.md walks through is in the file it names.
//
// The TypeScript sample needs the packed npm package, whose path is in HHS_NPM, and Node.js with the compiler that the
// package's own build uses (js/node_modules).
package docstest
