package site_test

import (
	"strings"
	"testing"

	"cms/auth"
	"cms/content"
	"cms/site"
)

// newGuardedSite is a site where writers may not publish, do not see the field
// secret and leave ordre as it is.
func newGuardedSite(t testing.TB) (f *fixture, writer *auth.Principal) {
	return newGuardedSiteAs(t, content.YAML11)
}

// newGuardedSiteAs is newGuardedSite whose consultations are read by a version of YAML.
func newGuardedSiteAs(t testing.TB, version content.Version) (f *fixture, writer *auth.Principal) {
	every := []auth.Action{auth.Read, auth.Create, auth.Update, auth.Delete}
	plain := auth.Grant{Actions: every}
	plain.ReadOnly = []string{"ordre"}
	f = siteOf(t, []content.Collection{
		{Name: "consultations", Folder: "_consultations", Extension: ".md", Publish: []string{"publiee"}, YAML: version},
		{Name: "fiches", Folder: "_fiches", Extension: ".md", Schema: content.Schema{Defined: true, Fields: []content.Field{
			{Name: "id", Type: content.TypeString, ReadOnly: true}, {Name: "source", Type: content.TypeString, ReadOnly: true}}}},
		{Name: "notes", Folder: "_notes", Extension: ".md", Schema: content.Schema{Defined: true, Fields: []content.Field{
			{Name: "source", Type: content.TypeString, ReadOnly: true}}}},
		{Name: "legendes", Folder: "img/legendes", Extension: ".md"},
	}, map[string]map[string]auth.Grant{
		"editor": {"*": auth.Grant{Actions: append(every, auth.Publish)}, "media": auth.Grant{Actions: every}},
		"writer": {"consultations": plain},
		"photos": {"media": auth.Grant{Actions: []auth.Action{auth.Read}}},
	})
	return f, person("bob", "writer")
}

const guardedEntry = "---\ntitle: Un parc\npubliee: false\nordre: 1\nville: Valmont\n---\nTexte\n"

// put writes a whole file, as a client does that knows what is there.
func (f *fixture) put(pr *auth.Principal, r site.Ref, src string) error {
	_, err := f.Update(f.Context(), pr, r, site.ReplaceSource([]byte(src), true), site.Write{Precondition: site.Precondition{Any: true}})
	return err
}

func (f *fixture) createSource(pr *auth.Principal, r site.Ref, src string) error {
	_, err := f.CreateSource(f.Context(), pr, r, []byte(src), site.Write{})
	return err
}

// Nobody gets past a field that they may not set by writing it so that the site's
// own reader takes it for something else.
func TestRightsAreRubysToo(t *testing.T) {
	t.Parallel()
	for _, version := range []content.Version{content.YAML11, content.YAML12} {
		t.Run(string(version), func(t *testing.T) { testRightsAreEveryReaders(t, version) })
	}
}

func testRightsAreEveryReaders(t *testing.T, version content.Version) {
	f, writer := newGuardedSiteAs(t, version)
	parc := ref(t, "consultations", "parc")
	if err := f.createSource(f.editor, parc, guardedEntry); err != nil {
		t.Fatal(err)
	}
	write := func(change *content.Object) error {
		_, err := f.Update(t.Context(), writer, parc, site.MergePatch(fields("fields", change)), site.Write{Precondition: site.Precondition{Any: true}})
		return err
	}
	refused(t, write(fields("<<", fields("publiee", true))), site.Invalid, "")
	for _, src := range []string{
		strings.Replace(guardedEntry, "ville: Valmont", "\"\\x3c<\": {publiee: true}", 1),
		strings.Replace(guardedEntry, "ordre: 1", "ordre: 0o1", 1),
		strings.Replace(guardedEntry, "ordre: 1", "ordre: 01", 1), // which is 1 to each, and not as before
		strings.Replace(guardedEntry, "ordre: 1", "ordre: 010", 1),
		strings.Replace(guardedEntry, "publiee: false", "publiee: no", 1),
		strings.Replace(guardedEntry, "publiee: false", "publiee: yes", 1),
		strings.Replace(guardedEntry, "---\n", "--- yaml\n", 1),
		"---\f\n" + guardedEntry,
		"+++\ntitle = 'x'\npubliee = false\nordre = 1\n+++\n",
	} {
		if err := f.put(writer, parc, src); err == nil {
			t.Errorf("a writer could save\n%s", src)
		} else {
			refused(t, err, site.Forbidden, "")
		}
		if err := f.put(f.editor, parc, src); err != nil {
			t.Errorf("an editor could not save: %v\n%s", err, src)
		}
		if err := f.put(f.editor, parc, guardedEntry); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.createSource(writer, ref(t, "consultations", "neuf"), "---\ntitle: x\n\"<<\": {publiee: true}\n---\n"); err == nil {
		t.Error("a writer could create an entry that Ruby takes for published")
	}
	for _, published := range []string{"yes", "on", "TRUE", "tRue"} { // to one or the other
		if err := f.createSource(writer, ref(t, "consultations", "autre"), "---\ntitle: x\npubliee: "+published+"\n---\n"); err == nil {
			t.Errorf("a writer could create an entry with publiee: %s", published)
		}
	}
	if err := write(fields("title", "Un bois", "ville", "yes")); err != nil {
		t.Errorf("a writer could not edit their own fields: %v", err)
	}
}

// Of a file that cannot be read nobody can tell what it holds.
func TestUnreadableIsNotUnchanged(t *testing.T) {
	t.Parallel()
	f, writer := newGuardedSite(t)
	parc := ref(t, "consultations", "parc")
	if err := f.createSource(f.editor, parc, guardedEntry); err != nil {
		t.Fatal(err)
	}
	f.pushFile("_consultations/parc.md", "---\ntitle: [\npubliee: false\n---\n")
	refused(t, f.put(writer, parc, strings.Replace(guardedEntry, "false", "true", 1)), site.Forbidden, "")
	refused(t, f.put(writer, parc, "---\ntitle: Un parc\n---\n"), site.Forbidden, "")
	if err := f.put(f.editor, parc, guardedEntry); err != nil {
		t.Errorf("an editor could not mend it: %v", err)
	}
}

// What a collection does not let anybody set comes in through no other one.
func TestReadOnlyFieldsThroughAnotherCollection(t *testing.T) {
	t.Parallel()
	f, _ := newGuardedSite(t)
	move := func(from, to site.Ref) error {
		_, err := f.Move(t.Context(), f.editor, from, to, site.Write{Precondition: site.Precondition{Any: true}})
		return err
	}
	if err := f.createSource(f.editor, ref(t, "consultations", "a"), "---\nid: forged\n---\n"); err != nil {
		t.Fatal(err)
	}
	refused(t, move(ref(t, "consultations", "a"), ref(t, "fiches", "a")), site.Invalid, "read_only")
	f.pushFile("_notes/b.md", "---\nsource: enquête\n---\n")
	if err := move(ref(t, "notes", "b"), ref(t, "fiches", "b")); err != nil {
		t.Errorf("what is read-only in both collections could not be moved: %v", err)
	}
	f.pushFile("_fiches/c.md", "---\nid: 0x1\n---\n")
	if err := f.put(f.editor, ref(t, "fiches", "c"), "---\nid: '1'\n---\n"); err == nil {
		t.Error("a read-only field could be written otherwise")
	}
}

// A file of a collection is an entry, also where the media folder is around it.
func TestEntriesAreNoMedia(t *testing.T) {
	t.Parallel()
	f, _ := newGuardedSite(t)
	photos := person("eve", "photos")
	if err := f.createSource(f.editor, ref(t, "legendes", "parc"), guardedEntry); err != nil {
		t.Fatal(err)
	}
	f.pushFile("img/legendes/LU.MD", guardedEntry)
	f.pushFile("img/legendes/parc.txt", "texte")
	for _, pr := range []*auth.Principal{photos, f.editor} {
		page, err := f.MediaList(f.Context(), pr, "", "", 10)
		if err != nil || page.Total != 1 || page.Items[0].Path != "legendes/parc.txt" {
			t.Errorf("the media of %s are %+v, %v", pr.Name, page, err)
		}
		for _, name := range []string{"legendes/parc.md", "legendes/LU.MD"} {
			_, err = f.Media(pr, name)
			refused(t, err, site.NotFound, "")
			_, err = f.MediaAt(t.Context(), pr, name, strings.TrimSpace(f.RunGit("rev-parse", "main:img/"+name)))
			refused(t, err, site.NotFound, "")
		}
	}
	_, err := f.DeleteMedia(t.Context(), f.editor, "legendes/parc.md", site.Write{Precondition: site.Precondition{Any: true}})
	refused(t, err, site.NotFound, "")
	_, err = f.PutMedia(t.Context(), f.editor, "legendes/neuf.md", strings.NewReader("x"), site.Write{Precondition: site.Precondition{Absent: true}})
	refused(t, err, site.Conflict, "")
	changes, err := f.Changes(t.Context(), "", "", 0)
	for _, c := range changes {
		if strings.HasSuffix(strings.ToLower(c.Media), ".md") {
			t.Errorf("changes tell of the medium %s", c.Media)
		}
	}
	if err != nil {
		t.Error(err)
	}
}

// pushFile commits a file beside the service, and waits until that has seen it.
func (f *fixture) pushFile(path, src string) {
	f.Helper()
	f.Commit(map[string]string{path: src})
}
