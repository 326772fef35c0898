package repo

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestTable compares tables with a map, through splits and the loss of chunks,
// and checks that the versions before stay as they were.
func TestTable(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		want := make(map[string]*Entry)
		var initial []*Entry
		for i := range rapid.IntRange(0, 3*chunkSize).Draw(rt, "initial") {
			e := &Entry{Slug: slug(t, fmt.Sprintf("e%04d", i*2))}
			initial = append(initial, e)
			want[e.Slug.String()] = e
		}
		tab := newTable(initial)
		before, beforeWant := tab, maps.Clone(want)
		for range 4 {
			at := rapid.IntRange(0, 6*chunkSize).Draw(rt, "at")
			step := rapid.SampledFrom([]int{1, 2}).Draw(rt, "step")
			remove := rapid.Bool().Draw(rt, "remove")
			for i := range rapid.IntRange(1, 3*chunkSize).Draw(rt, "n") {
				s := slug(t, fmt.Sprintf("e%04d", at+i*step))
				if remove {
					tab = tab.remove(s)
					delete(want, s.String())
				} else {
					e := &Entry{Slug: s}
					tab = tab.put(e)
					want[s.String()] = e
				}
			}
			compareTable(rt, tab, want)
		}
		compareTable(rt, before, beforeWant)
		compareDifferences(rt, before, tab, beforeWant, want)
		compareDifferences(rt, tab, before, want, beforeWant)
	})
}

// compareDifferences checks that what tells two tables apart, taken out of the
// one and put into the other, makes them equal, and that it comes in order.
func compareDifferences(rt rapid.TB, a, b table, inA, inB map[string]*Entry) {
	rt.Helper()
	got, last := maps.Clone(inA), ""
	for e, gone := range a.differences(b) {
		s := e.Slug.String()
		if inA[s] == inB[s] || s < last {
			rt.Fatalf("entry %s does not differ, or comes after %s", s, last)
		}
		if last = s; gone {
			delete(got, s)
		} else {
			got[s] = e
		}
	}
	if !maps.Equal(got, inB) {
		rt.Fatalf("differences lead to %d entries, want %d", len(got), len(inB))
	}
}

func compareTable(rt rapid.TB, tab table, want map[string]*Entry) {
	rt.Helper()
	var got []string
	for e := range tab.all() {
		got = append(got, e.Slug.String())
		if found, ok := tab.get(e.Slug); !ok || found != e || want[e.Slug.String()] != e {
			rt.Fatalf("entry %s: got %p, listed %p, want %p", e.Slug, found, e, want[e.Slug.String()])
		}
	}
	if names := slices.Sorted(maps.Keys(want)); !slices.Equal(got, names) || tab.size != len(names) {
		rt.Fatalf("entries: got %d of %d, want %d", len(got), tab.size, len(names))
	}
	for _, b := range tab.blocks {
		if len(b) == 0 || len(b) > 2*blockSize {
			rt.Fatalf("block of %d chunks", len(b))
		}
		for _, chunk := range b {
			if len(chunk) == 0 || len(chunk) > 2*chunkSize {
				rt.Fatalf("chunk of %d entries", len(chunk))
			}
		}
	}
}

// TestTableBlocks: so many entries that blocks are split, and go.
func TestTableBlocks(t *testing.T) {
	t.Parallel()
	atLength(t)
	const n = 5 * blockSize * chunkSize
	want := make(map[string]*Entry)
	tab := newTable(nil)
	put := func(i int) {
		e := &Entry{Slug: slug(t, fmt.Sprintf("e%06d", i))}
		tab = tab.put(e)
		want[e.Slug.String()] = e
	}
	for i := range n {
		put(i * 7919 % n)
	}
	compareTable(t, tab, want)
	if len(tab.blocks) < 2 {
		t.Errorf("%d blocks", len(tab.blocks))
	}
	full, fullWant := tab, maps.Clone(want)
	for i := range n {
		if s := slug(t, fmt.Sprintf("e%06d", i)); i%chunkSize > 0 && i < n-chunkSize {
			tab = tab.remove(s)
			delete(want, s.String())
		}
	}
	put(n / 2)
	compareTable(t, tab, want)
	compareTable(t, full, fullWant)
	compareDifferences(t, full, tab, fullWant, want)
	compareDifferences(t, tab, full, want, fullWant)
	compareTable(t, newTable(slices.Collect(full.all())), fullWant)
}

// TestTableShares: of a hundred thousand entries, a change copies a chunk, a block and
// the list of blocks.
func TestTableShares(t *testing.T) {
	t.Parallel()
	const n = 100_000
	const most = 2*chunkSize + 3*2*blockSize + 2*3*n/chunkSize/blockSize // words
	var entries []*Entry
	for i := range n {
		entries = append(entries, &Entry{Slug: slug(t, fmt.Sprintf("e%06d", i))})
	}
	before := newTable(entries)
	after := before.put(&Entry{Slug: slug(t, "e050000")})
	kept := make(map[**Entry]bool)
	words := 3 * len(after.blocks)
	for _, b := range before.blocks {
		for _, chunk := range b {
			kept[&chunk[0]] = true
		}
	}
	for i, b := range after.blocks {
		if &b[0] == &before.blocks[i][0] {
			continue
		}
		words += 3 * len(b)
		for _, chunk := range b {
			if !kept[&chunk[0]] {
				words += len(chunk)
			}
		}
	}
	if words > most {
		t.Errorf("a change copies %d words, want %d at most", words, most)
	}
}
