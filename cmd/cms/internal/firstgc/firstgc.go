// Package firstgc has the first collection of garbage wait until it is worth it. Most of
// what the program allocates before it does anything stays: at the 4 MB where Go begins, a
// command would look through it, and through all of its variables, to find nothing. That
// is a third of what the start of a command costs.
//
// It does so by being imported, as the packages that allocate much do that before main.
package firstgc

import (
	"os"
	"runtime"
	"runtime/debug"
)

// later is how much larger than usual the heap becomes before the first collection: 16 MB.
const later = 4

var _ = wait(os.Getenv("GOGC"))

// wait has the first collection wait, and those after it come as ever, where whoever
// started the program has not said by GOGC when they come.
func wait(asked string) bool {
	if asked != "" {
		return false
	}
	usual := debug.SetGCPercent(later * 100)
	unreachable := new(*int) // a pointer, as values without any share their memory with others
	runtime.AddCleanup(unreachable, func(percent int) { debug.SetGCPercent(percent) }, usual)
	return true
}
