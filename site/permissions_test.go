package site_test

import (
	"errors"
	"reflect"
	"testing"

	"cms/auth"
	"cms/content"
	"cms/media"
	"cms/site"
	"cms/site/sitetest"
)

var everything = []auth.Action{auth.Read, auth.Create, auth.Update, auth.Delete}

// newRoles is a site of roles that differ in what they may: an editor everything, a
// reader to read, a local what is of Valmont but for the field note, a photographer
// the folder photos of the media, and an operator the webhooks.
func newRoles(t testing.TB) *fixture {
	local := auth.Grant{Actions: everything, Hide: []string{"note"}, Where: []auth.Condition{{Field: "ville", Values: []content.Value{"Valmont"}}}}
	return &fixture{sitetest.New(t, sitetest.Options{
		Collections: []content.Collection{
			{Name: "pages", Folder: "pages", Extension: ".md", Publish: []string{"publie"}},
			{Name: "notes", Folder: "notes", Extension: ".md"},
		},
		Roles: map[string]map[string]auth.Grant{
			"editor":       {"*": auth.Grant{Actions: append(everything, auth.Publish)}, auth.Media: auth.Grant{Actions: everything}},
			"reader":       {"*": auth.Grant{Actions: []auth.Action{auth.Read}}},
			"local":        {"pages": local},
			"photographer": {auth.Media: {Actions: []auth.Action{auth.Read, auth.Create, auth.Delete}, Paths: []string{"photos"}}},
			"operator":     {auth.Webhooks: auth.Grant{Actions: []auth.Action{auth.Read, auth.Create}}},
		},
		Media: site.MediaOptions{MaxBytes: 1000, Scratch: t.TempDir(), Rules: media.Rules{Extensions: []string{"png", "svg", "pdf"}}},
	}), person("ann", "editor")}
}

// code is the kind of a refusal, "" for none.
func code(t testing.TB, err error) site.Code {
	t.Helper()
	var refused *site.Error
	switch {
	case err == nil:
		return ""
	case !errors.As(err, &refused):
		t.Fatalf("got %v, which is no refusal", err)
	}
	return refused.Code
}

// TestPermissions asks what each role may do before anything is known of the edit.
func TestPermissions(t *testing.T) {
	t.Parallel()
	f := newRoles(t)
	f.Commit(map[string]string{
		"pages/valmont.md":  "---\ntitle: V\nville: Valmont\nnote: 1\n---\n",
		"pages/ailleurs.md": "---\ntitle: A\nville: Lyon\n---\n",
	})
	const no, absent = site.Forbidden, site.NotFound
	checks := []struct {
		name string
		do   func(pr *auth.Principal) error
		want map[string]site.Code // of those who are refused
	}{
		{"create a page", func(pr *auth.Principal) error { return f.MayEdit(pr, "pages", auth.Create) },
			map[string]site.Code{"reader": no, "photographer": absent, "operator": absent, "nobody": no}},
		{"create or delete a note", func(pr *auth.Principal) error { return f.MayEdit(pr, "notes", auth.Create, auth.Delete) },
			map[string]site.Code{"reader": no, "local": absent, "photographer": absent, "operator": absent, "nobody": no}},
		{"edit in no collection", func(pr *auth.Principal) error { return f.MayEdit(pr, "autres", auth.Create) },
			map[string]site.Code{"editor": absent, "reader": absent, "local": absent, "photographer": absent, "operator": absent, "nobody": no}},
		{"update what is of Valmont", func(pr *auth.Principal) error { return f.MayUpdate(pr, ref(t, "pages", "valmont")) },
			map[string]site.Code{"reader": no, "photographer": absent, "operator": absent, "nobody": no}},
		{"update what is not", func(pr *auth.Principal) error { return f.MayUpdate(pr, ref(t, "pages", "ailleurs")) },
			map[string]site.Code{"reader": no, "local": absent, "photographer": absent, "operator": absent, "nobody": no}},
		{"update what is not there", func(pr *auth.Principal) error { return f.MayUpdate(pr, ref(t, "pages", "rien")) },
			map[string]site.Code{"editor": absent, "reader": no, "local": absent, "photographer": absent, "operator": absent, "nobody": no}},
		{"write at all", f.MayWrite, map[string]site.Code{"reader": no, "operator": no, "nobody": no}},
		{"read webhooks", func(pr *auth.Principal) error { return f.MayOperate(pr, auth.Read) },
			map[string]site.Code{"editor": no, "reader": no, "local": no, "photographer": no, "nobody": no}},
		{"delete webhooks", func(pr *auth.Principal) error { return f.MayOperate(pr, auth.Delete) },
			map[string]site.Code{"editor": no, "reader": no, "local": no, "photographer": no, "operator": no, "nobody": no}},
		{"preview", f.MayPreview, map[string]site.Code{"nobody": no}},
		{"create a photo", func(pr *auth.Principal) error { return f.MayMedia(pr, "photos/a.png", auth.Create) },
			map[string]site.Code{"reader": absent, "local": absent, "operator": absent, "nobody": no}},
		{"replace a photo", func(pr *auth.Principal) error { return f.MayMedia(pr, "photos/a.png", auth.Update) },
			map[string]site.Code{"reader": absent, "local": absent, "photographer": no, "operator": absent, "nobody": no}},
		{"create a plan", func(pr *auth.Principal) error { return f.MayMedia(pr, "plans/a.png", auth.Create) },
			map[string]site.Code{"reader": absent, "local": absent, "photographer": absent, "operator": absent, "nobody": no}},
	}
	for _, role := range []string{"editor", "reader", "local", "photographer", "operator", "nobody"} {
		for _, check := range checks {
			if got := code(t, check.do(person("bob", role))); got != check.want[role] {
				t.Errorf("%s may %s: got %q, want %q", role, check.name, got, check.want[role])
			}
		}
	}
	for role, want := range map[string]map[string][]auth.Action{
		"reader":       {"pages": {auth.Read}, "notes": {auth.Read}},
		"photographer": {auth.Media: {auth.Read, auth.Create, auth.Delete}},
		"operator":     {auth.Webhooks: {auth.Read, auth.Create}},
		"nobody":       {},
	} {
		if got := f.Permissions(person("bob", role)); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got the permissions %v, want %v", role, got, want)
		}
	}
	for role, want := range map[string][3]bool{"editor": {true, true, true}, "reader": {true, false, false}, "local": {}, "photographer": {false, true, false}} {
		pr := person("bob", role)
		if got := [3]bool{f.SeesDeliveries(pr), f.SeesMedia(pr, "photos/a.png"), f.SeesMedia(pr, "plans/a.png")}; got != want {
			t.Errorf("%s sees deliveries, photos, plans: got %v, want %v", role, got, want)
		}
	}
	if !f.Has("pages") || f.Has("autres") {
		t.Error("the collections are not those of the site")
	}
}

// TestEditsOfRoles makes edits that a rule of the role allows or refuses.
func TestEditsOfRoles(t *testing.T) {
	t.Parallel()
	f := newRoles(t)
	local := person("bob", "local")
	valmont, whatever := ref(t, "pages", "valmont"), site.Precondition{Any: true}
	const source = "---\ntitle: V\nville: Valmont\nnote: 1\n---\nTexte\n"
	for _, tt := range []struct {
		name string
		op   site.Operation
		want site.Code
	}{
		{"a title", site.Updating(valmont, site.MergePatch(fields("fields", fields("title", "W"))), whatever), ""},
		{"a title by JSON Patch", site.Updating(valmont, site.JSONPatch([]byte(`[{"op":"replace","path":"/fields/title","value":"W"}]`)), whatever), ""},
		{"a test that fails", site.Updating(valmont, site.JSONPatch([]byte(`[{"op":"test","path":"/fields/title","value":"X"}]`)), whatever), site.Conflict},
		{"a replacement", site.Updating(valmont, site.Replace(fields("title", "W", "ville", "Valmont"), "Texte\n"), whatever), ""},
		{"a hidden field", site.Updating(valmont, site.MergePatch(fields("fields", fields("note", content.Number("1")))), whatever), site.Forbidden},
		{"a field that publishes", site.Updating(valmont, site.MergePatch(fields("fields", fields("publie", true))), whatever), site.Forbidden},
		{"out of reach", site.Updating(valmont, site.MergePatch(fields("fields", fields("ville", "Lyon"))), whatever), site.Forbidden},
		{"without a precondition", site.Updating(valmont, site.MergePatch(fields("fields", fields("title", "W"))), site.Precondition{}), site.PreconditionRequired},
		{"of another revision", site.Deleting(valmont, site.Precondition{Revisions: []string{"0"}}), site.PreconditionFailed},
		{"unless it is there", site.Creating("pages", site.Draft{Slug: valmont.Slug, Fields: fields("title", "W")}, site.Precondition{Absent: true}), site.PreconditionFailed},
		{"a slug that is taken", site.Creating("pages", site.Draft{Slug: valmont.Slug, Fields: fields("title", "W")}, site.Precondition{}), site.Conflict},
		{"a slug that is taken in another case", site.Creating("pages", site.Draft{Slug: ref(t, "pages", "Valmont").Slug, Fields: fields("title", "W")}, site.Precondition{}), site.Conflict},
		{"a new one with the value of the role", site.Creating("pages", site.Draft{Slug: ref(t, "pages", "neuf").Slug, Fields: fields("title", "W")}, site.Precondition{}), ""},
		{"a new one elsewhere", site.Creating("pages", site.Draft{Slug: ref(t, "pages", "neuf").Slug, Fields: fields("ville", "Lyon")}, site.Precondition{}), site.Forbidden},
		{"a move with a hidden field", site.Moving(valmont, ref(t, "notes", "valmont"), whatever), site.NotFound},
		{"a move", site.Moving(valmont, ref(t, "pages", "ici"), whatever), ""},
		{"a slug for no system", site.Creating("pages", site.Draft{Slug: ref(t, "pages", "a:b").Slug, Fields: fields("title", "W")}, site.Precondition{}), site.Malformed},
	} {
		f.Commit(map[string]string{"pages/valmont.md": source})
		_, err := f.Batch(t.Context(), local, []site.Operation{tt.op}, site.Write{DryRun: true})
		if got := code(t, err); got != tt.want {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
	e, err := f.Entry(t.Context(), local, valmont)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := e.Body(); err != nil || body != "Texte\n" {
		t.Errorf("got the body %q, %v", body, err)
	}
	_, err = e.Source()
	refused(t, err, site.Forbidden, "")
	if e, err = f.Entry(t.Context(), f.editor, valmont); err != nil {
		t.Fatal(err)
	}
	if src, err := e.Source(); err != nil || string(src) != source {
		t.Errorf("got the source %q, %v", src, err)
	}
}

// TestQueriesAreBounded asks for what no query may.
func TestQueriesAreBounded(t *testing.T) {
	t.Parallel()
	f := newRoles(t)
	long := make([]byte, site.MaxQueryText+1)
	deep := string(make([]byte, site.MaxFieldPath+1))
	for name, q := range map[string]site.Query{
		"no limit":         {},
		"a large limit":    {Limit: site.MaxLimit + 1},
		"many filters":     {Limit: 1, Filters: make([]site.Filter, site.MaxFilters+1)},
		"many sorts":       {Limit: 1, Sort: make([]site.Order, site.MaxSort+1)},
		"many fields":      {Limit: 1, Fields: make([]string, site.MaxFields+1)},
		"much text":        {Limit: 1, Text: string(long)},
		"a deep filter":    {Limit: 1, Filters: []site.Filter{{Field: deep, Op: site.Eq}}},
		"a deep sort":      {Limit: 1, Sort: []site.Order{{Field: deep}}},
		"a deep field":     {Limit: 1, Fields: []string{deep}},
		"no operator":      {Limit: 1, Filters: []site.Filter{{Field: "title", Op: "like"}}},
		"existence of 1":   {Limit: 1, Filters: []site.Filter{{Field: "title", Op: site.Exists, Value: "1"}}},
		"a cursor of none": {Limit: 1, Cursor: "e30"},
	} {
		if _, err := f.List(t.Context(), f.editor, "pages", q); code(t, err) != site.Malformed {
			t.Errorf("a list with %s: got %v", name, err)
		}
	}
	for name, q := range map[string]site.Search{
		"no limit":        {Text: "mot"},
		"much text":       {Text: string(long), Limit: 1},
		"no words":        {Text: "?!", Limit: 1},
		"another cursor":  {Text: "mot", Limit: 1, Cursor: "e30"},
		"a broken cursor": {Text: "mot", Limit: 1, Cursor: "!"},
	} {
		if _, err := f.Search(t.Context(), f.editor, q); code(t, err) != site.Malformed {
			t.Errorf("a search with %s: got %v", name, err)
		}
	}
}
