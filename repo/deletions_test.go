package repo

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// TestDeletions: what was deleted or left its collection is listed, the last first, until
// something comes in its place; also once the history was read anew.
func TestDeletions(t *testing.T) {
	t.Parallel()
	r, stop := run(t, options(t.TempDir()))
	const c = "consultations"
	remove := func(name string) {
		update(t, r, func(tx *Tx) error { return tx.Delete(c, slug(t, name)) })
	}
	first := put(t, r, c, "a", "1")
	for _, name := range []string{"b", "c", "d", "2026/e"} {
		put(t, r, c, name, name)
	}
	remove("a")
	remove("b")
	update(t, r, func(tx *Tx) error { return tx.Move(c, slug(t, "c"), c, slug(t, "f")) })
	update(t, r, func(tx *Tx) error { return tx.Move(c, slug(t, "d"), "pages", slug(t, "d")) })
	remove("f")
	put(t, r, c, "a", "2")
	remove("a")
	put(t, r, c, "b", "3")
	remove("2026/e")
	list := func(page int) string {
		var all []string
		for at := (DeletedAt{}); ; {
			found, err := r.Deletions(r.View(), c, at, page)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range found {
				src, err := r.Blob(t.Context(), d.Previous)
				if err != nil || d.Collection != c || d.Change.Action != Deleted || !d.Change.Revision.IsZero() || d.Author != ann {
					t.Errorf("got %+v with %q, %v", d, src, err)
				}
				all = append(all, fmt.Sprintf("%s (%s)", d.Slug, strings.Fields(string(src))[2]))
				at = DeletedAt{d.Commit, d.Path.String()}
			}
			if len(found) < page {
				return strings.Join(all, " ")
			}
		}
	}
	const want = "2026/e (2026/e) a (2) f (c) d (d)"
	for _, page := range []int{1, 3, 100} {
		if got := list(page); got != want {
			t.Errorf("in pages of %d: got %s, want %s", page, got, want)
		}
	}
	remove("b")
	if got, want := list(2), "b (3) "+want; got != want {
		t.Errorf("once more is deleted: got %s, want %s", got, want)
	}
	end(t, r, stop)
	h := newHistory()
	if err := h.decode(string(r.history.encode(true))); err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(h.ended.list(h, r.collections, c)), fmt.Sprint(r.history.ended.list(r.history, r.collections, c)); got != want {
		t.Errorf("as it is saved: got %s, want %s", got, want)
	}
	if _, err := r.Deletions(r.View(), c, DeletedAt{Commit: Hash{1}}, 1); !errors.Is(err, ErrUnknownCommit) {
		t.Errorf("behind a commit that is not there: got %v", err)
	}
	r.history.mu.Lock()
	defer r.history.mu.Unlock()
	n, _ := r.history.number(first.Commit)
	var later []int32
	for at := int32(r.history.commits.len()) - 1; at > n; at-- {
		later = append(later, at)
	}
	h.drop(later, h.touchedFrom(n+1))
	if got := h.ended.list(h, r.collections, c); len(got) != 0 {
		t.Errorf("of a history without them: got %v", got)
	}
}
