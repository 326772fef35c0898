//go:build !race

package site_test

// raced says whether the race detector runs, which takes memory of its own.
const raced = false
