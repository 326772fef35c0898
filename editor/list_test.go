package editor_test

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// titles are those of the entries that a list shows.
func (p *page) titles() (found []string) {
	for _, a := range all(p.root, "a") {
		if to, _ := attr(a, "href"); strings.HasPrefix(to, "/editor/entry/") && a.Parent.Data == "td" {
			found = append(found, text(a))
		}
	}
	slices.Sort(found)
	return found
}

var listed = map[string]string{
	"_consultations/a.md": "---\ntitle: Alpha\ndate: 2023-09-18 09:30:00 +0200\nnote: 1\npoids: -2.5\netat: ouverte\nin_progress: true\nmethodes: [atelier, en ligne]\nsuite: b\nimage: /img/a.png\ninterne: caché\n---\n",
	"_consultations/b.md": "---\ntitle: Bêta\ndate: 2023-10-18 09:30:00 +0200\nnote: 3\netat: fermée\ncontact: b@example.org\ninterne: caché\n---\n",
	"_consultations/c.md": "---\ntitle: Gamma\nnote: trop\nmethodes: [atelier]\nsuite: b\n---\n",
	"_consultations/d.md": "---\ntitle: \"=HYPERLINK(\\\"x\\\")\"\ndescription: \"+a; =b\\n@c\"\nlink: -x\ncontact: \"\\t=d\"\n---\n",
}

// TestFilters narrows a list by each kind of field, as its form does without scripts.
func TestFilters(t *testing.T) {
	t.Parallel()
	s := newService(t, listed)
	s.Commit(map[string]string{"img/a.png": string(picture(t, 1))})
	for asked, want := range map[string]string{
		"": "=HYPERLINK(\"x\") Alpha Bêta Gamma",
		"q=&f.etat=&f.date.from=&f.note.until=&mine=": "=HYPERLINK(\"x\") Alpha Bêta Gamma",
		"f.etat=ouverte":              "Alpha",
		"f.in_progress=false":         "=HYPERLINK(\"x\") Bêta Gamma",
		"f.date.from=2023-10-01":      "Bêta",
		"f.date.until=2023-09-18":     "Alpha",
		"f.note.from=2":               "Bêta",
		"f.poids.until=-1,5":          "Alpha",
		"f.methodes=ATELIER":          "Alpha Gamma",
		"f.suite=b":                   "Alpha Gamma",
		"f.contact=example":           "Bêta",
		"valid=false":                 "=HYPERLINK(\"x\") Gamma",
		"valid=true":                  "Alpha Bêta",
		"q=beta":                      "Bêta",
		"mine=1":                      "",
		"f.interne=caché":             "=HYPERLINK(\"x\") Alpha Bêta Gamma", // it is in no form
		"f.nope=1&sort=nope&col=nope": "=HYPERLINK(\"x\") Alpha Bêta Gamma",
	} {
		p := s.get(s.http, "list/consultations?"+strings.ReplaceAll(asked, "é", url.QueryEscape("é")))
		if got := strings.Join(p.titles(), " "); p.status != 200 || got != want {
			t.Errorf("%s finds (%d) %s, want %s", asked, p.status, got, want)
		}
	}
	f := s.get(s.http, "entry/consultations/b").form("/b")
	f.set("f/note", "4")
	f.submit("save")
	if got := s.get(s.http, "list/consultations?mine=1").titles(); !slices.Equal(got, []string{"Bêta"}) {
		t.Errorf("what I changed is %v", got)
	}
	p := s.get(s.http, "list/consultations")
	if !strings.Contains(p.source, `class="mini" src="/editor/thumb/a.png?v=`) {
		t.Error("the list has no thumbnail")
	}
	if strings.Contains(p.source, "caché") || strings.Contains(p.source, "interne") {
		t.Error("the list tells of a hidden field")
	}
	if p := s.get(s.http, "values/consultations?field=suite"); !strings.Contains(p.source, `<option value="b">Bêta`) {
		t.Errorf("the values of a reference are %s", p.source)
	}
}

// TestColumns chooses the columns of a list, which its address tells and the browser
// remembers.
func TestColumns(t *testing.T) {
	t.Parallel()
	s := newService(t, listed)
	heads := func(p *page) (all_ []string) {
		for _, th := range all(p.root, "th") {
			all_ = append(all_, strings.TrimSpace(text(th)))
		}
		return all_
	}
	f := s.get(s.http, "list/consultations?q=alpha").form("columns/consultations")
	f.values = slices.DeleteFunc(f.values, func(v field) bool { return v.name == "col" })
	f.tick("col", "contact")
	f.tick("col", "methodes")
	f.tick("col", "interne")
	p := f.submit("")
	if got := heads(p); !slices.Equal(got, []string{"", "Titre", "contact", "methodes", "État", "Modifié"}) || !strings.Contains(p.at, "col=contact&col=methodes") || !strings.Contains(p.at, "q=alpha") {
		t.Errorf("the columns are %q at %s", got, p.at)
	}
	if got := heads(s.get(s.http, "list/consultations")); !slices.Contains(got, "methodes") {
		t.Errorf("remembered are %q", got)
	}
	other := s.logIn("dominique")
	if got := heads(s.get(other, "list/consultations?col=poids")); !slices.Equal(got, []string{"", "Titre", "poids", "État", "Modifié"}) {
		t.Errorf("a colleague sees %q", got)
	}
	if got := heads(s.get(other, "list/consultations")); slices.Contains(got, "methodes") || slices.Contains(got, "poids") {
		t.Errorf("what a link has is remembered: %q", got)
	}
	if got := heads(s.get(s.http, "list/consultations").form("columns/consultations").submit("reset")); slices.Contains(got, "methodes") {
		t.Errorf("by default there are %q", got)
	}
}

// TestExport fetches lists as tables.
func TestExport(t *testing.T) {
	t.Parallel()
	files := map[string]string{}
	for i := range 450 {
		files[fmt.Sprintf("_consultations/e%03d.md", i)] = fmt.Sprintf("---\ntitle: Numéro %d\nnote: 2\n---\n", i)
	}
	for name, src := range listed {
		files[name] = src
	}
	s := newService(t, files)
	table := func(client *http.Client, query string) [][]string {
		t.Helper()
		p := s.get(client, "export/consultations?"+query)
		if p.status != 200 || p.header.Get("Content-Type") != "text/csv; charset=utf-8; header=present" || !strings.HasPrefix(p.header.Get("Content-Disposition"), "attachment") {
			t.Fatalf("the export is answered (%d) with %v", p.status, p.header)
		}
		rest, marked := strings.CutPrefix(p.source, "\ufeff")
		if !marked || strings.Count(rest, "\r\n") < 1 {
			t.Errorf("the table begins with %.20q", p.source)
		}
		rows, err := csv.NewReader(strings.NewReader(rest)).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		return rows
	}
	rows := table(s.http, "")
	if len(rows) != 1+450+4 {
		t.Errorf("the table has %d rows", len(rows))
	}
	at := func(name string) int { return slices.Index(rows[0], name) }
	for _, r := range rows {
		for i, value := range r {
			if value != "" && strings.ContainsAny(value[:1], "=+-@\t\r") && value != "-2.5" {
				t.Errorf("a spreadsheet may run %q of %s", value, rows[0][i])
			}
			if strings.Contains(value, "caché") {
				t.Error("the table has a hidden field")
			}
		}
		switch r[0] {
		case "a":
			if r[at("poids")] != "-2.5" || r[at("methodes")] != "atelier | en ligne" || r[at("Sans erreur")] != "oui" && r[at("Sans erreur")] != "Oui" {
				t.Errorf("a row is %q", r)
			}
		case "d":
			if r[at("Titre")] != `'=HYPERLINK("x")` || r[at("description")] != "'+a; '=b\n'@c" || r[at("contact")] != "'\t'=d" && r[at("contact")] != "'\t=d" {
				t.Errorf("a row is %q", r)
			}
		}
	}
	if at("interne") >= 0 || at("note") < 0 {
		t.Errorf("the columns are %q", rows[0])
	}
	if rows := table(s.http, "f.etat=ouverte&sort=-title"); len(rows) != 2 || rows[1][0] != "a" {
		t.Errorf("the filtered table is %q", rows)
	}
	rene := s.logIn("rene")
	if rows := table(rene, "f.etat=ouverte"); slices.Contains(rows[0], "note") {
		t.Errorf("a reader's table has the columns %q", rows[0])
	}
	if p := s.get(rene, "list/consultations?f.note.from=3&f.note.until=3"); strings.Contains(p.source, `name="f.note`) || len(p.titles()) != 50 {
		t.Errorf("a reader finds by a hidden field: %v", p.titles())
	}
	if p := s.get(rene, "list/consultations"); strings.Contains(p.source, "/editor/bulk/") || strings.Contains(p.source, `name="entry"`) {
		t.Error("a reader is offered to change entries")
	}
	if p := s.get(&http.Client{}, "export/consultations"); strings.Contains(p.source, "Alpha") {
		t.Error("whoever is not logged in gets the table")
	}
}

// TestBulk sets a field of some entries and deletes others, each in one commit.
func TestBulk(t *testing.T) {
	t.Parallel()
	s := newService(t, listed)
	s.Commit(map[string]string{"_consultations/e.md": "---\ntitle: Epsilon\n---\n[lien](/consultations/a)\n"})
	pick := func(names ...string) *form {
		t.Helper()
		f := s.get(s.http, "list/consultations?q=&sort=title").form("bulk/consultations")
		for _, name := range names {
			f.tick("entry", name)
		}
		return f
	}
	if p := pick().submit("delete"); p.status != 422 || !strings.Contains(p.text(), "Aucune page n’est choisie") {
		t.Errorf("nothing chosen says (%d) %s", p.status, p.text())
	}

	p := pick("a", "b").submit("set")
	if !strings.Contains(p.text(), "Changer un champ de 2 pages") || !strings.Contains(p.text(), "Alpha") || !strings.Contains(p.text(), "Bêta") || strings.Contains(p.text(), "Gamma") {
		t.Fatalf("the page says %s", p.text())
	}
	f := p.form("bulk/consultations")
	f.set("field", "in_progress")
	p = f.submit("field")
	if !strings.Contains(p.text(), "maintenant : Oui") {
		t.Errorf("the page with the control says %s", p.text())
	}
	f = p.form("bulk/consultations")
	if p := f.submit("sets"); p.status != 422 || !strings.Contains(p.text(), "Donnez une valeur") {
		t.Errorf("no value says (%d) %s", p.status, p.text())
	}
	f.set("f/in_progress", "false")
	before := s.Tip()
	p = f.submit("sets")
	if p.status != 200 || !strings.Contains(p.text(), "2 pages sont changées") || !strings.Contains(p.at, "sort=title") {
		t.Fatalf("setting it says (%d) %s", p.status, p.text())
	}
	if got := strings.TrimSpace(s.RunGit("rev-list", "--count", before+"..main")); got != "1" {
		t.Errorf("it made %s commits", got)
	}
	if got, want := s.file("_consultations/a.md"), strings.Replace(listed["_consultations/a.md"], "in_progress: true", "in_progress: false", 1); got != want {
		t.Errorf("a became\n%s", got)
	}
	if !strings.Contains(s.file("_consultations/b.md"), "in_progress: false\n") {
		t.Errorf("b became\n%s", s.file("_consultations/b.md"))
	}
	tip := s.Tip()
	if p := f.submit("sets"); p.status != 200 || s.Tip() != tip {
		t.Errorf("sent twice it says (%d) %s", p.status, p.text())
	}

	// One that is refused keeps all as they are.
	f = pick("a", "b").submit("set").form("bulk/consultations")
	f.set("field", "note")
	f = f.submit("field").form("bulk/consultations")
	f.set("f/note", "9")
	if p := f.submit("sets"); p.status != 422 || !strings.Contains(p.text(), "Rien n’est enregistré. « Alpha » ne peut pas être changé") || s.Tip() != tip {
		t.Errorf("a wrong value says (%d) %s", p.status, p.text())
	}
	for _, name := range []string{"interne", "visites", "etapes", "nope"} {
		f.set("field", name)
		f.tick("f/"+name, "1")
		if p := f.submit("sets"); p.status != 400 || s.Tip() != tip {
			t.Errorf("setting %s says (%d) %s", name, p.status, p.text())
		}
	}

	// What was changed meanwhile is not deleted.
	stale := pick("b").submit("delete").form("bulk/consultations")
	f = s.get(s.http, "entry/consultations/b").form("/b")
	f.set("f/title", "Bêta 2")
	f.submit("save")
	tip = s.Tip()
	if p := stale.submit("deletes"); p.status != 409 || !strings.Contains(p.text(), "modifié cette page entre-temps") || s.Tip() != tip {
		t.Errorf("to delete what has changed says (%d) %s", p.status, p.text())
	}

	// All of a list; and what is not confirmed is not done.
	f = s.get(s.http, "list/consultations?f.etat=ferm%C3%A9e").form("bulk/consultations")
	f.tick("all", "1")
	p = f.submit("delete")
	if s.Tip() != tip || !strings.Contains(p.text(), "Supprimer 1 page") || !strings.Contains(p.text(), "Bêta 2") {
		t.Errorf("to delete all says (%d) %s", p.status, p.text())
	}
	p = p.form("bulk/consultations").submit("deletes")
	if p.status != 200 || !strings.Contains(p.text(), "1 page est supprimée") || strings.Contains(s.RunGit("ls-tree", "-r", "--name-only", "main"), "/b.md") {
		t.Errorf("to delete it says (%d) %s", p.status, p.text())
	}
	if strings.Contains(s.file("_consultations/a.md"), "suite: b") {
		t.Error("a still refers to what was deleted")
	}
	p = s.get(s.http, "deleted/consultations")
	if !strings.Contains(p.text(), "Bêta 2") || !strings.Contains(p.source, `href="/editor/history/consultations/b"`) {
		t.Errorf("deleted are %s", p.text())
	}

	rene := s.logIn("rene")
	tip = s.Tip()
	for _, do := range []string{"delete", "deletes", "set", "sets"} {
		p := s.post(rene, "bulk/consultations", "application/x-www-form-urlencoded", []byte("do="+do+"&entry=a&pick=x+a&field=note&f/note=1"))
		if p.status != 403 || s.Tip() != tip {
			t.Errorf("%s of a reader says (%d) %s", do, p.status, p.text())
		}
	}
	for _, path := range []string{"bulk/consultations", "columns/consultations"} {
		if p := s.post(s.http, path, "application/x-www-form-urlencoded", []byte("do=deletes&pick=x+a"), "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"); p.status != 403 {
			t.Errorf("%s from another site says (%d)", path, p.status)
		}
	}
	many := strings.Repeat("entry=a&", 501)
	if p := s.post(s.http, "bulk/consultations", "application/x-www-form-urlencoded", []byte(many+"do=delete")); p.status != 422 || !strings.Contains(p.text(), "au plus 500") {
		t.Errorf("501 entries say (%d) %s", p.status, p.text())
	}
}
