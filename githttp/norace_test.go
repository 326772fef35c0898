//go:build !race

package githttp_test

// raced says whether the race detector runs.
const raced = false
