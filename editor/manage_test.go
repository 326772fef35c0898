package editor_test

import (
	"net/http"
	"strings"
	"testing"

	"cms/content"
)

// TestAddressWhileTyping: a script is told the slug that an entry gets, before it is made.
func TestAddressWhileTyping(t *testing.T) {
	t.Parallel()
	s := newService(t, map[string]string{entryFile: velo})
	tip := s.Tip()
	f := s.get(s.http, "new/consultations").form("new/consultations")
	for title, want := range map[string]string{"L’été à vélo": "l-ete-a-velo", "Vélo": "velo-2", "": ""} {
		f.set("f/title", title)
		p := f.submit("address")
		p.want(http.StatusOK)
		if got := strings.TrimSpace(p.source); got != `{"slug":"`+want+`"}` {
			t.Errorf("%q: %s, want %s", title, got, want)
		}
	}
	if s.Tip() != tip {
		t.Error("something was saved")
	}
	s.send(s.logIn("rene"), http.MethodPost, "/editor/new/consultations", "do=address&f%2Ftitle=V%C3%A9lo").want(http.StatusForbidden)
}

// TestCreate makes entries whose slug is made of the title, given, taken or wrong.
func TestCreate(t *testing.T) {
	t.Parallel()
	s := newService(t, map[string]string{entryFile: velo})
	fresh := func() *form {
		t.Helper()
		return s.get(s.http, "new/consultations").form("new/consultations")
	}
	f := fresh()
	f.set("f/title", "L’été à vélo")
	f.set("f/note", "2")
	p := f.submit("add:/methodes")
	f = p.form("new/consultations")
	f.set("f/methodes/n0", "atelier")
	f.set("body", "Un texte\nsans fin de ligne")
	p = f.submit("save")
	p.wantSaved("1")
	if !strings.Contains(p.at, "/entry/consultations/l-ete-a-velo?") {
		t.Errorf("the slug of the title is at %s", p.at)
	}
	s.wantFile("_consultations/l-ete-a-velo.md", "---\ntitle: L’été à vélo\nnote: 2\nmethodes:\n- atelier\n---\nUn texte\nsans fin de ligne\n")

	f = fresh()
	f.set("f/title", "Une autre")
	f.set("slug", " voie-verte ")
	f.submit("save").wantSaved("1")
	s.wantFile("_consultations/voie-verte.md", "---\ntitle: Une autre\n---\n")

	for slug, want := range map[string]int{"velo": http.StatusConflict, "../velo": http.StatusUnprocessableEntity, "/etc": http.StatusUnprocessableEntity} {
		tip := s.Tip()
		f = fresh()
		f.set("f/title", "Encore")
		f.set("slug", slug)
		f.set("body", "Gardé.\n")
		p = f.submit("save")
		p.want(want)
		f = p.form("new/consultations")
		if got := []string{f.get("f/title"), f.get("slug"), f.get("body")}; got[0] != "Encore" || got[1] != slug || got[2] != "Gardé.\r\n" {
			t.Errorf("%s: what was entered became %q", slug, got)
		}
		if s.Tip() != tip {
			t.Errorf("%s: it was saved", slug)
		}
	}
	f = fresh() // the slug of a title that is taken is another
	f.set("f/title", "Vélo")
	f.submit("save").wantSaved("1")
	s.wantFile("_consultations/velo-2.md", "---\ntitle: Vélo\n---\n")
	s.wantFile(entryFile, velo)
}

// TestDuplicate makes an entry from another one: with its lists, and with what the schema
// does not name, but without what is not for editing.
func TestDuplicate(t *testing.T) {
	t.Parallel()
	src := strings.Replace(velo, "note: 3\n", "note: 3\nvisites: 12\nautre: {a: 1}\nlibre: oui\n", 1)
	s := newService(t, map[string]string{entryFile: src})
	f := s.get(s.http, "new/consultations?from=velo").form("new/consultations")
	f.set("f/title", "Plan piéton")
	f.set("f/methodes/1", "II")
	p := f.submit("remove:/etapes/0")
	p.want(http.StatusOK)
	f = p.form("new/consultations")
	f.set("f/etapes/2/nom", "Fin")
	f.submit("save").wantSaved("1")
	got := s.file("_consultations/plan-pieton.md")
	for _, want := range []string{"title: Plan piéton\n", "note: 3\n", "libre: ", "- un\n- II\n- trois\n", "nom: Deux\n", "nom: Fin\n", "\nPremier.\n\nDeuxième.\n", "autre:"} {
		if !strings.Contains(got, want) {
			t.Errorf("the copy has no %q:\n%s", want, got)
		}
	}
	if strings.Contains(got, "visites") || strings.Contains(got, "nom: Un\n") {
		t.Errorf("the copy has what it should not have:\n%s", got)
	}
	s.wantFile(entryFile, src)
	s.get(s.http, "new/consultations?from=nichts").want(http.StatusNotFound)
	s.get(s.http, "new/consultations?from=../../x").want(http.StatusNotFound)
}

const suite = "---\ntitle: Suite\nsuite: velo   # ici\n---\nVoir.\n"

// TestRename gives an entry another slug, and changes what leads to it, or not.
func TestRename(t *testing.T) {
	t.Parallel()
	s := newService(t, map[string]string{entryFile: velo, "_consultations/suite.md": suite})
	p := s.get(s.http, "rename/consultations/velo").want(http.StatusOK, "Utilisé à 1 endroit", "Suite")
	f := p.form("rename/consultations/velo")
	for _, slug := range []string{"", "../x", "suite"} {
		f.set("to", slug)
		p := f.submit("")
		if p.status < 400 || p.status >= 500 {
			t.Errorf("renamed to %q: %d", slug, p.status)
		}
		if again := p.form("rename/consultations/velo"); again.get("to") != slug {
			t.Errorf("%q became %q", slug, again.get("to"))
		}
	}
	f.set("to", "plan-velo")
	f.submit("").wantSaved("1")
	s.wantFile("_consultations/plan-velo.md", velo)
	s.wantFile("_consultations/suite.md", strings.Replace(suite, "suite: velo", "suite: plan-velo", 1))
	if got := strings.TrimSpace(s.RunGit("rev-list", "--count", "main")); got != "2" {
		t.Errorf("the rename made %s commits, with the first one", got)
	}
	s.get(s.http, "history/consultations/plan-velo").want(http.StatusOK, "a renommé")

	f = s.get(s.http, "rename/consultations/plan-velo").form("rename/consultations/plan-velo")
	f.set("to", "encore")
	f.set("references", "keep")
	f.submit("").wantSaved("1")
	s.wantFile("_consultations/suite.md", strings.Replace(suite, "suite: velo", "suite: plan-velo", 1))
	s.get(s.http, "entry/consultations/velo").want(http.StatusNotFound, "renommée ou supprimée")
}

// TestDeleteAndRestore takes an entry away and brings it back as it was, by its history.
func TestDeleteAndRestore(t *testing.T) {
	t.Parallel()
	s := newService(t, map[string]string{entryFile: velo, "_consultations/suite.md": suite})
	f := s.open(s.http, "velo")
	f.set("f/title", "Plan piéton")
	f.submit("save").wantSaved("1")
	stale := s.get(s.http, "delete/consultations/velo").form("delete/consultations/velo")
	f = s.open(s.http, "velo")
	f.set("f/note", "4")
	f.submit("save").wantSaved("1")
	stale.submit("").want(http.StatusConflict) // not what was looked at

	p := s.get(s.http, "delete/consultations/velo").want(http.StatusOK, "Utilisé à 1 endroit")
	p = p.form("delete/consultations/velo").submit("")
	p.want(http.StatusOK, "L’historique garde tout", "Cette page a été supprimée", "a supprimé", "a créé")
	s.wantFile("_consultations/suite.md", strings.Replace(suite, "suite: velo   # ici\n", "", 1))

	var looks []string
	for _, n := range all(p.root, "a") {
		if to, _ := attr(n, "href"); strings.Contains(to, "/compare/") {
			looks = append(looks, strings.TrimPrefix(to, "/editor/"))
		}
	}
	if len(looks) != 4 {
		t.Fatalf("the history has %d changes, want 4", len(looks))
	}
	p = s.get(s.http, looks[2]).want(http.StatusOK)
	if !strings.Contains(p.source, "Plan <del>vélo</del><ins>piéton</ins>") {
		t.Errorf("the change does not tell its words: %s", p.text())
	}
	p.form("restore/consultations/velo").submit("").wantSaved("1")
	s.wantFile(entryFile, strings.Replace(velo, "Plan vélo", "Plan piéton", 1))

	p = s.get(s.http, looks[3]).want(http.StatusOK) // of what is there
	p.form("restore/consultations/velo").submit("").wantSaved("1")
	s.wantFile(entryFile, velo)
}

// TestSource edits whole files: those whose front matter cannot be read open there.
func TestSource(t *testing.T) {
	t.Parallel()
	const broken = "---\ntitle: Plan\nnote: [1, 2\nlibre: x\n---\nTexte\r\nmêlé\x00\n"
	s := newService(t, map[string]string{entryFile: broken})
	p := s.get(s.http, "entry/consultations/velo")
	p.want(http.StatusOK, "Ligne")
	if !strings.HasSuffix(p.at, "/source/consultations/velo") {
		t.Errorf("a broken file opens at %s", p.at)
	}
	if line, _ := attr(p.byID("text"), "data-line"); line != "3" && line != "4" {
		t.Errorf("its error is at line %q", line)
	}
	f := p.form("source/consultations/velo")
	f.set("text", strings.Replace(strings.ReplaceAll(f.get("text"), "\r\n", "\n"), "[1, 2\n", "4\n", 1))
	f.submit("").wantSaved("1")
	s.wantFile(entryFile, strings.Replace(broken, "[1, 2\n", "4\n", 1))
	tip := s.Tip()
	f = s.get(s.http, "source/consultations/velo").form("source/consultations/velo")
	f.submit("").wantSaved("same")
	if s.Tip() != tip {
		t.Error("a file that was not edited was saved")
	}
	g := s.open(s.logIn("dominique"), "velo")
	g.set("f/title", "Leur titre")
	g.submit("save").wantSaved("1")
	f.set("text", "---\ntitle: Le mien\n---\n")
	p = f.submit("").want(http.StatusConflict, "entre-temps")
	f = p.form("source/consultations/velo")
	if got := f.get("text"); got != "---\r\ntitle: Le mien\r\n---\r\n" {
		t.Errorf("the text became %q", got)
	}
	f.submit("").wantSaved("1")
	s.wantFile(entryFile, "---\ntitle: Le mien\n---\n")
	p = s.get(s.http, "source/consultations/velo")
	f = p.form("source/consultations/velo")
	f.set("text", "---\nnote: 9\n---\n")
	p = f.submit("").want(http.StatusUnprocessableEntity)
	if got := p.form("source/consultations/velo").get("text"); got != "---\r\nnote: 9\r\n---\r\n" {
		t.Errorf("a refused text became %q", got)
	}
}

// TestTemplates are offered at a new entry, and made by: without what the caller may not set.
func TestTemplates(t *testing.T) {
	t.Parallel()
	c := consultations()
	c.Templates = []content.Template{{Name: "reunion", Label: map[string]string{"fr": "Réunion"}, Body: "## Ordre du jour\n", Fields: &content.Object{Members: []content.Member{
		{Key: "title", Value: "Réunion du"}, {Key: "methodes", Value: []content.Value{"un", "deux"}}, {Key: "interne", Value: "geheim"}, {Key: "visites", Value: content.Number("7")},
	}}}, {Name: "vide"}}
	s := newService(t, map[string]string{entryFile: velo}, c)
	p := s.get(s.http, "new/consultations").want(http.StatusOK, "Commencer par", "Une page vide", "Réunion", "vide")
	p.wantNot("Ordre du jour", "Réunion du")
	to := p.leads("Réunion")
	if len(to) != 1 || to[0] != "/editor/new/consultations?template=reunion" {
		t.Fatalf("the template is at %v", to)
	}
	p = s.get(s.http, "new/consultations?template=reunion").want(http.StatusOK, "Ordre du jour")
	p.wantNot("geheim", `value="7"`)
	f := p.form("new/consultations")
	if got := f.get("f/title") + f.get("f/methodes/1"); got != "Réunion dudeux" {
		t.Errorf("the form begins with %q", got)
	}
	f.set("f/title", "Réunion du lundi")
	f = f.submit("add:/methodes").form("new/consultations")
	f.set("f/methodes/n0", "trois")
	f.submit("save").wantSaved("1")
	if got, want := s.file("_consultations/reunion-du-lundi.md"), "---\ntitle: Réunion du lundi\nmethodes:\n- un\n- deux\n- trois\n---\n## Ordre du jour\n"; got != want {
		t.Errorf("it became\n%q, want\n%q", got, want)
	}
	s.get(s.http, "new/consultations?template=nichts").want(http.StatusOK, "Une page vide")
	s.get(s.http, "new/consultations?from=velo").wantNot("Commencer par")
	s.get(s.logIn("rene"), "new/consultations?template=reunion").want(http.StatusForbidden)
}
