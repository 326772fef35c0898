package repo

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestTouchesInOrder: what touched a file is in the order of time, whether each touch was put
// in its place or many at once, and what is of one commit as it came.
func TestTouchesInOrder(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		one, many := newHistory(), newHistory()
		for i := range 60 {
			c := commit{hash: Hash{byte(i)}, date: r.Int64N(20)}
			one.add(c, nil, nil)
			many.add(c, nil, nil)
		}
		for range 5 {
			many.many()
			for range r.IntN(30) {
				at := touch{commit: r.Int32N(60), blob: Hash{byte(r.IntN(256))}}
				one.touch("a", at, "")
				many.touch("a", at, "")
			}
			many.settle()
			got, want := many.touches["a"], one.touches["a"]
			if !slices.Equal(got, want) || !slices.IsSortedFunc(got, func(a, b touch) int { return many.compare(a.commit, b.commit) }) {
				t.Fatalf("seed %d: got %v, want %v", seed, got, want)
			}
		}
	}
}
