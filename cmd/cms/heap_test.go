package main

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"testing"
	"time"
)

// TestHeapGrowth: a small heap gets the same room whatever its size, a large one
// half of itself.
func TestHeapGrowth(t *testing.T) {
	for live, want := range map[uint64]int{0: 1000, 1: 1000, 20: 640, 64: 200, 200: 60, 256: 50, 1000: 50} {
		if got := heapGrowth(live << 20); got != want {
			t.Errorf("of %d MB in use: %d %%, want %d", live, got, want)
		}
	}
}

// TestPaceHeap: the runtime goes by it.
func TestPaceHeap(t *testing.T) {
	before := debug.SetGCPercent(7)
	defer debug.SetGCPercent(before)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { paceHeap(ctx) })
	deadline := time.Now().Add(time.Minute)
	for gcPercent() == 7 && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	cancel()
	wg.Wait()
	if got := gcPercent(); got < 50 {
		t.Errorf("heap may grow by %d %%", got)
	}
}

func gcPercent() uint64 {
	s := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
