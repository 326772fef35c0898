//go:build race

package content

// raced says whether the race detector runs, which takes memory of its own.
const raced = true
