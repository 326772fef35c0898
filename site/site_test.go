package site_test

import (
	"errors"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"cms/auth"
	"cms/content"
	"cms/repo"
	"cms/site"
	"cms/site/sitetest"
)

// fixture is a site with an editor, who has the role of that name.
type fixture struct {
	*sitetest.Fixture
	editor *auth.Principal
}

var (
	person = sitetest.Person
	fields = sitetest.Fields
	ref    = sitetest.Ref
)

func newSite(t testing.TB) *fixture {
	t.Helper()
	return siteOf(t, []content.Collection{
		{Name: "consultations", Folder: "_consultations", Extension: ".md", Schema: content.Schema{Defined: true, Fields: []content.Field{
			{Name: "title", Type: content.TypeString, Required: true},
			{Name: "code", Type: content.TypeString, Unique: true},
			{Name: "in_progress", Type: content.TypeBoolean, Default: true},
			{Name: "origine", Type: content.TypeString, ReadOnly: true},
		}}},
		{Name: "rencontres", Folder: "_rencontres", Extension: ".md", Schema: content.Schema{Defined: true, Strict: true, Fields: []content.Field{
			{Name: "consultation", Type: content.TypeReference, Collection: "consultations"},
		}}},
	}, map[string]map[string]auth.Grant{
		"editor": {"*": auth.Grant{Actions: []auth.Action{auth.Read, auth.Create, auth.Update, auth.Delete}}},
		"reader": {"consultations": auth.Grant{Actions: []auth.Action{auth.Read}}},
		"partial": {"consultations": {Actions: []auth.Action{auth.Read}, Hide: []string{"b"},
			Where: []auth.Condition{{Field: "a", Claim: "values"}}}},
	})
}

// siteOf is a site of some collections, with a media folder img, and roles. Its
// editor has the role of that name.
func siteOf(t testing.TB, collections []content.Collection, roles map[string]map[string]auth.Grant) *fixture {
	t.Helper()
	return siteWithin(t, 0, collections, roles)
}

// siteWithin is siteOf with so much memory for entries.
func siteWithin(t testing.TB, memory int64, collections []content.Collection, roles map[string]map[string]auth.Grant) *fixture {
	t.Helper()
	return &fixture{sitetest.New(t, sitetest.Options{Collections: collections, Roles: roles, Repo: repo.Options{Memory: memory}}), person("ann", "editor")}
}

// refused checks that err is a refusal of a kind, about a rule if one is named.
func refused(t testing.TB, err error, code site.Code, rule string) {
	t.Helper()
	var e *site.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Fatalf("got %v, want %s", err, code)
	}
	if rule != "" && (len(e.Problems) != 1 || e.Problems[0].Rule != rule) {
		t.Errorf("got problems %+v, want one of the rule %s", e.Problems, rule)
	}
}

func TestSlugsOfTitles(t *testing.T) {
	t.Parallel()
	f := newSite(t)
	for _, tt := range []struct{ title, want string }{
		{"Plan vélo", "plan-velo"},
		{"Plan vélo", "plan-velo-2"},
		{"Plan VÉLO !", "plan-velo-3"},
		{"L’œuvre d'Ælis & les 30 ans", "l-oeuvre-d-aelis-et-les-30-ans"},
		{"../../etc/passwd", "etc-passwd"},
		{".git", "git"},
		{strings.Repeat("très long titre ", 20), "tres-long-titre-tres-long-titre-tres-long-titre-tres-long-titre-tres-long-titre"},
	} {
		out, err := f.Create(t.Context(), f.editor, "consultations", site.Draft{Fields: fields("title", tt.title)}, site.Write{})
		if err != nil {
			t.Fatalf("%s: %v", tt.title, err)
		}
		if got := out.Entry.Slug.String(); got != tt.want {
			t.Errorf("%q: got the slug %q, want %q", tt.title, got, tt.want)
		}
	}
	for _, title := range []any{"", " ", nil, content.Number("3")} {
		_, err := f.Create(t.Context(), f.editor, "consultations", site.Draft{Fields: fields("title", title)}, site.Write{})
		refused(t, err, site.Invalid, "")
	}
	// A title without a letter is named by its day, and counted.
	for _, pattern := range []string{`^\d{4}-\d\d-\d\d$`, `^\d{4}-\d\d-\d\d(-2)?$`} {
		out, err := f.Create(t.Context(), f.editor, "consultations", site.Draft{Fields: fields("title", "…")}, site.Write{})
		if err != nil || !regexp.MustCompile(pattern).MatchString(out.Entry.Slug.String()) {
			t.Errorf("got %+v, %v, want %s", out, err, pattern)
		}
	}
}

func TestSchemaIsKept(t *testing.T) {
	t.Parallel()
	f := newSite(t)
	create := func(collection, slug string, o *content.Object) (*site.Outcome, error) {
		return f.Create(t.Context(), f.editor, collection, site.Draft{Slug: ref(t, collection, slug).Slug, Fields: o}, site.Write{})
	}
	out, err := create("consultations", "a", fields("title", "A", "code", "1"))
	if err != nil {
		t.Fatal(err)
	}
	if v, _ := out.Entry.Fields.Get("in_progress"); v != true {
		t.Errorf("got in_progress %v, want the default true", v)
	}
	_, err = create("consultations", "b", fields("title", "B", "code", "1"))
	refused(t, err, site.Invalid, "unique")
	if _, err = create("consultations", "b", fields("title", "B", "code", "2")); err != nil {
		t.Fatal(err)
	}
	_, err = create("consultations", "c", fields("title", "C", "origine", "import"))
	refused(t, err, site.Invalid, "read_only")
	whatever := site.Write{Precondition: site.Precondition{Any: true}}
	update := func(slug string, o *content.Object) error {
		_, err := f.Update(t.Context(), f.editor, ref(t, "consultations", slug), site.MergePatch(fields("fields", o)), whatever)
		return err
	}
	refused(t, update("b", fields("code", "1")), site.Invalid, "unique")
	refused(t, update("b", fields("origine", "import")), site.Invalid, "read_only")
	if err := update("b", fields("code", "2", "title", "B bis")); err != nil {
		t.Errorf("its own value is no one else's: %v", err)
	}
	_, err = create("rencontres", "r", fields("consultation", "nowhere"))
	refused(t, err, site.Invalid, "reference")
	_, err = create("rencontres", "r", fields("lieu", "Valmont"))
	refused(t, err, site.Invalid, "unknown_field")
	if _, err = create("rencontres", "r", fields("consultation", "a")); err != nil {
		t.Error(err)
	}
}

// TestCheckLooksAcross finds what no entry shows alone.
func TestCheckLooksAcross(t *testing.T) {
	t.Parallel()
	f := newSite(t)
	for _, slug := range []string{"a", "b"} {
		o := fields("title", slug, "code", slug)
		if _, err := f.Create(t.Context(), f.editor, "consultations", site.Draft{Slug: ref(t, "consultations", slug).Slug, Fields: o}, site.Write{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.Create(t.Context(), f.editor, "rencontres", site.Draft{Slug: ref(t, "rencontres", "r").Slug, Fields: fields("consultation", "b")}, site.Write{}); err != nil {
		t.Fatal(err)
	}
	broken, total, err := f.Check(t.Context())
	if err != nil || total != 3 || len(broken) != 0 {
		t.Fatalf("got %d broken of %d, %v; want none of 3", len(broken), total, err)
	}
	if _, err := f.Delete(t.Context(), f.editor, ref(t, "consultations", "b"), site.Write{Precondition: site.Precondition{Any: true}}); err != nil {
		t.Fatal(err)
	}
	broken, _, err = f.Check(t.Context())
	if err != nil || len(broken) != 1 || broken[0].Slug.String() != "r" || len(broken[0].Problems) != 1 || broken[0].Problems[0].Rule != "reference" {
		t.Errorf("got %+v, %v; want the reference of r", broken, err)
	}
}

// TestPagesStayInStep reads a list page by page while entries come and go.
func TestPagesStayInStep(t *testing.T) {
	t.Parallel()
	f := newSite(t)
	create := func(slug string) {
		t.Helper()
		if _, err := f.Create(t.Context(), f.editor, "consultations", site.Draft{Slug: ref(t, "consultations", slug).Slug, Fields: fields("title", slug)}, site.Write{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, slug := range []string{"b", "d", "f", "h"} {
		create(slug)
	}
	var seen []string
	page := func(after string) *site.Page {
		t.Helper()
		p, err := f.List(f.Context(), f.editor, "consultations", site.Query{Limit: 2, Cursor: after})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range p.Items {
			seen = append(seen, e.Slug.String())
		}
		return p
	}
	first := page("")
	create("a")
	create("e")
	if _, err := f.Delete(t.Context(), f.editor, ref(t, "consultations", "d"), site.Write{Precondition: site.Precondition{Any: true}}); err != nil {
		t.Fatal(err)
	}
	second := page(first.Next)
	third := page(second.Next)
	if want := []string{"b", "d", "e", "f", "h"}; !reflect.DeepEqual(seen, want) || third.Next != "" || third.Total != 5 {
		t.Errorf("got %v of %d, then %q; want %v of 5 and the end", seen, third.Total, third.Next, want)
	}
}

// TestChangesTellEveryFile reads the feed of a push that edits an entry, moves
// another one and touches a file that is none.
func TestChangesTellEveryFile(t *testing.T) {
	t.Parallel()
	f := newSite(t)
	for _, slug := range []string{"a", "b"} {
		if _, err := f.Create(t.Context(), f.editor, "consultations", site.Draft{Slug: ref(t, "consultations", slug).Slug, Fields: fields("title", slug, "code", slug), Body: "\nCorps de " + slug + ".\n"}, site.Write{}); err != nil {
			t.Fatal(err)
		}
	}
	since, _ := f.Head()
	work := filepath.Join(t.TempDir(), "work")
	for _, args := range [][]string{
		{"git", "clone", "-q", f.Git, work},
		{"sh", "-c", "cd " + work + " && mkdir _layouts img && echo hello | tee _layouts/page.html img/.hidden >img/a.txt && git mv _consultations/b.md _consultations/c.md && echo 'Suite.' >>_consultations/a.md && git add . && git -c user.name=Ada -c user.email=ada@example.org commit -qm 'By hand' && git push -q"},
	} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	f.TakeIn()
	until, _ := f.Head()
	changes, err := f.Changes(t.Context(), since, until, 0)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range changes {
		got = append(got, strings.Join([]string{c.Action, c.Collection, c.Slug, c.Media, c.Path.String(), c.From, c.Author.Name, strings.Join(c.Changed, "+")}, "|"))
	}
	want := []string{
		"updated|consultations|a||_consultations/a.md||Ada|body",
		"moved|consultations|c||_consultations/c.md|_consultations/b.md|Ada|",
		"created||||_layouts/page.html||Ada|",
		"created||||img/.hidden||Ada|",
		"created|||a.txt|img/a.txt||Ada|",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for limit, want := range map[int]int{1: 1, 2: 2, 3: 7, 7: 7} { // commits of 1, 1 and 5 files
		if got, err := f.Changes(t.Context(), "", until, limit); err != nil || len(got) != want {
			t.Errorf("limit %d: got %d changes and error %v, want %d", limit, len(got), err, want)
		}
	}
	if _, err := f.Changes(t.Context(), strings.Repeat("0", 39)+"1", until, 0); !errors.Is(err, site.ErrUnknownCommit) {
		t.Errorf("a commit that is not there: got %v, want %v", err, site.ErrUnknownCommit)
	}
}

// TestChangesAtNoPath: of files whose names no path can hold it is told that they changed,
// so that the site is built, and of an entry that got such a name, that it is gone. Who
// may read all entries did not see what is in them.
func TestChangesAtNoPath(t *testing.T) {
	t.Parallel()
	f := newSite(t)
	f.Commit(map[string]string{"_consultations/a.md": "---\ntitle: A\n---\n"})
	for _, c := range []struct{ do, want string }{
		{"M 100644 inline assets/caf\\e.css\ndata 2\nx\n\n", "updated|||"},
		{"R _consultations/a.md _consultations/a\\b.md\n", "deleted|consultations|a|_consultations/a.md updated|||"},
	} {
		since, _ := f.Head()
		f.FastImport("commit refs/heads/main\ncommitter D <d@example.org> 1700000000 +0000\ndata 6\nDehors\nfrom refs/heads/main^0\n" + c.do)
		until, _ := f.Head()
		changes, err := f.Changes(t.Context(), since, until, 0)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, ch := range changes {
			got = append(got, strings.Join([]string{ch.Action, ch.Collection, ch.Slug, ch.Path.String()}, "|"))
		}
		if told := strings.Join(got, " "); told != c.want {
			t.Errorf("got %q, want %q", told, c.want)
		}
		if sees, err := f.SeesCommit(t.Context(), f.editor, until); sees || err != nil {
			t.Errorf("an editor sees all that %q did: %t, %v", c.want, sees, err)
		}
	}
}

// TestNobodyElse shows what a caller without a permission learns.
func TestNobodyElse(t *testing.T) {
	t.Parallel()
	f := newSite(t)
	reader := &auth.Principal{Subject: "bob", Roles: []string{"reader"}}
	stranger := &auth.Principal{Subject: "eve", Roles: []string{"stranger"}}

	if cs, err := f.Collections(t.Context(), reader); err != nil || len(cs) != 1 || cs[0].Name != "consultations" || !reflect.DeepEqual(cs[0].Actions, []auth.Action{auth.Read}) {
		t.Errorf("reader: got %+v, %v; want consultations alone, to read", cs, err)
	}
	_, err := f.List(f.Context(), reader, "rencontres", site.Query{Limit: 1})
	refused(t, err, site.NotFound, "")
	_, err = f.Create(t.Context(), reader, "consultations", site.Draft{Fields: fields("title", "A")}, site.Write{})
	refused(t, err, site.Forbidden, "")
	_, err = f.Collections(t.Context(), stranger)
	refused(t, err, site.Forbidden, "")
	_, err = f.Entry(f.Context(), stranger, ref(t, "consultations", "a"))
	refused(t, err, site.Forbidden, "")
}
