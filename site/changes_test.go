package site_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"cms/site"
)

// TestVisibleChanges tells a history to each role, at once and in parts: what comes
// into sight is created, what leaves it deleted.
func TestVisibleChanges(t *testing.T) {
	t.Parallel()
	f := newRoles(t)
	f.Commit(map[string]string{"pages/deux.md": "---\ntitle: D\n---\n"})
	start := f.Tip()
	un, whatever := ref(t, "pages", "un"), site.Precondition{Any: true}
	commit := func(ops ...site.Operation) string {
		t.Helper()
		out, err := f.Batch(t.Context(), f.editor, ops, site.Write{Message: "Secret"})
		if err != nil {
			t.Fatal(err)
		}
		return out[0].Commit
	}
	set := func(pairs ...any) site.Operation {
		return site.Updating(un, site.MergePatch(fields("fields", fields(pairs...))), whatever)
	}
	var commits []string
	commits = append(commits,
		commit(site.Creating("pages", site.Draft{Slug: un.Slug, Fields: fields("title", "A", "ville", "Lyon")}, site.Precondition{})),
		commit(set("ville", "Valmont")),
		commit(set("note", "x")),
		commit(set("title", "B", "note", "y")),
		commit(site.Moving(un, ref(t, "pages", "trois"), whatever)),
		commit(site.Moving(ref(t, "pages", "trois"), ref(t, "notes", "trois"), whatever)),
	)
	out, err := f.PutMedia(t.Context(), f.editor, "photos/a.svg", strings.NewReader(anSVG), site.Write{Precondition: site.Precondition{Absent: true}})
	if err != nil {
		t.Fatal(err)
	}
	commits = append(commits, out.Commit)
	tell := func(changes []site.FileChange) (told []string) {
		for _, c := range changes {
			at := slices.Index(commits, c.Commit)
			told = append(told, fmt.Sprintf("%d %s %s%s %s (%s)", at, c.Action, c.Path, c.From, strings.Join(c.Changed, "+"), c.Message))
		}
		return told
	}
	all := map[string][]string{
		"editor": {
			"0 created pages/un.md title+ville (Secret)", "1 updated pages/un.md ville (Secret)", "2 updated pages/un.md note (Secret)",
			"3 updated pages/un.md title+note (Secret)", "4 moved pages/trois.mdpages/un.md  (Secret)",
			"5 deleted pages/trois.md title+ville+note (Secret)", "5 created notes/trois.md title+ville+note (Secret)",
			"6 created img/photos/a.svg  (Create img/photos/a.svg)",
		},
		"local": {
			"1 created pages/un.md title+ville (Create pages/un)", "3 updated pages/un.md title (Update pages/un)",
			"4 moved pages/trois.mdpages/un.md  (Move pages/trois)", "5 deleted pages/trois.md title+ville (Delete pages/trois)",
		},
		"photographer": {"6 created img/photos/a.svg  (Create media/photos/a.svg)"},
		"operator":     nil,
	}
	sees := map[string]string{}
	for role, want := range all {
		pr := person("bob", role)
		seen, err := f.Since(t.Context(), pr, start, 1000)
		if err != nil {
			t.Fatal(err)
		}
		got := tell(seen.Changes)
		if !slices.Equal(got, want) || seen.More || seen.Until != f.Tip() {
			t.Errorf("%s: got\n%s\nwant\n%s", role, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		var parts, pages []string
		for at := (site.Place{Commit: start}); ; {
			part, err := f.After(t.Context(), pr, at)
			if err != nil {
				t.Fatal(err)
			}
			parts = append(parts, tell(part.Changes)...)
			if part.Next == at {
				break
			}
			at = part.Next
		}
		for at, more := start, true; more; {
			page, err := f.Since(t.Context(), pr, at, 2)
			if err != nil {
				t.Fatal(err)
			}
			pages = append(pages, tell(page.Changes)...)
			at, more = page.Until, page.More
		}
		if !slices.Equal(parts, want) || !slices.Equal(pages, want) {
			t.Errorf("%s: got in parts\n%s\nin pages\n%s\nwant\n%s", role, strings.Join(parts, "\n"), strings.Join(pages, "\n"), strings.Join(want, "\n"))
		}
		var back []string
		for until, next := "", "-"; next != ""; {
			page, err := f.Before(t.Context(), pr, start, until, 2)
			if err != nil {
				t.Fatal(err)
			}
			if until == "" && page.Until != f.Tip() || page.More != (page.Next != "") {
				t.Errorf("%s: a page back from %q is until %s, and more %t", role, until, page.Until, page.More)
			}
			byCommit := map[string][]site.FileChange{} // of which those of one commit are in the order of their paths
			var order []string
			for _, c := range page.Changes {
				if len(byCommit[c.Commit]) == 0 {
					order = append(order, c.Commit)
				}
				byCommit[c.Commit] = append(byCommit[c.Commit], c)
			}
			for _, commit := range order {
				back = append(slices.Clone(tell(byCommit[commit])), back...)
			}
			until, next = page.Next, page.Next
		}
		if !slices.Equal(back, want) {
			t.Errorf("%s: got backwards\n%s\nwant\n%s", role, strings.Join(back, "\n"), strings.Join(want, "\n"))
		}
		if sees[role], err = f.Sees(pr); err != nil {
			t.Fatal(err)
		}
		if same, err := f.Sees(person("max", role)); err != nil || same != sees[role] {
			t.Errorf("%s: two who see the same are told apart, %v", role, err)
		}
	}
	if sees["editor"] == sees["local"] || sees["local"] == sees["photographer"] {
		t.Error("roles that see other things are taken for the same")
	}
	for role, want := range map[string]string{"editor": "1111111", "local": "0001100", "photographer": "0000001", "nobody": "0000000"} {
		got := ""
		for _, c := range commits {
			ok, err := f.SeesCommit(t.Context(), person("bob", role), c)
			if err != nil {
				t.Fatal(err)
			}
			got += map[bool]string{true: "1", false: "0"}[ok]
		}
		if got != want {
			t.Errorf("%s sees the commits %s, want %s", role, got, want)
		}
	}
	if ok, err := f.SeesCommit(t.Context(), f.editor, strings.Repeat("1", 40)); ok || err != nil {
		t.Errorf("a commit that is none: got %t, %v", ok, err)
	}
	_, err = f.Since(t.Context(), f.editor, strings.Repeat("1", 40), 10)
	refused(t, err, site.NotFound, "")
	_, err = f.After(t.Context(), f.editor, site.Place{Commit: strings.Repeat("1", 40)})
	refused(t, err, site.NotFound, "")
	for _, ask := range []func() error{
		func() error { _, err := f.Since(t.Context(), person("bob", "nobody"), start, 10); return err },
		func() error { _, err := f.After(t.Context(), person("bob", "nobody"), site.Place{}); return err },
		func() error { _, err := f.Sees(person("bob", "nobody")); return err },
	} {
		refused(t, ask(), site.Forbidden, "")
	}
	if n, ok := f.Position(commits[0]); !ok || n == 0 {
		t.Errorf("got the position %d, %t", n, ok)
	}
	for _, none := range []string{"", "x", strings.Repeat("x", 40), strings.Repeat("1", 40)} {
		if _, ok := f.Position(none); ok {
			t.Errorf("%q has a position", none)
		}
	}
}
