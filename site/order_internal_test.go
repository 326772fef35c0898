package site

import (
	"fmt"
	"slices"
	"testing"

	"github.com/go-git/go-git/v5/plumbing/filemode"
	"pgregory.net/rapid"

	"cms/content"
	"cms/repo"
)

// keyed makes entries whose keys are in the place of the modes of their files.
func keyed(rt *rapid.T, slug, key int) *repo.Entry {
	s, err := content.ParseSlug(fmt.Sprintf("e%05d", slug))
	if err != nil {
		rt.Fatal(err)
	}
	return &repo.Entry{Slug: s, Mode: filemode.FileMode(key)}
}

var byKey keyFunc = func(e *repo.Entry) string { return fmt.Sprintf("%03d", uint32(e.Mode)) }

// TestOrder compares orders with a sorted slice, through splits and joins, and
// checks that those before stay as they were.
func TestOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		var want []*repo.Entry
		for i := range rapid.IntRange(0, 5*orderRows).Draw(rt, "initial") {
			want = append(want, keyed(rt, i*2, i%7))
		}
		sorted := func(list []*repo.Entry) []*repo.Entry {
			slices.SortFunc(list, func(a, b *repo.Entry) int { return byKey.position(a).compare(byKey.position(b)) })
			return list
		}
		o := newOrder(sorted(want), byKey)
		for range 4 {
			before, beforeWant := o, slices.Clone(want)
			from, step := rapid.IntRange(0, 8*orderRows).Draw(rt, "from"), rapid.IntRange(1, 2).Draw(rt, "step")
			remove, key := rapid.Bool().Draw(rt, "remove"), rapid.IntRange(0, 8).Draw(rt, "key")
			for i := range rapid.IntRange(1, 4*orderRows).Draw(rt, "n") {
				if !remove {
					e := keyed(rt, from+i*step, key)
					o = o.put(byKey.position(e), e, byKey)
					want = append(slices.DeleteFunc(want, func(w *repo.Entry) bool { return w.Slug == e.Slug && w.Mode == e.Mode }), e)
					continue
				}
				if len(want) == 0 {
					break
				}
				e := want[(from+i*step)%len(want)]
				var there bool
				if o, there = o.remove(byKey.position(e), byKey); !there {
					rt.Fatalf("%s is not found", e.Slug)
				}
				want = slices.DeleteFunc(want, func(w *repo.Entry) bool { return w == e })
			}
			compareOrder(rt, o, sorted(want))
			compareOrder(rt, before, beforeWant)
		}
		if _, there := o.remove(position{"4", "nowhere"}, byKey); there {
			rt.Fatal("what is not there was removed")
		}
	})
}

func compareOrder(rt *rapid.T, o *order, want []*repo.Entry) {
	rt.Helper()
	if got := slices.Collect(o.behind(nil, byKey)); !slices.Equal(got, want) || o.len() != len(want) {
		rt.Fatalf("got %d entries and the size %d, want %d", len(got), o.len(), len(want))
	}
	for range 3 {
		at := position{fmt.Sprintf("%03d", rapid.IntRange(0, 9).Draw(rt, "key")), fmt.Sprintf("e%05d", rapid.IntRange(0, 2000).Draw(rt, "slug"))}
		i, there := slices.BinarySearchFunc(want, at, func(e *repo.Entry, at position) int { return byKey.position(e).compare(at) })
		if there {
			i++
		}
		if got := slices.Collect(o.behind(&at, byKey)); !slices.Equal(got, want[i:]) {
			rt.Fatalf("behind %v: got %d entries, want %d", at, len(got), len(want)-i)
		}
	}
}
