//go:build race

package race

// Enabled says whether the race detector runs, which takes memory and time of its own.
const Enabled = true
