package search

import (
	"fmt"
	"maps"
	"slices"
	"testing"
)

// TestCompactionInSteps: what is left of removed documents goes a little at a time, and at each
// step searches find what they find in an index that never had them, also by words that are gone
// and come again.
func TestCompactionInSteps(t *testing.T) {
	t.Parallel()
	const words = 3000
	x := New[int]("title")
	text := func(i int) []Text {
		return []Text{{"title", fmt.Sprintf("Plan quartier%d", i%words), 5}, {"body", fmt.Sprintf("la ville et mot%dx", i), 1}}
	}
	now, next := map[int]bool{}, 0
	put := func() {
		x.Put(next, "fr", text(next), Undated)
		now[next] = true
		next++
	}
	for range 2*minDead + 500 {
		put()
	}
	if x.lists["fr mot2x"] == nil || x.lists["fr mot5x"] == nil {
		t.Fatal("words have no lists")
	}
	removed := 0
	for ; x.compaction == nil; removed++ {
		x.Remove(removed)
		delete(now, removed)
	}
	if len(x.docs) != len(now) || len(x.compaction.terms) <= 2*minDead {
		t.Fatalf("a compaction begins with %d documents for %d, and %d lists to go", len(x.docs), len(now), len(x.compaction.terms))
	}
	steps := 0
	for ; x.compaction != nil; steps++ {
		before, at := len(x.compaction.terms), x.compaction.lists
		x.Remove(removed)
		delete(now, removed)
		removed++
		put()
		if c := x.compaction; c != nil && before-len(c.terms) > at {
			t.Fatalf("%d of %d lists follow at once, want at most %d", before-len(c.terms), before, at)
		}
		if steps%50 != 0 {
			continue
		}
		fresh := New[int]("title")
		for _, key := range slices.Sorted(maps.Keys(now)) {
			fresh.Put(key, "fr", text(key), Undated)
		}
		for _, query := range []string{"plan ville", "quartier1499", "quartier2500", "quartiet2499", "mot2x", fmt.Sprintf("mot%dx", next-1)} {
			all := func(int) ([]string, bool, error) { return nil, true, nil }
			q, _ := ParseQuery(query, "fr")
			r, _ := ParseQuery(query, "fr")
			less := func(a, b int) int { return a - b }
			got, n, err := x.Find(t.Context(), q, all, nil, less, 2*words)
			want, m, wantErr := fresh.Find(t.Context(), r, all, nil, less, 2*words)
			if err != nil || wantErr != nil || n != m || !slices.Equal(got, want) {
				t.Fatalf("after %d steps, %s: got %d, %v, want %d, %v", steps, query, n, got[:min(10, len(got))], m, want[:min(10, len(want))])
			}
		}
	}
	if steps > minDead {
		t.Errorf("a compaction takes %d steps, which may be more than until the next one", steps)
	}
	if x.lists["fr mot2x"] != nil || x.lists["fr mot5x"] != nil {
		t.Error("words that are gone have lists")
	}
	for k := range x.known["fr"].from("") {
		if x.lists[k.term] == nil {
			t.Fatalf("%s is known, but nowhere", k.word)
		}
	}
	for term, l := range x.lists {
		if l.generation != x.generation || l.older != nil {
			t.Errorf("the list of %s has not followed", term)
		}
	}
}
