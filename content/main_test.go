package content_test

import (
	"os"
	"runtime/debug"
	"testing"
)

// TestMain lets garbage wait: documents as large as they may be are most of what is tested,
// and collecting them as they come is a quarter of the work.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}
