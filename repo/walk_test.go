package repo

import (
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"unique"
)

// invent adds a commit on top of others to a history that no repository is behind.
func invent(h *history, parents ...int32) int32 {
	n := h.commits.len()
	var hash Hash
	r := rand.New(rand.NewPCG(uint64(n), 1))
	for i := range hash {
		hash[i] = byte(r.IntN(256))
	}
	h.add(commit{hash: hash, date: int64(n), author: unique.Make(ann), subject: "x"}, parents, nil)
	h.tip = hash
	return int32(n)
}

func (h *history) name(n int32) Hash { return h.commits.at(n).hash }

// plainWay is the way from first to last by its definition.
func plainWay(h *history, first, last int32) []int32 {
	leads := make([]bool, h.commits.len())
	for n := range int32(len(leads)) {
		leads[n] = first < 0 || n == first || slices.ContainsFunc(h.parents(n), func(p int32) bool { return leads[p] })
	}
	var way []int32
	for n := last; n != first; {
		if !leads[n] {
			return nil
		}
		way = append(way, n)
		parents := h.parents(n)
		i := slices.IndexFunc(parents, func(p int32) bool { return leads[p] })
		if i < 0 {
			break
		}
		n = parents[i]
	}
	slices.Reverse(way)
	return way
}

// TestWay: in histories of all shapes, the way between any two commits is the one
// that its definition says, whole and by pages.
func TestWay(t *testing.T) {
	t.Parallel()
	for seed := range uint64(25) {
		r := rand.New(rand.NewPCG(seed, 2))
		h := newHistory()
		invent(h)
		for n := int32(1); n < 40; n++ {
			parents := []int32{n - 1}
			if r.IntN(3) == 0 {
				parents[0] = r.Int32N(n)
			}
			for r.IntN(3) == 0 {
				if p := r.Int32N(n); !slices.Contains(parents, p) {
					parents = append(parents, p)
				}
			}
			if r.IntN(20) == 0 {
				parents = nil
			}
			invent(h, parents...)
		}
		for last := range int32(40) {
			for first := int32(-1); first < 40; first++ {
				since := Hash{}
				if first >= 0 {
					since = h.name(first)
				}
				want := plainWay(h, first, last)
				got, err := h.steps(since, h.name(last), 1000)
				if len(want) == 0 && first != last {
					if !errors.Is(err, ErrUnknownCommit) {
						t.Fatalf("seed %d, %d to %d: got error %v, want ErrUnknownCommit", seed, first, last, err)
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				base, paged := since, since
				for i, s := range got {
					if i >= len(want) || s.hash != h.name(want[i]) || s.base != base {
						t.Fatalf("seed %d, %d to %d: step %d is %s on %s, want one of %v on %s", seed, first, last, i, s.hash, s.base, want, base)
					}
					if i%3 == 0 {
						page, err := h.steps(paged, h.name(last), 3)
						if err != nil || len(page) != min(3, len(got)-i) || page[0].hash != s.hash {
							t.Fatalf("seed %d, %d to %d: the page at %d is %v, %v", seed, first, last, i, page, err)
						}
						paged = page[len(page)-1].hash
					}
					base = s.hash
				}
				if len(got) != len(want) {
					t.Fatalf("seed %d, %d to %d: got %d steps, want %v", seed, first, last, len(got), want)
				}
				back, until := []step(nil), h.name(last)
				for until != since {
					page, err := h.stepsBack(since, until, 3)
					if err != nil || len(page) == 0 || len(page) > 3 {
						t.Fatalf("seed %d, %d to %d: back from %s are %v, %v", seed, first, last, until, page, err)
					}
					back, until = append(back, page...), page[len(page)-1].base
				}
				slices.Reverse(back)
				if !slices.EqualFunc(back, got, func(a, b step) bool { return a.hash == b.hash && a.base == b.base }) {
					t.Fatalf("seed %d, %d to %d: back are %v, want %v", seed, first, last, back, got)
				}
			}
		}
	}
}

// TestPageCost: a page of changes costs as much in a long history as in a short one,
// wherever it begins, beside merges and within what they brought.
func TestPageCost(t *testing.T) {
	shapes := map[string]func(h *history, n int){
		"a line": func(h *history, n int) {
			at := invent(h)
			for range n {
				at = invent(h, at)
			}
		},
		"branches merged": func(h *history, n int) {
			at := invent(h)
			for range n / 5 {
				side := invent(h, at)
				at = invent(h, at)
				at = invent(h, at, invent(h, side))
			}
		},
		"merged the wrong way round": func(h *history, n int) {
			at := invent(h)
			for range n / 5 {
				theirs := invent(h, at)
				at = invent(h, invent(h, at))
				at = invent(h, theirs, at)
			}
		},
		"all of it merged": func(h *history, n int) {
			root := invent(h)
			at := root
			for range n {
				at = invent(h, at)
			}
			invent(h, invent(h, root), at)
		},
	}
	for name, shape := range shapes {
		var cost [2][]uint64
		for i, size := range []int{2000, 60000} {
			h := newHistory()
			shape(h, size)
			for _, since := range []int32{-1, 1, 10, int32(h.commits.len() / 2), int32(h.commits.len() - 500)} {
				from := Hash{}
				if since >= 0 {
					from = h.name(since)
				}
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				list, err := h.steps(from, h.tip, 50)
				runtime.ReadMemStats(&after)
				if err != nil || since >= 0 && len(list) != 50 {
					t.Fatalf("%s of %d, since %d: %d steps, %v", name, size, since, len(list), err)
				}
				cost[i] = append(cost[i], after.TotalAlloc-before.TotalAlloc)
			}
		}
		for i, small := range cost[0] {
			if large := cost[1][i]; large > 2*small+4096 {
				t.Errorf("%s: page %d takes %d bytes in the short history, %d in the long one", name, i, small, large)
			}
		}
	}
}
