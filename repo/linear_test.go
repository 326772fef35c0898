package repo

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cms/content"
	"cms/race"
)

// TestLinear: where the remote wants a linear history there are no merges, what is made
// again keeps whose it is, and all that is asked for by a commit that was made again is
// answered: at once, after a restart, and on a clone that never had it.
func TestLinear(t *testing.T) {
	t.Parallel()
	bare, work := host(t)
	pushed(t, work, "_consultations/un.md", "---\ntitle: Un\nlieu: Lyon\n---\n")
	dir := filepath.Join(t.TempDir(), "site.git")
	o := options(dir)
	o.Remote = &Remote{URL: bare, Push: true, Linear: true}
	if err := Clone(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	r, stop := run(t, o)
	before := r.View().Commit()
	first := putText(t, r, "un", "---\ntitle: Premier\nlieu: Lyon\n---\n").Commit
	second := put(t, r, "consultations", "deux", "Deux").Commit

	follow(t, work)
	pushed(t, work, "_consultations/un.md", "---\ntitle: Un\nlieu: Paris\n---\n")
	pushed(t, work, "_consultations/trois.md", "---\ntitle: Trois\n---\n")
	if err := r.Fetch(t.Context()); err != nil {
		t.Fatal(err)
	}
	inStep(t, r, bare)
	if got := git(t, bare, "log", "--merges", "--format=%H", "main"); got != "" {
		t.Errorf("merges: %s", got)
	}
	if got := git(t, bare, "log", "-1", "--format=%an|%cn|%(trailers:key=Replaces,valueonly,separator=%x2C)", "main~1"); got != "Anne Éditrice|CMS|"+first.String()+"\n" {
		t.Errorf("made again: %q", got)
	}
	if got := sourceOf(t, r, "consultations", "un"); got != "---\ntitle: Premier\nlieu: Paris\n---\n" {
		t.Errorf("un: %q, want both edits", got)
	}
	check := func(t *testing.T, r *Repo) {
		t.Helper()
		for of, tip := range map[Hash]string{first: "main~1", second: "main"} {
			want := NewHash(tipOf(t, bare, tip))
			n, ok := r.Position(of)
			if m, there := r.Position(want); !ok || !there || n != m {
				t.Errorf("position of %s: %d, %v; want that of %s, %d", of, n, ok, want, m)
			}
			if c, err := r.ChangesOf(t.Context(), of); err != nil || c.Commit != want {
				t.Errorf("changes of %s: those of %s, %v; want those of %s", of, c.Commit, err, want)
			}
			if !r.Continues(of) {
				t.Errorf("one cannot go on from %s", of)
			}
		}
		for since, want := range map[Hash]string{
			before: "un, trois, un, deux", first: "trois un, deux", second: "trois un",
		} {
			list, err := r.Changes(t.Context(), since, Hash{}, 0)
			if err != nil {
				t.Fatal(err)
			}
			if got := slugsOf(list); got != want {
				t.Errorf("since %s: %s, want %s", since, got, want)
			}
			var back []CommitChanges
			for until := r.View().Commit(); !until.IsZero(); {
				var page []CommitChanges
				if page, until, err = r.ChangesBack(t.Context(), since, until, 1); err != nil {
					t.Fatal(err)
				}
				back = append(page, back...)
			}
			if got, want := len(back), len(list); got != want || got > 0 && back[0].Commit != list[0].Commit {
				t.Errorf("back to %s: %d commits, want %d", since, got, want)
			}
		}
	}
	check(t, r)
	stop()
	r, stop = run(t, o)
	check(t, r)
	stop()
	if err := os.Remove(filepath.Join(dir, indexFile)); err != nil {
		t.Fatal(err)
	}
	r, stop = run(t, o)
	check(t, r)
	verify(t, r)
	stop()

	o.Path = filepath.Join(t.TempDir(), "other.git")
	if err := Clone(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	other, _ := run(t, o)
	if _, err := other.store.commit(first); err == nil {
		t.Fatal("the clone has what was made again")
	}
	check(t, other)
}

// slugsOf are the entries that commits changed, those of one after a comma.
func slugsOf(list []CommitChanges) string {
	var commits []string
	for _, c := range list {
		var names []string
		for _, f := range c.Changes {
			names = append(names, f.Slug.String())
		}
		commits = append(commits, strings.Join(names, " "))
	}
	return strings.Join(commits, ", ")
}

// TestLinearClash: what cannot be brought together is set aside, and a commit says so.
func TestLinearClash(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
	bare, work := host(t)
	pushed(t, work, "_consultations/un.md", "---\ntitle: Un\n---\n")
	r := upstreamed(t, &Remote{URL: bare, Linear: true})
	ours := putText(t, r, "un", "---\ntitle: Nôtre\n---\n").Commit
	pushed(t, work, "_consultations/un.md", "---\ntitle: Leur\n---\n")
	if err := r.Fetch(t.Context()); err != nil {
		t.Fatal(err)
	}
	inStep(t, r, bare)
	list, err := r.Conflicts(t.Context())
	if err != nil || len(list) != 1 {
		t.Fatalf("conflicts: %v, %v; want one", list, err)
	}
	if src, err := r.Blob(t.Context(), list[0].Ours); err != nil || string(src) != "---\ntitle: Nôtre\n---\n" {
		t.Errorf("set aside: %q, %v", src, err)
	}
	told, err := r.Changes(t.Context(), ours, Hash{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	var aside []string
	for _, c := range told {
		for _, a := range c.Aside {
			aside = append(aside, a.Conflict)
		}
	}
	if len(aside) != 1 || aside[0] != list[0].ID {
		t.Errorf("told of %v, want %s", aside, list[0].ID)
	}
	if got := sourceOf(t, r, "consultations", "un"); got != "---\ntitle: Leur\n---\n" {
		t.Errorf("un: %q, want the remote's", got)
	}
	if _, err := r.Changes(t.Context(), Hash{}, Hash{}, 0); err != nil {
		t.Error(err)
	}
}

// TestForgedReplacement: a line that somebody else wrote answers for no commit, and one that
// names a commit of the branch hides none.
func TestForgedReplacement(t *testing.T) {
	t.Parallel()
	r := start(t, options(t.TempDir()))
	a := put(t, r, "consultations", "un", "Un").Commit
	lost := NewHash(strings.Repeat("ab", 20))
	work := clone(t, r.path)
	git(t, work, "commit", "-q", "--allow-empty", "-m", "x\n\nReplaces: "+lost.String()+"\nReplaced-Upon: "+a.String())
	push(t, work)
	tip := tipOf(t, work, "HEAD")
	await(t, r, func(s *Snapshot) bool { return s.Commit().String() == tip })
	if _, ok := r.Position(lost); ok {
		t.Error("a pushed commit stands for one that there never was")
	}
	h := newHistory()
	b := NewHash(tip)
	h.add(commit{hash: a}, nil, nil)
	h.add(commit{hash: b}, []int32{0}, nil)
	h.stand(b, []replacement{{a, Hash{}}, {lost, a}})
	if n, _, _ := h.resolve(a); n != 0 {
		t.Errorf("a commit of the branch is at %d, want 0", n)
	}
	if n, by, ok := h.resolve(lost); !ok || n != 1 || by.upon != a {
		t.Errorf("a commit that was made again: %d, %v, %v", n, by, ok)
	}
	h.fall(b)
	if _, _, ok := h.resolve(lost); ok {
		t.Error("what stood for a commit is gone, and still does")
	}
}

func TestCutReplacements(t *testing.T) {
	t.Parallel()
	a, b := strings.Repeat("a", 40), strings.Repeat("b", 40)
	for _, tt := range []struct {
		message, rest string
		of            int
	}{
		{"s\n", "s\n", 0},
		{"Replaces: " + a + "\n", "Replaces: " + a + "\n", 0},
		{"s\n\nReplaces: " + a + "\n", "s\n", 1},
		{"s\n\nReplaces: " + a + "\nReplaced-Upon: " + b + "\nIdempotency-Key: k\n", "s\n\nIdempotency-Key: k\n", 1},
		{"s\n\nReplaces: " + a + "\n\ntext\n", "s\n\nReplaces: " + a + "\n\ntext\n", 0},
		{"s\n\nReplaced-Upon: " + b + "\nReplaces: " + b + "\n", "s\n\nReplaced-Upon: " + b + "\n", 1},
	} {
		rest, list := cutReplacements(tt.message)
		if rest != tt.rest || len(list) != tt.of {
			t.Errorf("%q: got %q, %d; want %q, %d", tt.message, rest, len(list), tt.rest, tt.of)
		}
	}
	many := make([]replacement, 2*maxReplaced)
	for i := range many {
		many[i] = replacement{of: NewHash(a), upon: NewHash(b)}
	}
	if _, list := cutReplacements(withTrailers("s\n\nKey: k\n", encodeReplacements(many))); len(list) != maxReplaced || list[0].upon != NewHash(b) {
		t.Errorf("%d are told, want %d", len(list), maxReplaced)
	}
}

// A follower has what it was told of the changes of a branch, and nothing else.
type follower struct {
	at    Hash
	files map[content.Path]Hash
}

// follow catches up by pages, and holds what it is told against what it knows: a change
// begins with that, and leads to something else, so that none is told twice and none is
// missing. Where the history was rewritten it begins anew.
func (f *follower) follow(t *testing.T, r *Repo, page int) {
	t.Helper()
	tip := r.View().Commit()
	if f.files == nil || !r.Continues(f.at) {
		f.at, f.files = Hash{}, make(map[content.Path]Hash)
	}
	for f.at != tip {
		list, err := r.Changes(t.Context(), f.at, tip, page)
		if err != nil {
			t.Errorf("changes after %s: %v", f.at, err)
			return
		}
		for _, c := range list {
			for _, ch := range c.Changes {
				if f.files[ch.Path] != ch.Previous || ch.Previous == ch.Revision {
					t.Errorf("commit %s changes %s from %s to %s, and %s is known", c.Commit, ch.Path, ch.Previous, ch.Revision, f.files[ch.Path])
				}
				if f.files[ch.Path] = ch.Revision; ch.Revision.IsZero() {
					delete(f.files, ch.Path)
				}
			}
			f.at = c.Commit
		}
	}
	if now := filesAt(t, r); !maps.Equal(f.files, now) {
		t.Errorf("at %s: told of %v, there is %v", tip, f.files, now)
	}
}

// filesAt are the entries that there are now.
func filesAt(t *testing.T, r *Repo) map[content.Path]Hash {
	t.Helper()
	files := make(map[content.Path]Hash)
	s := r.View()
	for _, e := range s.Entries("consultations") {
		files[e.Path] = e.Revision
	}
	return files
}
