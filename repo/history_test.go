package repo

import (
	"errors"
	"fmt"
	"sync"
	"testing"
)

// TestHistoryOfManyCommits: so many that a fresh start reads them in parallel.
// The check at the end compares that with what the writer noted one by one.
func TestHistoryOfManyCommits(t *testing.T) {
	t.Parallel()
	atLength(t)
	long(t)
	r := start(t, options(t.TempDir()))
	var wg sync.WaitGroup
	for w := range 100 {
		wg.Go(func() {
			for i := range 11 {
				_, err := r.Update(t.Context(), Meta{Author: ann}, func(tx *Tx) error {
					_, err := tx.Put("consultations", slug(t, fmt.Sprintf("%d/c%d", w%7, w%30)), document(fmt.Sprint(w, i)))
					return err
				})
				if err != nil {
					t.Errorf("update: %v", err)
				}
			}
		})
	}
	wg.Wait()
	if got, want := r.history.size(), 1100; got != want {
		t.Errorf("commits: got %d, want %d", got, want)
	}
}

// TestHistoryThroughMoves: an entry keeps its history under each new name, and a
// new entry in its old place does not inherit what came before it left.
func TestHistoryThroughMoves(t *testing.T) {
	t.Parallel()
	r := start(t, options(t.TempDir()))
	const c = "consultations"
	created := put(t, r, c, "a", "1")
	update(t, r, func(tx *Tx) error { return tx.Move(c, slug(t, "a"), c, slug(t, "b")) })
	put(t, r, c, "a", "autre")
	put(t, r, c, "b", "2")
	update(t, r, func(tx *Tx) error { return tx.Move(c, slug(t, "b"), c, slug(t, "2026/c")) })
	e, ok := r.View().Entry(c, slug(t, "2026/c"))
	if !ok {
		t.Fatal("moved entry is not there")
	}
	list, err := r.History(t.Context(), e.Path)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, ch := range list {
		got = append(got, fmt.Sprintf("%s %s<%s", ch.Action, ch.Path, ch.From))
	}
	want := "[moved _consultations/2026/c.md<_consultations/b.md updated _consultations/b.md< " +
		"moved _consultations/b.md<_consultations/a.md created _consultations/a.md<]"
	if fmt.Sprint(got) != want {
		t.Errorf("history:\n got %v\nwant %s", got, want)
	}
	if first := list[len(list)-1]; first.Commit != created.Commit {
		t.Errorf("first commit: got %s, want %s", first.Commit, created.Commit)
	}
	for _, ch := range list {
		src, err := r.Blob(t.Context(), ch.Revision)
		if err != nil || len(src) == 0 {
			t.Errorf("revision %s: %q, %v", ch.Revision, src, err)
		}
	}
	if _, err := r.Blob(t.Context(), created.Commit); !errors.Is(err, ErrNotFound) {
		t.Errorf("a commit as a blob: got error %v, want ErrNotFound", err)
	}
}
