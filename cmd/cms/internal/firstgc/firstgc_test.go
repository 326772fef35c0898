package firstgc

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

// percent is when collections come, as GOGC counts.
func percent() int {
	now := debug.SetGCPercent(-1)
	debug.SetGCPercent(now)
	return now
}

func TestOnlyTheFirstCollectionWaits(t *testing.T) {
	defer debug.SetGCPercent(percent())
	debug.SetGCPercent(100)
	for asked, want := range map[string]bool{"": true, "50": false, "off": false} {
		if got := wait(asked); got != want {
			t.Errorf("with GOGC=%q: waits is %t, want %t", asked, got, want)
		}
		if got := percent() > 100; got != want {
			t.Errorf("with GOGC=%q: collections come at %d", asked, percent())
		}
		if !want {
			continue
		}
		for deadline := time.Now().Add(time.Minute); percent() != 100; runtime.Gosched() {
			if time.Now().After(deadline) {
				t.Fatalf("collections come at %d after the first one, want 100", percent())
			}
			runtime.GC()
		}
	}
}
