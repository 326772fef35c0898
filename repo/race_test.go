//go:build race

package repo

// raceDetector says whether it watches.
const raceDetector = true
