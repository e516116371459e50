package main

import (
	"maps"
	"slices"
)

// sorted are the paths of the site in order, so that equal sources give equal builds.
func sorted(o output) []string { return slices.Sorted(maps.Keys(o)) }
