package repo

import (
	"context"
	"slices"
	"strings"
	"testing"
)

// TestFindKeyOfOthers: no line that somebody else wrote answers for a key, and the
// one that the service wrote does, whatever stands beside it.
func TestFindKeyOfOthers(t *testing.T) {
	t.Parallel()
	r := start(t, options(t.TempDir()))
	find := func(key string) Hash {
		t.Helper()
		h, err := r.FindKey(t.Context(), Hash{}, key)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	write := func(m Meta, title string) Hash {
		t.Helper()
		res, err := r.Update(context.Background(), m, func(tx *Tx) error {
			_, err := tx.Put("consultations", slug(t, "a"), document(title))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return res.Commit
	}
	const forged = "Idempotency-Key: victim"
	for i, m := range []Meta{
		{Author: ann, Message: forged},
		{Author: ann, Message: forged, Key: "own"},
		{Author: ann, Message: "x\n\n" + forged, Key: "own"},
		{Author: ann, Message: "x\r\n\r\n" + forged + "\r\n"},
		{Author: ann, Message: "x\u2028\u2028" + forged},
		{Author: Person{"A\n\n" + forged, "a@b.example\n\n" + forged}},
		{Author: ann, CoAuthors: []Person{{"A\n" + forged, "a@b.example\n" + forged}}},
		{Author: ann, CoAuthors: []Person{{forged, forged}}, Key: "own"},
	} {
		write(m, string(rune('a'+i)))
		if got := find("victim"); !got.IsZero() {
			t.Fatalf("%+v answers for the key of another: %s", m, got)
		}
	}
	work := clone(t, r.path)
	for _, message := range []string{"x\n\n" + forged + "\n", forged, forged + "\n\n" + forged + "\n"} {
		git(t, work, "commit", "-q", "--allow-empty", "-m", message)
	}
	push(t, work)
	tip := tipOf(t, work, "HEAD")
	await(t, r, func(s *Snapshot) bool { return s.Commit().String() == tip })
	if got := find("victim"); !got.IsZero() {
		t.Errorf("a pushed commit answers for a key: %s", got)
	}

	for _, m := range []Meta{
		{Author: ann, Key: "k1"},
		{Author: ann, Message: forged, Key: "k2"},
		{Author: ann, Message: "x", CoAuthors: []Person{{"B", "b@c.example"}, {forged, ""}}, Key: "k3"},
	} {
		if want, got := write(m, m.Key), find(m.Key); got != want {
			t.Errorf("%+v: found %s, want %s", m, got, want)
		}
	}
}

func TestKeyOf(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]string{
		"":                                              "",
		"Idempotency-Key: a":                            "",
		"Idempotency-Key: a\n":                          "",
		"x\nIdempotency-Key: a\n":                       "",
		"x\n\nIdempotency-Key: a":                       "",
		"x\n\nIdempotency-Key: a\n":                     "a",
		"\n\nIdempotency-Key: a\n":                      "a",
		"x\n\nIdempotency-Key: a\n\ny\n":                "",
		"x\n\nIdempotency-Key: a\ny: z\n":               "",
		"x\n\ny: z\nIdempotency-Key: a\n":               "a",
		"x\n\ny\n\nIdempotency-Key: a\n":                "",
		"x\n\n Idempotency-Key: a\n":                    "",
		"x\n\nidempotency-key: a\n":                     "",
		"x\n\nIdempotency-Key: a\nIdempotency-Key: b\n": "b",
	} {
		if got := keyOf(message); got != want {
			t.Errorf("%q: got %q, want %q", message, got, want)
		}
	}
}

// TestFindKeyBesideMerge: who pulls as Git does by default, and pushes, has the branch go on to a
// merge whose first parent is their own commit. What was made here is found behind the other.
func TestFindKeyBesideMerge(t *testing.T) {
	t.Parallel()
	r := start(t, options(t.TempDir()))
	since := put(t, r, "consultations", "bus", "Le bus").Commit
	work := clone(t, r.path)
	write(t, work, "_consultations/la.md", "---\ntitle: Là\n---\n")
	commitAll(t, work, "Là")
	made, err := tryPut(t.Context(), t, r, Meta{Key: "k1"}, "ici", "Ici")
	if err != nil {
		t.Fatal(err)
	}
	git(t, work, "pull", "-q", "--no-rebase", "--no-edit")
	git(t, work, "push", "-q", "origin", "HEAD:main")
	if err := r.Fetch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if first := strings.Fields(git(t, r.path, "rev-list", "--first-parent", "main")); slices.Contains(first, made.Commit.String()) {
		t.Fatalf("the edit is among the first parents %v", first)
	}
	for key, want := range map[string]Hash{"k1": made.Commit, "k2": {}} {
		if got, err := r.FindKey(t.Context(), since, key); err != nil || got != want {
			t.Errorf("%s: got %s, %v; want %s", key, got, err, want)
		}
	}
	fsck(t, r.path)
}
