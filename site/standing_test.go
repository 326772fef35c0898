package site_test

import (
	"fmt"
	"strings"
	"testing"

	"cms/auth"
	"cms/content"
	"cms/race"
	"cms/site"
)

// newStandingSite is a site whose schema keeps origine and lieu.insee from editors;
// clerks neither see note nor set etat. In pages all of them are free.
func newStandingSite(t testing.TB) *fixture {
	every := []auth.Action{auth.Read, auth.Create, auth.Update, auth.Delete}
	clerk := auth.Grant{Actions: every}
	clerk.Hide, clerk.ReadOnly = []string{"note"}, []string{"etat"}
	return siteOf(t, []content.Collection{
		{Name: "fiches", Folder: "_fiches", Extension: ".md", Schema: content.Schema{Defined: true, Fields: []content.Field{
			{Name: "title", Type: content.TypeString},
			{Name: "origine", Type: content.TypeString, ReadOnly: true},
			{Name: "lieu", Type: content.TypeObject, Fields: []content.Field{
				{Name: "ville", Type: content.TypeString}, {Name: "insee", Type: content.TypeString, ReadOnly: true}}},
			{Name: "etat", Type: content.TypeString, Default: "neuf"},
		}}},
		{Name: "pages", Folder: "pages", Extension: ".md"},
	}, map[string]map[string]auth.Grant{
		"editor": {"*": auth.Grant{Actions: every}},
		"clerk":  {"fiches": clerk, "pages": auth.Grant{Actions: every}},
	})
}

const standing = "---\ntitle: Un\norigine: 'import' # d'ailleurs\nlieu:\n  ville: Lyon\n  insee: \"69123\"\netat: clos\nnote: 5\n---\nTexte\n"

// stands says what an entry holds of the fields that not everybody may set.
func stands(o *content.Object) string {
	get := func(o *content.Object, name string) content.Value { v, _ := o.Get(name); return v }
	lieu, _ := get(o, "lieu").(*content.Object)
	return fmt.Sprint(get(o, "origine"), " ", get(lieu, "insee"), " ", get(o, "etat"), " ", get(o, "note"))
}

// TestWhatNobodySetsStands takes an entry through all that an editor and a clerk can
// do with it, alone and in batches: what they may not set is what it was, or blank in
// an entry that is new.
func TestWhatNobodySetsStands(t *testing.T) {
	t.Parallel()
	race.Sequential(t)
	f := newStandingSite(t)
	clerk := person("bob", "clerk")
	whatever := site.Precondition{Any: true}
	patch := func(r site.Ref, pairs ...any) site.Operation {
		return site.Updating(r, site.MergePatch(fields("fields", fields(pairs...))), whatever)
	}
	create := func(r site.Ref, pairs ...any) site.Operation {
		return site.Creating(r.Collection, site.Draft{Slug: r.Slug, Fields: fields(pairs...)}, site.Precondition{})
	}
	// old is a revision and a commit of the entry un; deux and page are free.
	type made func(un, deux, page site.Ref, old [2]string) []site.Operation
	revert := func(un site.Ref, old string) site.Operation { return site.Reverting(un, old, whatever) }
	restore := func(un site.Ref, old string) site.Operation {
		return site.Reverting(un, old, site.Precondition{})
	}
	move := func(from, to site.Ref) site.Operation { return site.Moving(from, to, whatever) }
	remove := func(un site.Ref) site.Operation { return site.Deleting(un, whatever) }
	cases := []struct {
		name string
		ops  made
	}{
		{"patch", func(un, _, _ site.Ref, _ [2]string) []site.Operation {
			return []site.Operation{patch(un, "origine", "forge")}
		}},
		{"patch of a member", func(un, _, _ site.Ref, _ [2]string) []site.Operation {
			return []site.Operation{patch(un, "lieu", fields("insee", "13055"))}
		}},
		{"removal", func(un, _, _ site.Ref, _ [2]string) []site.Operation { return []site.Operation{patch(un, "lieu", nil)} }},
		{"revert", func(un, _, _ site.Ref, old [2]string) []site.Operation { return []site.Operation{revert(un, old[0])} }},
		{"revert to a commit", func(un, _, _ site.Ref, old [2]string) []site.Operation {
			return []site.Operation{revert(un, old[1]), revert(un, old[0])}
		}},
		{"revert behind moves", func(un, deux, _ site.Ref, old [2]string) []site.Operation {
			return []site.Operation{move(un, deux), move(deux, un), revert(un, old[0])}
		}},
		{"restored", func(un, _, _ site.Ref, old [2]string) []site.Operation {
			return []site.Operation{remove(un), restore(un, old[0])}
		}},
		{"created anew", func(un, _, _ site.Ref, _ [2]string) []site.Operation {
			return []site.Operation{remove(un), create(un, "title", "x", "origine", "forge")}
		}},
		{"created anew with a member", func(un, _, _ site.Ref, _ [2]string) []site.Operation {
			return []site.Operation{remove(un), create(un, "lieu", fields("insee", "13055"))}
		}},
		{"created anew, and reverted", func(un, deux, _ site.Ref, old [2]string) []site.Operation {
			return []site.Operation{move(un, deux), create(un, "title", "x"), revert(un, old[0])}
		}},
		{"made elsewhere", func(un, _, page site.Ref, _ [2]string) []site.Operation {
			return []site.Operation{remove(un), create(page, "title", "x", "origine", "forge"), move(page, un)}
		}},
		{"taken out and back", func(un, _, page site.Ref, _ [2]string) []site.Operation {
			return []site.Operation{move(un, page), patch(page, "origine", "forge", "note", nil), move(page, un)}
		}},
		{"taken out, emptied, back and reverted", func(un, _, page site.Ref, old [2]string) []site.Operation {
			return []site.Operation{move(un, page), patch(page, "origine", nil, "lieu", nil, "note", nil, "etat", "neuf"), move(page, un), revert(un, old[0])}
		}},
	}
	first, second := map[string]string{}, map[string]string{}
	slug := func(i int, pr *auth.Principal, alone bool) string {
		return fmt.Sprint("un-", i, "-", pr.Name, "-", alone)
	}
	each := func(do func(i int, pr *auth.Principal, alone bool, name string)) {
		for i := range cases {
			for _, pr := range []*auth.Principal{f.editor, clerk} {
				do(i, pr, false, slug(i, pr, false))
				do(i, pr, true, slug(i, pr, true))
			}
		}
	}
	each(func(_ int, _ *auth.Principal, _ bool, name string) {
		second["_fiches/"+name+".md"] = standing + name
		first["_fiches/"+name+".md"] = strings.NewReplacer("import", "forge", "69123", "13055", "clos", "ouvert", "note: 5", "note: 1").Replace(standing) + name
	})
	f.Commit(first)
	commit := strings.TrimSpace(f.RunGit("rev-parse", "main"))
	f.Commit(second)
	each(func(i int, pr *auth.Principal, alone bool, name string) {
		un, deux, page := ref(t, "fiches", name), ref(t, "fiches", "deux-"+name), ref(t, "pages", name)
		old := [2]string{"", commit}
		history, err := f.History(t.Context(), pr, un, "", 1000)
		if err != nil {
			t.Fatal(err)
		}
		old[0] = history.Items[1].Revision
		ops := cases[i].ops(un, deux, page, old)
		if alone { // in requests of their own, as far as they go
			for _, op := range ops {
				if _, err = f.Batch(t.Context(), pr, []site.Operation{op}, site.Write{}); err != nil {
					break
				}
			}
		} else {
			_, err = f.Batch(t.Context(), pr, ops, site.Write{})
		}
		e, there := f.Repo.View().Entry(un.Collection, un.Slug)
		if !there {
			return
		}
		got := stands(e.Fields())
		blank := map[string]string{f.editor.Name: "<nil> <nil>", clerk.Name: "<nil> <nil> neuf <nil>"}[pr.Name]
		want := map[string]string{f.editor.Name: "import 69123", clerk.Name: "import 69123 clos 5"}[pr.Name]
		if !strings.HasPrefix(got, want) && !(len(ops) > 1 && strings.HasPrefix(got, blank)) {
			t.Errorf("%s, by %s: got %s, error %v; want %s", cases[i].name, pr.Name, got, err, want)
		}
	})
}

// TestRevertKeepsBytes: what is kept is written as it is, and what was the same then
// comes back byte for byte.
func TestRevertKeepsBytes(t *testing.T) {
	t.Parallel()
	f := newStandingSite(t)
	un := ref(t, "fiches", "un")
	first := strings.Replace(standing, "Un", "Le   premier # ici", 1)
	f.pushFile("_fiches/un.md", first)
	old := strings.TrimSpace(f.RunGit("rev-parse", "main:_fiches/un.md"))
	f.pushFile("_fiches/un.md", standing)
	revert := func(want string) {
		t.Helper()
		if _, err := f.Revert(t.Context(), f.editor, un, old, site.Write{Precondition: site.Precondition{Any: true}}); err != nil {
			t.Fatal(err)
		}
		if got := f.File("_fiches/un.md"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	revert(first)
	f.pushFile("_fiches/un.md", strings.Replace(standing, "'import'", "\"autre\"", 1))
	revert(strings.NewReplacer("title: Un", "title: Le   premier", "'import'", "\"autre\"").Replace(standing))

	const own = "---\ntitle: Deux\nnote: 1\n---\n"
	deux, clerk, whatever := ref(t, "fiches", "deux"), person("bob", "clerk"), site.Write{Precondition: site.Precondition{Any: true}}
	f.pushFile("_fiches/deux.md", own)
	e, err := f.Entry(f.Context(), clerk, deux)
	if err != nil {
		t.Fatal(err)
	}
	f.pushFile("_fiches/deux.md", "---\ntitle: Trois\nnote: 5\n---\n")
	if _, err := f.Delete(t.Context(), clerk, deux, whatever); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Revert(t.Context(), clerk, deux, e.Revision, site.Write{}); err != nil {
		t.Fatal(err)
	}
	if got, want := f.File("_fiches/deux.md"), "---\ntitle: Deux\nnote: 5\n---\n"; got != want {
		t.Errorf("restored by who does not see the note: got %q, want %q", got, want)
	}
}

// TestMendingLeavesReadOnlyFields: of a file that cannot be read the read-only fields
// are those of its last state that could be, or blank.
func TestMendingLeavesReadOnlyFields(t *testing.T) {
	t.Parallel()
	f := newStandingSite(t)
	un, deux := ref(t, "fiches", "un"), ref(t, "fiches", "deux")
	f.pushFile("_fiches/un.md", standing)
	f.pushFile("_fiches/un.md", "---\ntitle: [\n---\n")
	f.pushFile("_fiches/un.md", "---\ntitle: [\norigine: forge\n---\n")
	f.pushFile("_fiches/deux.md", "---\ntitle: [\norigine: import\n---\n")
	refused(t, f.put(f.editor, un, strings.Replace(standing, "import", "forge", 1)), site.Invalid, "read_only")
	refused(t, f.put(f.editor, un, "---\ntitle: Un\nlieu: {insee: \"69123\"}\n---\n"), site.Invalid, "read_only")
	refused(t, f.put(f.editor, deux, "---\ntitle: Deux\norigine: import\n---\n"), site.Invalid, "read_only")
	if err := f.put(f.editor, un, strings.Replace(standing, "title: Un", "title: Encore un", 1)); err != nil {
		t.Errorf("could not be mended: %v", err)
	}
	if err := f.put(f.editor, deux, "---\ntitle: Deux\n---\n"); err != nil {
		t.Errorf("could not be mended: %v", err)
	}
}
