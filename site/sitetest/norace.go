//go:build !race

package sitetest

// raced says whether the race detector watches.
const raced = false
