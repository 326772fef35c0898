package main

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// leastHeapRoom is how many bytes the heap may grow, at least, from one
// collection of garbage to the next.
const leastHeapRoom = 128 << 20

// paceHeap sets when garbage is collected, until ctx ends: of a small site less
// often than the runtime would by itself, because edits get slower meanwhile, and
// of a large one before the heap has doubled.
func paceHeap(ctx context.Context) {
	heap := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/gogc:percent"}}
	for tick := time.NewTicker(time.Second); ; {
		metrics.Read(heap)
		live, now := heap[0].Value.Uint64(), heap[1].Value.Uint64() // which firstgc may have set after the last turn
		if percent := heapGrowth(live); uint64(percent) != now {
			debug.SetGCPercent(percent)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			tick.Stop()
			return
		}
	}
}

// heapGrowth is by how many percent a heap of which so many bytes are in use may
// grow: by half, or by leastHeapRoom. It is in steps, because to change it stops
// the world.
func heapGrowth(live uint64) int {
	const least, step, most = 50, 10, 1000
	percent := leastHeapRoom * 100 / max(live, 1)
	return int(min(max(percent/step*step, least), most))
}
