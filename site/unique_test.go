package site_test

import (
	"errors"
	"flag"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"cms/auth"
	"cms/content"
	"cms/site"
)

var (
	takenSlugs  = rapid.SampledFrom([]string{"parc", "Parc", "parc-2", "PARC-3", "parc-4", "été", "ÉTÉ", "2026/parc"})
	takenCodes  = rapid.SampledFrom([]string{"a", "b", "c"})
	takenTitles = rapid.SampledFrom([]string{"Parc", "Été"})
)

// TestUniqueIndex edits at random, in groups, in batches that fail and behind the
// service's back, and compares after each step what is refused as taken, and
// which slugs titles get, with a look at every entry. It is alone with the flags of rapid,
// which takes a fifth of the checks and half of the steps with -short.
func TestUniqueIndex(t *testing.T) {
	checks := "4"
	if testing.Short() {
		checks = "5"
	}
	for name, few := range map[string]string{"rapid.checks": checks, "rapid.steps": "25"} {
		if f := flag.Lookup(name); f.Value.String() == f.DefValue {
			f.Value.Set(few)
			t.Cleanup(func() { f.Value.Set(f.DefValue) })
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		m := &uniqueModel{newSite(t)}
		if _, err := m.create("rencontres", "accueil", "", false); err != nil {
			rt.Fatal(err)
		}
		rt.Repeat(map[string]func(*rapid.T){
			"create": func(rt *rapid.T) {
				_, _ = m.create("consultations", takenSlugs.Draw(rt, "slug"), takenCodes.Draw(rt, "code"), false)
			},
			"titled": func(rt *rapid.T) {
				_, _ = m.Create(t.Context(), m.editor, "consultations", site.Draft{Fields: fields("title", takenTitles.Draw(rt, "title"))}, site.Write{})
			},
			"recode": func(rt *rapid.T) {
				patch := site.MergePatch(fields("fields", fields("code", takenCodes.Draw(rt, "code"))))
				_, _ = m.Update(t.Context(), m.editor, m.ref(rt, "slug"), patch, whatever)
			},
			"delete": func(rt *rapid.T) { _, _ = m.Delete(t.Context(), m.editor, m.ref(rt, "slug"), whatever) },
			"move": func(rt *rapid.T) {
				_, _ = m.Move(t.Context(), m.editor, m.ref(rt, "slug"), m.ref(rt, "to"), whatever)
			},
			"group":  m.group,
			"failed": m.failed,
			"push":   m.push,
			"":       m.check,
		})
	})
}

var whatever = site.Write{Precondition: site.Precondition{Any: true}}

type uniqueModel struct{ *fixture }

func (m *uniqueModel) ref(rt *rapid.T, label string) site.Ref {
	return ref(m, "consultations", takenSlugs.Draw(rt, label))
}

func (m *uniqueModel) create(collection, slug, code string, dry bool) (*site.Outcome, error) {
	o := fields("title", "T")
	if code != "" {
		o = fields("title", "T", "code", code)
	}
	if collection == "rencontres" {
		o = fields()
	}
	return m.Create(m.Context(), m.editor, collection, site.Draft{Slug: ref(m, collection, slug).Slug, Fields: o}, site.Write{DryRun: dry})
}

// group has several writers ask for the same value at once: one at most gets it.
func (m *uniqueModel) group(rt *rapid.T) {
	code := takenCodes.Draw(rt, "code")
	taken := m.count(rt, func(_ string, c content.Value) bool { return c == code }) > 0
	var won atomic.Int32
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			if _, err := m.create("consultations", fmt.Sprintf("w%d", w), code, false); err == nil {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	if taken && won.Load() > 0 || won.Load() > 1 {
		rt.Fatalf("%d writers got the value %s; taken before: %t", won.Load(), code, taken)
	}
	for w := range 4 {
		_, _ = m.Delete(m.Context(), m.editor, ref(m, "consultations", fmt.Sprintf("w%d", w)), whatever)
	}
}

// failed is a batch whose last operation is refused: what came before it is not
// there, and takes nothing.
func (m *uniqueModel) failed(rt *rapid.T) {
	draft := site.Draft{Slug: ref(m, "consultations", "batch").Slug, Fields: fields("title", "T", "code", takenCodes.Draw(rt, "code"))}
	_, err := m.Batch(m.Context(), m.editor, []site.Operation{
		site.Deleting(m.ref(rt, "gone"), site.Precondition{Any: true}),
		site.Creating("consultations", draft, site.Precondition{}),
		site.Deleting(ref(m, "consultations", "nowhere"), site.Precondition{Any: true}),
	}, site.Write{})
	if err == nil {
		rt.Fatal("a batch was done by half")
	}
}

// push commits with Git what the rules would refuse, and has the service notice.
func (m *uniqueModel) push(rt *rapid.T) {
	slug := takenSlugs.Draw(rt, "slug")
	change := "D _consultations/" + slug + ".md\n"
	if rapid.Bool().Draw(rt, "put") {
		src := fmt.Sprintf("---\ntitle: T\ncode: %s\n---\n", takenCodes.Draw(rt, "code"))
		change = fmt.Sprintf("M 100644 inline _consultations/%s.md\ndata %d\n%s\n", slug, len(src), src)
	}
	m.FastImport("commit refs/heads/main\ncommitter Ada <ada@example.org> 1700000000 +0000\ndata 0\nfrom refs/heads/main^0\n" + change)
}

// count says of how many entries f holds.
func (m *uniqueModel) count(rt *rapid.T, f func(slug string, code content.Value) bool) (n int) {
	page, err := m.List(m.Context(), m.editor, "consultations", site.Query{Limit: site.MaxLimit})
	if err != nil {
		rt.Fatal(err)
	}
	for _, e := range page.Items {
		if code, _ := e.Fields.Get("code"); f(e.Slug.String(), code) {
			n++
		}
	}
	return n
}

func (m *uniqueModel) check(rt *rapid.T) {
	for _, slug := range []string{"parc", "PARC", "parc-2", "parc-3", "Parc-4", "ete", "éTé", "2026/PARC"} {
		_, err := m.create("consultations", slug, "", true)
		m.compare(rt, "slug "+slug, err, site.Conflict, m.count(rt, func(s string, _ content.Value) bool { return strings.EqualFold(s, slug) }))
	}
	for _, code := range []string{"a", "b", "c", "d"} {
		_, err := m.create("consultations", "essai", code, true)
		m.compare(rt, "code "+code, err, site.Invalid, m.count(rt, func(_ string, c content.Value) bool { return c == code }))
	}
	for title, base := range map[string]string{"Parc": "parc", "Été": "ete"} {
		want := base
		for n := 2; m.count(rt, func(s string, _ content.Value) bool { return strings.EqualFold(s, want) }) > 0; n++ {
			want = fmt.Sprint(base, "-", n)
		}
		out, err := m.Create(m.Context(), m.editor, "consultations", site.Draft{Fields: fields("title", title)}, site.Write{DryRun: true})
		if err != nil || out.Ref.Slug.String() != want {
			rt.Fatalf("title %s: got %v, %v, want the slug %s", title, out, err, want)
		}
	}
}

// compare holds what a dry run said against the number of entries that have what
// it asked for.
func (m *uniqueModel) compare(rt *rapid.T, what string, err error, code site.Code, owners int) {
	var refusal *site.Error
	refused := errors.As(err, &refusal) && refusal.Code == code
	if err != nil && !refused || refused != (owners > 0) {
		rt.Fatalf("%s: got %v with %d entries that have it", what, err, owners)
	}
}

// TestUniqueTexts creates entries whose values look like one time: in a field for times
// they are one, in one for texts they are as different as filters find them.
func TestUniqueTexts(t *testing.T) {
	t.Parallel()
	schema := content.Schema{Defined: true, Fields: []content.Field{
		{Name: "title", Type: content.TypeString},
		{Name: "code", Type: content.TypeString, Unique: true},
		{Name: "at", Type: content.TypeDatetime, Unique: true},
	}}
	f := siteOf(t, []content.Collection{{Name: "pages", Folder: "pages", Extension: ".md", Schema: schema}},
		map[string]map[string]auth.Grant{"editor": {"*": {Actions: everything}}})
	create := func(field, value string) error {
		_, err := f.Create(t.Context(), f.editor, "pages", site.Draft{Fields: fields("title", "A", field, value)}, site.Write{})
		return err
	}
	for _, pair := range [][2]string{
		{"2024-1-2", "2024-01-02"},
		{"2024-01-02 10:00:00", "2024-01-02T10:00:00Z"},
		{"2024-01-03T10:00:00.50Z", "2024-01-03T10:00:00.5Z"},
	} {
		for _, text := range pair {
			if err := create("code", text); err != nil {
				t.Errorf("%s and %s as texts: %v", pair[0], pair[1], err)
			}
			refused(t, create("code", text), site.Invalid, "unique")
		}
		if err := create("at", pair[0]); err != nil {
			t.Errorf("%s as a time: %v", pair[0], err)
		}
		refused(t, create("at", pair[1]), site.Invalid, "unique")
	}
}

// TestNamesThatAreOneFile creates and moves entries beside names that came by a push:
// what would be one file, or one folder, on some system is refused.
func TestNamesThatAreOneFile(t *testing.T) {
	t.Parallel()
	f := newSite(t)
	const nfd, source = "e\u0301te\u0301", "---\ntitle: A\n---\n"
	f.Commit(map[string]string{
		"_consultations/" + nfd + ".md": source, "_consultations/Parc.md": source, "_consultations/" + nfd + "/un.md": source,
		"_consultations/Lieux/a.md": source, "_consultations/lieux/b.md": source, "_consultations/libre.md": source,
	})
	put := func(slug string) error { return f.createSource(f.editor, ref(t, "consultations", slug), source) }
	move := func(slug string) error {
		_, err := f.Move(t.Context(), f.editor, ref(t, "consultations", "libre"), ref(t, "consultations", slug), site.Write{Precondition: site.Precondition{Any: true}, DryRun: true})
		return err
	}
	for _, slug := range []string{"été", "Été", "PARC", "parc", "été/deux", "ÉTÉ/un", "été/sous/trois", "LIEUX/c"} {
		refused(t, put(slug), site.Conflict, "")
		refused(t, move(slug), site.Conflict, "")
	}
	for _, slug := range []string{"Lieux/c", "lieux/d", "Parc/un", "ete", "ete/un", "libre/un", "autre/sous/un"} {
		if err := move(slug); err != nil {
			t.Errorf("move to %s: %v", slug, err)
		}
		if err := put(slug); err != nil {
			t.Errorf("%s: %v", slug, err)
		}
	}
	if err := f.patch(nfd, fields("title", "B")); err != nil {
		t.Errorf("what is there cannot be edited: %v", err)
	}
	for _, slug := range []string{nfd, nfd + "/un"} {
		if _, err := f.Delete(t.Context(), f.editor, ref(t, "consultations", slug), whatever); err != nil {
			t.Fatal(err)
		}
	}
	for _, slug := range []string{"été", "été/deux"} {
		if err := put(slug); err != nil {
			t.Errorf("%s, once nothing is in its way: %v", slug, err)
		}
	}
}
