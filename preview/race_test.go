//go:build race

package preview

// raced says whether the race detector runs.
const raced = true
