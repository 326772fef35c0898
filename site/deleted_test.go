package site_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"cms/auth"
	"cms/content"
	"cms/site"
)

// TestDeletedEntries lists what was deleted to each role, and restores it.
func TestDeletedEntries(t *testing.T) {
	t.Parallel()
	f := newRoles(t)
	page := func(title, ville string) string {
		return fmt.Sprintf("---\ntitle: %s\nville: %s\nnote: n\n---\n", title, ville)
	}
	f.Commit(map[string]string{"pages/a.md": page("A", "Valmont"), "pages/b.md": page("B", "Lyon"), "pages/c.md": page("C", "Valmont"),
		"pages/d.md": page("D", "Valmont"), "pages/e.md": page("E", "Valmont"), "pages/casse.md": "---\ntitle: [\n---\n"})
	whatever := site.Write{Precondition: site.Precondition{Any: true}, Message: "Secret"}
	remove := func(slug string) {
		if _, err := f.Delete(t.Context(), f.editor, ref(t, "pages", slug), whatever); err != nil {
			t.Fatal(err)
		}
	}
	for _, slug := range []string{"a", "b", "casse", "c"} {
		remove(slug)
	}
	if _, err := f.Move(t.Context(), f.editor, ref(t, "pages", "d"), ref(t, "notes", "d"), whatever); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Move(t.Context(), f.editor, ref(t, "pages", "e"), ref(t, "pages", "f"), whatever); err != nil {
		t.Fatal(err)
	}
	list := func(pr *auth.Principal, limit int) string {
		var all []string
		for cursor, more := "", true; more; more = cursor != "" {
			found, err := f.Deleted(t.Context(), pr, "pages", cursor, limit)
			if err != nil {
				return string(code(t, err))
			}
			for _, d := range found.Items {
				all = append(all, strings.TrimSpace(fmt.Sprintf("%s %s", d.Slug, d.Title))+":"+d.Change.Message)
				if d.Change.Action != "deleted" || d.Change.Author.Name != "ann" || d.Change.Commit == "" || d.Revision == "" {
					t.Errorf("got %+v", d)
				}
			}
			cursor = found.Next
		}
		return strings.Join(all, ", ")
	}
	wants := map[string]string{
		"editor":       "d D:Secret, c C:Secret, casse:Secret, b B:Secret, a A:Secret",
		"reader":       "d D:Secret, c C:Secret, casse:Secret, b B:Secret, a A:Secret",
		"local":        "d D:Delete pages/d, c C:Delete pages/c, a A:Delete pages/a",
		"photographer": "not_found",
		"nobody":       "forbidden",
	}
	for role, want := range wants {
		for _, limit := range []int{1, 2, 100} {
			got := list(person("ann", role), limit)
			if got != want {
				t.Errorf("%s, in pages of %d: got %q, want %q", role, limit, got, want)
			}
		}
	}
	for _, cursor := range []string{"x", "{}", `{"c":"3f786850e387550fdab836ed7e6dc881de23001b","p":"a"}`} {
		if _, err := f.Deleted(t.Context(), f.editor, "pages", cursor, 1); code(t, err) != site.Malformed {
			t.Errorf("cursor %q: got %v", cursor, err)
		}
	}
	local := person("max", "local")
	seen, err := f.Deleted(t.Context(), local, "pages", "", 10)
	if err != nil {
		t.Fatal(err)
	}
	last := seen.Items[len(seen.Items)-1]
	was, err := f.EntryAt(t.Context(), local, last.Ref, last.Revision)
	if err != nil || was.Fields.Len() != 2 {
		t.Errorf("the last state: got %+v, %v", was, err)
	}
	if _, err := f.Revert(t.Context(), local, last.Ref, last.Revision, site.Write{}); err != nil {
		t.Fatal(err)
	}
	if got, want := list(f.editor, 10), "d D:Secret, c C:Secret, casse:Secret, b B:Secret"; got != want {
		t.Errorf("once one is restored: got %q, want %q", got, want)
	}
}

// TestEntryAsItWas reads an entry at every commit, through a rename and a deletion, as each
// role sees it.
func TestEntryAsItWas(t *testing.T) {
	t.Parallel()
	f := newRoles(t)
	f.Commit(map[string]string{"pages/autre.md": "---\ntitle: X\nville: Valmont\n---\n"})
	commits := []string{f.Tip()}
	whatever := site.Write{Precondition: site.Precondition{Any: true}}
	did := func(out *site.Outcome, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		commits = append(commits, out.Commit)
	}
	un, deux := ref(t, "pages", "un"), ref(t, "pages", "deux")
	set := func(at site.Ref, pairs ...any) {
		t.Helper()
		did(f.Update(t.Context(), f.editor, at, site.MergePatch(fields("fields", fields(pairs...))), whatever))
	}
	slug, err := content.ParseSlug("un")
	if err != nil {
		t.Fatal(err)
	}
	did(f.Create(t.Context(), f.editor, "pages", site.Draft{Slug: slug, Fields: fields("title", "A", "ville", "Lyon"), Body: "corps\n"}, site.Write{})) // 1
	set(un, "ville", "Valmont")                                                                                                                         // 2
	set(un, "note", "secret")                                                                                                                           // 3
	set(ref(t, "pages", "autre"), "title", "Y")                                                                                                         // 4
	did(f.Move(t.Context(), f.editor, un, deux, whatever))                                                                                              // 5
	set(deux, "title", "B")                                                                                                                             // 6
	did(f.Delete(t.Context(), f.editor, deux, whatever))                                                                                                // 7
	set(ref(t, "pages", "autre"), "title", "Z")                                                                                                         // 8
	for role, want := range map[string][]string{
		"editor": {"-", "A Lyon -@1", "A Valmont -@2", "A Valmont secret@3", "A Valmont secret@3", "A Valmont secret@5", "B Valmont secret@6", "-", "-"},
		"local":  {"-", "-", "A Valmont -@2", "A Valmont -@2", "A Valmont -@2", "A Valmont -@5", "B Valmont -@6", "-", "-"},
	} {
		pr := person("max", role)
		revisions := map[string]string{}
		for i, commit := range commits {
			got := "-"
			e, err := f.EntryAt(t.Context(), pr, deux, commit)
			if err == nil {
				var values []string
				for _, name := range []string{"title", "ville", "note"} {
					v, ok := e.Fields.Get(name)
					if !ok {
						v = "-"
					}
					values = append(values, fmt.Sprint(v))
				}
				got = fmt.Sprintf("%s@%d", strings.Join(values, " "), slices.Index(commits, e.Updated.Commit))
				body, err := e.Body()
				if err != nil || body != "corps\n" {
					t.Errorf("%s, commit %d: got the body %q, %v", role, i, body, err)
				}
				revisions[e.Revision] = got
				if wantPath := map[bool]string{true: "pages/un.md", false: "pages/deux.md"}[i < 5]; e.Path.String() != wantPath || e.Ref != deux {
					t.Errorf("%s, commit %d: got %s at %s", role, i, e.Ref, e.Path)
				}
			} else if code(t, err) != site.NotFound {
				t.Errorf("%s, commit %d: got %v", role, i, err)
			}
			if got != want[i] {
				t.Errorf("%s, commit %d: got %q, want %q", role, i, got, want[i])
			}
		}
		for revision, want := range revisions { // the newest state that has it
			e, err := f.EntryAt(t.Context(), pr, deux, revision)
			if err != nil || e.Revision != revision {
				t.Errorf("%s, revision of %s: got %+v, %v", role, want, e, err)
			}
		}
		for _, at := range []string{"3f786850e387550fdab836ed7e6dc881de23001b", "HEAD", "main"} {
			if _, err := f.EntryAt(t.Context(), pr, deux, at); code(t, err) != site.Malformed {
				t.Errorf("%s at %s: got %v", role, at, err)
			}
		}
		if _, err := f.EntryAt(t.Context(), pr, ref(t, "pages", "jamais"), commits[3]); code(t, err) != site.NotFound {
			t.Errorf("%s: an entry that never was: got %v", role, err)
		}
	}
}
