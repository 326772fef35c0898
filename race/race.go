// Package race says how much of the tests is to run: all of them, less with -short, or what
// the race detector has something to see in.
package race

import "testing"

// Sequential skips a test under the race detector that does one thing after the other, as
// a walk over a table of cases does: it costs the detector most and shows it least, and the
// same test runs without. A test of what goes on at once never calls this, and each door
// and each part of the storage keeps others that the detector watches.
func Sequential(t testing.TB) {
	t.Helper()
	if Enabled {
		t.Skip("does one thing after the other: the race detector is for others")
	}
}

// Brief says whether to leave out what one need not know between two saves: with -short, but
// for the race detector, which watches all that is run with it.
func Brief() bool { return testing.Short() && !Enabled }

// TakesLong skips a test of large inputs, of much that goes on at once, or of other programs
// that are started again and again, where the tests are to be brief.
func TakesLong(t testing.TB) {
	t.Helper()
	if Brief() {
		t.Skip("takes long: left out with -short")
	}
}
