// Package crdttest is the suite that every replicated type passes. [Run] makes seeded random histories with real causal
// structure, several authors who write, merge and change their minds about verdicts, and checks after every step that
//
//  1. what can be read equals a naive model, written in a few lines over all ops at once;
//  2. the changes reported lead from what could be read before to what can be read after;
//  3. telling an op or a verdict a second time changes nothing;
//
// and in the end, when all replicas have all ops and the same verdicts, that
//
//  4. all replicas, and fresh ones that get the ops in other causal orders, have the same state, byte for byte.
//
// A failure prints the seed and draws the history, cut down to the fewest steps that fail. The suite also holds the type
// to the contract of State: nothing of a scan is kept beyond its step, and nothing is written while scanning.
//
// To put a type of one's own through it, write a [Gen]: how to draft ops, how to read everything, and the model.
package crdttest
